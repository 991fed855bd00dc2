"""The bin: what was deleted, by whom, and how long it can be restored.

Everybody sees and restores what they may delete; what others have deleted is the admins' business.
Elsewhere: what is known of the bin (`bin_list.py`), deleting jobs (`digits/views.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from flask import Blueprint, abort, jsonify, redirect, render_template, request, session, url_for
from flask.typing import ResponseReturnValue

from digits.errors import FormError, NotInBin
from digits.home.bin_list import (
    PAGE_SIZE,
    contents_of,
    rows,
    size_words,
    state,
    summary,
    visible,
)
from digits.home.bulk import NOT_YOURS, discard_all, ids_in, restore_all
from digits.jobs.bin_entry import BinEntry
from digits.web.answers import job_summary, scheduler, wants_json
from digits.web.forms import require_token
from digits.web.logins import may_change
from digits.web.submitted import single_value, submitted_values
from digits.web.words import required_yes_or_no

blueprint = Blueprint("bin", __name__)

# What the session keeps of a deletion until the next page has offered to undo it.  More ids would
# not fit into its cookie; the page of the bin restores those.
UNDO = "deleted"
MOST_UNDONE = 40


# The rule nearest to the function is registered first, so `url_for` answers the page.
@blueprint.get("/bin.json")
@blueprint.get("/bin")
def show() -> ResponseReturnValue:
    """What is in the bin that the user may restore, deleted last first.

    The page (`home/bin.html`) gets `rows` (BinRows), `bin` (a BinSummary), and `page` of `pages`.
    """
    found = visible(scheduler().bin, may_change)
    if wants_json():
        return jsonify(_as_json(found))
    pages = max(1, -(-len(found) // PAGE_SIZE))
    page = min(max(1, _page_number()), pages)
    shown = found[(page - 1) * PAGE_SIZE : page * PAGE_SIZE]
    return render_template(
        "home/bin.html",
        rows=rows(scheduler(), shown),
        bin=summary(scheduler(), may_change),
        page=page,
        pages=pages,
    )


def _as_json(found: Sequence[BinEntry]) -> dict[str, object]:
    contents = contents_of(scheduler().bin, found)
    return {
        "jobs": [row.to_json() for row in rows(scheduler(), found)],
        "size_bytes": contents.size_bytes if contents else None,
        "size": size_words(contents),
        **state(scheduler()).to_json(),
    }


def _page_number() -> int:
    try:
        return int(request.args.get("page", 1))
    except ValueError:
        return 1


@blueprint.post("/bin/restore.json")
@blueprint.post("/bin/restore")
def restore_jobs() -> ResponseReturnValue:
    """Restore several jobs (`ids`); those that cannot be restored are named with the reason."""
    require_token("ids")
    result = restore_all(scheduler(), _required_ids(), may_change)
    if wants_json():
        return jsonify({"restored": result.ids, "kept": [kept.to_json() for kept in result.kept]})
    if result.kept:
        return render_template("job/changed.html", result=result, verb="restored")
    if len(result.ids) == 1:
        return redirect(url_for("home.show_job", job_id=result.ids[0]), 303)
    return redirect(url_for("home.home"), 303)


@blueprint.post("/bin/<key>/restore")
def restore_job(key: str) -> ResponseReturnValue:
    """Restore a job, by its id, or by its key where the bin holds several of the same id."""
    job = scheduler().restore_job(_mine(key).key)
    missing = scheduler().missing(job)
    if wants_json():
        return jsonify({**job_summary(job), "missing": missing})
    if not missing:
        return "Job restored."
    return f"Job restored. It needs {', '.join(missing)}, which is not there."


@blueprint.get("/bin/delete")
def ask_before_discard() -> ResponseReturnValue:
    """The question before jobs (`ids`; none: all) are removed for good, without scripts."""
    found = visible(scheduler().bin, may_change)
    if wanted := set(ids_in(request.args.getlist("ids"))):
        found = [entry for entry in found if wanted & {entry.key, entry.id}]
    return render_template("home/discard.html", entries=found, everything=not wanted)


@blueprint.post("/bin/delete.json")
@blueprint.post("/bin/delete")
def discard_jobs() -> ResponseReturnValue:
    """Remove several jobs (`ids`, or `everything`) from the bin for good."""
    require_token("ids", "everything")
    everything = required_yes_or_no("everything", single_value("everything"))
    return _discarded(_all_keys() if everything else _required_ids())


@blueprint.delete("/bin/<key>")
def discard_job(key: str) -> ResponseReturnValue:
    """Remove a job from the bin for good."""
    scheduler().bin.discard(_mine(key))
    return "Job deleted for good."


@blueprint.delete("/bin")
def empty() -> ResponseReturnValue:
    """Remove everything from the bin for good that the user may remove."""
    return _discarded(_all_keys(), "Bin emptied.")


def _discarded(keys: Sequence[str], words: str = "") -> ResponseReturnValue:
    result = discard_all(scheduler(), keys, may_change)
    if wants_json():
        return jsonify({"deleted": result.ids, "kept": [kept.to_json() for kept in result.kept]})
    if result.kept:
        return render_template("job/changed.html", result=result, verb="deleted for good")
    return words or redirect(url_for("bin.show"), 303)


def _all_keys() -> list[str]:
    return [entry.key for entry in visible(scheduler().bin, may_change)]


def _required_ids() -> list[str]:
    ids = ids_in(submitted_values().getlist("ids"))
    if not ids:
        raise FormError({"ids": ["No job is named. Send the ids of jobs in the bin."]})
    return ids


def _mine(key: str) -> BinEntry:
    """The entry with this key or job's id; 404, or 403 when it is somebody else's."""
    entry = scheduler().bin.table.find(key)
    if not may_change(entry):
        abort(403, NOT_YOURS)
    return entry


# Undo without scripts ---------------------------------------------------------------------------


def offer_undo(job_ids: Sequence[str]) -> None:
    """Let the next page offer to undo this deletion."""
    kept = [job_id for job_id in job_ids if scheduler().bin.table.holds(job_id)]
    if 0 < len(kept) <= MOST_UNDONE:
        session[UNDO] = kept


def undo_offered() -> list[BinEntry]:
    """What this browser has just deleted, and may restore; offered once."""
    entries = []
    for job_id in session.pop(UNDO, []) if UNDO in session else []:
        entry = in_bin(str(job_id))
        if entry is not None and may_change(entry):
            entries.append(entry)
    return entries


@blueprint.app_template_global("in_bin")
def in_bin(job_id: str) -> BinEntry | None:
    """The deleted job with this id; None when it is not in the bin."""
    try:
        return scheduler().bin.table.find(job_id)
    except NotInBin:
        return None
