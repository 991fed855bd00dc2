"""Write a network with its weights as an ONNX file: `digits-caffe export_onnx`.

In: a deploy.prototxt and a .caffemodel, or the unpacked archive of a model (--folder).  Out: a file
that takes the blobs of the net, in batches of any size, or with --preprocess a picture a run.

No program of Caffe's.  Elsewhere: what is written (`digits/caffe/export`).
"""

from __future__ import annotations

import contextlib
import json
import math
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from digits.caffe.errors import DataError
from digits.caffe.machine.log import start_script_logging
from digits.caffe.tools import python_program

if TYPE_CHECKING:
    import onnx

    from digits.caffe.export.folder import ModelFolder
    from digits.caffe.export.pictures import Preparation
    from digits.caffe.net import Net

_MODES = ("squash", "crop", "fill", "half_crop")
# What only means something together with --preprocess.
_OF_PICTURES = (
    "size",
    "resize_mode",
    "mean_file",
    "mean_value",
    "scale",
    "channel_order",
    "labels",
)
_TYPES = {1: "float32", 2: "uint8"}  # of onnx.TensorProto


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    return python_program.run(_parser(), arguments, _export)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "export_onnx", description="Write a network with its weights as an ONNX file."
    )
    parser.add_argument("--model", help="The network, a deploy.prototxt.")
    parser.add_argument("--weights", help="Its weights, a .caffemodel.")
    parser.add_argument(
        "--folder",
        type=Path,
        help="The unpacked archive of a model, as DIGITS makes it, instead of --model and "
        "--weights: it also says how pictures are prepared.",
    )
    parser.add_argument("--output", required=True, help="The file to write, NAME.onnx.")
    parser.add_argument(
        "--batch",
        type=_batch,
        default="auto",
        help='Batch size: "free", a number, or by default "auto", free where the net lets it be.',
    )
    _add_preparation(parser)
    return parser


def _add_preparation(parser: ArgumentParser) -> None:
    group = parser.add_argument_group("pictures, with --preprocess")
    group.add_argument(
        "--preprocess",
        action="store_true",
        help="Take a picture of any size, uint8 (height, width, 3) in R,G,B, one a run, and give "
        "the probabilities of the categories.",
    )
    group.add_argument("--size", type=_size, help="WIDTHxHEIGHT to resize to; the net's input.")
    group.add_argument("--resize_mode", choices=_MODES, help="How; squash by default.")
    group.add_argument("--mean_file", help="A mean to subtract, .binaryproto or .npy.")
    group.add_argument("--mean_value", type=_values, help="A mean value, or one a channel: 1,2,3.")
    group.add_argument("--scale", type=_scale, help="Factor after the mean; 1 by default.")
    group.add_argument("--channel_order", choices=("bgr", "rgb"), help="bgr by default.")
    group.add_argument("--labels", type=Path, help="A file with a category on each line.")


def _export(given: Namespace) -> None:
    _check(given)
    # Only now: help and mistakes need neither PyTorch nor onnx.
    from digits.caffe.export import folder, net, saving  # noqa: PLC0415

    start_script_logging()
    source = folder.read_folder(given.folder) if given.folder else None
    files = (source.network, source.weights) if source else (given.model, given.weights)
    with contextlib.closing(net.open_net(*files)) as opened:
        if given.preprocess:
            model = _classifier(given, source, opened)
        else:
            model = net.model_of(opened, given.batch, _metadata(source))
    size = saving.save(model, given.output)
    print(f"{given.output}: {size / 1e6:.1f} MB, ONNX opset {model.opset_import[0].version}")
    for label, ports in (("input", model.graph.input), ("output", model.graph.output)):
        for port in ports:
            print(f"  {label} {port.name}: {_shape(port)}")


def _check(given: Namespace) -> None:
    """DataError for options that do not go together."""
    both, either = given.model and given.weights, given.model or given.weights
    if (either and given.folder) or not (both or given.folder):
        raise DataError("give --model and --weights, or instead of both --folder")
    named = [name for name in _OF_PICTURES if getattr(given, name) is not None]
    if named and not given.preprocess:
        raise DataError(f"--{named[0]} is of pictures: give --preprocess as well")
    if given.preprocess and given.batch != "auto":
        raise DataError("with --preprocess it is one picture a run: leave --batch out")
    if given.mean_file and given.mean_value:
        raise DataError("give --mean_file or --mean_value, not both")


def _classifier(given: Namespace, source: ModelFolder | None, net: Net) -> onnx.ModelProto:
    from digits.caffe.export.classifier import classifier_of  # noqa: PLC0415

    labels = source.labels if source else []
    return classifier_of(
        net,
        _preparation(given, source, net),
        labels=_lines(given.labels) if given.labels else labels,
        output=source.output if source else "",
        metadata=_metadata(source),
    )


def _metadata(source: ModelFolder | None) -> dict[str, str]:
    """All that an archive says of its model: where it is from, how it was trained."""
    return {"info": json.dumps(source.info, ensure_ascii=False)} if source else {}


def _preparation(given: Namespace, source: ModelFolder | None, net: Net) -> Preparation:
    """What the archive says, else the size of the net's input; then what the options change."""
    from digits.caffe.export.classifier import picture_shape  # noqa: PLC0415
    from digits.caffe.export.folder import mean_of_values  # noqa: PLC0415
    from digits.caffe.export.pictures import Preparation  # noqa: PLC0415

    channels, height, width = picture_shape(net)
    how = source.preparation if source else Preparation(height, width, channels)
    if given.size:
        how = replace(how, width=given.size[0], height=given.size[1])
    if given.mean_file:
        how = replace(how, mean=python_program.read_mean(given.mean_file))
    if given.mean_value:
        how = replace(how, mean=mean_of_values(given.mean_value, how.channels))
    return replace(
        how,
        mode=given.resize_mode or how.mode,
        scale=how.scale if given.scale is None else given.scale,
        order=given.channel_order or how.order,
    )


def _batch(text: str) -> int | str:
    if text in ("auto", "free"):
        return text
    if text.isdecimal() and int(text) >= 1:
        return int(text)
    raise ArgumentTypeError(f'"auto", "free", or a number from 1 on, received {text!r}')


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise ArgumentTypeError(f"WIDTHxHEIGHT in pixels, such as 256x256, received {text!r}")
    return int(width), int(height)


def _values(text: str) -> list[float]:
    try:
        values = [float(word) for word in text.split(",")]
    except ValueError:
        values = []
    if not values or not all(math.isfinite(value) for value in values):
        raise ArgumentTypeError(
            f"numbers with commas between, such as 104,117,123, received {text!r}"
        )
    return values


def _scale(text: str) -> float:
    (value,) = _values(text) if "," not in text else (math.nan,)
    if not math.isfinite(value):
        raise ArgumentTypeError(f"one number, received {text!r}")
    return value


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"--labels={path} is no text in UTF-8") from error


def _shape(port: onnx.ValueInfoProto) -> str:
    kind = port.type.tensor_type
    sizes = [each.dim_param or str(each.dim_value) for each in kind.shape.dim]
    return f"{_TYPES[kind.elem_type]} ({', '.join(sizes)})"


if __name__ == "__main__":
    sys.exit(main())
