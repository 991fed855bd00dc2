"""The features of a dataset as a file: what a layer of a model makes of every picture."""
