"""The home page, and what can be done with any job: status, rename, abort, pause, resume, delete.

The routes below `/jobs/<id>` stand also below `/datasets/<id>` and `/models/<id>`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Blueprint, jsonify, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

import digits
from digits.errors import FormError, JobNotFound, JobRefused
from digits.home.bin_list import summary
from digits.home.bin_views import offer_undo, undo_offered
from digits.home.bulk import delete_all, ids_in
from digits.home.columns import Column, columns_of, list_facts
from digits.home.demo import sample_dataset
from digits.home.first_steps import first_steps
from digits.home.job_list import JobPage, list_query, listed, statuses
from digits.home.machine_panel import machine_panel
from digits.home.samples import DIGITS, SAMPLES, Sample
from digits.jobs.job import LONGEST_NOTES, Job
from digits.web.answers import created, scheduler, services, wants_json
from digits.web.forms import DigitsForm, one_line_of, require_token
from digits.web.logins import may_change, owner_name
from digits.web.submitted import require_fields, single_value, submitted_values
from digits.web.words import required_yes_or_no, yes_or_no

blueprint = Blueprint("home", __name__)

PREFIXES = ("jobs", "datasets", "models", "pretrained_models")
LONGEST_NAME = 500
# What the home page lists, by the names of the lists.
LISTS = {"datasets": "dataset", "models": "model", "pretrained_models": "pretrained"}
# That of pretrained models, as DIGITS 5 counts its tabs: it comes first then.
PRETRAINED_TAB = "3"


@blueprint.app_template_filter("columns")
def columns(job: Job) -> Sequence[Column]:
    """The columns of the list that a job stands in."""
    return columns_of(job.category)


def for_each_prefix(rule: str, methods: Sequence[str]) -> Callable[[Any], Any]:
    """Route a view below /jobs, /datasets, /models and /pretrained_models."""

    def add(view: Any) -> Any:
        for prefix in PREFIXES:
            blueprint.add_url_rule(f"/{prefix}{rule}", view_func=view, methods=list(methods))
        return view

    return add


# The rule nearest to the function is registered first, so `url_for` answers the page.
@blueprint.get("/index.json")
@blueprint.get("/")
def home() -> ResponseReturnValue:
    """All datasets and models, running ones first, then the newest; or as the address asks for.

    The page (`home/home.html`) gets `datasets`, `models` and `pretrained_models`, each a `JobPage`,
    of which the last comes first where `pretrained_first`; `address`, which
    makes the address of this page with other parameters; `steps`, a newcomer's next ones
    (`FirstSteps`, or None); `panel`, the state of the machine and the queue; `left_aside`, why
    folders of jobs cannot be read; `bin`, a BinSummary; and `undone`, what a browser without
    scripts has just deleted.
    """
    jobs = scheduler().jobs
    if wants_json():
        return _index(jobs)
    user = owner_name() or None
    active = scheduler().active
    pages = {
        name: JobPage(
            jobs,
            category,
            list_query(request.args, f"{name}_sort", user),
            _page_number(f"{name}_page"),
            active,
        )
        for name, category in LISTS.items()
    }
    models = pages["models"]
    searched = models.query.words or models.query.status or models.query.owner is not None
    steps = None if searched else first_steps(jobs, services().kinds)
    return render_template(
        "home/home.html",
        **pages,
        pretrained_first=request.args.get("tab") == PRETRAINED_TAB,
        query=models.query,
        statuses=statuses(),
        address=_address(pages),
        steps=steps,
        form=DigitsForm() if steps else None,
        panel=machine_panel(services().devices.read(), scheduler()),
        left_aside=scheduler().store.left_aside,
        bin=summary(scheduler(), may_change),
        undone=undo_offered(),
    )


def _index(jobs: Sequence[Job]) -> ResponseReturnValue:
    query = list_query(request.args, user=owner_name() or None)
    with_facts = yes_or_no(request.args.get("details", "")) is True
    limit = _limit(request.args.get("limit", ""))
    active = scheduler().active
    lists = {
        name: listed(jobs, category, query, active)[:limit] for name, category in LISTS.items()
    }
    return jsonify(
        {
            **{
                name: [_in_index(job, with_facts=with_facts) for job in found]
                for name, found in lists.items()
            },
            "version": digits.__version__,
            "jobs_dir": str(scheduler().store.jobs_dir),
        }
    )


def _in_index(job: Job, *, with_facts: bool) -> dict[str, Any]:
    known: dict[str, Any] = {"id": job.id, "name": job.name, "status": job.status}
    if job.group:
        known["group"] = job.group
    return {**known, **list_facts(job)} if with_facts else known


def _limit(text: str) -> int | None:
    """How many jobs of a kind are asked for; None: all."""
    if not text.strip():
        return None
    if not text.strip().isdecimal() or len(text) > 9:
        raise FormError(
            {"limit": [f"{text[:60]!r} is not a number of jobs. Leave it out for all."]}
        )
    return int(text)


def _address(pages: Mapping[str, JobPage]) -> Callable[..., str]:
    """Makes the home page's address with some parameters changed; what is usual is left out."""
    query = pages["models"].query
    present = {
        "search": query.words,
        "status": query.status,
        "mine": None if query.owner is None else "1",
        "tab": PRETRAINED_TAB if request.args.get("tab") == PRETRAINED_TAB else None,
        **{f"{name}_sort": page.query.sort for name, page in pages.items()},
        **{f"{name}_page": page.number for name, page in pages.items()},
    }

    def address(**changes: Any) -> str:
        values = {**present, **changes}
        usual = ("", 1, None)
        return url_for("home.home", **{k: v for k, v in values.items() if v not in usual})

    return address


