"""Figures of a model for papers, drawn by a worker and sent as files."""

from __future__ import annotations

from flask import Response
from flask.typing import ResponseReturnValue
from werkzeug.exceptions import NotFound

from digits.inference.operations import FIGURE_TYPES, Curve, DrawCurves, DrawMatrix
from digits.model.training.charts import Chart
from digits.web.answers import services

# The first one loads Matplotlib; a matrix of a thousand classes takes a few seconds as PDF.
DRAW_S = 60.0


def figure_kind(extension: str) -> str:
    """The format of an address's ending; 404 for another."""
    if extension not in FIGURE_TYPES:
        raise NotFound(f"Figures are {', '.join(FIGURE_TYPES)}.")
    return extension


def figure(request: DrawCurves | DrawMatrix, name: str) -> ResponseReturnValue:
    """The figure as a file of this name.  Raises InferenceErrors."""
    picture = services().pool.ask(request, timeout_s=DRAW_S)
    headers = {"Content-Disposition": f"inline; filename={name}.{request.format}"}
    return Response(picture.png, mimetype=FIGURE_TYPES[request.format], headers=headers)


def figure_curves(chart: Chart) -> tuple[Curve, ...]:
    """The curves of a chart in C3's form, as a page shows them."""
    columns = {column[0]: tuple(column[1:]) for column in chart["columns"]}
    return tuple(
        Curve(chart["names"][name], columns[x_name], columns[name], chart["axes"].get(name) == "y2")
        for name, x_name in chart["xs"].items()
    )
