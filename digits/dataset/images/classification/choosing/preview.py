"""What a folder of pictures would become, asked of a worker a moment at a time.

In: a folder that whoever asks may read.  Out: JSON for the form and for scripts, which ask again
until `finished`.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from typing import Any

from flask import request

from digits.errors import FormError
from digits.inference.operations import ExamineFolder, FolderReport
from digits.web.answers import services

_RUN = re.compile(r"[A-Za-z0-9-]{0,64}")


def preview(asked: ExamineFolder) -> dict[str, Any]:
    """What is known of the folder, with `run`, `samples_from` and `split_folders` of the query.

    Raises FormError for a query that is none, and what the pool raises.
    """
    run = request.args.get("run", "")
    if not _RUN.fullmatch(run):
        raise FormError({"run": ["A run is named by up to 64 letters, digits and dashes."]})
    as_sets = request.args.get("split_folders", "auto")
    if as_sets not in ("auto", "off"):
        raise FormError({"split_folders": ["This is auto or off."]})
    asked = replace(asked, run=run, samples_from=_samples_from(), as_sets=as_sets == "auto")
    return to_json(services().pool.ask(asked))


def to_json(report: FolderReport) -> dict[str, Any]:
    """A report as scripts read it; samples are `data:` addresses."""
    samples = [
        {"category": sample.category, "name": sample.name, "image": sample.url}
        for sample in report.samples
    ]
    return {**asdict(replace(report, samples=())), "samples": samples}


def _samples_from() -> int:
    text = request.args.get("samples_from", "0")
    if not (text.isascii() and text.isdigit() and len(text) <= 6):
        raise FormError({"samples_from": ["This is a whole number from 0 on."]})
    return int(text)
