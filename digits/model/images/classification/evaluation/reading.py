"""Look up what an evaluation has written, while it is written or later: numbers, rows, thumbnails.

In: the folder of an evaluation, and what is to be shown.  Out: accuracy, and the rows of a page;
NotPossible, which names the file, where files were cut off or written over since.
Only rows that are shown are read from the text; the rest is arithmetic on arrays, so that a hundred
thousand pictures are sorted in milliseconds.
Elsewhere: who wrote the files (`digits.inference.evaluation`).
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypedDict

import numpy as np
import numpy.typing as npt

from digits.base.job_files import LARGEST_TEXT_BYTES, open_file, read_text
from digits.errors import JobUnreadable, NotPossible
from digits.inference.evaluation import (
    CSV_FILE,
    ROW,
    ROWS_FILE,
    SCORE,
    THUMBNAILS_FILE,
    TOP_N_FILE,
    read_fields,
)
from digits.inference.operations import TOP
from digits.jobs.record import read_record, require
from digits.model.images.classification.try_out.confusion import Confusion
from digits.model.images.classification.try_out.results import Accuracy, Row, shown_score
from digits.sources.picture_list import LABELS_FILE, told_apart

Numbers = npt.NDArray[np.intp]
OUTCOMES = ("right", "wrong", "sure", "unsure", "unreadable")
# Sort keys, and whether the greatest comes first when nothing else is said.
SORTS = ("number", "confidence", "label", "predicted")
# ImageNet has 14 million pictures; a row takes 41 bytes of memory.
MOST_ROWS = 1 << 24
_ROWS_BETWEEN_PAUSES = 2000
_LONGEST_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Choice:
    """Which rows are wanted, and in which order; classes by their numbers, None: any.

    Below the `threshold`, a confidence in percent, the network counts as not sure: neither right
    nor wrong.
    """

    outcome: str = ""
    truth: int | None = None
    predicted: int | None = None
    name: str = ""
    sort: str = "number"
    descending: bool = False
    threshold: float = 0.0


@dataclass(frozen=True)
class Step:
    """What comes of a threshold, in percent: the shares of answers, and of right ones of these.

    Shares are fractions of the pictures whose true class is known; None: nothing is answered.
    """

    threshold: float
    answered: float
    right: float | None


@dataclass(frozen=True)
class Ranked:
    """One of the best pictures of a class; confidence in percent, or a score."""

    number: int
    name: str
    confidence: float


class _TopN(TypedDict):
    """What `top_n.json` holds: a list of [number, score] for each class."""

    best: list[list[list[float]]]


class Evaluation:
    """The results in a folder as they are now; empty when there are none yet.

    Raises NotPossible, as its methods do, when they cannot be read.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.labels: Sequence[str] = told_apart(_lines(folder / LABELS_FILE))
        self._rows = _read_rows(folder / ROWS_FILE) if self.labels else np.empty(0, ROW)
        if not self._rows_fit():
            raise _damaged(ROWS_FILE, f"it does not fit {LABELS_FILE} and {CSV_FILE}")

    def __len__(self) -> int:
        return len(self._rows)

    @cached_property
    def is_probability(self) -> bool:
        """Whether the network's scores are probabilities, which the files hold as percent."""
        try:
            with open_file(self._folder / CSV_FILE) as file:
                return SCORE not in _fields(file.readline(_LONGEST_HEAD_BYTES))
        except FileNotFoundError:
            return True
        except OSError as error:
            raise _damaged(CSV_FILE, error.strerror) from error

    @property
    def unreadable_count(self) -> int:
        return int(np.count_nonzero(self._rows["predicted"] < 0))

    @property
    def is_labelled(self) -> bool:
        """Whether the true class of any picture is known."""
        return bool((self._rows["truth"] >= 0).any())

    def accuracy(self, threshold: float = 0.0, among: Numbers | None = None) -> Accuracy:
        """How often the network was right where it was sure enough, to `threshold` percent.

        `among` names the rows that count [all].
        """
        counted = self._labelled()
        if among is not None:
            counted &= np.isin(np.arange(len(self)), among)
        sure = counted & self._sure(threshold)
        truth, predicted = self._rows["truth"], self._rows["predicted"]
        classes = len(self.labels)
        unsure = np.bincount(truth[counted & ~sure], minlength=classes)
        truth, predicted = truth[sure].astype(np.int64), predicted[sure]
        return Accuracy(
            self.labels,
            Confusion.of(truth, predicted, classes),
            count=int(np.count_nonzero(counted)),
            top1=int(np.count_nonzero(truth == predicted)),
            top5=int(np.count_nonzero(self._rows["in_top_5"][sure])),
            unsure=unsure,
        )

    def steps(self, thresholds: Iterable[float]) -> list[Step]:
        """What comes of each threshold; nothing where no true class is known."""
        counted = self._labelled()
        total = np.count_nonzero(counted)
        right = self._rows["truth"] == self._rows["predicted"]
        found = []
        for threshold in thresholds if total else ():
            sure = counted & self._sure(threshold)
            answers = np.count_nonzero(sure)
            share = np.count_nonzero(sure & right) / answers if answers else None
            found.append(Step(threshold, float(answers / total), share))
        return found

    def _labelled(self) -> npt.NDArray[np.bool_]:
        """Which rows were classified, and have a true class."""
        return (self._rows["truth"] >= 0) & (self._rows["predicted"] >= 0)

    def _sure(self, threshold: float) -> npt.NDArray[np.bool_]:
        """Which rows have a confidence of at least `threshold` percent."""
        if not threshold or not self.is_probability:
            return np.ones(len(self._rows), bool)
        # As precise as it is kept: what is shown as 90.00% is not below 90.
        return np.round(100.0 * self._rows["confidence"].astype(np.float64), 2) >= threshold

    def find(self, choice: Choice) -> Numbers:
        """The numbers of the rows that are wanted, in the wanted order."""
        rows = self._rows
        truth, predicted = rows["truth"], rows["predicted"]
        wanted = np.ones(len(rows), bool)
        sure = self._sure(choice.threshold)
        if choice.outcome == "unreadable":
            wanted &= predicted < 0
        elif choice.outcome in ("sure", "unsure"):
            wanted &= (predicted >= 0) & (sure == (choice.outcome == "sure"))
        elif choice.outcome == "right":
            wanted &= (predicted >= 0) & (truth == predicted) & sure
        elif choice.outcome == "wrong":
            wanted &= (predicted >= 0) & (truth >= 0) & (truth != predicted) & sure
        if choice.truth is not None:
            wanted &= truth == choice.truth
        if choice.predicted is not None:
            wanted &= predicted == choice.predicted
        if choice.name:
            wanted &= self._named(choice.name)
        found = np.flatnonzero(wanted)
        keys = {"confidence": rows["confidence"], "label": truth, "predicted": predicted}
        if choice.sort not in keys:
            return found[::-1] if choice.descending else found
        key = keys[choice.sort][found]
        return found[np.argsort(-key if choice.descending else key, kind="stable")]

    def column(self, name: str) -> npt.NDArray[np.int64]:
        """The `truth` or `predicted` class of every row, -1 where there is none."""
        return self._rows[name].astype(np.int64)

    def names(self) -> Iterator[str]:
        """What every picture is called, in order."""
        if not len(self):
            return
        for text in self._name_texts():
            yield _fields(text + b"\n")[0]

    def read(self, numbers: Iterable[int]) -> Iterator[Row]:
        """The rows with these numbers."""
        if not len(self):
            return
        try:
            file = open_file(self._folder / CSV_FILE)
        except OSError as error:
            raise _damaged(CSV_FILE, error.strerror) from error
        with file:
            for number in numbers:
                row = self._rows[number]
                file.seek(int(row["line_at"]))
                yield self._row(int(number), _fields(file.read(int(row["line_bytes"]))))

    def check_rows(self) -> None:
        """Read all rows: what is wrong with one is told before the first is sent to anybody."""
        for number, _ in enumerate(self.read(range(len(self)))):
            if number % _ROWS_BETWEEN_PAUSES == 0:
                time.sleep(0)  # lets other requests have their turn

    def thumbnail(self, number: int) -> bytes:
        """A picture as a small JPEG; nothing when there is no such row, or it was unreadable."""
        if not 0 <= number < len(self):
            return b""
        row = self._rows[number]
        begin, size = int(row["thumbnail_at"]), int(row["thumbnail_bytes"])
        if size > LARGEST_TEXT_BYTES:
            return b""
        try:
            with open_file(self._folder / THUMBNAILS_FILE) as file:
                if begin + size > os.fstat(file.fileno()).st_size:
                    return b""
                file.seek(begin)
                return file.read(size)
        except OSError as error:
            raise _damaged(THUMBNAILS_FILE, error.strerror) from error

    def best_of_each_class(self) -> list[tuple[str, list[Ranked]]] | None:
        """For each class the pictures with the highest confidence; None before the end."""
        ranked = self._read_top_n()
        if ranked is None:
            return None
        numbers = sorted({number for best in ranked for number, _ in best})
        names = {row.number: row.name for row in self.read(numbers)}
        return [
            (label, [Ranked(n, names[n], self._shown(score)) for n, score in best])
            for label, best in zip(self.labels, ranked, strict=True)
        ]

    def _read_top_n(self) -> list[list[tuple[int, float]]] | None:
        """For each class the rows' numbers and their scores; None when there are none yet."""
        try:
            data = read_record(self._folder / TOP_N_FILE)
            require(data, _TopN, "it")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise _damaged(TOP_N_FILE, error.strerror) from error
        except JobUnreadable as error:
            raise _damaged(TOP_N_FILE, str(error)) from error
        ranked, rows = data["best"], range(len(self))
        if len(ranked) != len(self.labels) or not all(
            len(pair) == 2 and pair[0] in rows for best in ranked for pair in best
        ):
            raise _damaged(TOP_N_FILE, f"it does not fit {LABELS_FILE} and {ROWS_FILE}")
        return [[(int(number), score) for number, score in best] for best in ranked]

    def _rows_fit(self) -> bool:
        """Whether every row has a line in the text, and classes that there are."""
        if not len(self):
            return True
        rows, classes = self._rows, len(self.labels)
        try:
            size = (self._folder / CSV_FILE).stat().st_size
        except OSError as error:
            raise _damaged(CSV_FILE, error.strerror) from error
        # Each alone first: the sum of two large numbers would begin anew at 0.
        ends = np.minimum(rows["line_at"], size) + rows["line_bytes"]
        return bool(
            (np.maximum(rows["truth"], rows["predicted"]) < classes).all()
            and (rows["line_at"] <= size).all()
            and (ends <= size).all()
            and (rows["line_bytes"] <= LARGEST_TEXT_BYTES).all()
            and (rows["name_bytes"] <= rows["line_bytes"]).all()
        )

    def _shown(self, score: float) -> float:
        return shown_score(score, self.is_probability)

    def _row(self, number: int, fields: Sequence[str]) -> Row:
        truth, predicted = int(self._rows["truth"][number]), int(self._rows["predicted"][number])
        pairs = zip(fields[2 : 2 + 2 * TOP : 2], fields[3 : 3 + 2 * TOP : 2], strict=False)
        try:
            predictions = tuple((label, float(share)) for label, share in pairs if share)
        except ValueError as error:
            raise _damaged(CSV_FILE, str(error)) from error
        return Row(
            number=number,
            name=fields[0],
            truth=truth if truth >= 0 else None,
            predicted=predicted if predicted >= 0 else None,
            predictions=predictions,
            reason=fields[-1],
        )

    def _named(self, text: str) -> npt.NDArray[np.bool_]:
        """Which rows have `text` in their names, capital letters or not."""
        found = np.zeros(len(self), bool)
        if not len(self):
            return found
        wanted = text.casefold().encode()
        for number, name in enumerate(self._name_texts()):
            found[number] = wanted in name.lower()
        return found

    def _name_texts(self) -> Iterator[bytes]:
        """What stands in the text as the name of each row, in order."""
        starts = self._rows["line_at"].tolist()
        sizes = self._rows["name_bytes"].tolist()
        try:
            # Not mapped into memory: if it were cut off meanwhile, the server would end (SIGBUS).
            with open_file(self._folder / CSV_FILE) as file:
                for number, (start, size) in enumerate(zip(starts, sizes, strict=True)):
                    file.seek(start)
                    yield file.read(size)
                    if number % _ROWS_BETWEEN_PAUSES == 0:
                        time.sleep(0)  # lets other requests have their turn
        except OSError as error:
            raise _damaged(CSV_FILE, error.strerror) from error


