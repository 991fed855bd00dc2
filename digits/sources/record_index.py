"""Which line of its list each record of a database is of, and its label: `records.bin` beside it.

A database of Caffe's holds pictures and labels, but not where a picture came from.  Whoever writes
one writes this file into its folder as well; so the name of a record is found without reading the
list, and the records of a label without reading the database.  Databases of other programs, and of
earlier versions, have none.
A record takes 12 bytes: where its line begins in the list, and its label.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import numpy as np
import numpy.typing as npt

from digits.base.job_files import open_file
from digits.sources.picture_list import LONGEST_LINE_BYTES, BadLine, Entry, parse_line

INDEX_FILE = "records.bin"
RECORD = np.dtype([("line_at", "<u8"), ("label", "<i4")])


class RecordIndexWriter:
    """Writes the file, record after record."""

    def __init__(self, folder: Path) -> None:
        self._file = (folder / INDEX_FILE).open("wb")

    def __enter__(self) -> RecordIndexWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def add(self, lines: Sequence[int], labels: Sequence[int]) -> None:
        """Append records: where their lines begin, in bytes, and their labels."""
        records = np.empty(len(lines), RECORD)
        records["line_at"], records["label"] = lines, labels
        self._file.write(records.tobytes())


def read_index(database: Path, records: int) -> npt.NDArray[np.void] | None:
    """What is known of each of a database's `records`; None where there is no such file for them.

    Nothing is read before it is looked at.
    """
    path = database / INDEX_FILE
    try:
        if path.stat().st_size != records * RECORD.itemsize or not records:
            return None
        index: npt.NDArray[np.void] = np.memmap(path, RECORD, "r")
    except (OSError, ValueError):
        return None
    return index


def entry_of(database: Path, list_path: Path, number: int) -> Entry | None:
    """The line of the list that a record is of; None where that is not known.

    The list may have been changed: a line with another label is not it.
    """
    try:
        with open_file(database / INDEX_FILE) as file:
            file.seek(number * RECORD.itemsize)
            found = np.frombuffer(file.read(RECORD.itemsize), RECORD)
        if number < 0 or not len(found):
            return None
        with open_file(list_path) as file:
            file.seek(int(found["line_at"][0]))
            entry = parse_line(file.readline(LONGEST_LINE_BYTES + 1))
    except (OSError, ValueError, OverflowError, BadLine):
        return None
    return entry if entry is not None and entry.label == int(found["label"][0]) else None
