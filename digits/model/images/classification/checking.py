"""Build a model's networks in a worker, and say what is wrong with them, each at its field.

In: networks that fit a dataset, and weights.  Out: what the check has found, or a FormError.
Elsewhere: the worker's side (`inference/work/checking.py`), sizes (`fitting.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.inference import InferenceError, Pool, WorkerDied, WorkerTimeout, check_network
from digits.inference.operations import NetProblem
from digits.inference.work.layer_lines import layer_lines
from digits.model.images.classification.fitting import SizeCheck
from digits.model.images.classification.net_sources import net_sources
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.network.training import Networks
from digits.model.training.given_weights import Report, report_in_words, weights_report

log = logging.getLogger(__name__)

# The field that a method's network stands in.
NETWORK_FIELDS = {
    "standard": "standard_networks",
    "previous": "previous_networks",
    "pretrained": "pretrained_networks",
    "custom": "custom_network",
}
# Reading and building a network, together: whoever sent the form waits for it.
CHECK_S = 8.0
MOST_PROBLEMS = 10
TOO_SLOW = (
    "The network could not be built within {:g} s to check it. Make it smaller, or send the form "
    "again if the server was busy."
)


@dataclass(frozen=True)
class Checked:
    """What a check has found: what becomes of the weights, and how many parameters there are.

    Both are None when nobody had time to check; `report` is None without weights.
    """

    report: Report | None = None
    parameters: int | None = None


def check_whole(
    pool: Pool,
    networks: Networks,
    dataset: ImageClassificationDatasetJob,
    settings: Settings,
    text: str,
    weights: Path | None,
    timeout_s: float = CHECK_S,
    size: SizeCheck | None = None,
) -> Checked:
    """Build the networks in a worker, and compare the weights; FormError with what is wrong.

    `size` knows what the network is made for.
    """
    nets = net_sources(networks, dataset)
    field = NETWORK_FIELDS[settings.method]
    try:
        result = check_network(pool, nets, weights, timeout_s)
    except WorkerTimeout as error:
        raise FormError({field: [TOO_SLOW.format(timeout_s)]}) from error
    except WorkerDied as error:
        message = f"The network could not be built to check it: {error}"
        raise FormError({field: [message]}) from error
    except InferenceError as error:
        # The check is a service: a busy server must not keep a model from being made.
        log.warning("a network goes unchecked: %s", error)
        return Checked()
    report = weights_report(result.nets["train"]) if weights and "train" in result.nets else None
    if result.problems and size is not None:
        size.refuse(pool, result.problems, networks, field, timeout_s)
    _refuse_problems(result.problems, report, settings, text, weights)
    deploy = result.nets["deploy"]
    _check_outputs(deploy.outputs, deploy.shapes, len(dataset.labels()), field)
    return Checked(report, result.nets["train"].param_count)


def _refuse_problems(
    problems: Sequence[NetProblem],
    report: Report | None,
    settings: Settings,
    text: str,
    weights: Path | None,
) -> None:
    """FormError with the problems that were found, each at its field, if there are any."""
    weights_field = _weights_field(settings)
    lines = layer_lines(text) if problems else {}
    errors: dict[str, list[str]] = {}
    for problem in _once_a_layer(problems)[:MOST_PROBLEMS]:
        is_of_weights = problem.net == "weights"
        about = weights_field if is_of_weights else NETWORK_FIELDS[settings.method]
        line = lines.get(problem.layer or "")
        message = f"Line {line}: {problem.message}" if line else problem.message
        if message not in errors.setdefault(about, []):
            errors[about].append(message)
    # Of a previous network all layers may begin afresh, which is no slip.
    is_previous = settings.method in ("previous", "pretrained")
    if report and weights and not errors and not report["loaded"] and not is_previous:
        errors[weights_field] = [f"No layer of the network is in {weights.name}."]
    if not errors:
        return
    # A file that could not be read at all has neither.
    if report and weights_field in errors and (report["loaded"] or report["skipped"]):
        errors[weights_field].append(report_in_words(report))
    raise FormError(errors)


def _once_a_layer(problems: Sequence[NetProblem]) -> list[NetProblem]:
    """Of what is wrong with a layer in each phase, the first."""
    found: dict[object, NetProblem] = {}
    for problem in problems:
        where = problem.layer if problem.net != "weights" else None
        found.setdefault((where or problem.message, problem.net == "weights"), problem)
    return list(found.values())


def _weights_field(settings: Settings) -> str:
    """Where the weights were chosen."""
    if settings.method in ("previous", "pretrained", "standard"):
        return NETWORK_FIELDS[settings.method]
    by_path = settings.custom_network_snapshot
    return "custom_network_snapshot" if by_path else "custom_network_weights"


def _check_outputs(
    outputs: Any, shapes: Mapping[str, tuple[int, ...]], labels: int, field: str
) -> None:
    """The last output must have one value a label."""
    if not outputs:
        return
    shape = shapes.get(outputs[-1], ())
    count = 1
    for size in shape[1:]:
        count *= size
    if count != labels:
        raise FormError(
            {
                field: [
                    f"The output {outputs[-1]!r} has the shape {' x '.join(map(str, shape))}, so "
                    f"{count} values for each picture, but the dataset has {labels} "
                    "categories. End the network with an InnerProduct layer or a global pooling "
                    "before its loss."
                ]
            }
        )
