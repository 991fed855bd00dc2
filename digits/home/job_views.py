"""What the pages of all jobs ask for beside the page: what deleting removes, logs, notes.

Elsewhere: what can be done with a job (`views.py`); the datasets' and models' own pages.
"""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, abort, jsonify, render_template, request
from flask.typing import ResponseReturnValue
from markupsafe import Markup

from digits.base.formatting import file_size
from digits.errors import FormError, NotPossible
from digits.home.bin_list import state
from digits.home.settings_table import Setting, settings_table
from digits.jobs import log_reader
from digits.jobs.contents import count_contents
from digits.jobs.job import LONGEST_NOTES, Job
from digits.jobs.log_reader import Found, LogPart
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.web.answers import in_thread, scheduler, wants_json
from digits.web.markdown import notes_html
from digits.web.submitted import require_fields, single_value

blueprint = Blueprint("jobs", __name__)

LINES = 400  # of one answer, unless asked otherwise


@blueprint.app_template_filter("markdown")
def markdown(text: str) -> Markup:
    """A user's notes as HTML."""
    return notes_html(text[:LONGEST_NOTES])


@blueprint.app_template_filter("settings_table")
def settings(job: Job) -> list[Setting]:
    """All settings of a job, for its page."""
    return settings_table(job)


@blueprint.get("/models/<job_id>/contents")
@blueprint.get("/datasets/<job_id>/contents")
@blueprint.get("/jobs/<job_id>/contents")
def contents(job_id: str) -> ResponseReturnValue:
    """What deleting the job would remove, and which jobs need it, counted now."""
    job = scheduler().job(job_id)
    found = in_thread(count_contents, job.dir)
    return jsonify(
        {
            "directory": str(job.dir),
            "files": found.files,
            "size_bytes": found.size_bytes,
            "size": file_size(found.size_bytes),
            "snapshots": found.snapshots,
            "complete": found.is_complete,
            "running": job.status.is_active,
            "dependents": [
                {"id": user.id, "name": user.name} for user in scheduler().dependents(job_id)
            ],
            "bin": state(scheduler()).to_json(),
        }
    )


@blueprint.post("/jobs/<job_id>/notes/preview")
def preview_notes(job_id: str) -> ResponseReturnValue:
    """Notes (`job_notes`) as they would be shown: an HTML fragment."""
    scheduler().job(job_id)
    require_fields("job_notes")
    text = single_value("job_notes")
    if len(text) > LONGEST_NOTES:
        raise FormError({"job_notes": [f"The notes have more than {LONGEST_NOTES:,} characters."]})
    return Response(in_thread(notes_html, text), mimetype="text/html")


@blueprint.get("/jobs/<job_id>/logs/<task_id>.json")
@blueprint.get("/jobs/<job_id>/logs/<task_id>")
def log(job_id: str, task_id: str) -> ResponseReturnValue:
    """The page of a task's log, or as JSON a part of it.

    `from` (a byte), `before` (a byte) or nothing (the end) say which `lines` are wanted.
    `search` or `errors` look for a line instead, from `from` on or backward from `before`.
    The template (`job/log.html`) gets `job` and `task`.
    """
    job = scheduler().job(job_id)
    task = _task(job, task_id)
    if not wants_json():
        return render_template("job/log.html", job=job, task=task)
    words = _words()
    if words:
        before = _number("before")
        start = _number("from") or 0
        return jsonify(_found_json(_search(task, words, start, before)))
    return jsonify(_part_json(task, _lines(task)))


def _task(job: Job, task_id: str) -> Task:
    for task in job.tasks:
        if task.id == task_id:
            return task
    abort(404, f"This job has no task {task_id[:60]!r}.")


def _lines(task: Task) -> LogPart:
    """The lines that the request asks for; none where there is no log yet."""
    count = min(max(1, _number("lines") or LINES), log_reader.MOST_LINES)
    growing = task.status is Status.RUNNING
    start, before = _number("from"), _number("before")
    try:
        if before is not None:
            return in_thread(log_reader.lines_before, task.log_path, before, count)
        if start is not None:
            return in_thread(log_reader.lines_from, task.log_path, start, count, growing=growing)
        return in_thread(log_reader.last_lines, task.log_path, count, growing=growing)
    except FileNotFoundError:
        return LogPart(0, 0, 0, [])
    except OSError as error:
        raise _unreadable(task, error) from error


def _search(task: Task, words: list[bytes], start: int, before: int | None) -> Found:
    try:
        if before is not None:
            return in_thread(log_reader.search, task.log_path, words, before, forward=False)
        return in_thread(log_reader.search, task.log_path, words, start)
    except FileNotFoundError:
        return Found(None, 0, 0)
    except OSError as error:
        raise _unreadable(task, error) from error


def _unreadable(task: Task, error: OSError) -> NotPossible:
    return NotPossible(f"The log {task.log_name} cannot be read: {error.strerror}.")


def _words() -> list[bytes]:
    """What is searched; empty when the request wants lines."""
    if "errors" in request.args:
        return list(log_reader.ERROR_WORDS)
    text = request.args.get("search", "")
    if len(text) > log_reader.LONGEST_SEARCH:
        raise FormError(
            {"search": [f"At most {log_reader.LONGEST_SEARCH} characters can be searched."]}
        )
    return log_reader.search_words(text) if text else []


def _number(name: str) -> int | None:
    text = request.args.get(name)
    if text is None:
        return None
    if not text.isdecimal() or len(text) > 18:
        raise FormError({name: [f"{text[:40]!r} is not a number of bytes or lines."]})
    return int(text)


def _part_json(task: Task, part: LogPart) -> dict[str, Any]:
    return {
        "task": task.id,
        "file": task.log_name,
        "size": part.size,
        "start": part.start,
        "end": part.end,
        "growing": task.status.is_active,
        "lines": [[line.at, line.text] for line in part.lines],
    }


def _found_json(found: Found) -> dict[str, Any]:
    return {
        "found": found.at,
        "looked_to": found.looked_to,
        "over": found.is_over,
        "size": found.size,
    }
