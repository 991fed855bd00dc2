"""The layers and blobs in a binary .caffemodel, of any of Caffe's formats, without reading them in.

In: a file, mapped into memory.  Out: `SourceLayer`s, whose arrays lie in the mapping: a file of 500
MB costs no memory beyond the net's own.  Old formats are upgraded as a net's prototxt would be,
with the same log remarks, but with the numbers left out.
Elsewhere: what is done with them, and writing (`nets/weights.py`); HDF5 (`nets/weights_hdf5.py`).
"""

from __future__ import annotations

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from google.protobuf.message import DecodeError

from digits.caffe.blob import MAX_COUNT
from digits.caffe.errors import NetError, WeightsError
from digits.caffe.formats import raw_text, upgrade, wire
from digits.caffe.proto import caffe_pb2

Shape = tuple[int, ...]
Array = npt.NDArray[np.floating[Any]]

_NET, _V2, _V1, _V0 = (
    caffe_pb2.NetParameter,
    caffe_pb2.LayerParameter,
    caffe_pb2.V1LayerParameter,
    caffe_pb2.V0LayerParameter,
)
_BLOB = caffe_pb2.BlobProto
# The fields of a net that hold layers, and the field of such a layer that holds its blobs.
_LAYER_BLOBS = {
    _NET.LAYER_FIELD_NUMBER: _V2.BLOBS_FIELD_NUMBER,
    _NET.LAYERS_FIELD_NUMBER: _V1.BLOBS_FIELD_NUMBER,
}
_VALUES = {
    _BLOB.DATA_FIELD_NUMBER: ("data", "<f4"),
    _BLOB.DIFF_FIELD_NUMBER: ("diff", "<f4"),
    _BLOB.DOUBLE_DATA_FIELD_NUMBER: ("data", "<f8"),
    _BLOB.DOUBLE_DIFF_FIELD_NUMBER: ("diff", "<f8"),
}
_AT_ONCE = 4 * 2**20  # values that are copied before their memory is given back
_LEGACY = (
    _BLOB.NUM_FIELD_NUMBER,
    _BLOB.CHANNELS_FIELD_NUMBER,
    _BLOB.HEIGHT_FIELD_NUMBER,
    _BLOB.WIDTH_FIELD_NUMBER,
)


@dataclass
class SourceBlob:
    """A parameter in a file: its shape, and its values and gradients in pieces, which lie there.

    `legacy` shapes are the old (num, channels, height, width).
    """

    shape: Shape = ()
    legacy: bool = False
    data: list[Array] = field(default_factory=list)
    diff: list[Array] = field(default_factory=list)

    @property
    def count(self) -> int:
        """The number of values."""
        return sum(len(piece) for piece in self.data)

    def fits(self, shape: Shape) -> bool:
        """Whether a parameter of this shape can take the values; an old shape may have more 1s."""
        if not self.legacy:
            return self.shape == shape
        return len(shape) <= 4 and self.shape == (1,) * (4 - len(shape)) + shape


@dataclass
class SourceLayer:
    """A layer in a file of weights."""

    name: str
    blobs: list[SourceBlob] = field(default_factory=list)


class WeightsFile:
    """An opened .caffemodel: its `layers`, in the order of the file.

    Raises WeightsError if the file cannot be read, is cut, or is none.
    """

    def __init__(self, path: str) -> None:
        try:
            with open(path, "rb") as file:
                self._mapping = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except OSError as err:
            raise WeightsError(f"{path}: cannot be read: {err.strerror}. Check the path.") from err
        except ValueError as err:
            raise WeightsError(f"{path}: is empty, not a .caffemodel.") from err
        try:
            self.layers = _layers(memoryview(self._mapping), path)
        except (ValueError, DecodeError) as err:
            raise WeightsError(
                f"{path}: is cut off, or no .caffemodel: {err}. Its size is {len(self._mapping)} "
                "bytes; compare it with the original."
            ) from err
        except NetError as err:
            raise WeightsError(f"{path}: {err}") from err

    def copy(self, pieces: Sequence[Array], target: torch.Tensor) -> None:
        """Copy the pieces of a blob into a tensor of as many values, of any device and layout."""
        with torch.no_grad():
            if target.device.type == "cpu" and target.is_contiguous():
                self._copy_flat(pieces, target.detach().view(-1).numpy())
            else:
                values = torch.empty(target.shape)
                self._copy_flat(pieces, values.view(-1).numpy())
                target.copy_(values)

    def _copy_flat(self, pieces: Sequence[Array], flat: npt.NDArray[np.float32]) -> None:
        position = 0
        for piece in pieces:
            for start in range(0, len(piece), _AT_ONCE):
                part = piece[start : start + _AT_ONCE]
                flat[position : position + len(part)] = part
                position += len(part)
                # What was read need not stay in memory; it would be read again from the file.
                self._mapping.madvise(mmap.MADV_DONTNEED)


