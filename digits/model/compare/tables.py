"""Compare models: their curves in one chart, what their settings differ in, what came of them.

In: the ids that were ticked, and the jobs that there are.  Out: rows of words, one for each model
and row, and a chart in the form of `model/training/charts.py` whose series also say whose they are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from digits.base.formatting import duration, file_size
from digits.errors import NotComparable
from digits.jobs.job import Job
from digits.jobs.signals import Update
from digits.model.job import ModelJob
from digits.model.training.charts import Chart
from digits.model.training.outcome import Best, Outcome

FEWEST, MOST = 2, 10
RATE = "learning rate"
ID_DIGITS = 6  # of an id's end: enough to tell models of one name apart


@dataclass(frozen=True)
class Row:
    """A line of a table: words for each model, and which of them are the best."""

    title: str
    words: tuple[str, ...]
    best: frozenset[int] = frozenset()


def chosen_models(text: str, jobs: Iterable[Job]) -> list[ModelJob]:
    """The models whose ids stand in `text` with commas between them, in that order.

    Raises NotComparable when there are too few or too many, or when one is no model.
    """
    ids = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if not FEWEST <= len(ids) <= MOST:
        raise NotComparable(
            f"{FEWEST} to {MOST} models can be compared. Received: {len(ids)}. Select them on the "
            "home page."
        )
    known = {job.id: job for job in jobs}
    if missing := [job_id for job_id in ids if job_id not in known]:
        raise NotComparable(
            f"There is no model {_quoted(missing)}. It may have been deleted: select the models "
            "on the home page again."
        )
    chosen = [known[job_id] for job_id in ids]
    models = [job for job in chosen if isinstance(job, ModelJob)]
    if others := [job for job in chosen if not isinstance(job, ModelJob)]:
        is_trained_otherwise = any(job.category == ModelJob.category for job in others)
        which = "models that Caffe trains" if is_trained_otherwise else "models"
        names = _quoted([job.name for job in others])
        raise NotComparable(f"{names} cannot be compared: only {which} can.")
    return models


def short_names(models: Sequence[ModelJob]) -> list[str]:
    """Their names; with the end of the id where two are called the same."""
    names = [model.name for model in models]
    return [
        f"{model.name} ({model.id[-ID_DIGITS:]})" if names.count(model.name) > 1 else model.name
        for model in models
    ]


def differing(descriptions: Sequence[Sequence[tuple[str, str]]]) -> tuple[list[Row], list[Row]]:
    """Rows of the settings in which models differ, and of those that they share.

    A description is a model's settings, (title, words); models of several kinds have other titles,
    and what a model does not have is empty.
    """
    settings = [dict(pairs) for pairs in descriptions]
    titles = dict.fromkeys(title for pairs in settings for title in pairs)
    rows = [Row(title, tuple(pairs.get(title, "") for pairs in settings)) for title in titles]
    return [r for r in rows if len(set(r.words)) > 1], [r for r in rows if len(set(r.words)) == 1]


def result_rows(models: Sequence[ModelJob]) -> list[Row]:
    """What came of each model; the best of a row are marked where more, or less, is better."""
    outcomes = [_begun(model.train_task.outcome()) for model in models]
    tables = [model.train_task.snapshot_table() for model in models]
    sizes = [table[-1].size_bytes if table else None for table in tables]
    return [
        Row("Status", tuple(model.status_word for model in models)),
        _measured("Best accuracy", outcomes, lambda o: o.accuracy, _percent, max),
        _measured("Lowest loss", outcomes, lambda o: o.loss, _loss, min),
        Row("Epochs", tuple(f"{o.epochs:g}" if o else "" for o in outcomes)),
        Row("Iterations", tuple(f"{o.iterations:,}" if o else "" for o in outcomes)),
        Row("Time of training", tuple(duration(o.time_s) if o else "" for o in outcomes)),
        Row("Iterations per second", tuple(_pace(o) for o in outcomes)),
        Row("Size of the weights", tuple(file_size(size) if size else "" for size in sizes)),
    ]


def result_pairs(model: ModelJob) -> list[tuple[str, str]]:
    """The same of one model, (title, words), without its status."""
    return [(row.title, row.words[0]) for row in result_rows([model])[1:]]


def compared_chart(models: Sequence[ModelJob]) -> Chart:
    """The curves of all models: each series' `series` entry names its model and its measure."""
    chart: Chart = {
        **{key: {} for key in ("xs", "names", "axes", "times", "epoch_iterations", "series")},
        "columns": [],
    }
    for number, (model, name) in enumerate(zip(models, short_names(models), strict=True)):
        task = model.train_task
        _merge(chart, task.update_data(Update.COMBINED_GRAPH), f"{number}:", number, name)
        rates = task.update_data(Update.LR_GRAPH)
        rates["names"] = dict.fromkeys(rates["names"], RATE)
        rates["epoch_iterations"] = task.epoch_iterations
        _merge(chart, rates, f"{number}:rate:", number, name)
    return chart


def measures(chart: Mapping[str, Any]) -> list[str]:
    """What can be drawn of a chart's models: validation before training, the learning rate last."""
    found = list(dict.fromkeys(series["measure"] for series in chart["series"].values()))
    return sorted(found, key=lambda name: (name == RATE, name.endswith("(train)"), name))


def shown_at_first(names: Sequence[str]) -> list[str]:
    """The measures that a reader sees before choosing: those of validation, where there are any."""
    return [name for name in names if name.endswith("(val)")] or list(names[:1])


def _merge(chart: Chart, own: Chart, prefix: str, number: int, model: str) -> None:
    """Put a model's chart into the one of all; ids get a prefix."""
    chart["columns"] += [[f"{prefix}{name}", *values] for name, *values in own["columns"]]
    for key in ("axes", "times"):
        chart[key].update({f"{prefix}{name}": value for name, value in own[key].items()})
    for name, x_name in own["xs"].items():
        if own["columns"]:
            measure = own["names"][name]
            chart["xs"][f"{prefix}{name}"] = f"{prefix}{x_name}"
            chart["names"][f"{prefix}{name}"] = f"{model}: {measure}"
            chart["series"][f"{prefix}{name}"] = {"model": number, "measure": measure}
            chart["epoch_iterations"][f"{prefix}{x_name}"] = own["epoch_iterations"]


def _measured(
    title: str,
    outcomes: Sequence[Outcome | None],
    read: Callable[[Outcome], Best | None],
    words: Callable[[float], str],
    choose: Callable[[list[float]], float],
) -> Row:
    found = [read(outcome) if outcome else None for outcome in outcomes]
    values = [each.value for each in found if each]
    best = choose(values) if len(values) > 1 else None
    return Row(
        title,
        tuple(f"{words(each.value)} (epoch {each.epoch:g})" if each else "" for each in found),
        frozenset(n for n, each in enumerate(found) if each and each.value == best),
    )


def _percent(value: float) -> str:
    return f"{100 * value:.2f}%"


def _loss(value: float) -> str:
    return f"{value:.4g}"


def _begun(outcome: Outcome | None) -> Outcome | None:
    return outcome if outcome and (outcome.iterations or outcome.loss) else None


def _pace(outcome: Outcome | None) -> str:
    pace = outcome.iterations_per_s if outcome else None
    return f"{pace:.3g}" if pace else ""


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:60]) for name in names)
