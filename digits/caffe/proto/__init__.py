"""Caffe's protobuf messages: `caffe.proto` and the classes generated from it (`caffe_pb2`)."""

from digits.caffe.proto import caffe_pb2

__all__ = ["caffe_pb2"]
