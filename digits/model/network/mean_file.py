"""The mean picture of a dataset, read by the server: what lies in its place now is looked at first.

In: a path in a dataset's folder.  Out: floats, or DataError.
Elsewhere: what a mean file holds (`digits/caffe/data/means.py`).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from digits.base.job_files import require_file
from digits.caffe.data.means import load_mean
from digits.caffe.errors import DataError

# 4096 x 4096 pixels in color are 200 MB.
LARGEST_BYTES = 512 * 2**20


def read_mean(path: Path) -> npt.NDArray[np.float32]:
    """The mean (channels, height, width).

    Raises DataError when there is no such file, it is a pipe or device, no mean, or too large.
    """
    try:
        require_file(path)
        size = path.stat().st_size
    except OSError as error:
        raise DataError(f"mean file not found: {path} ({error.strerror})") from error
    if size > LARGEST_BYTES:
        raise DataError(f"{path}: it is larger than {LARGEST_BYTES // 2**20} MB")
    return load_mean(str(path))
