"""Several pictures from a browser: classified as they come, and kept as an evaluation if asked for.

Nothing of the pictures is kept: the answers go back to the browser, which shows them as a list.
*Keep as an evaluation* sends those answers, and a job makes an evaluation of them; only their
thumbnails are in it.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from flask import jsonify, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import FileStorage

from digits.errors import FormError, JobRefused
from digits.inference import ClassifiedPicture
from digits.inference import classify_many as classify_all
from digits.inference.evaluation import THUMBNAIL_SIDE
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.evaluation.creation import (
    AnswersSource,
    EvaluationRequest,
    create_evaluation,
)
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.try_out.requests import (
    Chosen,
    chosen_snapshot,
    text_of,
)
from digits.model.images.classification.try_out.results import shown_score, unit
from digits.sources.folders import category_of_path
from digits.web.answers import created, in_thread, scheduler, services
from digits.web.forms import one_line_of
from digits.web.logins import may_make, owner_name
from digits.web.tried import note_tried

# The browser sends fewer; each is answered at once.
MOST_AT_ONCE = 64
LONGEST_NAME = 4096
LONGEST_SOURCE = 100
DEFAULT_SOURCE = "Pictures from a browser"


@blueprint.post("/images/classification/classify_pictures.json")
def classify_pictures() -> ResponseReturnValue:
    """Classify up to 64 uploads `image_file` at once; nothing of them is kept.

    `image_names`, a JSON list of as many paths, names them better than the uploads do: a folder in
    a path that is called like a category tells the true one.  Answers `pictures`, an object each,
    in their order, with `name`, `label` and `category` (the number and the name of the true
    category, null where it is not known), `predictions` as `classify_one` has them, `classes` and
    `confidences` (0 to 1) of the same as numbers, `thumbnail` (base64 JPEG) and `error`, null where
    the picture could be read.
    """
    chosen = chosen_snapshot()
    uploads = [each for each in request.files.getlist("image_file") if each.filename]
    if not uploads:
        raise FormError({"image_file": ["Choose pictures to upload."]})
    if len(uploads) > MOST_AT_ONCE:
        message = f"{len(uploads)} pictures at once are too many: send at most {MOST_AT_ONCE}."
        raise FormError({"image_file": [message]})
    names = _names(uploads)
    note_tried(chosen.job)
    pictures = classify_all(
        services().pool,
        chosen.network,
        [in_thread(upload.read) for upload in uploads],
        thumbnail_side=THUMBNAIL_SIDE,
    )
    labels = chosen.labels
    numbers = {label: number for number, label in enumerate(labels)}
    percent = chosen.network.is_probability
    rows = []
    for name, picture in zip(names, pictures, strict=True):
        truth = category_of_path(name, numbers)
        known = {"label": truth, "category": None if truth is None else labels[truth]}
        rows.append({"name": name, **known, **_answer(picture, percent)})
    return jsonify({"pictures": rows, **unit(percent)})


@blueprint.post("/images/classification/keep_answers.json")
@blueprint.post("/images/classification/keep_answers")
def keep_answers() -> ResponseReturnValue:
    """Make an evaluation of what `classify_pictures` has answered.

    `answers` is a file with an object of `pictures` on each line, `source_name` [Pictures from a
    browser] says what they are.
    """
    chosen = chosen_snapshot()
    upload = request.files.get("answers")
    if upload is None or not upload.filename:
        message = "Send a file with an answer of classify_pictures.json on each line."
        raise FormError({"answers": [message]})
    if not may_make():
        raise JobRefused("You may not make jobs, so the evaluation cannot be kept. Ask an admin.")
    job = create_evaluation(
        scheduler(), services().config, services().paths, _evaluation(chosen, upload)
    )
    return created(job, url_for("classification_models.evaluation", job_id=job.id))


def _evaluation(chosen: Chosen, upload: FileStorage) -> EvaluationRequest:
    name = " ".join(text_of("source_name").split())[:LONGEST_SOURCE] or DEFAULT_SOURCE
    labels = services().pool.facts(chosen.network).labels
    return EvaluationRequest(
        chosen.job,
        chosen.epoch,
        chosen.network,
        AnswersSource(name, upload.stream, labels),
        None,
        EvaluationSettings.top_n,
        owner_name(),
        one_line_of("group_name"),
    )


def _names(uploads: Sequence[FileStorage]) -> list[str]:
    """What each upload is called."""
    text = text_of("image_names")
    if not text:
        return [upload.filename or "" for upload in uploads]
    try:
        names = json.loads(text)
    except (ValueError, RecursionError):
        names = None
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise FormError({"image_names": ["It must be a JSON list of texts."]})
    if len(names) != len(uploads):
        message = f"There are {len(names)} names for {len(uploads)} pictures."
        raise FormError({"image_names": [message]})
    return [_clean(name) for name in names]


def _clean(name: str) -> str:
    """A name without what cannot be written into a file of text."""
    return name[:LONGEST_NAME].encode("utf-8", "replace").decode().replace("\0", "?")


def _answer(picture: ClassifiedPicture, percent: bool) -> dict[str, Any]:
    best = picture.predictions
    return {
        "predictions": [[each.label, shown_score(each.confidence, percent)] for each in best],
        "classes": [each.index for each in best],
        "confidences": [each.confidence for each in best],
        "thumbnail": base64.b64encode(picture.thumbnail).decode(),
        "error": picture.reason or None,
    }
