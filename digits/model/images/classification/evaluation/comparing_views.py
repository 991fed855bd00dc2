"""The page of two evaluations of the same pictures side by side, and the same as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from flask import request
from flask.typing import ResponseReturnValue

from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.evaluation.comparing import (
    OUTCOMES,
    CategoryPair,
    Comparison,
    compared,
    words_of,
)
from digits.model.images.classification.evaluation.views import (
    FOLDER,
    ROWS_PER_PAGE,
    find_evaluation,
    page_number,
    picture_url,
    thumbnail_url,
)
from digits.model.images.classification.try_out.results import Row, percent
from digits.web.answers import answer


@dataclass(frozen=True)
class PairOfRows:
    """A picture, and what each of the two says of it; addresses of its page and its thumbnail."""

    first: Row
    second: Row
    page: str
    thumbnail: str


@dataclass(frozen=True)
class PairPage:
    """One page of the pictures with an outcome; pages count from 1."""

    rows: Sequence[PairOfRows]
    outcome: str
    found: int
    number: int
    pages: int


@blueprint.get("/images/classification/evaluations/<job_id>/compare/<other_id>.json")
@blueprint.get("/images/classification/evaluations/<job_id>/compare/<other_id>")
def compared_evaluations(job_id: str, other_id: str) -> ResponseReturnValue:
    """Two evaluations of the same pictures: accuracy, measures by category, and who was right.

    `which` (different, only_first, only_second, both_right, both_wrong, all) chooses pictures,
    `page` turns their pages.  The template (`evaluation/compare.html`) gets `jobs`, their `names`,
    `comparison` (a Comparison), `counts` of pictures by outcome, `categories` (CategoryPairs) and
    `page` (a PairPage).
    """
    jobs = [find_evaluation(each) for each in (job_id, other_id)]
    for job in jobs:
        job.read_logs()
    comparison = compared(*jobs)
    counts, categories = comparison.counts(), comparison.by_category()
    names = words_of(jobs)
    data = {
        "evaluations": [
            {"id": job.id, "model": job.settings.model, **accuracy.to_json()}
            for job, accuracy in zip(jobs, comparison.accuracies, strict=True)
        ],
        "pictures": len(comparison),
        "outcomes": counts,
        "categories": {comparison.labels[pair.number]: _category(pair) for pair in categories},
    }
    return answer(
        f"{FOLDER}/evaluation/compare.html",
        data,
        jobs=jobs,
        names=names,
        comparison=comparison,
        counts=counts,
        categories=categories,
        page=_page(jobs[0].id, comparison),
    )


def _category(pair: CategoryPair) -> dict[str, Any]:
    values = [each.f1 if each else None for each in (pair.first, pair.second)]
    return {
        "pictures": pair.pictures,
        "f1": [None if value is None else percent(value) for value in values],
    }


def _page(job_id: str, comparison: Comparison) -> PairPage:
    outcome = request.args.get("which", "")
    outcome = outcome if outcome in OUTCOMES else OUTCOMES[0]
    found = comparison.find(outcome)
    pages = max(1, -(-len(found) // ROWS_PER_PAGE))
    number = page_number(pages)
    shown = found[(number - 1) * ROWS_PER_PAGE : number * ROWS_PER_PAGE].tolist()
    first = comparison.first.read([pair[0] for pair in shown])
    second = comparison.second.read([pair[1] for pair in shown])
    rows = [
        PairOfRows(one, two, picture_url(job_id, one.number), thumbnail_url(job_id, one))
        for one, two in zip(first, second, strict=True)
    ]
    return PairPage(rows, outcome, len(found), number, pages)
