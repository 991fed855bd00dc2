"""What Caffe's Python programs have in common: they read their arguments with argparse.

Their log is pycaffe's: what nets say goes to stderr, governed by glog's variables.  The models and
means that they take by default lie in a Caffe folder, which is taken to be the working directory.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from digits.caffe.data import means
from digits.caffe.errors import CaffeError, DataError

MODEL = "models/bvlc_reference_caffenet/deploy.prototxt"
WEIGHTS = "models/bvlc_reference_caffenet/bvlc_reference_caffenet.caffemodel"
MEAN = "python/caffe/imagenet/ilsvrc_2012_mean.npy"


def run(
    parser: ArgumentParser, arguments: Sequence[str] | None, program: Callable[[Namespace], None]
) -> int:
    """Run a program with a command line (None: this process's); its exit status."""
    try:
        parsed = parser.parse_args(arguments)
    except SystemExit as answered:
        return int(answered.code or 0)
    try:
        program(parsed)
    except (CaffeError, OSError, ValueError, ImportError) as error:
        print(f"{parser.prog}: error: {_in_words(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _in_words(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def add_preprocessing(parser: ArgumentParser) -> None:
    """The arguments on the network and its input that classify.py and detect.py share."""
    parser.add_argument("--model_def", default=MODEL, help="Model definition file.")
    parser.add_argument("--pretrained_model", default=WEIGHTS, help="Trained model weights file.")
    parser.add_argument("--gpu", action="store_true", help="Switch for gpu computation.")
    parser.add_argument(
        "--mean_file",
        default=MEAN,
        help="Data set image mean of [Channels x Height x Width] dimensions (numpy array, or a "
        "mean file of Caffe's that ends in .binaryproto). Set to '' for no mean subtraction.",
    )
    parser.add_argument(
        "--input_scale",
        type=float,
        help="Multiply input features by this scale to finish preprocessing.",
    )
    parser.add_argument(
        "--raw_scale",
        type=float,
        default=255.0,
        help="Multiply raw input by this scale before preprocessing.",
    )
    parser.add_argument(
        "--channel_swap",
        default="2,1,0",
        help="Order to permute input channels. The default converts RGB -> BGR since BGR is the "
        "Caffe default by way of OpenCV.",
    )


def numbers(text: str, flag: str) -> list[int]:
    """The whole numbers of a text such as "2,1,0"; ValueError that names the flag."""
    try:
        return [int(word) for word in text.split(",")]
    except ValueError as error:
        raise ValueError(
            f"{flag} takes whole numbers with commas between, received {text!r}"
        ) from error


def read_mean(path: str) -> npt.NDArray[np.float32]:
    """The mean (channels, height, width) of a file; DataError if it holds none."""
    if path.endswith(".binaryproto"):
        return means.read_mean_file(path)
    try:
        mean = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(
            f"--mean_file={path} cannot be read as a NumPy array: {error}. Give another one, or "
            "--mean_file= for none"
        ) from error
    if mean.ndim != 3:
        raise DataError(
            f"--mean_file={path} holds an array of shape {mean.shape}; a mean has three axes: "
            "channels, height, width"
        )
    return np.asarray(mean, np.float32)


def channel_means(mean: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """One value a channel."""
    return np.asarray(mean.mean(1).mean(1))