@blueprint.post("/datasets/sample.json")
@blueprint.post("/datasets/sample")
def make_sample() -> ResponseReturnValue:
    """Make a sample dataset, unless it is there; the home page then offers the next step.

    `sample` says which: digits, emoji [digits].
    """
    require_token("sample", "group_name")
    group = one_line_of("group_name")
    sample = _chosen_sample(one_line_of("sample"))
    job = sample_dataset(scheduler(), services().paths, sample, owner_name(), group)
    return created(job, url_for("home.home"))


def _chosen_sample(key: str) -> Sample:
    """The sample that is called so; FormError when there is none."""
    sample = SAMPLES.get(key or DIGITS.key)
    if sample is None:
        message = f"There is no sample {key[:60]!r}. Choose {' or '.join(SAMPLES)}."
        raise FormError({"sample": [message]})
    return sample


@blueprint.get("/jobs/delete")
def ask_before_delete() -> ResponseReturnValue:
    """The question before several jobs (`ids`) are deleted, for browsers without scripts."""
    wanted = ids_in(request.args.getlist("ids"))
    known = {job.id: job for job in scheduler().jobs}
    jobs = [known[job_id] for job_id in wanted if job_id in known]
    bin_ = summary(scheduler(), may_change)
    return render_template("job/delete.html", jobs=jobs, form=DigitsForm(), bin=bin_)


@blueprint.post("/jobs/delete.json")
@blueprint.post("/jobs/delete")
def delete_jobs() -> ResponseReturnValue:
    """Put several jobs (`ids`) into the bin; those that stay are named with the reason.

    With `for_good` they are gone at once.
    """
    require_token("ids", "for_good")
    wanted = ids_in(submitted_values().getlist("ids"))
    if not wanted:
        raise FormError({"ids": ["No job is named. Send the ids of the jobs to delete."]})
    for_good = required_yes_or_no("for_good", single_value("for_good"))
    result = delete_all(scheduler(), wanted, may_change, by=owner_name(), for_good=for_good)
    if wants_json():
        return jsonify({"deleted": result.ids, "kept": [kept.to_json() for kept in result.kept]})
    offer_undo(result.ids)
    if not result.kept:
        return redirect(url_for("home.home"), 303)
    return render_template("job/changed.html", result=result, verb="deleted", undone=undo_offered())


@blueprint.get("/jobs/<job_id>")
def show_job(job_id: str) -> ResponseReturnValue:
    """The way to the job's own page."""
    job = scheduler().job(job_id)
    return redirect(url_for(services().kinds.of(job).page, job_id=job_id))


