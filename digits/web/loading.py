"""While the server still reads its jobs: a request waits a moment for them, then it is told so.

In: requests.  Out: 503 with Retry-After, as JSON or as a page that looks again by itself.  With a
few jobs nobody ever sees it; with thousands the server answers at once all the same.
"""

from __future__ import annotations

from flask import current_app, jsonify, render_template, request
from flask.typing import ResponseReturnValue

from digits.web.answers import scheduler, wants_json

# How long a request waits: few jobs are read by then, and nobody needs to be told.
WAIT_S = 2.0
RETRY_AFTER_S = 2
# What can be answered without the jobs.
NEED_NO_JOBS = frozenset(
    {"static", "monitoring.healthz", "monitoring.metrics", "help.index", "help.page"}
)


def wait_for_jobs() -> ResponseReturnValue | None:
    """Let a request go on as soon as the jobs are there, or answer that they are not."""
    if request.endpoint in NEED_NO_JOBS or scheduler().wait_until_loaded(0):
        return None
    if scheduler().wait_until_loaded(WAIT_S):
        return None
    store = scheduler().store
    so_far = f": {store.folders_read:,} of {store.folders_found:,}" if store.folders_found else ""
    message = f"DIGITS is reading its jobs{so_far}. Try again in a few seconds."
    if wants_json():
        body = jsonify({"error": {"code": 503, "message": message}})
    else:
        # A form that was sent would be lost if the page loaded itself again.
        looks_again = request.method in ("GET", "HEAD")
        page = render_template("web/loading.html", message=message, looks_again=looks_again)
        body = current_app.make_response(page)
    return body, 503, {"Retry-After": str(RETRY_AFTER_S), "Cache-Control": "no-store"}