def _read_rows(path: Path) -> npt.NDArray[np.void]:
    try:
        with open_file(path) as file:
            data = file.read(MOST_ROWS * ROW.itemsize + 1)
    except FileNotFoundError:
        data = b""
    except OSError as error:
        raise _damaged(path.name, error.strerror) from error
    if len(data) > MOST_ROWS * ROW.itemsize:
        raise _damaged(path.name, f"it has more than {MOST_ROWS:,} rows")
    # The last row may be half written.
    return np.frombuffer(data[: len(data) // ROW.itemsize * ROW.itemsize], ROW)


def _lines(path: Path) -> list[str]:
    try:
        return read_text(path).splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise _damaged(path.name, error.strerror) from error
    except UnicodeDecodeError as error:
        raise _damaged(path.name, "it is no text") from error


def _fields(line: bytes) -> list[str]:
    try:
        fields = read_fields(line)
    except (StopIteration, csv.Error):
        fields = []
    if not fields:
        raise _damaged(CSV_FILE, "a line of it is cut off, or is none")
    return fields


def _damaged(name: str, why: str | None) -> NotPossible:
    return NotPossible(
        f"The results of this evaluation cannot be shown: {name} cannot be used: {why}. Delete the "
        "evaluation, and classify the pictures again."
    )
