"""Whether an uploaded model classifies: its network is built, and a picture goes through it.

In: what was read of the archive, and its weights.  Out: the blob with the scores and how many
classes it tells apart; or FormError that says what does not fit, layer by layer.  A worker that is
busy or dies is an InferenceError: the same archive may do a moment later.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from digits.errors import FormError
from digits.inference import (
    BadRequest,
    ClassifyOne,
    NetSource,
    Network,
    Pool,
    WorkerTimeout,
    check_network,
)
from digits.inference.operations import CheckResult, NetCheck, NetProblem
from digits.inference.work.layer_lines import layer_lines
from digits.model.images.classification.upload.info import refused
from digits.model.images.classification.upload.reading import ReadModel, input_of
from digits.model.job import DEPLOY_FILE
from digits.model.network.deploy import Output, output_of
from digits.model.network.errors import NetworkError
from digits.sources.picture_list import LABELS_FILE

MOST_PROBLEMS = 10
# A blank picture; it becomes as large as the network wants it.
_SIDE = 8


@dataclass(frozen=True)
class Checked:
    """The result of the network, and how many classes it tells apart."""

    output: Output
    classes: int


def check_built(
    pool: Pool, model: ReadModel, weights: Path, output: str, *, are_given: bool
) -> Checked:
    """Build the network and compare the weights, which are not loaded yet; `output` is a wish.

    `are_given`: the labels came with the form, not in the archive.
    """
    _require_input(model)
    source = NetSource(model.deploy.text, "deploy")
    try:
        result = check_network(pool, [source], weights)
    except WorkerTimeout as error:
        raise refused(f"The network could not be built in time: {error}") from error
    built = _require_built(model, result)
    _require_weights(built, result.problems, weights)
    found = _output(model, built, output)
    classes = math.prod(built.shapes[found.name][1:2])
    _require_labels(model.labels, found, classes, "labels_file" if are_given else "archive")
    return Checked(found, classes)


def check_classifies(pool: Pool, network: Network) -> None:
    """Load the network with its weights and give it a picture; FormError when that fails."""
    # A black one as PGM, which needs no encoder: this runs in the event loop.
    picture = b"P5 %d %d 255\n" % (_SIDE, _SIDE) + bytes(_SIDE * _SIDE)
    try:
        pool.ask(ClassifyOne(picture), network=network)
    except BadRequest as error:
        raise refused(f"The model cannot be used: {error}") from error


def _require_input(model: ReadModel) -> None:
    """FormError when the network takes no pictures, or others than the model has."""
    found = input_of(model.deploy.net)
    if found is None:
        raise refused(
            f"{DEPLOY_FILE} has no input of four dimensions (pictures, channels, height, width)."
        )
    name, (_, channels, rows, columns) = found
    size = model.size
    if channels != size.channels:
        raise refused(
            f"The input {name!r} of {DEPLOY_FILE} takes {channels} channels, but the pictures are "
            f"said to have {size.channels}."
        )
    if size.height < rows or size.width < columns:
        raise refused(
            f"The input {name!r} of {DEPLOY_FILE} takes {columns} x {rows} pixels, but the "
            f"pictures are said to have {size.width} x {size.height}, which is too small."
        )


def _require_built(model: ReadModel, result: CheckResult) -> NetCheck:
    """The network as it was built; FormError with what is wrong where it could not be."""
    if built := result.nets.get("deploy"):
        return built
    lines = layer_lines(model.deploy.text)
    told = [
        f"Line {line}: {problem.message}"
        if (line := problem.line or lines.get(problem.layer or ""))
        else problem.message
        for problem in result.problems[:MOST_PROBLEMS]
    ]
    raise refused(f"{DEPLOY_FILE} cannot be built: {' '.join(told)}")


def _require_weights(built: NetCheck, problems: Sequence[NetProblem], weights: Path) -> None:
    """FormError when the file is none, or does not give every layer its weights."""
    if built.unfit_weights:
        raise refused(
            f"The weights {weights.name} do not fit {DEPLOY_FILE}: "
            f"{_listed([each.reason for each in built.unfit_weights])}. {_fitting(built)}"
        )
    if problems:
        raise refused(f"{weights.name}: {' '.join(each.message for each in problems)}")
    if built.untold_layers:
        raise refused(
            f"The weights {weights.name} do not fit {DEPLOY_FILE}: there are none in them for "
            f"{_listed([repr(name) for name in built.untold_layers])}. {_fitting(built)}"
        )


def _fitting(built: NetCheck) -> str:
    """Which layers fit, and what the file has that no layer takes."""
    told = f"Layers that fit: {_listed([repr(name) for name in built.loaded_layers]) or 'none'}."
    names = [each.layer for each in built.skipped_weights]
    if left := [repr(name) for name in names if name not in built.untold_layers]:
        told += f" Layers of the file that the network does not have: {_listed(left)}."
    return told


def _listed(texts: Sequence[str]) -> str:
    more = len(texts) - MOST_PROBLEMS
    return "; ".join(texts[:MOST_PROBLEMS]) + ("; and more" if more > 0 else "")


def _output(model: ReadModel, built: NetCheck, wish: str) -> Output:
    try:
        found = output_of(model.deploy.net, wish)
    except NetworkError as error:
        raise refused(f"{DEPLOY_FILE}: {error}") from error
    if not built.shapes.get(found.name):
        raise refused(f"{DEPLOY_FILE}: the output {found.name!r} has no scores of categories.")
    return found


def _require_labels(labels: Sequence[str] | None, output: Output, classes: int, field: str) -> None:
    if labels is None or len(labels) == classes:
        return
    raise FormError(
        {
            field: [
                f"{LABELS_FILE} has {len(labels):,} labels, but the output {output.name!r} of "
                f"{DEPLOY_FILE} tells {classes:,} categories apart. Each needs its label, in the "
                "order in which the network learned them."
            ]
        }
    )
