"""pycaffe's `caffe.io`: pictures in and out of a net, and arrays in and out of Caffe's messages.

Pictures are float32 arrays (H, W, C), R,G,B, 0 to 1; blobs are (N, C, H, W).  Free of torch.

Elsewhere: the interpolation itself (`resampling.py`); the transformations of Data layers, which
work on bytes (`data/`); how datasets are resized (`digits.images`).
Source: the behaviour of pycaffe 1.0, with scikit-image 0.18 under it.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from digits.caffe.errors import PictureError
from digits.caffe.proto import caffe_pb2
from digits.caffe.resampling import resize_smoothly, zoom_corners
from digits.caffe.scikit_image import package, resize

__all__ = [
    "Transformer",
    "array_to_blobproto",
    "array_to_datum",
    "arraylist_to_blobprotovecor_str",
    "arraylist_to_blobprotovector_str",
    "blobproto_to_array",
    "blobprotovector_str_to_arraylist",
    "datum_to_array",
    "load_image",
    "oversample",
    "resize",
    "resize_image",
]

FloatArray = npt.NDArray[np.float32]
AnyArray = npt.NDArray[Any]
Dims = Sequence[int] | npt.NDArray[Any]

_MAX_ORDER = 5
# Rec. 709 luma, as scikit-image's rgb2gray weighs R, G and B.
_LUMA = np.array([0.2125, 0.7154, 0.0721])
# Pillow's modes that hold plain grey or R,G,B values; every other mode is converted first.
_INTEGER_RANGE = {"I;16": 65535.0, "I;16B": 65535.0, "I;16L": 65535.0, "I": 65535.0}


def __getattr__(name: str) -> Any:
    """What pycaffe's module has because it imports it: scikit-image, and SciPy's zoom."""
    if name == "skimage":
        return package()
    if name == "zoom":
        return importlib.import_module("scipy.ndimage").zoom
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


# Pictures


def load_image(filename: str | os.PathLike[str] | IO[bytes], color: bool = True) -> FloatArray:
    """A picture file as float32 (H, W, 3), R,G,B, 0 to 1; (H, W, 1) grey when `color` is false.

    Transparency is dropped, grey pictures get three equal channels.  Raises FileNotFoundError when
    there is no such file, PictureError when it is no picture.
    """
    try:
        with Image.open(filename) as image:
            pixels = _unit_pixels(image)
    except FileNotFoundError:
        raise
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as err:
        raise PictureError(f"{filename}: cannot be read as a picture: {err}") from err
    if not color:
        pixels = pixels if pixels.shape[2] == 1 else (pixels @ _LUMA)[:, :, np.newaxis]
    elif pixels.shape[2] == 1:
        pixels = np.tile(pixels, (1, 1, 3))
    rounded: FloatArray = pixels.astype(np.float32)
    return rounded


def _unit_pixels(image: Image.Image) -> npt.NDArray[np.float64]:
    """Float64 (H, W, 1 or 3), 0 to 1, whatever the picture's mode."""
    if image.mode in _INTEGER_RANGE:
        return np.asarray(image, dtype=np.float64)[:, :, np.newaxis] / _INTEGER_RANGE[image.mode]
    if image.mode == "F":
        return np.asarray(image, dtype=np.float64)[:, :, np.newaxis]
    if image.mode in ("1", "L", "LA", "La"):
        return np.asarray(image.convert("L"), dtype=np.float64)[:, :, np.newaxis] / 255.0
    return np.asarray(image.convert("RGB"), dtype=np.float64) / 255.0


