"""What becomes of many classified pictures: files in a folder, written as the pictures come.

    classifications.csv   for people and spreadsheets: a picture a line, its best classes, their
                          probabilities in percent (or scores, as the head of the column says)
    rows.bin              the same for looking up: a `ROW` a picture, with where its line begins
    thumbnails.bin        the pictures as the network sees them, small JPEGs one after another
    labels.txt            the classes
    top_n.json            for each class the pictures with the highest confidence, at the end
    summary.json          counts and accuracy, at the end

Of every picture all of its line is written before its row, so the rows that are there can be read
while more are coming.  Memory stays constant, but for the best of each class.
Elsewhere: who writes them (`evaluate.py`), who reads them (the web).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from digits.base.atomic import write_text
from digits.inference.best import BestOfClasses
from digits.inference.many import ClassifiedPicture
from digits.inference.operations import TOP
from digits.sources.picture_list import LABELS_FILE

CSV_FILE = "classifications.csv"
ROWS_FILE = "rows.bin"
THUMBNAILS_FILE = "thumbnails.bin"
TOP_N_FILE = "top_n.json"
# Heads the column of the best class's value where that is no percentage.
SCORE = "score 1"
SUMMARY_FILE = "summary.json"

THUMBNAIL_SIDE = 96
# truth is -1 where the true class is not known, predicted where the picture could not be read.
ROW = np.dtype(
    [
        ("line_at", "<u8"),
        ("line_bytes", "<u4"),
        ("name_bytes", "<u4"),
        ("thumbnail_at", "<u8"),
        ("thumbnail_bytes", "<u4"),
        ("truth", "<i4"),
        ("predicted", "<i4"),
        ("confidence", "<f4"),
        ("in_top_5", "?"),
    ]
)


class EvaluationWriter:
    """Writes the files of a folder anew; `flush` makes what was added so far readable."""

    def __init__(self, folder: Path, labels: Sequence[str], is_probability: bool = True) -> None:
        self._folder = folder
        self._labels = labels
        self._is_probability = is_probability
        write_text(folder / LABELS_FILE, "".join(f"{label}\n" for label in labels))
        # Rows first: without any, nobody looks at what an earlier attempt left of the others.
        self._rows = (folder / ROWS_FILE).open("wb")
        self._csv = (folder / CSV_FILE).open("wb")
        self._thumbnails = (folder / THUMBNAILS_FILE).open("wb")
        self._waiting: list[tuple[Any, ...]] = []
        self._csv.write(_line(_head(is_probability)))
        self.count = self.unreadable = self.labelled = self.right = self.right_in_5 = 0

    def __enter__(self) -> EvaluationWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.flush()
        for file in (self._csv, self._thumbnails, self._rows):
            file.close()

    def add(self, name: str, truth: int | None, picture: ClassifiedPicture, reason: str) -> None:
        """Take in a picture; `reason` says why it could not be read."""
        name_field = _line([name])[:-1]
        line = name_field + b"," + _line(self._fields(truth, picture, reason))
        best = picture.predictions[:TOP]
        in_top_5 = truth is not None and any(each.index == truth for each in best)
        self._waiting.append(
            (
                self._csv.tell(),
                len(line),
                len(name_field),
                self._thumbnails.tell(),
                len(picture.thumbnail),
                -1 if truth is None else truth,
                best[0].index if best else -1,
                best[0].confidence if best else 0.0,
                in_top_5,
            )
        )
        self._csv.write(line)
        self._thumbnails.write(picture.thumbnail)
        self.count += 1
        self.unreadable += not best
        if best and truth is not None:
            self.labelled += 1
            self.right += best[0].index == truth
            self.right_in_5 += in_top_5

    def flush(self) -> None:
        """Bring everything to the disk, the rows last."""
        self._csv.flush()
        self._thumbnails.flush()
        self._rows.write(np.array(self._waiting, ROW).tobytes())
        self._rows.flush()
        self._waiting.clear()

    def write_end(self, best: BestOfClasses) -> None:
        """The files that are there when everything has been classified."""
        top_n = {"n": best.n, "best": best.ranked()}
        write_text(self._folder / TOP_N_FILE, json.dumps(top_n))
        summary = {"count": self.count, "unreadable": self.unreadable, "labelled": self.labelled}
        if self.labelled:
            summary |= {"top1": self.right, "top5": self.right_in_5}
        write_text(self._folder / SUMMARY_FILE, json.dumps(summary))

    def _fields(self, truth: int | None, picture: ClassifiedPicture, reason: str) -> list[str]:
        pairs = [(each.label, self._words(each.confidence)) for each in picture.predictions[:TOP]]
        pairs += [("", "")] * (TOP - len(pairs))
        label = "" if truth is None else self._labels[truth]
        return [label, *(text for pair in pairs for text in pair), reason]

    def _words(self, score: float) -> str:
        return f"{100 * score:.2f}" if self._is_probability else f"{score:.6g}"


def read_fields(line: bytes) -> list[str]:
    """The fields of a line of `classifications.csv`; a name may have line breaks in it."""
    return next(csv.reader(io.StringIO(line.decode("utf-8", "replace"), newline="")))


def _head(is_probability: bool) -> list[str]:
    value = "percent" if is_probability else "score"
    numbered = [f"{what} {n}" for n in range(1, TOP + 1) for what in ("class", value)]
    return ["image", "label", *numbered, "problem"]


def _line(fields: Iterable[str]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerow(fields)
    # Undecodable bytes of a file's name become question marks.
    return text.getvalue().encode("utf-8", "replace")
