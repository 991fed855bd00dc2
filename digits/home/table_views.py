"""What scripts of DIGITS 4 to 6 ask of many jobs: a table of them, deleting, stopping, grouping.

Elsewhere: what can be done with one job, and our own deletion of several (`digits/views.py`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from urllib.parse import urlsplit

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue

from digits.errors import FormError
from digits.home.bulk import Changes, Kept, abort_all, delete_all, group_all, ids_in
from digits.home.job_list import list_query, listed
from digits.home.job_table import output_fields, table_row
from digits.jobs.job import Job
from digits.web.answers import scheduler, wants_json
from digits.web.error_pages import error_answer
from digits.web.forms import one_line_of
from digits.web.headers import comes_from_elsewhere
from digits.web.logins import may_change, owner_name
from digits.web.submitted import require_fields, single_value, submitted_values
from digits.web.words import required_yes_or_no

blueprint = Blueprint("tables", __name__)

# What scripts call the list of ids, jQuery with brackets.
IDS_FIELDS = ("job_ids[]", "job_ids")


@blueprint.get("/completed_jobs.json")
def completed_jobs() -> ResponseReturnValue:
    """All datasets and models with what came of them; those that run or wait stand apart."""
    jobs = scheduler().jobs
    query = list_query(request.args)
    categories = ("dataset", "model", "pretrained")
    lists = {category: listed(jobs, category, query) for category in categories}
    active = [job for found in lists.values() for job in found if job.status.is_active]
    rows = {
        "running": _rows(active),
        "datasets": _rows([job for job in lists["dataset"] if not job.status.is_active]),
        "models": _rows([job for job in lists["model"] if not job.status.is_active]),
        "pretrained_models": _rows(lists["pretrained"]),
    }
    fields = output_fields(row for found in rows.values() for row in found)
    return jsonify({**rows, "model_output_fields": fields})


@blueprint.get("/jobs/<job_id>/table_data.json")
def table_data(job_id: str) -> ResponseReturnValue:
    """The same of one job, under `job`."""
    return jsonify({"job": _rows([scheduler().job(job_id)])[0]})


@blueprint.delete("/jobs")
def delete_jobs() -> ResponseReturnValue:
    """Put the jobs `job_ids[]` into the bin; those that stay are named with the reason.

    With `for_good` they are gone at once.
    """
    ids = _ids("for_good")
    text = single_value("for_good") or request.args.get("for_good", "")
    for_good = required_yes_or_no("for_good", text)
    result = delete_all(scheduler(), ids, may_change, by=owner_name(), for_good=for_good)
    return _told("deleted", "Jobs deleted.", result)


@blueprint.post("/abort_jobs")
def abort_jobs() -> ResponseReturnValue:
    """Stop the jobs `job_ids[]`, those that run or wait."""
    return _told("aborted", "Jobs aborted.", abort_all(scheduler(), _ids(), may_change))


@blueprint.route("/group", methods=["GET", "POST"])
def group() -> ResponseReturnValue:
    """Put the jobs `job_ids[]` into the group `group_name`, or with an empty one into none."""
    # A GET that changes something: it is asked what all other changes are asked.
    if comes_from_elsewhere() or _was_linked_from_elsewhere():
        return error_answer(403, "This request came from another site's page.")
    ids = _ids("group_name")
    in_address = request.args.get("group_name", "") if request.method == "GET" else None
    name = one_line_of("group_name", in_address)
    return _told("regrouped", "Jobs regrouped.", group_all(scheduler(), ids, name, may_change))


def _rows(jobs: Sequence[Job]) -> list[dict[str, object]]:
    rows = []
    for job in jobs:
        rows.append(table_row(job))
        time.sleep(0)  # each may have a log to read: others have their turn in between
    return rows


def _ids(*also_known: str) -> list[str]:
    """The ids that the request names, in the body or the address; FormError for none."""
    require_fields(*IDS_FIELDS, *also_known)
    values = submitted_values()
    texts = [
        str(text)
        for source in (values, request.args)
        for name in IDS_FIELDS
        for text in source.getlist(name)
    ]
    found = ids_in(texts)
    if not found:
        raise FormError({IDS_FIELDS[0]: ["No job is named. Send the ids of the jobs."]})
    return found


def _was_linked_from_elsewhere() -> bool:
    referrer = request.headers.get("Referer", "")
    try:
        return bool(referrer) and urlsplit(referrer).netloc != request.host
    except ValueError:
        return True


def _told(done: str, words: str, result: Changes) -> ResponseReturnValue:
    """What became of the jobs: 200 when all could be done, else the reasons."""
    data = {done: result.ids}
    if not result.kept:
        return jsonify(data) if wants_json() else words
    codes = {kept.code for kept in result.kept}
    code = codes.pop() if len(codes) == 1 else 400
    message = " ".join(_reason(kept) for kept in result.kept)
    if not wants_json():
        return error_answer(code, message)
    kept = [each.to_json() for each in result.kept]
    return jsonify({"error": {"code": code, "message": message}, **data, "kept": kept}), code


def _reason(kept: Kept) -> str:
    return f"{kept.name}: {kept.reason}"
