"""Caffe's files: prototxt, weights, and the formats of its earlier versions."""
