"""Files of an evaluation that were cut off or written over: told in words, file by file."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.errors import NotPossible
from digits.inference import ClassifiedPicture, Prediction
from digits.inference.evaluation import (
    CSV_FILE,
    ROW,
    ROWS_FILE,
    THUMBNAILS_FILE,
    TOP_N_FILE,
    EvaluationWriter,
)
from digits.model.images.classification.evaluation.reading import Choice, Evaluation
from digits.sources.picture_list import LABELS_FILE


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three pictures of two classes, classified."""
    with EvaluationWriter(tmp_path, ["a", "b"]) as writer:
        for number in range(3):
            best = (Prediction("a", 0, 0.9), Prediction("b", 1, 0.1))
            picture = ClassifiedPicture(number, best, thumbnail=b"picture")
            writer.add(f"{number}.png", number % 2, picture, "")
    write_best(tmp_path, [[[0, 90.0], [2, 80.0]], [[1, 10.0]]])
    return tmp_path


def write_best(folder: Path, best: Any) -> None:
    (folder / TOP_N_FILE).write_text(json.dumps({"n": 9, "best": best}))


def read_all(folder: Path) -> None:
    """All that pages ask for."""
    results = Evaluation(folder)
    results.accuracy()
    list(results.read(results.find(Choice(name="png", sort="confidence"))))
    results.best_of_each_class()
    assert results.is_probability in (True, False)
    for number in range(len(results)):
        results.thumbnail(number)


def test_whole_files_are_read(folder: Path) -> None:
    read_all(folder)
    best = Evaluation(folder).best_of_each_class()
    assert best is not None
    assert [[each.name for each in pictures] for _, pictures in best] == [
        ["0.png", "2.png"],
        ["1.png"],
    ]


@pytest.mark.parametrize(
    "best",
    [
        None, 7, "text", {}, [], [[]], [[], [], []], [None, []], [[[0]], []], [[[0, 1, 2]], []],
        [[[0, None]], []], [[["0", 1.0]], []], [[[3, 1.0]], []], [[[-1, 1.0]], []],
        [[[0.5, 1.0]], []], [[[2**63, 1.0]], []], [[[10**300, 1.0]], []], [[[[0], 1.0]], []],
        [[[0, float("nan")]], []], [[[True, 1.0]], []],
    ],
)  # fmt: skip
def test_best_pictures_that_cannot_be_are_told(folder: Path, best: Any) -> None:
    write_best(folder, best)
    with pytest.raises(NotPossible, match=f"{TOP_N_FILE} cannot be used: "):
        Evaluation(folder).best_of_each_class()


@pytest.mark.parametrize("text", ["", "[]", "null", "{}", "{", "[" * 100_000, "\0" * 9])
def test_best_pictures_in_a_file_of_another_kind_are_told(folder: Path, text: str) -> None:
    (folder / TOP_N_FILE).write_text(text)
    with pytest.raises(NotPossible, match=TOP_N_FILE):
        Evaluation(folder).best_of_each_class()


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("truth", 2), ("predicted", 2), ("truth", 2**31 - 1), ("line_at", 10**6),
        ("line_at", 2**64 - 1), ("line_bytes", 2**32 - 1), ("name_bytes", 2**32 - 1),
    ],
)  # fmt: skip
def test_rows_that_fit_neither_classes_nor_lines_are_told(
    folder: Path, column: str, value: int
) -> None:
    rows = np.fromfile(folder / ROWS_FILE, ROW)
    rows[column][1] = value
    rows.tofile(folder / ROWS_FILE)
    with pytest.raises(NotPossible, match=ROWS_FILE):
        Evaluation(folder)


@pytest.mark.parametrize("column", ["thumbnail_at", "thumbnail_bytes"])
def test_a_thumbnail_that_is_not_there_is_none(folder: Path, column: str) -> None:
    rows = np.fromfile(folder / ROWS_FILE, ROW)
    rows[column][1] = np.iinfo(ROW[column]).max
    rows.tofile(folder / ROWS_FILE)
    assert [Evaluation(folder).thumbnail(number) for number in range(2)] == [b"picture", b""]


DAMAGE: dict[str, Callable[[bytes], bytes | None]] = {
    "gone": lambda data: None,
    "empty": lambda data: b"",
    "cut in half": lambda data: data[: len(data) // 2],
    "zeros": lambda data: bytes(len(data)),
    "line breaks": lambda data: b"\n" * len(data),
    "no text": lambda data: b"\xff\xfe\x80" * len(data),
    "other text": lambda data: b"7,\"x\n" * len(data),
    "twice": lambda data: data * 2,
}  # fmt: skip


@pytest.mark.parametrize("name", [CSV_FILE, ROWS_FILE, THUMBNAILS_FILE, LABELS_FILE, TOP_N_FILE])
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damage_to_any_file_is_told_or_seen_past(
    folder: Path, name: str, damage: Callable[[bytes], bytes | None]
) -> None:
    path = folder / name
    data = damage(path.read_bytes())
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with contextlib.suppress(NotPossible):
        read_all(folder)


@pytest.mark.parametrize("name", [CSV_FILE, ROWS_FILE, THUMBNAILS_FILE, LABELS_FILE, TOP_N_FILE])
def test_a_folder_in_a_files_place_is_told(folder: Path, name: str) -> None:
    (folder / name).unlink()
    (folder / name).mkdir()
    with pytest.raises(NotPossible, match=name):
        read_all(folder)


def test_a_line_that_is_no_line_is_told_before_others_are_sent(folder: Path) -> None:
    """The last one: by then a client that is sent one after another has taken the first."""
    row = np.fromfile(folder / ROWS_FILE, ROW)[-1]
    data = bytearray((folder / CSV_FILE).read_bytes())
    data[row["line_at"] : row["line_at"] + row["line_bytes"]] = b"\n" * int(row["line_bytes"])
    (folder / CSV_FILE).write_bytes(data)
    results = Evaluation(folder)
    assert next(results.read(range(3))).name == "0.png"
    with pytest.raises(NotPossible, match=CSV_FILE):
        results.check_rows()
