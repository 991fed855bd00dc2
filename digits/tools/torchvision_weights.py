"""Write the weights of a network of torchvision, a state_dict, as a .caffemodel.

The tensors must be those of one of the networks that digits/standard-networks/torchvision has:
each must have the shape that its layer needs, and none may be left over.  A network with another
number of categories fits, too.  Nothing in the file is run.  Beside OUT stands OUT with .json at
its end: which network it is, and how many categories it tells apart.

  python -m digits.tools.torchvision_weights resnet18-f37072fd.pth resnet18.caffemodel
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.base.program import limit_memory, parser_for, run_program
from digits.caffe import TEST, Net
from digits.caffe.blob import Blob
from digits.caffe.errors import CaffeError
from digits.caffe.formats import prototxt
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.errors import ToolError
from digits.tools.state_dicts import Tensors, read_tensors
from digits.tools.torchvision_networks import (
    NETWORKS,
    SCALE_SUFFIX,
    SIDE,
    STD,
    TorchvisionNetwork,
)

Array = npt.NDArray[np.float32]
Shape = tuple[int, ...]

MOST_CLASSES = 100_000
MOST_NAMED = 5
# Counted in training alone; and classifiers that only a training has (GoogLeNet).
_COUNTER = ".num_batches_tracked"
_AUXILIARY = ("aux1.", "aux2.")
_MEASURES = ("Data", "Accuracy", "SoftmaxWithLoss")
_MEANS, _VARIANCES = ".running_mean", ".running_var"


@dataclass(frozen=True)
class Misfit:
    """A layer that tensors do not fit, and why."""

    layer: str
    reason: str


def write_weights(source: Path, out: Path, network: str = "", name: str = "") -> str:
    """Write the weights in `source`, which messages call `name`, of `network` (empty: find out).

    Raises ToolError for a file that is missing, foreign or another network's, OSError when `out`
    cannot be written.
    """
    name = name or source.name
    try:
        tensors = read_tensors(source)
    except ToolError as error:
        raise ToolError(str(error).replace(source.name, name)) from error
    chosen = NETWORKS[network] if network else closest(tensors, name)
    text = prototxt.parse_text(chosen.text(), NetParameter())
    deploy = deployed(text)
    classes = _fit_classes(deploy, tensors)
    net = Net(deploy, TEST)
    _require_fit(net, deploy, tensors, chosen, name)
    first = next(layer.name for layer in deploy.layer if layer.type == "Convolution")
    scale = text.layer[0].transform_param.scale
    for layer in deploy.layer:
        for blob, array in zip(_blobs(net, layer), _arrays(layer, tensors), strict=True):
            values = array
            if layer.name == first and array.ndim > 1:
                values = for_pixels(array, chosen, scale)
            blob.data[...] = values.reshape(blob.shape)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        net.save(out)
    except CaffeError as error:
        raise ToolError(str(error)) from error
    told = {"network": chosen.name, "classes": classes}
    Path(f"{out}.json").write_text(json.dumps(told), "utf-8")
    return f"{chosen.title}, {classes} categories, in {out}."


def for_pixels(weights: Array, network: TorchvisionNetwork, scale: float) -> Array:
    """The first layer's weights (outputs, R,G,B, rows, columns) for what the Data layer hands on.

    It has B,G,R pixels times one scale, where torchvision divides each channel by its deviation.
    """
    if network.divides_each_channel:
        factors = 1 / (255 * np.array(STD) * scale)
        weights = (weights * factors[:, np.newaxis, np.newaxis]).astype(np.float32)
    return weights[:, ::-1]


def closest(tensors: Tensors, source: str) -> TorchvisionNetwork:
    """The network whose tensors have the names of most of these; ToolError where none has any."""
    names = set(_without_extras(tensors))
    shares = {}
    for network in NETWORKS.values():
        net = prototxt.parse_text(network.text(), NetParameter())
        wanted = {name for layer in net.layer for name in tensor_names(layer)}
        shares[network.name] = len(wanted & names) / len(wanted | names)
    best = max(shares, key=lambda name: shares[name])
    if not shares[best]:
        known = ", ".join(NETWORKS)
        raise ToolError(
            f"{source} has the weights of none of the networks that are known here ({known}): no "
            f"layer of theirs has a tensor such as {_listed(sorted(names))}."
        )
    return NETWORKS[best]


def deployed(training: NetParameter) -> NetParameter:
    """The network that takes a picture and gives scores."""
    net = NetParameter(name=training.name)
    data = net.layer.add(name="data", type="Input", top=["data"])
    data.input_param.shape.add(dim=[1, 3, SIDE, SIDE])
    net.layer.extend(layer for layer in training.layer if layer.type not in _MEASURES)
    return net


def tensor_names(layer: LayerParameter) -> list[str]:
    """What torchvision calls the values of a layer's blobs, in Caffe's order."""
    name = layer.name
    match layer.type:
        case "Convolution":
            has_bias = layer.convolution_param.bias_term
            return [f"{name}.weight", *([f"{name}.bias"] if has_bias else [])]
        case "InnerProduct":
            return [f"{name}.weight", f"{name}.bias"]
        case "BatchNorm":
            return [name + _MEANS, name + _VARIANCES]
        case "Scale":
            module = name.removesuffix(SCALE_SUFFIX)
            return [f"{module}.weight", f"{module}.bias"]
    return []


def _without_extras(tensors: Tensors) -> list[str]:
    return [
        name for name in tensors if not name.endswith(_COUNTER) and not name.startswith(_AUXILIARY)
    ]


def _fit_classes(net: NetParameter, tensors: Tensors) -> int:
    """Give the last layer with weights as many outputs as its tensor has; how many it has then."""
    last = [layer for layer in net.layer if layer.type in ("Convolution", "InnerProduct")][-1]
    is_full = last.type == "InnerProduct"
    field = last.inner_product_param if is_full else last.convolution_param
    tensor = tensors.get(f"{last.name}.weight")
    if tensor is not None and tensor.ndim and 1 < tensor.shape[0] <= MOST_CLASSES:
        field.num_output = tensor.shape[0]
    return field.num_output


def _blobs(net: Net, layer: LayerParameter) -> Sequence[Blob]:
    return net.params[layer.name] if tensor_names(layer) else []


def _arrays(layer: LayerParameter, tensors: Tensors) -> list[Array]:
    """The values of a layer's blobs; a BatchNorm's last blob divides its sums."""
    found: list[Array] = [tensors[name].float().numpy() for name in tensor_names(layer)]
    return [*found, np.ones(1, np.float32)] if layer.type == "BatchNorm" else found


def _require_fit(
    net: Net, text: NetParameter, tensors: Tensors, network: TorchvisionNetwork, source: str
) -> None:
    """ToolError that says which layers fit and which do not, unless all do and nothing is left."""
    layers = [layer for layer in text.layer if tensor_names(layer)]
    needed = {
        layer.name: dict(zip(tensor_names(layer), _shapes(net, layer), strict=False))
        for layer in layers
    }
    misfits = [
        Misfit(layer, reason)
        for layer, shapes in needed.items()
        if (reason := _misfit(shapes, tensors))
    ]
    taken = {name for shapes in needed.values() for name in shapes}
    left = [name for name in _without_extras(tensors) if name not in taken]
    if not misfits and not left:
        return
    unfit = {misfit.layer for misfit in misfits}
    fitting = [name for name in needed if name not in unfit]
    parts = [
        f"{source} does not fit {network.title}: {len(fitting)} of its {len(needed)} layers fit"
        f"{' (' + _listed(fitting) + ')' if fitting else ''}."
    ]
    if misfits:
        told = "; ".join(f"{each.layer} {each.reason}" for each in misfits[:MOST_NAMED])
        more = f"; and {len(misfits) - MOST_NAMED} more" if len(misfits) > MOST_NAMED else ""
        parts.append(f"Those that do not: {told}{more}.")
    if left:
        parts.append(f"No layer takes: {_listed([_with_shape(n, tensors) for n in left])}.")
    raise ToolError(" ".join(parts))


def _misfit(needed: Mapping[str, Shape], tensors: Tensors) -> str:
    """Why a layer cannot take its tensors; empty when it can."""
    missing = [name for name in needed if name not in tensors]
    if missing:
        return f"(there is no tensor {missing[0]})"
    for name, shape in needed.items():
        given = tuple(tensors[name].shape)
        if given != shape:
            return f"({name} has the shape {given}, and {shape} is needed)"
        if not (tensors[name].is_floating_point()):
            return f"({name} holds {tensors[name].dtype}, no floating-point numbers)"
    return ""


def _shapes(net: Net, layer: LayerParameter) -> list[Shape]:
    return [tuple(blob.shape) for blob in net.params[layer.name]]


def _with_shape(name: str, tensors: Tensors) -> str:
    return f"{name} {tuple(tensors[name].shape)}"


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    shown = ", ".join(name[:80] for name in names[:MOST_NAMED])
    return shown + (f" and {more} more" if more > 0 else "")


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "torchvision_weights")
    parser.add_argument("source", metavar="SOURCE", type=Path)
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument(
        "--network", default="", choices=["", *NETWORKS], help="[the one whose names it has]"
    )
    parser.add_argument("--name", default="", help="what messages call the file [its own name]")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    limit_memory()
    # A net tells of each layer that it is built of.
    logging.getLogger("digits.caffe").setLevel(logging.WARNING)
    run_program(lambda: write_weights(given.source, given.out, given.network, given.name))


if __name__ == "__main__":
    main()