def resize_image(im: AnyArray, new_dims: Dims, interp_order: int = 1) -> FloatArray:
    """`im` (H, W, C) at `new_dims` (H', W'), as float32, with its values' range kept.

    One or three channels are interpolated as scikit-image does it: blurred before shrinking, and
    darkened to the image's minimum where a sample reaches beyond the border.  Other channel counts
    are interpolated corner on corner, as SciPy's zoom does.  `interp_order`: 0 nearest, 1 linear,
    3 cubic, up to 5.  Raises ValueError for another order, shape or size.
    """
    dims = _checked_dims(im, new_dims, interp_order)
    values = np.asarray(im, dtype=np.float64)
    if im.shape[-1] not in (1, 3):
        return zoom_corners(values, dims, interp_order).astype(np.float32)
    low, high = float(values.min()), float(values.max())
    if high <= low:
        return np.full((*dims, im.shape[-1]), low, dtype=np.float32)
    unit = (values - low) / (high - low)
    return (resize_smoothly(unit, dims, interp_order) * (high - low) + low).astype(np.float32)


def _checked_dims(im: AnyArray, new_dims: Dims, order: int) -> tuple[int, int]:
    if im.ndim != 3 or 0 in im.shape:
        raise ValueError(f"resize_image wants an image of shape (H, W, C). Received: {im.shape}")
    if len(new_dims) != 2 or min(new_dims) < 1:
        raise ValueError(
            f"new_dims are the height and width wanted, both at least 1. Received: {new_dims}"
        )
    if order not in range(_MAX_ORDER + 1):
        raise ValueError(f"interp_order is 0 to {_MAX_ORDER}. Received: {order}")
    return int(new_dims[0]), int(new_dims[1])


def oversample(images: Iterable[AnyArray], crop_dims: Dims) -> FloatArray:
    """Ten crops an image: the four corners and the centre, then the same mirrored.

    `images`: (H, W, C) each, all of one size.  Returns (10 * N, h, w, C) for `crop_dims` (h, w).
    Raises ValueError when a crop does not fit into its image.
    """
    stack = [np.asarray(image) for image in images]
    if not stack:
        raise ValueError("oversample received no image.")
    height, width, channels = stack[0].shape
    crop_h, crop_w = int(crop_dims[0]), int(crop_dims[1])
    if not (0 < crop_h <= height and 0 < crop_w <= width):
        raise ValueError(f"a crop of {crop_h}x{crop_w} does not fit into {height}x{width} (HxW).")
    corners = [(y, x) for y in (0, height - crop_h) for x in (0, width - crop_w)]
    # The centre is rounded down from a float, so that odd remainders go as in pycaffe.
    corners.append((int(height / 2.0 - crop_h / 2.0), int(width / 2.0 - crop_w / 2.0)))
    crops = np.empty((10 * len(stack), crop_h, crop_w, channels), dtype=np.float32)
    for index, image in enumerate(stack):
        for slot, (y, x) in enumerate(corners):
            crop = image[y : y + crop_h, x : x + crop_w]
            crops[10 * index + slot] = crop
            crops[10 * index + slot + 5] = crop[:, ::-1]
    return crops


# Messages


def blobproto_to_array(blob: caffe_pb2.BlobProto, return_diff: bool = False) -> AnyArray:
    """The data (or the diff) of a BlobProto as float64, in its shape.

    Old messages say num, channels, height and width, new ones `shape`.  Raises ValueError when the
    number of values is not what the shape asks for.
    """
    if return_diff:
        values = np.array(blob.diff or blob.double_diff, dtype=np.float64)
    else:
        values = np.array(blob.data or blob.double_data, dtype=np.float64)
    if any(blob.HasField(name) for name in ("num", "channels", "height", "width")):
        return values.reshape(blob.num, blob.channels, blob.height, blob.width)
    return values.reshape(tuple(blob.shape.dim))


def array_to_blobproto(arr: AnyArray, diff: AnyArray | None = None) -> caffe_pb2.BlobProto:
    """A BlobProto of the array's shape; `diff`, of the same shape, goes into its diff."""
    blob = caffe_pb2.BlobProto()
    blob.shape.dim.extend(arr.shape)
    _fill_packed(blob, caffe_pb2.BlobProto.DATA_FIELD_NUMBER, arr)
    if diff is not None:
        _fill_packed(blob, caffe_pb2.BlobProto.DIFF_FIELD_NUMBER, diff)
    return blob


