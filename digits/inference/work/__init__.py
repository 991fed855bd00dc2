"""What a worker process does.  For worker processes alone: most of it loads torch.

service.py          a request's `op` -> one of the operations below
network_service.py  those on a trained network
limits.py           priority, memory, cores
loaded.py           the network: its net, its labels, its scores
preparing.py        a picture file -> what the network sees
batches.py          many pictures: some are decoded while others are computed
decoding.py         the threads that decode
databases.py        pictures and labels of a dataset's database
exploring.py        pages of such a database, as thumbnails
layers.py           what is inside: numbers and pictures of every layer
grad_cam.py         where in a picture a class was seen
requested.py           a net that a request speaks of, and the state in which it is seen
parsing.py          such nets as messages
checking.py         builds them to find what is wrong with them
weights_check.py    what of a file of weights fits a net
layer_lines.py      where in a text each layer begins
drawing.py          nets as graphs
pictures.py         arrays as tiles and heat maps
statistics.py       arrays as numbers
"""
