"""Try a trained model out: one picture, many, the best of each class.

All take `?job_id=` and the form field `snapshot_epoch` (default: the last snapshot; `best`: the one
that did best in validation).  Those that answer a page take `check` as well: then they only look
whether they could do what is sent, and answer 204 or what is wrong.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Generator

from flask import Response, jsonify, render_template, url_for
from flask.typing import ResponseReturnValue

from digits.errors import FormError, JobRefused
from digits.inference import BadPicture, ExplainClass
from digits.inference.best import BestOfClasses
from digits.model.images.classification.blueprint import blueprint
from digits.model.images.classification.evaluation.creation import (
    EvaluationRequest,
    EvaluationSource,
    create_evaluation,
)
from digits.model.images.classification.evaluation.reading import Choice
from digits.model.images.classification.evaluation.reuse import same_evaluation
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.try_out import asking
from digits.model.images.classification.try_out.requests import (
    Chosen,
    UploadedList,
    chosen_pictures,
    chosen_snapshot,
    is_asked_for,
    is_wanted,
    number_of,
    one_picture,
    picture_field,
    text_of,
)
from digits.model.images.classification.try_out.results import Accuracy, ManyResult, Row, json_parts
from digits.web.answers import answer, created, in_thread, scheduler, services, wants_json
from digits.web.forms import one_line_of
from digits.web.logins import may_make, owner_name
from digits.web.tried import note_tried
from digits.web.words import shown

FOLDER = "models/images/classification"
MOST_TOP_N = 100
# No network has more layers, or more arrays in one of them; no index of a class is larger.
MOST_BLOBS = 100_000
MOST_CLASSES = 1 << 31


@blueprint.post("/images/classification/classify_one.json")
@blueprint.post("/images/classification/classify_one")
def classify_one() -> ResponseReturnValue:
    """Classify `image_file` (upload), or `image_url` or `image_path` (URL, or path on the server).

    `picture_set` (train, val, test) and `picture_number` name a picture of the model's dataset.
    The template (`try_out/classify_one.html`) gets `job`, `epoch`, `picture`, a OnePicture,
    `classified`, a Classified, whose `layers` are empty unless `show_visualizations` was sent, and
    `labels`.
    """
    chosen = chosen_snapshot()
    is_check = is_wanted("check")
    picture = one_picture(chosen)
    try:
        classified = asking.try_picture(
            services().pool,
            chosen.network,
            picture.source,
            look_inside=is_asked_for("show_visualizations") and not is_check,
            with_original=not wants_json(),
        )
    except BadPicture as error:
        field = picture_field() if text_of(picture_field()) else "image_file"
        raise FormError(
            {field: [f"{picture.name} cannot be read as a picture: {error}"]}
        ) from error
    if is_check:
        return "", 204
    note_tried(chosen.job)
    return answer(
        f"{FOLDER}/try_out/classify_one.html",
        classified.to_json(),
        job=chosen.job,
        epoch=chosen.epoch,
        picture=picture,
        classified=classified,
        labels=chosen.labels,
    )


@blueprint.post("/images/classification/layer_pictures.json")
@blueprint.post("/images/classification/layer_pictures")
def layer_pictures() -> ResponseReturnValue:
    """Pictures of what a layer made of a picture, and of its weights, as JSON.

    `picture` is the one that `classify_one` showed (base64 PNG), `layer` the layer's index, `tops`
    and `params` say how many of each it has.
    """
    chosen = chosen_snapshot()
    layer, tops, params = (_index(name, MOST_BLOBS) for name in ("layer", "tops", "params"))
    drawn = asking.layer_pictures(
        services().pool, chosen.network, _seen_picture(), layer, tops, params
    )
    return jsonify(drawn)


@blueprint.post("/images/classification/grad_cam.json")
@blueprint.post("/images/classification/grad_cam")
def explain() -> ResponseReturnValue:
    """Where in a picture the network saw a class: the picture under a heat map, as JSON.

    `picture` as for `layer_pictures`; `class_index`; `layer` [the last with height and width].
    """
    chosen = chosen_snapshot()
    request = ExplainClass(
        _seen_picture(),
        _index("class_index", MOST_CLASSES),
        text_of("layer") or None,
        prepared=True,
    )
    found = services().pool.ask(request, network=chosen.network)
    picture = base64.b64encode(found.png).decode()
    return jsonify({"picture": picture, "label": found.label, "layer": found.layer})


@blueprint.post("/images/classification/classify_many.json")
@blueprint.post("/images/classification/classify_many")
def classify_many() -> ResponseReturnValue:
    """Classify the pictures of `image_list`, of `image_folder`, or of a `database` of the dataset.

    Relative paths of a list start at `image_folder`.  Takes `num_test_images` as well (empty: all),
    and `top_n`, how many pictures of each class are kept as its best.
    A list is answered at once: as JSON in any case, as a page up to `inference_direct_images`; all
    else becomes a job of its own, as does a list with `as_job`.  The template
    (`try_out/classify_many.html`) gets `job`, `epoch`, `result`, a ManyResult, `choice`, a Choice,
    `n`, and `grids`, the best pictures of each class, a Grids.
    """
    chosen = chosen_snapshot()
    n = number_of("top_n", MOST_TOP_N) or EvaluationSettings.top_n
    limit = number_of("num_test_images", None)
    pictures = _at_once_or_not(chosen_pictures(chosen, limit))
    if is_wanted("check"):
        return _checked(pictures)
    note_tried(chosen.job)
    if not isinstance(pictures, UploadedList):
        return _created_evaluation(chosen, pictures, limit, n, "evaluation")
    accuracy = Accuracy.of(chosen.labels)
    if pictures.count > services().config.inference_direct_images:
        return _streamed(chosen, pictures.kept(), accuracy)
    is_probability = chosen.network.is_probability
    if wants_json():
        rows = list(_rows(chosen, pictures, accuracy, drawn=False))
        return jsonify(ManyResult(accuracy, rows, is_probability).to_json())
    labels = services().pool.facts(chosen.network).labels
    best = BestOfClasses(len(labels), n)
    rows = list(_rows(chosen, pictures, accuracy, best, drawn=True))
    return render_template(
        f"{FOLDER}/try_out/classify_many.html",
        job=chosen.job,
        epoch=chosen.epoch,
        result=ManyResult(accuracy, rows, is_probability),
        choice=Choice(),
        n=n,
        grids=asking.grids_of(labels, best.ranked(), rows, is_probability, n),
    )


@blueprint.post("/images/classification/top_n.json")
@blueprint.post("/images/classification/top_n")
def top_n() -> ResponseReturnValue:
    """For each class the `top_n` pictures with the highest confidence in it.

    The pictures, and what becomes a job, are as for `classify_many`; what a job has classified
    already is not classified again.  The template
    (`try_out/top_n.html`) gets `job`, `epoch`, `n` and `grids`, a Grids.
    """
    chosen = chosen_snapshot()
    n = number_of("top_n", MOST_TOP_N) or EvaluationSettings.top_n
    limit = number_of("num_test_images", None)
    pictures = _at_once_or_not(chosen_pictures(chosen, limit))
    if is_wanted("check"):
        return _checked(pictures)
    note_tried(chosen.job)
    if not isinstance(pictures, UploadedList):
        return _best_of_evaluation(chosen, pictures, limit, n)
    grids = asking.best_of_each_class(
        services().pool,
        chosen.network,
        list(pictures.entries()),
        pictures.opener,
        n,
        drawn=not wants_json(),
    )
    return answer(
        f"{FOLDER}/try_out/top_n.html",
        grids.to_json(),
        job=chosen.job,
        epoch=chosen.epoch,
        n=n,
        grids=grids,
    )


def _at_once_or_not(pictures: UploadedList | EvaluationSource) -> UploadedList | EvaluationSource:
    """The list when it is answered at once, else what a job of its own is to classify."""
    as_job = is_wanted("as_job")
    if not isinstance(pictures, UploadedList):
        return pictures
    # Scripts have always had their answer in one piece, however long they waited for it.
    too_long = not wants_json() and pictures.count > services().config.inference_direct_images
    return pictures.as_source() if as_job or too_long else pictures


def _checked(pictures: UploadedList | EvaluationSource) -> ResponseReturnValue:
    """The answer to a request that only asks whether it could be done."""
    if not isinstance(pictures, UploadedList):
        _require_job_allowed()
    return "", 204


def _require_job_allowed() -> None:
    if not may_make():
        raise JobRefused(
            "So many pictures are classified by a job of their own, which you may not make. Ask an "
            "admin, or send a shorter list."
        )


def _best_of_evaluation(
    chosen: Chosen, source: EvaluationSource, limit: int | None, n: int
) -> ResponseReturnValue:
    """The best of each class of the job that has classified these pictures, or of a new one."""
    asked = _asked(chosen, source, limit, n)
    job = in_thread(same_evaluation, scheduler().parts(chosen.job.id), asked)
    if job is None:
        return _created_evaluation(chosen, source, limit, n, "evaluation_top_n")
    return created(job, url_for("classification_models.evaluation_top_n", job_id=job.id, n=n))


def _created_evaluation(
    chosen: Chosen, source: EvaluationSource, limit: int | None, n: int, page: str
) -> ResponseReturnValue:
    _require_job_allowed()
    asked = _asked(chosen, source, limit, n)
    job = create_evaluation(scheduler(), services().config, services().paths, asked)
    return created(job, url_for(f"classification_models.{page}", job_id=job.id))


def _asked(
    chosen: Chosen, source: EvaluationSource, limit: int | None, n: int
) -> EvaluationRequest:
    return EvaluationRequest(
        chosen.job,
        chosen.epoch,
        chosen.network,
        source,
        limit,
        n,
        owner_name(),
        one_line_of("group_name"),
    )


def _rows(
    chosen: Chosen,
    pictures: UploadedList,
    accuracy: Accuracy,
    best: BestOfClasses | None = None,
    *,
    drawn: bool,
) -> Generator[Row]:
    first, second = itertools.tee(pictures.entries())
    return asking.classified_rows(
        services().pool,
        chosen.network,
        (first, second),
        pictures.opener,
        accuracy,
        best,
        drawn=drawn,
    )


def _streamed(chosen: Chosen, pictures: UploadedList, accuracy: Accuracy) -> Response:
    """The JSON of many pictures, sent as they are classified; closes the list in the end."""
    rows = _rows(chosen, pictures, accuracy, drawn=False)
    try:
        # What keeps the first one from coming is still answered as an error.
        first = next(rows)
    except BaseException:
        pictures.stream.close()
        raise
    is_probability = chosen.network.is_probability
    parts = json_parts(itertools.chain([first], rows), lambda: accuracy, is_probability)
    response = Response(parts, mimetype="application/json")
    response.call_on_close(rows.close)
    response.call_on_close(pictures.stream.close)
    return response


def _seen_picture() -> bytes:
    try:
        return base64.b64decode(text_of("picture"), validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormError({"picture": ["It must be a PNG in base64."]}) from error


def _index(name: str, most: int) -> int:
    """A whole number of the form, from 0 to `most`."""
    text = text_of(name)
    if not (text.isascii() and text.isdigit()):
        raise FormError({name: [f"{shown(text)} is not a whole number from 0."]})
    if int(text[:12]) > most:
        raise FormError({name: [f"{shown(text)} is too large: at most {most}."]})
    return int(text)
