"""Score windows of pictures: Caffe's detect.py, run as `python -m digits.caffe detect`.

In: a .csv with the columns filename, ymin, xmin, ymax, xmax, or a .txt with a picture a line, whose
windows Selective Search proposes; a network.  Out: the windows with their scores, as .csv (class0,
class1, ...) or as HDF5 in the form that pandas reads (`pandas.read_hdf(FILE, "df")`).

Elsewhere: that form (`detections_file.py`).  Source: the arguments and outputs of python/detect.py.
"""

from __future__ import annotations

import csv
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.caffe.errors import DataError
from digits.caffe.machine.log import start_script_logging
from digits.caffe.tools import detections_file, python_program
from digits.caffe.tools.detections_file import COORDINATES

if TYPE_CHECKING:
    from digits.caffe.detector import Detector

Windows = dict[str, list[list[int]]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    return python_program.run(_parser(), arguments, _detect)


def _parser() -> ArgumentParser:
    parser = ArgumentParser("detect.py", description="Score windows of pictures with a network.")
    parser.add_argument(
        "input_file",
        help="Input txt/csv filename. If .txt, must be list of filenames. If .csv, must be "
        "comma-separated file with header 'filename, xmin, ymin, xmax, ymax'",
    )
    parser.add_argument("output_file", help="Output h5/csv filename. Format depends on extension.")
    python_program.add_preprocessing(parser)
    parser.add_argument(
        "--crop_mode",
        default="selective_search",
        choices=["list", "selective_search"],
        help="How to generate windows for detection.",
    )
    parser.add_argument(
        "--context_pad",
        type=int,
        default=16,
        help="Amount of surrounding context to collect in input window.",
    )
    return parser


def _detect(given: Namespace) -> None:
    start = time.perf_counter()
    print("Loading input...")
    windows = _read_windows(given)
    detector = _detector(given)
    try:
        if given.crop_mode == "list":
            found = detector.detect_windows(windows.items())
        else:
            found = detector.detect_selective_search(windows)
    finally:
        detector.close()
    print(f"Processed {len(found)} windows in {time.perf_counter() - start:.3f} s.")
    if not found:
        raise DataError(f"{given.input_file}: there are no windows to save")
    start = time.perf_counter()
    detections_file.write(given.output_file, found)
    print(f"Saved to {given.output_file} in {time.perf_counter() - start:.3f} s.")


def _detector(given: Namespace) -> Detector:
    # Only now: help and mistakes need no PyTorch.
    from digits.caffe.detector import Detector  # noqa: PLC0415
    from digits.caffe.machine import device  # noqa: PLC0415

    start_script_logging()
    swap = given.channel_swap and python_program.numbers(given.channel_swap, "--channel_swap")
    mean: Any = None
    if given.mean_file:
        mean = python_program.channel_means(python_program.read_mean(given.mean_file))
    if given.gpu:
        device.set_mode_gpu()
        print("GPU mode")
    else:
        device.set_mode_cpu()
        print("CPU mode")
    return Detector(
        given.model_def, given.pretrained_model, mean=mean, input_scale=given.input_scale,
        raw_scale=given.raw_scale, channel_swap=swap or None, context_pad=given.context_pad,
    )  # fmt: skip


def _read_windows(given: Namespace) -> Windows:
    """The windows of each picture, in the order in which the file first names it."""
    path = given.input_file
    kind = path.lower()[-3:]
    if kind not in ("txt", "csv"):
        raise DataError(f"Unknown input file type: not in txt or csv. Received: {path}")
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read: {error}") from error
    if kind == "csv":
        return _windows_of(path, text)
    if given.crop_mode == "list":
        raise DataError(f"--crop_mode=list needs a .csv with the windows, received {path}")
    return {line.strip(): [] for line in text.splitlines() if line.strip()}


def _windows_of(path: str, text: str) -> Windows:
    rows = csv.DictReader(text.splitlines(), skipinitialspace=True)
    missing = {"filename", *COORDINATES} - set(rows.fieldnames or ())
    if missing:
        raise DataError(f"{path}: has no column {', '.join(sorted(missing))} in its first line")
    windows: Windows = {}
    for row in rows:
        try:
            window = [int(float(row[name])) for name in COORDINATES]
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(
                f"{path}:{rows.line_num}: {', '.join(COORDINATES)} must be numbers, received "
                f"{', '.join(str(row[name]) for name in COORDINATES)}"
            ) from error
        windows.setdefault(row["filename"], []).append(window)
    return windows


if __name__ == "__main__":
    sys.exit(main())
