"""How much memory an export takes, from the size of the weights: said before, held to while made.

What is held at a time: the network in PyTorch, the ONNX model, what ONNX's checker reads of it, and
the file's content; later onnxruntime with what it packs anew, and its tools' copies.  A network of
500 MB took 2.8 GB, and 3.3 GB with int8.
"""

from __future__ import annotations

# Libraries, and what does not grow with the weights.
_BASE_BYTES = 640 << 20
_TIMES, _TIMES_INT8 = 5, 6
# Beyond what is needed: stacks of threads, of which there are as many as cores, are reserved whole.
_SPARE_BYTES = 2 << 30


def memory_needed(weights_bytes: int, *, is_int8: bool) -> int:
    """Bytes that it takes, about."""
    return _BASE_BYTES + weights_bytes * (_TIMES_INT8 if is_int8 else _TIMES)


def memory_limit(weights_bytes: int, *, is_int8: bool) -> int:
    """Bytes that it may take."""
    return _SPARE_BYTES + memory_needed(weights_bytes, is_int8=is_int8)
