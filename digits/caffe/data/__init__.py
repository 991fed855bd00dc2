"""Where training data comes from: databases, pictures, and what is done to them on the way.

In the order that data flows: `db.py` (LMDB, LevelDB) gives records, `datum.py` and `pictures.py`
turn them into pixels, `transformer.py` into a batch of floats, `prefetch.py` does all that ahead of
the net.  The layers that hand the batches over are in `digits.caffe.layers`.
"""
