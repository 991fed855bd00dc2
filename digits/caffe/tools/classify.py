"""Classify pictures: Caffe's classify.py, run as `python -m digits.caffe classify`.

In: a picture, a folder of them or an array (n, height, width, channels) as .npy; a network.  Out:
their scores (n, classes) as .npy.  A mean of another size than the network's input counts by its
channels.  Source: the arguments and outputs of python/classify.py.
"""

from __future__ import annotations

import glob
import os
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digits.caffe import io
from digits.caffe.errors import DataError
from digits.caffe.machine.log import start_script_logging
from digits.caffe.tools import python_program

if TYPE_CHECKING:
    from digits.caffe.classifier import Classifier


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    return python_program.run(_parser(), arguments, _classify)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("classify.py", description="Classify pictures with a network.")
    parser.add_argument("input_file", help="Input image, directory, or npy.")
    parser.add_argument("output_file", help="Output npy filename.")
    python_program.add_preprocessing(parser)
    parser.add_argument(
        "--center_only",
        action="store_true",
        help="Switch for prediction from center crop alone instead of averaging predictions "
        "across crops (default).",
    )
    parser.add_argument(
        "--images_dim",
        default="256,256",
        help="Canonical 'height,width' dimensions of input images.",
    )
    parser.add_argument(
        "--ext",
        default="jpg",
        help="Image file extension to take as input when a directory is given as the input file.",
    )
    return parser


def _classify(given: Namespace) -> None:
    classifier = _classifier(given)
    try:
        inputs = _inputs(os.path.expanduser(given.input_file), given.ext)
        print(f"Classifying {len(inputs)} inputs.")
        start = time.perf_counter()
        predictions = classifier.predict(inputs, not given.center_only)
        print(f"Done in {time.perf_counter() - start:.2f} s.")
    finally:
        classifier.close()
    print(f"Saving results into {given.output_file}")
    np.save(given.output_file, predictions)


def _classifier(given: Namespace) -> Classifier:
    # Only now: help and mistakes need no PyTorch.
    from digits.caffe.classifier import Classifier  # noqa: PLC0415
    from digits.caffe.machine import device  # noqa: PLC0415

    start_script_logging()
    swap = given.channel_swap and python_program.numbers(given.channel_swap, "--channel_swap")
    size = python_program.numbers(given.images_dim, "--images_dim")
    mean = python_program.read_mean(given.mean_file) if given.mean_file else None
    if given.gpu:
        device.set_mode_gpu()
    else:
        device.set_mode_cpu()
    print("GPU mode" if given.gpu else "CPU mode")
    made = Classifier(
        given.model_def, given.pretrained_model, image_dims=size, input_scale=given.input_scale,
        raw_scale=given.raw_scale, channel_swap=swap or None,
    )  # fmt: skip
    if mean is not None:
        fits = mean.shape[1:] == tuple(made.crop_dims)
        shown = mean if fits else python_program.channel_means(mean)
        made.transformer.set_mean(made.inputs[0], shown)
    return made


def _inputs(path: str, ext: str) -> Sequence[npt.NDArray[Any]]:
    folder = os.path.isdir(path)
    print(f"Loading {'folder' if folder else 'file'}: {path}")
    if path.endswith("npy"):
        pictures = np.load(path, allow_pickle=False)
        if pictures.ndim != 4:
            raise DataError(
                f"{path} holds an array of shape {pictures.shape}; pictures have four axes: "
                "number, height, width, channels"
            )
        return list(pictures)
    found = sorted(glob.glob(f"{glob.escape(path)}/*.{ext}")) if folder else [path]
    if not found:
        raise DataError(f"there are no *.{ext} files in {path}; --ext names another ending")
    return [io.load_image(name) for name in found]


if __name__ == "__main__":
    sys.exit(main())
