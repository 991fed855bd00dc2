"""The files that detect.py writes: comma-separated, or HDF5 as pandas stores a table in it.

In: detections (window, prediction, filename).  Out: a file.  pandas is not needed to write it:
`pandas.read_hdf(FILE, "df")` gives the columns prediction (an array of scores), ymin, xmin, ymax
and xmax, and the filename as index.

Source: GenericFixed of pandas' pytables.py, and PyTables' attributes.
"""

from __future__ import annotations

import csv
import pickle
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from digits.caffe.errors import DataError

if TYPE_CHECKING:
    import h5py

Detection = dict[str, Any]

COORDINATES = ("ymin", "xmin", "ymax", "xmax")


def write(path: str, found: Sequence[Detection]) -> None:
    """Write detections in the form that the file's ending names; DataError if that fails."""
    try:
        if path.lower().endswith("csv"):
            _write_csv(path, found)
        else:
            _write_hdf5(path, found)
    except OSError as error:
        raise DataError(f"{path}: cannot be written: {error}") from error


def _write_csv(path: str, found: Sequence[Detection]) -> None:
    classes = [f"class{number}" for number in range(np.size(found[0]["prediction"]))]
    with open(path, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["filename", *COORDINATES, *classes])
        for one in found:
            window = (int(edge) for edge in one["window"])
            scores = (str(score) for score in np.ravel(one["prediction"]))
            writer.writerow([one["filename"], *window, *scores])


def _write_hdf5(path: str, found: Sequence[Detection]) -> None:
    import h5py  # noqa: PLC0415  # slow to load

    # The table's columns by their type: each type is a block of its own.
    names = ["prediction"]
    windows = np.array([one["window"] for one in found], np.int64)
    predictions = np.empty((len(found), 1), object)
    for row, one in enumerate(found):
        predictions[row, 0] = np.asarray(one["prediction"])
    with h5py.File(path, "w") as file:
        _mark(file, "GROUP", "1.0", PYTABLES_FORMAT_VERSION="2.1")
        table = file.create_group("df")
        _mark(
            table, "GROUP", "1.0", pandas_type="frame", encoding="UTF-8", errors="strict",
            axis0_variety="regular", axis1_variety="regular", block0_items_variety="regular",
            block1_items_variety="regular",
        )  # fmt: skip
        table.attrs["ndim"], table.attrs["nblocks"] = np.int64(2), np.int64(2)
        _add_names(table, "axis0", [*names, *COORDINATES])
        _add_names(table, "axis1", [str(one["filename"]) for one in found], "filename")
        _add_names(table, "block0_items", list(COORDINATES))
        _add_array(table, "block0_values", windows)
        _add_names(table, "block1_items", names)
        _add_pickled(table, "block1_values", predictions)


def _mark(node: h5py.HLObject, kind: str, version: str, **more: str) -> None:
    """PyTables' attributes, which are texts of a fixed length in UTF-8."""
    for name, text in {"CLASS": kind, "VERSION": version, "TITLE": "", **more}.items():
        _add_text(node, name, text)


def _add_text(node: h5py.HLObject, name: str, text: str) -> None:
    import h5py  # noqa: PLC0415  # slow to load

    data = text.encode()
    kind = h5py.string_dtype("utf-8", max(1, len(data)))
    node.attrs.create(name, data if data else h5py.Empty(kind), dtype=kind)


def _add_array(table: h5py.Group, name: str, values: npt.NDArray[Any]) -> h5py.Dataset:
    array = table.create_dataset(name, data=values)
    _mark(array, "ARRAY", "2.4", FLAVOR="numpy")
    array.attrs["transposed"] = np.uint8(1)
    return array


def _add_names(table: h5py.Group, name: str, names: list[str], called: str = "") -> None:
    """An index of texts; `called` is its own name."""
    array = _add_array(table, name, np.array([text.encode() for text in names]))
    for key, text in (("kind", "string"), ("nan_rep", "")):
        _add_text(array, key, text)
    if called:
        _add_text(array, "name", called)
    else:
        array.attrs["name"] = np.bytes_(b"N.")  # None, as pickle writes it


def _add_pickled(table: h5py.Group, name: str, values: npt.NDArray[Any]) -> None:
    import h5py  # noqa: PLC0415

    data = np.frombuffer(pickle.dumps(values, protocol=4), np.uint8)
    array = table.create_dataset(
        name, (1,), h5py.vlen_dtype(np.uint8), maxshape=(None,), chunks=(1,)
    )
    array[0] = data
    _mark(array, "VLARRAY", "1.4", PSEUDOATOM="object")
    array.attrs["transposed"] = np.uint8(1)
