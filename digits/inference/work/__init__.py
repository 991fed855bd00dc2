"""What a worker process does.  For worker processes alone: most of it loads torch.

operations.py    the table: a request -> the function that answers it
state.py         what is kept from one request to the next
starting.py      the operation that only says that the worker is there
trained.py       the operations on a trained network
limits.py        priority, memory, cores
loaded.py        the network: its net, its labels, its scores
preparing.py     a picture file -> what the network sees
batches.py       many pictures: some are decoded while others are computed
decoding.py      the threads that decode
databases.py     pictures and labels of a dataset's database
exploring.py     the operations on a database: its pages, as thumbnails
augmenting.py    pictures as a training would see them
layers.py        what is inside: numbers and pictures of every layer
grad_cam.py      where in a picture a class was seen
net_texts.py     a net as text -> its layers in a state, with nothing that reads files
parsing.py       the operation that parses such nets
checking.py      the operation that builds them to find what is wrong with them
weights_check.py what of a file of weights fits a net
layer_lines.py   where in a text each layer begins
drawing.py       the operation that draws nets as graphs
pictures.py      arrays as tiles and heat maps
thumbnails.py    small pictures for pages
statistics.py    arrays as numbers
"""
