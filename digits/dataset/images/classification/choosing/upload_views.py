"""Upload a folder for a dataset, file by file, in many requests; whatever has arrived stays.

For browsers and scripts alike: begin an upload, send files (several requests at once, in any
order, again after an error), ask what has arrived, look at it, make a dataset of it (`upload` in
the form of a dataset) or remove it.  All answers are JSON.
Elsewhere: what is kept of what is sent (`taking.py`), for how long (`jobs/uploads.py`).
"""

from __future__ import annotations

import json
from typing import Any

from flask import Blueprint, Response, jsonify, request
from flask.typing import ResponseReturnValue

from digits.dataset.images.classification.choosing.preview import preview
from digits.dataset.images.classification.choosing.taking import (
    LARGEST_FILE_BYTES,
    MOST_FILES,
    require_room_for,
    take_files,
)
from digits.dataset.images.classification.choosing.uploads import find_upload, uploads
from digits.errors import FormError, JobRefused
from digits.inference.operations import ExamineFolder
from digits.jobs.upload import Upload
from digits.jobs.uploads import KEEP_S
from digits.web.answers import in_thread, scheduler, services
from digits.web.forms import one_line_of
from digits.web.headers import MEGABYTE
from digits.web.logins import may_change, owner_name
from digits.web.submitted import require_fields, single_value

blueprint = Blueprint("dataset_uploads", __name__)

# Of one user, unfinished; who has more has forgotten some.
MOST_UPLOADS = 20
LARGEST_NUMBER = 1 << 53
MOST_NAMED = 20  # of the files that are left out


@blueprint.post("/images/classification/uploads.json")
def begin() -> ResponseReturnValue:
    """Begin an upload: its `id`, and what may be sent.

    Takes the folder's `name`, and how many `files` and `bytes` are to come, where that is known.
    Whoever may go on later gives a `fingerprint` of the folder, to know it again.
    """
    require_fields("name", "files", "bytes", "fingerprint")
    name, fingerprint = one_line_of("name"), one_line_of("fingerprint")
    files, size = _number("files"), _number("bytes")
    if files > MOST_FILES:
        raise FormError({"files": [f"An upload has at most {MOST_FILES:,} files, not {files:,}."]})
    require_room_for(scheduler().store, size, _most_bytes())
    if len(_mine()) >= MOST_UPLOADS:
        raise JobRefused(
            f"{MOST_UPLOADS} uploads wait for a dataset to be made of them. Remove one first."
        )
    return jsonify(_described(uploads().make(name, owner_name(), files, size, fingerprint)))


@blueprint.get("/images/classification/uploads.json")
def index() -> ResponseReturnValue:
    """The uploads that no dataset was made of yet, the oldest first: `{"uploads": [...]}`."""
    return jsonify({"uploads": [_described(upload) for upload in _mine()]})


@blueprint.get("/images/classification/uploads/<upload_id>.json")
def show(upload_id: str) -> ResponseReturnValue:
    """How far an upload is."""
    return jsonify(_described(find_upload(upload_id)))


@blueprint.delete("/images/classification/uploads/<upload_id>.json")
def remove(upload_id: str) -> ResponseReturnValue:
    """Remove what has arrived."""
    upload = find_upload(upload_id)
    uploads().discard(upload)
    return jsonify({"removed": upload.id})


@blueprint.get("/images/classification/uploads/<upload_id>/files.json")
def files(upload_id: str) -> ResponseReturnValue:
    """What has arrived, `files` (path -> bytes), and `left_out` (path -> reason)."""
    upload = find_upload(upload_id)
    held = {"files": dict(upload.arrived), "left_out": dict(upload.left_out)}
    # There may be a hundred thousand.
    return Response(in_thread(json.dumps, held), mimetype="application/json")


@blueprint.post("/images/classification/uploads/<upload_id>/files.json")
def add(upload_id: str) -> ResponseReturnValue:
    """Take some files, `file` each, at most 999 at a time.

    `paths` is a JSON list of their paths from the chosen folder, in the same order; without it,
    the files' names are the paths.  A file that is sent again takes the place of the first one.
    """
    require_fields("file", "paths")
    upload = find_upload(upload_id)
    sent = request.files.getlist("file")
    paths = _paths([file.filename or "" for file in sent])
    with uploads().used(upload):
        take_files(scheduler().store, upload, paths, sent, _most_bytes())
    left_out = {path: upload.left_out[path] for path in paths if path in upload.left_out}
    return jsonify({**_described(upload), "left_out": left_out})


@blueprint.get("/images/classification/uploads/<upload_id>/preview.json")
def look(upload_id: str) -> ResponseReturnValue:
    """What a dataset of it would have, as far as it was looked at; ask again until `finished`."""
    upload = find_upload(upload_id)
    # Nobody waits for a look: a dataset may be made of it meanwhile.
    report = preview(ExamineFolder(upload.files, unwrap=True))
    # What was not kept is no longer there to be looked at.
    named = [{"path": path, "reason": reason} for path, reason in upload.left_out.items()]
    report["left_out"] = [*named[:MOST_NAMED], *report["left_out"]]
    report["left_out_count"] += len(named)
    return jsonify(report)


def _mine() -> list[Upload]:
    return [upload for upload in uploads().all() if may_change(upload)]


def _most_bytes() -> int:
    return services().config.max_folder_upload_mb * MEGABYTE


def _described(upload: Upload) -> dict[str, Any]:
    return {
        "id": upload.id,
        "name": upload.record.name,
        **({"owner": upload.owner} if upload.owner else {}),
        "made": upload.record.made_s,
        "kept_until": upload.touched_s + KEEP_S,
        "files": len(upload.arrived),
        "bytes": upload.size_bytes,
        "left_out_count": len(upload.left_out),
        "files_to_come": upload.record.files,
        "bytes_to_come": upload.record.bytes,
        "fingerprint": upload.record.fingerprint,
        "most_files": MOST_FILES,
        "most_bytes": _most_bytes(),
        "most_bytes_of_a_file": LARGEST_FILE_BYTES,
    }


def _paths(names: list[str]) -> list[str]:
    """The paths of the files that were sent; FormError when they are none."""
    if not names:
        raise FormError({"file": ["Send one file or more, each as `file`."]})
    text = single_value("paths")
    if not text:
        return names
    try:
        paths = json.loads(text)
    except (ValueError, RecursionError):
        paths = None
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise FormError({"paths": ["This is a JSON list of texts, a path for each file."]})
    if len(paths) != len(names):
        raise FormError({"paths": [f"There are {len(names)} files and {len(paths)} paths."]})
    if len(set(paths)) < len(paths):
        raise FormError({"paths": ["A path stands there twice."]})
    return paths


def _number(name: str) -> int:
    text = single_value(name).strip()
    if not text:
        return 0
    if not (text.isascii() and text.isdigit()) or len(text) > 16 or int(text) > LARGEST_NUMBER:
        raise FormError({name: [f"{text[:40]!r} is not a whole number from 0 on."]})
    return int(text)
