"""DIGITS: make a dataset from folders of pictures, train a Caffe network on it, and try it out."""

__version__ = "1.0.0"