def check_nan(values: torch.Tensor, layer: str, index: int, path: str) -> None:
    """Raise WeightsError if a parameter that was just read has NaN in it."""
    # The sum tells at once, without memory of its own; infinities alone may make it NaN too.
    if not values.sum().isnan():
        return
    count = int(values.isnan().sum())
    if count:
        raise WeightsError(
            f"{path}: param {index} of layer '{layer}' has {count} NaN among its {values.numel()} "
            "weights: the training that wrote it had diverged. Use an earlier snapshot."
        )


def _layers(content: memoryview, path: str) -> list[SourceLayer]:
    """Read and upgrade the structure without the blobs, then put those beside it."""
    skeleton = bytearray()
    found: list[list[SourceBlob]] = []
    for part in wire.fields(content):
        if part.number not in _LAYER_BLOBS:
            skeleton += part.raw
            continue
        rest, blobs, is_padding = _split(part, _LAYER_BLOBS[part.number])
        skeleton += wire.tag(part.number) + wire.varint(len(rest)) + rest
        if not is_padding:
            found.append(blobs)
    net = raw_text.from_wire(caffe_pb2.NetParameter, bytes(skeleton))
    upgrade.upgrade_net(net, path)
    if not net.layer:
        raise ValueError("it has no layers")
    # The upgrade may have put an input layer in front.
    found = [[]] * (len(net.layer) - len(found)) + found
    return [SourceLayer(layer.name, blobs) for layer, blobs in zip(net.layer, found, strict=True)]


def _split(part: wire.Field, blobs_number: int) -> tuple[bytes, list[SourceBlob], bool]:
    """A layer's message without its blobs, the blobs, and whether it is a V0 padding layer."""
    _expect(part, wire.BYTES)
    rest = bytearray()
    blobs: list[SourceBlob] = []
    is_padding = False
    for inner in wire.fields(part.content):
        if inner.number == blobs_number:
            _expect(inner, wire.BYTES)
            blobs.append(_blob(inner.content))
        elif blobs_number == _V1.BLOBS_FIELD_NUMBER and inner.number == _V1.LAYER_FIELD_NUMBER:
            v0, blobs_v0, is_padding = _split(inner, _V0.BLOBS_FIELD_NUMBER)
            rest += wire.tag(inner.number) + wire.varint(len(v0)) + v0
            blobs += blobs_v0
        else:
            rest += inner.raw
            if blobs_number == _V0.BLOBS_FIELD_NUMBER and inner.number == _V0.TYPE_FIELD_NUMBER:
                is_padding = bytes(inner.content) == b"padding"
    return bytes(rest), blobs, is_padding


def _blob(content: memoryview) -> SourceBlob:
    blob = SourceBlob()
    legacy = dict.fromkeys(_LEGACY, 0)
    for part in wire.fields(content):
        if part.number in _VALUES:
            name, dtype = _VALUES[part.number]
            getattr(blob, name).append(np.frombuffer(part.content, dtype))
        elif part.number == _BLOB.SHAPE_FIELD_NUMBER:
            _expect(part, wire.BYTES)
            blob.shape = _dims(part.content)
        elif part.number in legacy:
            _expect(part, wire.VARINT)
            legacy[part.number] = _length(part.value)
            blob.legacy = True
    if blob.legacy:
        blob.shape = tuple(legacy[number] for number in _LEGACY)
    return blob


def _dims(content: memoryview) -> Shape:
    lengths: list[int] = []
    for part in wire.fields(content):
        if part.kind == wire.VARINT:
            lengths.append(_length(part.value))
            continue
        position = 0
        while position < len(part.content):
            length, position = wire.read_varint(part.content, position)
            lengths.append(_length(length))
    return tuple(lengths)


def _length(value: int) -> int:
    if value > MAX_COUNT:
        raise ValueError(f"a blob has an axis of the length {value}")
    return value


def _expect(part: wire.Field, kind: int) -> None:
    if part.kind != kind:
        raise ValueError(f"field {part.number} has the wire type {part.kind} instead of {kind}")
