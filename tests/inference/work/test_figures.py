"""Figures for papers: curves and confusion matrices in three formats."""

from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from digits.inference.errors import BadRequest
from digits.inference.operations import Curve, DrawCurves, DrawMatrix
from digits.inference.operations.figures import MOST_CLASSES
from digits.inference.work.figures import draw_curves, draw_matrix
from digits.inference.work.state import State

LOSS = Curve("loss (train)", (0.0, 1.0, 2.0), (2.3, None, 0.4))
ACCURACY = Curve("accuracy (val)", (0.0, 2.0), (10.0, 98.0), percent=True)
STARTS = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}


def curves(*given: Curve, kind: str = "svg", title: str = "LeNet") -> bytes:
    return draw_curves(State(), DrawCurves(title, given, kind)).png


def matrix(counts: list[list[int]], kind: str = "svg") -> bytes:
    labels = tuple(f"class {number}" for number in range(len(counts)))
    rows = tuple(map(tuple, counts))
    return draw_matrix(State(), DrawMatrix("Test", labels, rows, kind)).png


def words(svg: bytes) -> set[str]:
    """What a figure says; its letters are drawn, and named in comments."""
    return set(re.findall(r"<!-- (.*?) -->", svg.decode()))


@pytest.mark.parametrize("kind", STARTS)
def test_curves_are_drawn_in_each_format(kind: str) -> None:
    assert curves(LOSS, ACCURACY, kind=kind).startswith(STARTS[kind])


def test_losses_and_accuracies_have_axes_of_their_own() -> None:
    said = words(curves(LOSS, ACCURACY))
    assert {"Loss", "Accuracy (%)", "Epoch", "LeNet", "loss (train)", "accuracy (val)"} <= said
    assert "Accuracy (%)" not in words(curves(LOSS))


def test_a_training_without_points_is_an_empty_figure() -> None:
    assert "Epoch" in words(curves())


@pytest.mark.parametrize("title", ["$x^", "a\x00b\nc", "字" * 200, "\\frac{", "<!-- & -->"])
def test_any_name_can_be_drawn(title: str) -> None:
    for kind, start in STARTS.items():
        assert curves(Curve(title, (0.0,), (1.0,)), kind=kind, title=title).startswith(start)


@pytest.mark.parametrize(
    "losses",
    [(float("nan"),) * 2, (float("inf"), -float("inf")), (1e308, -1e308), (3.4e38, 1e-45), (None,)],
)
def test_any_losses_can_be_drawn(losses: tuple[float | None, ...]) -> None:
    """What used to happen: axes overflowed with the losses of 1e308 of an uploaded log."""
    curve = Curve("_loss (train)", tuple(map(float, range(len(losses)))), losses)
    assert "_loss (train)" in words(curves(curve, LOSS))


def test_the_same_figure_is_the_same_file() -> None:
    for kind in STARTS:
        assert curves(LOSS, kind=kind) == curves(LOSS, kind=kind)


def test_a_matrix_is_darker_where_more_of_a_row_are() -> None:
    with Image.open(io.BytesIO(matrix([[9, 1], [0, 5]], "png"))) as picture:
        pixels = np.asarray(picture.convert("L"))
    assert pixels.min() < 80 < 200 < pixels.max()


@pytest.mark.slow
def test_cells_have_their_numbers_where_there_is_room() -> None:
    assert {"41", "7", "class 0"} <= words(matrix([[41, 7], [0, 5]]))
    large = np.eye(70, dtype=int) * 41
    assert not {"41", "class 0"} & words(matrix(large.tolist()))


def test_a_class_without_pictures_harms_nothing() -> None:
    assert matrix([[0, 0], [1, 2]], "pdf").startswith(b"%PDF")


@pytest.mark.parametrize(
    ("labels", "counts", "kind", "message"),
    [
        (("a",), ((1,),), "gif", "one of png, svg, pdf"),
        (("a", "b"), ((1, 2),), "png", "a row and a column"),
        (("a", "b"), ((1, 2), (3,)), "png", "a row and a column"),
        ((), (), "png", "a row and a column"),
        (("a",) * (MOST_CLASSES + 1), ((0,) * (MOST_CLASSES + 1),) * (MOST_CLASSES + 1), "png",
         "at most 1500 categories"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused(
    labels: tuple[str, ...], counts: tuple[tuple[int, ...], ...], kind: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        DrawMatrix("Test", labels, counts, kind)