def _fill_packed(blob: caffe_pb2.BlobProto, number: int, values: AnyArray) -> None:
    # As bytes off the wire: `extend` takes 13 s for the 60 million floats of AlexNet.
    payload = np.ascontiguousarray(values, dtype="<f4").tobytes()
    blob.MergeFromString(_varint(number << 3 | 2) + _varint(len(payload)) + payload)


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def arraylist_to_blobprotovector_str(arraylist: Iterable[AnyArray]) -> bytes:
    """Arrays as a serialized BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.blobs.extend(array_to_blobproto(array) for array in arraylist)
    return vector.SerializeToString()


# How Caffe's first releases spelled it; scripts of that time still call it so.
arraylist_to_blobprotovecor_str = arraylist_to_blobprotovector_str


def blobprotovector_str_to_arraylist(data: bytes) -> list[AnyArray]:
    """The arrays of a serialized BlobProtoVector."""
    vector = caffe_pb2.BlobProtoVector()
    vector.ParseFromString(data)
    return [blobproto_to_array(blob) for blob in vector.blobs]


def array_to_datum(arr: AnyArray, label: int | None = None) -> caffe_pb2.Datum:
    """A Datum of a (C, H, W) array: uint8 goes into `data`, everything else into `float_data`.

    Raises ValueError when the array has not three axes.
    """
    if arr.ndim != 3:
        raise ValueError(f"Incorrect array shape: a Datum is (C, H, W). Received: {arr.shape}")
    datum = caffe_pb2.Datum()
    datum.channels, datum.height, datum.width = arr.shape
    if arr.dtype == np.uint8:
        datum.data = arr.tobytes()
    else:
        datum.float_data.extend(arr.astype(float).flat)
    if label is not None:
        datum.label = label
    return datum


def datum_to_array(datum: caffe_pb2.Datum) -> AnyArray:
    """The (C, H, W) array of a Datum: uint8 from `data`, float64 from `float_data`.

    Raises ValueError for an encoded Datum, whose bytes are a picture file.
    """
    if datum.encoded:
        raise ValueError("the Datum holds an encoded picture; decode its data (with PIL) instead.")
    shape = (datum.channels, datum.height, datum.width)
    if datum.data:
        return np.frombuffer(datum.data, dtype=np.uint8).reshape(shape).copy()
    return np.array(datum.float_data, dtype=np.float64).reshape(shape)


# Transformer


class Transformer:
    """Turns pictures into what a net's inputs want, and back.

    `inputs` maps an input's name to its blob's shape (N, C, H, W).  What is set is applied in this
    order: resize to H x W, transpose, swap channels, scale, subtract the mean, scale the input.

        t = Transformer({"data": net.blobs["data"].data.shape})
        t.set_transpose("data", (2, 0, 1))      # H,W,C to C,H,W
        t.set_channel_swap("data", (2, 1, 0))   # R,G,B to B,G,R
        t.set_raw_scale("data", 255)            # 0..1 to 0..255
        net.blobs["data"].data[...] = t.preprocess("data", load_image("cat.jpg"))
    """

    def __init__(self, inputs: Mapping[str, Sequence[int]]) -> None:
        self.inputs = inputs
        self.transpose: dict[str, Sequence[int]] = {}
        self.channel_swap: dict[str, Sequence[int]] = {}
        self.raw_scale: dict[str, float] = {}
        self.mean: dict[str, AnyArray] = {}
        self.input_scale: dict[str, float] = {}

    def preprocess(self, in_: str, data: AnyArray) -> FloatArray:
        """A picture (H, W, C) as float32 (C, H', W') for the input `in_`."""
        self._check_input(in_)
        values = np.array(data, dtype=np.float32)
        dims = tuple(self.inputs[in_][2:])
        if values.shape[:2] != dims:
            values = resize_image(values, dims)
        if in_ in self.transpose:
            values = values.transpose(self.transpose[in_])
        if in_ in self.channel_swap:
            values = values[list(self.channel_swap[in_])]
        if in_ in self.raw_scale:
            values = values * np.float32(self.raw_scale[in_])
        if in_ in self.mean:
            values = (values - self.mean[in_]).astype(np.float32)
        if in_ in self.input_scale:
            values = values * np.float32(self.input_scale[in_])
        return np.ascontiguousarray(values)

    def deprocess(self, in_: str, data: AnyArray) -> AnyArray:
        """The inverse of `preprocess`, but for the size: (1, C, H, W) or (C, H, W) to (H, W, C).

        Floating-point numbers keep their precision.
        """
        self._check_input(in_)
        values = self._without_batch(in_, np.array(data))
        if in_ in self.input_scale:
            values = values / self.input_scale[in_]
        if in_ in self.mean:
            values = values + self.mean[in_]
        if in_ in self.raw_scale:
            values = values / self.raw_scale[in_]
        if in_ in self.channel_swap:
            values = values[np.argsort(self.channel_swap[in_])]
        if in_ in self.transpose:
            values = values.transpose(np.argsort(self.transpose[in_]))
        kind = np.asarray(data).dtype
        return values.astype(kind, copy=False) if np.issubdtype(kind, np.floating) else values

    def set_transpose(self, in_: str, order: Sequence[int]) -> None:
        """The order of axes wanted: (2, 0, 1) brings H,W,C to C,H,W."""
        self._check_input(in_)
        _check_order("Transpose order", order, len(self.inputs[in_]) - 1, "axes")
        self.transpose[in_] = order

    def set_channel_swap(self, in_: str, order: Sequence[int]) -> None:
        """The order of channels wanted, after the transposition: (2, 1, 0) brings RGB to BGR."""
        self._check_input(in_)
        _check_order("Channel swap", order, self.inputs[in_][1], "channels")
        self.channel_swap[in_] = order

    def set_raw_scale(self, in_: str, scale: float) -> None:
        """A factor applied before the mean: 255 for a net trained on bytes."""
        self._check_input(in_)
        self.raw_scale[in_] = scale

    def set_mean(self, in_: str, mean: AnyArray) -> None:
        """The mean to subtract: (C,) a value a channel, or (C, H, W) or (H, W) a picture.

        A picture of another size is resized to the input's.  Raises ValueError when its channels
        are not the input's.
        """
        self._check_input(in_)
        channels = self.inputs[in_][1]
        if mean.ndim == 1:
            if mean.shape[0] != channels:
                raise ValueError(_mean_channels(mean, channels))
            self.mean[in_] = mean[:, np.newaxis, np.newaxis]
            return
        if mean.ndim == 2:
            mean = mean[np.newaxis]
        if mean.ndim != 3:
            raise ValueError(
                f"Mean shape invalid: it is (C,), (H, W) or (C, H, W). Received: {mean.shape}"
            )
        if mean.shape[0] not in (1, channels):
            raise ValueError(_mean_channels(mean, channels))
        dims = tuple(self.inputs[in_][2:])
        if mean.shape[1:] != dims:
            mean = resize_image(mean.transpose(1, 2, 0), dims).transpose(2, 0, 1)
        self.mean[in_] = mean

    def set_input_scale(self, in_: str, scale: float) -> None:
        """A factor applied after the mean."""
        self._check_input(in_)
        self.input_scale[in_] = scale

    def _check_input(self, in_: str) -> None:
        if in_ not in self.inputs:
            names = ", ".join(self.inputs)
            raise ValueError(f"{in_} is not one of the net inputs: {names}")

    def _without_batch(self, in_: str, values: AnyArray) -> AnyArray:
        """pycaffe squeezes every axis of one; the axes that `transpose` needs stay here."""
        if in_ not in self.transpose:
            return values.squeeze()
        while values.ndim > len(self.transpose[in_]) and values.shape[0] == 1:
            values = values[0]
        return values


def _check_order(what: str, order: Sequence[int], count: int, of: str) -> None:
    if len(order) != count or not all(0 <= index < count for index in order):
        raise ValueError(
            f"{what} needs to have the same number of dimensions as the input: {count} {of}, "
            f"counted from 0. Received: {tuple(order)}"
        )


def _mean_channels(mean: AnyArray, channels: int) -> str:
    return f"Mean channels incompatible with input: it has {mean.shape[0]}, the input {channels}."
