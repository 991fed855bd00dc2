"""Caffe's protobuf messages: `caffe.proto` and the classes generated from it (`caffe_pb2`)."""
