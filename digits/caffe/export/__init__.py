"""A net as an ONNX model: one small function a layer type, found by the type's name.

In: a network for deployment and its weights.  Out: an `onnx.ModelProto` that onnxruntime and others
run, with the blobs' names, and a batch size that is free where the net lets it be.

`net.py` puts the model together, `pictures.py` the resizing and mean in front of it, `saving.py`
checks and writes it; `graph.py` is what the functions write into.  They are one family of layers a
module, as in `digits/caffe/layers`, and say how Caffe's meaning is kept where ONNX has another one.

The library `onnx` is loaded by these modules alone, never by the web process.
"""
