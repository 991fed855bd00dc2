"""Net: a network that runs, with the interface of pycaffe's `caffe.Net`.

    net = Net("deploy.prototxt", caffe.TEST, weights="snapshot.caffemodel")
    net.blobs["data"].data[...] = pictures        # (n, c, h, w), float32
    prob = net.forward()["prob"]

In: a prototxt file (any Caffe's format) or a NetParameter, a phase, weights.  Out: blobs.
The solver and the inference worker build nets with `keep_blobs=False`, which take less memory and
time (see `nets/lean_passes.py`), and call `forward_pass` and `backward_pass`.
Elsewhere: building (`nets/building.py`), weights (`nets/weights.py`), many batches
(`nets/batches.py`).
"""

from __future__ import annotations

import dataclasses
import os
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch

from digits.caffe.blob import Blob
from digits.caffe.device_array import Array
from digits.caffe.errors import NetError, UnknownLayer
from digits.caffe.fixed import Fixed
from digits.caffe.formats import upgrade
from digits.caffe.layers.base import Layer, LayerContext, Phase
from digits.caffe.layers.memory_data import MemoryDataLayer
from digits.caffe.layers.python_layer import BlobVec
from digits.caffe.layers.python_layer import Layer as ShownLayer
from digits.caffe.machine.device import current_device
from digits.caffe.nets import batches, weights
from digits.caffe.nets.batches import Arrays
from digits.caffe.nets.building import build
from digits.caffe.nets.debug_info import DebugInfo
from digits.caffe.nets.frozen import FrozenPart, NothingFrozen, find_frozen
from digits.caffe.nets.kept_passes import KeptPasses
from digits.caffe.nets.lean_passes import LeanPasses
from digits.caffe.nets.net_layer import as_scripts_see, params_of
from digits.caffe.nets.nodes import Node, Parts
from digits.caffe.nets.passes import Hooks, Passes
from digits.caffe.nets.sharing import bind_params
from digits.caffe.nets.verdict import Verdict
from digits.caffe.proto import caffe_pb2

PathLike = str | os.PathLike[str]


