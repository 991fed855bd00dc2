"""Datasets: pictures made into databases that Caffe trains from."""
