"""Files of the jobs directory, as attachments with ranges and conditional requests.

Behind nginx the same addresses are served by nginx itself (see nginx.site).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from flask import Blueprint, abort, jsonify, request, send_file
from flask.typing import ResponseReturnValue

from digits.web.answers import scheduler, services, wants_json

blueprint = Blueprint("files", __name__)


@blueprint.get("/files/<path:path>")
def serve_file(path: str) -> ResponseReturnValue:
    """A file of the jobs directory; 403 for a folder, 404 for anything that is not inside it."""
    found = find_file(scheduler().store.jobs_dir, path)
    if found is None:
        abort(404, "There is no such file.")
    if found.is_dir():
        abort(403, "This is a folder; name a file in it.")
    if not _may_be_cut():
        request.environ.pop("HTTP_RANGE", None)
    return send_file(found, as_attachment=True, conditional=True, etag=True)


@blueprint.get("/autocomplete/path.json")
@blueprint.get("/autocomplete/path")
def autocomplete_path() -> ResponseReturnValue:
    """Server paths that begin with `query`, for the path fields of forms; others start at `/`.

    A list; whoever asks for JSON by name, or as jQuery does, gets it under `suggestions`, as DIGITS
    since 2.0 answers.
    """
    query = request.args.get("query", "")
    if query and not query.startswith("/"):
        query = f"/{query}"
    found = services().paths.suggest(query)
    asked_by_jquery = request.headers.get("X-Requested-With") == "XMLHttpRequest"
    return jsonify({"suggestions": found} if wants_json() or asked_by_jquery else found)


def _may_be_cut() -> bool:
    """Whether the header Range can be met: several ranges cannot, and have the whole file.

    So have units that nobody knows (RFC 9110, 14.2); a range that is none is refused (416).
    """
    unit, _, ranges = request.headers.get("Range", "").partition("=")
    return unit.strip().lower() == "bytes" and "," not in ranges


def find_file(jobs_dir: Path, path: str) -> Path | None:
    """The file or folder `path` below `jobs_dir`; None when it does not exist or leads outside.

    Hidden names (the server's own bookkeeping and half-deleted jobs) do not exist for users.
    """
    if "\0" in path or path.startswith("/") or _is_hidden(path.split("/")):
        return None
    try:
        resolved = (jobs_dir / path).resolve(strict=True)
    except (OSError, RuntimeError, ValueError):
        return None
    if resolved == jobs_dir or not resolved.is_relative_to(jobs_dir):
        return None
    # A link in a job that was copied in may lead to the server's own files.
    if _is_hidden(resolved.relative_to(jobs_dir).parts):
        return None
    if path.endswith("/") and not resolved.is_dir():
        return None
    is_served = resolved.is_dir() or resolved.is_file()  # no pipes, sockets or devices
    return resolved if is_served and os.access(resolved, os.R_OK) else None


def _is_hidden(parts: Sequence[str]) -> bool:
    return any(part.startswith(".") for part in parts)