@blueprint.put("/jobs/<job_id>")
def rename_job(job_id: str) -> ResponseReturnValue:
    """Give the job another name (`job_name`), or other notes (`job_notes`).

    With `job_notes_were`, which the writer began from, notes that somebody changed meanwhile stay.
    """
    require_fields("job_name", "job_notes", "job_notes_were")
    if "job_notes" in submitted_values():
        return _change_notes(job_id, single_value("job_notes"))
    name = single_value("job_name").strip()
    if not name:
        raise FormError({"job_name": ["The name is empty. Give the job a name."]})
    if len(name) > LONGEST_NAME:
        raise FormError({"job_name": [f"The name has more than {LONGEST_NAME} characters."]})
    if not name.isprintable():
        raise FormError({"job_name": ["The name contains characters that cannot be displayed."]})
    old = scheduler().rename_job(job_id, name)
    return f"Changed from {old!r} to {name!r}.", 200, {"Content-Type": "text/plain; charset=utf-8"}


def _change_notes(job_id: str, notes: str) -> str:
    if len(notes) > LONGEST_NOTES:
        raise FormError({"job_notes": [f"The notes have more than {LONGEST_NOTES:,} characters."]})
    if "\0" in notes:
        raise FormError({"job_notes": ["The notes contain a NUL character; remove it."]})
    # Browsers send a text area's lines with CR and LF.
    values = submitted_values()
    were = single_value("job_notes_were") if "job_notes_were" in values else None
    notes, were = notes.replace("\r\n", "\n"), were and were.replace("\r\n", "\n")
    scheduler().set_notes(job_id, notes, were)
    return "Notes saved."


@for_each_prefix("/<job_id>/status", ["GET"])
def job_status(job_id: str) -> ResponseReturnValue:
    """The job's status as JSON."""
    try:
        job = scheduler().job(job_id)
    except JobNotFound as error:
        return jsonify({"error": str(error)}), 404
    status = {"error": job.error, "status": job.status.value, "name": job.name, "type": job.title}
    return jsonify(status)


@for_each_prefix("/<job_id>", ["DELETE"])
def delete_job(job_id: str) -> ResponseReturnValue:
    """Stop the job when it runs, and put it into the bin; with `?for_good=yes` it is gone."""
    for_good = required_yes_or_no("for_good", request.args.get("for_good", ""))
    scheduler().delete_job(job_id, owner_name(), for_good=for_good)
    return "Job deleted."


@for_each_prefix("/<job_id>/abort", ["POST"])
def abort_job(job_id: str) -> ResponseReturnValue:
    """Stop the job when it runs or waits."""
    scheduler().abort_job(job_id)
    return "Job aborted."


@for_each_prefix("/<job_id>/pause", ["POST"])
def pause_job(job_id: str) -> ResponseReturnValue:
    """Let a training take a snapshot at its next iteration and end; `resume` goes on from there."""
    scheduler().pause_job(job_id)
    return "Job is being paused."


@for_each_prefix("/<job_id>/stop_and_keep", ["POST"])
def stop_and_keep_job(job_id: str) -> ResponseReturnValue:
    """Let a training take a snapshot at its next iteration and be Done, before its time."""
    scheduler().stop_and_keep_job(job_id)
    return "Job is being stopped; what it has done is kept."


@for_each_prefix("/<job_id>/resume", ["POST"])
def resume_job(job_id: str) -> ResponseReturnValue:
    """Put what an aborted, paused or failed job has not done back into the queue."""
    scheduler().resume_job(job_id)
    return "Job resumed."


@blueprint.get("/clone/<job_id>")
def clone_job(job_id: str) -> ResponseReturnValue:
    """The way to the form of a new job, filled in with this one's settings."""
    job = scheduler().job(job_id)
    form = services().kinds.of(job).new
    if not form:
        raise JobRefused(f"{job.name} cannot be cloned: no form makes such a job.")
    return redirect(url_for(form, clone=job.id))


@blueprint.post("/jobs/rescan")
def rescan() -> ResponseReturnValue:
    """Take in jobs that were copied into the jobs directory; says which cannot be read, and why."""
    found = scheduler().rescan()
    left_aside = scheduler().store.left_aside
    return jsonify({"found": found, **({"left_aside": left_aside} if left_aside else {})})


def _page_number(name: str) -> int:
    try:
        return int(request.args.get(name, 1))
    except ValueError:
        return 1
