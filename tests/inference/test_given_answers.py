"""Answers that come back from a browser: taken as they were given, refused where they are none."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from digits.errors import ToolError
from digits.inference.best import BestOfClasses
from digits.inference.evaluate import evaluate
from digits.inference.evaluation import CSV_FILE, TOP_N_FILE
from digits.inference.given_answers import given_answers, note_best
from digits.inference.operations import Network
from digits.inference.operations.messages import to_json

LABELS = ["ant", "bee", "cat"]
JPEG = base64.b64encode(b"\xff\xd8\xffthumbnail").decode()


def answer(**changes: Any) -> dict[str, Any]:
    """A picture as classify_pictures.json answers it."""
    return {
        "name": "bee/a.png",
        "label": 1,
        "category": "bee",
        "predictions": [["bee", 90.0], ["cat", 8.0]],
        "classes": [1, 2],
        "confidences": [0.9, 0.08],
        "thumbnail": JPEG,
        "error": None,
        **changes,
    }


def written(path: Path, *pictures: Any) -> Path:
    """A file of two lines, the first of which is empty."""
    path.write_text("\n" + json.dumps({"pictures": list(pictures)}) + "\n")
    return path


def test_answers_are_pictures_as_if_just_classified(tmp_path: Path) -> None:
    broken = answer(name="x.png", label=None, classes=[], confidences=[], error="it is broken")
    path = written(tmp_path / "answers", answer(), broken)
    first, second = given_answers(path, LABELS)
    name, truth, picture, reason = first
    assert (name, truth, reason, picture.thumbnail) == (
        "bee/a.png",
        1,
        "",
        b"\xff\xd8\xffthumbnail",
    )
    assert [(each.label, each.confidence) for each in picture.predictions] == [
        ("bee", 0.9), ("cat", 0.08)
    ]  # fmt: skip
    assert (second[1], second[2].predictions, second[3]) == (None, (), "it is broken")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"label": 3}, "3 is not the number of one of the 3 categories"),
        ({"label": True}, "True is not the number"),
        ({"classes": [-1, 2]}, "-1 is not the number"),
        ({"classes": [1]}, "zip"),
        ({"classes": [1] * 6, "confidences": [0.1] * 6}, "6 categories; at most 5"),
        ({"confidences": ["0.9", 0.1]}, "'0.9' is not a number"),
        ({"confidences": [float("nan"), 0.1]}, "nan is not a number"),
        ({"confidences": [1e39, 0.1]}, "is not a number"),
        ({"confidences": [10**400, 0.1]}, "too large"),
        ({"classes": [], "confidences": []}, "neither categories nor an error"),
        ({"classes": None}, "NoneType"),
        ({"thumbnail": "%"}, "not base64"),
        ({"thumbnail": base64.b64encode(b"<svg>").decode()}, "not a small JPEG"),
        ({"thumbnail": 7}, "TypeError"),
        ({"name": None}, "is not a text"),
        ({"error": ["x"]}, "is not a text"),
    ],
)
def test_what_is_no_answer_is_refused_with_its_line(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    path = written(tmp_path / "answers", answer(), answer(**changes))
    with pytest.raises(ToolError, match="Line 1 of the answers") as refused:
        list(given_answers(path, LABELS))
    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "hold no picture"),
        ('{"pictures": []}', "hold no picture"),
        ('{"pictures": 7}', "is not a list"),
        ('{"pictures": [7]}', "cannot be used"),
        ("[" * 100_000, "no answer of classify_pictures.json"),
        ("\xff\xfe", "no answer of classify_pictures.json"),
        ("{}", "no answer of classify_pictures.json"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "answers").write_bytes(text.encode("latin-1"))
    with pytest.raises(ToolError, match=told):
        list(given_answers(tmp_path / "answers", LABELS))


def test_odd_names_can_be_written_into_files_of_text(tmp_path: Path) -> None:
    path = written(tmp_path / "answers", answer(name="half \ud800 nul \0 end"))
    ((name, *_),) = given_answers(path, LABELS)
    assert name == "half ? nul ? end"


def test_the_best_pictures_of_a_category_are_those_that_have_it_among_their_best(
    tmp_path: Path,
) -> None:
    pictures = [answer(confidences=[share, 0.01]) for share in (0.3, 0.8, 0.5)]
    best = BestOfClasses(3, 2)
    for *_, picture, _ in given_answers(written(tmp_path / "answers", *pictures), LABELS):
        note_best(best, picture)
    ants, bees, cats = best.ranked()
    assert ants == ()
    assert [number for number, _ in bees] == [1, 2]
    assert len(cats) == 2


def test_the_program_makes_an_evaluation_of_them_and_keeps_nothing_else(tmp_path: Path) -> None:
    written(tmp_path / "answers.jsonl", answer(), answer(name="b.png", label=2))
    network = Network(
        deploy=Path("deploy"), weights=Path("weights"), height=1, width=1, channels=1,
        labels=Path("labels"),
    )  # fmt: skip
    request = {
        "network": to_json(network),
        "source": {"answers": "answers.jsonl", "labels": LABELS},
        "top_n": 2,
        "timeout_s": 1,
        "memory_mb": 1,
    }
    assert "2 " in evaluate(request, tmp_path)
    assert "bee/a.png,bee,bee,90.00,cat,8.00" in (tmp_path / CSV_FILE).read_text()
    assert json.loads((tmp_path / TOP_N_FILE).read_text())["best"][1] != []
    assert not (tmp_path / "answers.jsonl").exists()
