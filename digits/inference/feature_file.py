"""The file of features: what a layer of a network makes of every picture of a database.

An HDF5 file with the datasets `features` (n, ...), of float32, `labels` (n), of int64, and `names`
(n) and `categories`, of text; so Caffe's HDF5Data reads it with the tops `features` and `labels`.
A picture that cannot be read has NaN.
Elsewhere: the program that writes it (`work/features.py`).
"""

PROGRAM = "digits.inference.work.features"
FEATURES_FILE = "features.h5"
# What is there while it is written.
PART_FILE = "features.h5.part"