class Net:
    """A network built from a prototxt.

    `network_file`: a file, or a NetParameter.  `phase`: caffe.TRAIN or caffe.TEST.  `level` and
    `stages` choose layers with such rules.  `weights`: a .caffemodel, binary or HDF5.
    pycaffe's old order `Net(network_file, weights, phase)` works too.
    What Caffe has not: `context` says what every layer is told (device, random numbers, whether
    Python layers may run); with `keep_blobs=False` inner blobs cannot be looked at.

    Raises PrototxtError, NetError (LayerError), WeightsError, DataError.

    Attributes, dictionaries in the order of the file: `blobs` (name: Blob), `params` (layer:
    parameters, for layers that have some), `layers` (each with `type` and `blobs`), `layer_dict`,
    `top_names` and `bottom_names` (layer: names), `blob_loss_weights`, `inputs`, `outputs` (names).
    For the solver: `learnable_params`, the tensors that learn, a shared one once, and
    `lr_mults` and `decay_mults`, one a tensor.
    """

    blobs = Fixed[OrderedDict[str, Blob]]()
    layers = Fixed[list[ShownLayer]]()
    layer_dict = Fixed[OrderedDict[str, ShownLayer]]()
    params = Fixed[OrderedDict[str, BlobVec]]()
    inputs = Fixed[list[str]]()
    outputs = Fixed[list[str]]()
    top_names = Fixed[OrderedDict[str, list[str]]]()
    bottom_names = Fixed[OrderedDict[str, list[str]]]()
    blob_loss_weights = Fixed[OrderedDict[str, float]]()
    _blob_names = Fixed[list[str]]()
    _layer_names = Fixed[list[str]]()

    def __init__(
        self,
        network_file: PathLike | caffe_pb2.NetParameter,
        phase: int | PathLike | None = None,
        level: int = 0,
        stages: Sequence[str] | None = None,
        weights: PathLike | None = None,
        *,
        context: LayerContext | None = None,
        keep_blobs: bool = True,
    ) -> None:
        if isinstance(phase, (str, os.PathLike)):
            weights, chosen, level = phase, _phase(level), 0
        else:
            chosen = _phase(phase)
        self.context = dataclasses.replace(context or _default_context(), phase=chosen)
        message = _message(network_file, chosen, level, stages or ())
        self._parts = build(message, self.context)
        self._name_parts(self._parts)
        bind_params(self._parts)
        self._hooks = Hooks()
        self._passes: Passes = self._make_passes(keep_blobs, join=True)
        self._close = weakref.finalize(self, _close_layers, [n.layer for n in self._parts.nodes])
        if weights is not None:
            self.copy_from(weights)

    def _name_parts(self, parts: Parts) -> None:
        self.name = parts.param.name
        self._blobs = parts.blobs
        self._blob_names = parts.blob_names
        self._layer_names = [node.name for node in parts.nodes]
        self.blobs = OrderedDict(zip(parts.blob_names, parts.blobs, strict=True))
        self.layers = [as_scripts_see(node) for node in parts.nodes]
        self.layer_dict = OrderedDict(zip(self._layer_names, self.layers, strict=True))
        # Of two layers of one name the later one with parameters has the name, as in pycaffe.
        self.params = OrderedDict((n.name, params_of(n)) for n in parts.nodes if n.params)
        self.inputs = [parts.blob_names[i] for i in parts.inputs]
        self.outputs = [parts.blob_names[i] for i in parts.outputs]
        self.top_names = self._names(lambda node: node.tops)
        self.bottom_names = self._names(lambda node: node.bottoms)
        self.blob_loss_weights = OrderedDict(
            zip(parts.blob_names, parts.blob_loss_weights, strict=True)
        )
        self.learnable_blobs = parts.learnable
        self.learnable_params = [blob.leaf for blob in parts.learnable]
        self.lr_mults = parts.lr_mults
        self.decay_mults = parts.decay_mults

    def _names(self, ids: Callable[[Node], list[int]]) -> OrderedDict[str, list[str]]:
        names = self._blob_names
        return OrderedDict((node.name, [names[i] for i in ids(node)]) for node in self._parts.nodes)

    @property
    def phase(self) -> Phase:
        """TRAIN or TEST."""
        return self.context.phase

    # ---- running ---------------------------------------------------------------------------

    def forward(
        self,
        blobs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **inputs: Array,
    ) -> dict[str, Array]:
        """Run the layers from `start` to `end`, both included; all of them by default.

        `inputs`: an array for each input, of its batch size.  Returns the arrays of the outputs (of
        the tops of `end`, if given), and of `blobs`; the next pass writes into the same arrays.
        """
        wanted = [*(self.top_names[self._known(end)] if end else self.outputs), *(blobs or ())]
        if inputs:
            self._fill(inputs, self.inputs, "Input", lambda blob: blob.data)
        self._checked_pass(self._index(start, 0), self._index(end, len(self.layers) - 1))
        return {name: self.blobs[name].data for name in dict.fromkeys(wanted)}

    def backward(
        self,
        diffs: Sequence[str] | None = None,
        start: str | None = None,
        end: str | None = None,
        **outputs: Array,
    ) -> dict[str, Array]:
        """Run the layers from `start` down to `end`, both included; all of them by default.

        `outputs`: a gradient for each output; else what their `diff` holds (a loss: its weight).
        Gradients of parameters are added to what is there.  Returns the gradients of the inputs
        (of the bottoms of `end`, if given), and of `diffs`.
        """
        wanted = [*(self.bottom_names[self._known(end)] if end else self.inputs), *(diffs or ())]
        if outputs:
            self._fill(outputs, self.outputs, "Top diff", lambda blob: blob.diff)
        self._passes.backward(self._index(start, len(self.layers) - 1), self._index(end, 0))
        return {name: self.blobs[name].diff for name in dict.fromkeys(wanted)}

    def forward_pass(self) -> torch.Tensor:
        """Run all layers; the loss, a scalar on the net's device.  For the solver."""
        return self._checked_pass(0, len(self.layers) - 1)

    def begin_pass(self) -> Verdict:
        """Run all layers, without waiting for a GPU; the loss as it comes.  For the solver."""
        return self._passes.verdict(self._passes.forward(0, len(self.layers) - 1))

    def _checked_pass(self, start: int, end: int) -> torch.Tensor:
        loss = self._passes.forward(start, end)
        self._passes.settle_checks(loss)
        return loss

    def backward_pass(self) -> None:
        """Add the gradients of the last `forward_pass` to the parameters'.  For the solver."""
        self._passes.backward(len(self.layers) - 1, 0)

    def _forward(self, start: int, end: int) -> float:
        return float(self._checked_pass(start, end).detach())

    def _backward(self, start: int, end: int) -> None:
        self._passes.backward(start, end)

    def forward_all(self, blobs: Sequence[str] | None = None, **inputs: Array) -> dict[str, Array]:
        """`forward` over any number of samples, in batches of the net's size."""
        return batches.forward_all(self, blobs, inputs)

    def forward_backward_all(
        self,
        blobs: Sequence[str] | None = None,
        diffs: Sequence[str] | None = None,
        **arrays: Array,
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """`forward` and `backward` over any number of samples; `arrays` of inputs and outputs."""
        return batches.forward_backward_all(self, blobs, diffs, arrays)

    def reshape(self) -> None:
        """Give all blobs the shapes that follow from those of the inputs; `forward` does it too."""
        self._passes.reshape()

    def flush_params(self) -> None:
        """Bring a GPU up to date with what was written into parameters' `data` and `diff`.

        The passes do so themselves; whoever changes `learnable_params` must do it first.
        """
        self._passes.flush_params()

    def show_params(self) -> None:
        """Bring arrays of parameters that a script holds up to date with a GPU; as after passes."""
        self._passes.show_params()

    def clear_param_diffs(self) -> None:
        """Set the gradients of all parameters to zero."""
        for blob in self.learnable_blobs:
            blob.clear_diff()

    def set_input_arrays(self, data: Array, labels: Array) -> None:
        """Give the MemoryData layer, which must be the first, its (n, c, h, w) data and labels."""
        layer = self._parts.nodes[0].layer if self._parts.nodes else None
        if not isinstance(layer, MemoryDataLayer):
            raise NetError(
                "set_input_arrays may only be called if the first layer is a MemoryDataLayer."
            )
        layer.set_arrays(data, labels)

    def before_forward(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with a layer's index before each runs forward."""
        self._hooks.before_forward.append(callback)

    def after_forward(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with a layer's index after each ran forward."""
        self._hooks.after_forward.append(callback)

    def before_backward(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with a layer's index before each runs backward."""
        self._hooks.before_backward.append(callback)

    def after_backward(self, callback: Callable[[int], None]) -> None:
        """Call `callback` with a layer's index after each ran backward."""
        self._hooks.after_backward.append(callback)

    @property
    def keep_blobs(self) -> bool:
        """Whether all blobs can be looked at and changed; may be set between passes."""
        return self._passes.keeps_blobs

    @keep_blobs.setter
    def keep_blobs(self, keep: bool) -> None:
        if keep != self.keep_blobs:
            self._passes = self._make_passes(keep, join=False)

    def _make_passes(self, keep_blobs: bool, *, join: bool) -> Passes:
        if keep_blobs:
            return KeptPasses(self._parts, self.context, self._hooks)
        return LeanPasses(self._parts, self.context, self._hooks, join=join)

    def set_debug_info(self, on: bool) -> None:
        """Log the mean of every blob, parameter and gradient; this keeps the blobs."""
        self._hooks.debug_info = DebugInfo(self._parts) if on else None
        self.keep_blobs |= on

    # ---- weights ---------------------------------------------------------------------------

    def copy_from(self, path: PathLike, *, allow_nan: bool = False) -> None:
        """Take the weights of layers of the same name from a .caffemodel, binary or HDF5.

        Raises WeightsError if it cannot be read, a shape differs, or (unless `allow_nan`) a weight
        is NaN.
        """
        weights.copy_from(self._parts, os.fspath(path), allow_nan)

    def load_hdf5(self, path: PathLike) -> None:
        """Take the weights of layers of the same name from an HDF5 file."""
        weights.copy_from_hdf5(self._parts, os.fspath(path))

    def save(self, path: PathLike, *, diffs: bool = False) -> None:
        """Write a binary .caffemodel, whole or not at all; with `diffs` the gradients as well."""
        weights.save(self._parts, os.fspath(path), diffs)

    def save_hdf5(self, path: PathLike, *, diffs: bool = False) -> None:
        """Write the weights as HDF5, whole or not at all; with `diffs` the gradients as well."""
        weights.save_hdf5(self._parts, os.fspath(path), diffs)

    def share_with(self, other: Net) -> None:
        """Use the memory of another net's parameters in layers of the same name."""
        weights.share(self._parts, other._parts)
        bind_params(self._parts)

    # ---- the part that runs once -------------------------------------------------------------

    def frozen_part(self) -> FrozenPart:
        """What gives the same for a picture in every pass; raises NothingFrozen.

        For the solver, and for nets that do not keep their blobs.
        """
        if self.keep_blobs:
            raise NothingFrozen("all blobs are kept, to be looked at")
        return find_frozen(self._parts)

    def frozen_features(self, part: FrozenPart, pictures: torch.Tensor) -> list[torch.Tensor]:
        """The features of a batch of pictures as the Data layer gives them."""
        return part.compute(self._passes, pictures)

    # ---- the layers themselves ---------------------------------------------------------------

    @property
    def engine_layers(self) -> list[Layer]:
        """The layer objects, for what keeps state in them (data layers, recurrent ones)."""
        return [node.layer for node in self._parts.nodes]

    def written_by(self, blob: str) -> tuple[Layer, int]:
        """The layer that is the last to write a blob, and the number of its top; not an input's."""
        index = self._blob_names.index(blob)
        node = next(node for node in reversed(self._parts.nodes) if index in node.tops)
        return node.layer, node.tops.index(index)

    def close(self) -> None:
        """End the threads and close the files of data layers; also done when the net is dropped."""
        self._close()

    @property
    def _inputs(self) -> list[int]:
        return self._parts.inputs

    @property
    def _outputs(self) -> list[int]:
        return self._parts.outputs

    @property
    def _blob_loss_weights(self) -> list[float]:
        return self._parts.blob_loss_weights

    def _batch(self, blobs: Arrays) -> Iterator[dict[str, Array]]:
        return batches.cut(self, blobs)

    def _set_input_arrays(self, data: Array, labels: Array) -> None:
        self.set_input_arrays(data, labels)

    def _top_ids(self, index: int) -> list[int]:
        return self._parts.nodes[index].tops

    def _bottom_ids(self, index: int) -> list[int]:
        return self._parts.nodes[index].bottoms

    def _known(self, layer: str) -> str:
        if layer not in self.layer_dict:
            raise UnknownLayer(
                f"the net has no layer {layer!r}; it has {', '.join(self._layer_names)}."
            )
        return layer

    def _index(self, layer: str | None, default: int) -> int:
        return default if layer is None else self._layer_names.index(self._known(layer))

    def _fill(
        self,
        given: dict[str, Array],
        names: list[str],
        what: str,
        array: Callable[[Blob], Array],
    ) -> None:
        if set(given) != set(names):
            raise NetError(
                f"{what} blob arguments do not match net {what.split()[0].lower()}s: received "
                f"{', '.join(sorted(given))}; the net has {', '.join(names) or 'none'}."
            )
        for name, values in given.items():
            blob = self.blobs[name]
            if np.shape(values)[:1] != blob.shape[:1]:
                raise NetError(
                    f"{what} is not batch sized: {name!r} received {np.shape(values)}, its blob "
                    f"has {blob.shape}. Reshape the blob first, or use forward_all."
                )
            array(blob)[...] = values


def _default_context() -> LayerContext:
    return LayerContext(device=current_device(), allow_python=True)


def _phase(phase: int | None) -> Phase:
    if phase not in (Phase.TRAIN, Phase.TEST):
        raise NetError(f"a net's phase is caffe.TRAIN or caffe.TEST, received {phase!r}.")
    return Phase(phase)


def _message(
    source: PathLike | caffe_pb2.NetParameter, phase: Phase, level: int, stages: Iterable[str]
) -> caffe_pb2.NetParameter:
    if isinstance(source, caffe_pb2.NetParameter):
        message = caffe_pb2.NetParameter()
        message.CopyFrom(source)
        upgrade.upgrade_net(message, "NetParameter")
    else:
        message = upgrade.read_net(source)
    message.state.phase = caffe_pb2.TRAIN if phase is Phase.TRAIN else caffe_pb2.TEST
    if level or not isinstance(source, caffe_pb2.NetParameter):
        message.state.level = level
    message.state.stage.extend(stages)
    return message


def _close_layers(layers: list[Layer]) -> None:
    for layer in layers:
        layer.close()
