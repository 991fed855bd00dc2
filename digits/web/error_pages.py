"""How an error answers: a page in the layout, or JSON, with the status code that fits.

In: exceptions of any layer.  Out: answers.  This is the one module that knows which exception is
which HTTP status code.
"""

from __future__ import annotations

import logging
import time
import traceback
from dataclasses import dataclass

from flask import Flask, Response, jsonify, render_template, request
from flask.globals import request_ctx
from flask.typing import ResponseReturnValue
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError, RequestEntityTooLarge

from digits import errors
from digits.web.answers import form_errors, wants_json

log = logging.getLogger(__name__)

CODES: dict[type[errors.DigitsError], int] = {
    errors.JobNotFound: 404,
    errors.JobNotRunning: 403,
    errors.JobInUse: 403,
    errors.JobRefused: 403,
    errors.UploadInUse: 409,
    errors.FormError: 400,
    errors.TaskFailed: 400,
    errors.NotPossible: 400,
    errors.MustBeMade: 409,
    errors.LoginRefused: 401,
    errors.TooManyTries: 429,
    errors.StorageError: 507,
    errors.Unavailable: 503,
}


@dataclass(frozen=True)
class ErrorPage:
    """What stands on the page of a status code: a title, and what to do next."""

    title: str
    advice: str


PAGES: dict[int, ErrorPage] = {
    400: ErrorPage(
        "Something is missing or wrong",
        "Nothing was changed. Go back, fix what is named here, and send it again.",
    ),
    401: ErrorPage("Log in first", "Then you get the page that you asked for."),
    403: ErrorPage(
        "This is not allowed",
        "Nothing was changed. Reload the page that you came from: it shows what you can do now.",
    ),
    404: ErrorPage(
        "Not found",
        "Perhaps the job was deleted, or the address is mistyped. The home page lists all jobs; "
        "its search finds them by name and id.",
    ),
    405: ErrorPage(
        "This address does not do that",
        "It takes another kind of request; the REST guide in the help says which.",
    ),
    409: ErrorPage("Something else comes first", "Do it or wait for it, then try again."),
    413: ErrorPage(
        "That is too large",
        "Send less at a time, or have the server read the files from its own disk: the forms take "
        "paths as well as uploads. An admin can raise the limit (max_upload_mb).",
    ),
    429: ErrorPage("Too many tries", "Wait a little, then try again."),
    500: ErrorPage(
        "An error inside DIGITS",
        "Your jobs are safe, and running ones continue. Try again. If it happens again, tell "
        "whoever runs the server the time and the address: the server's log says more.",
    ),
    503: ErrorPage("Not possible right now", "Wait a few seconds, then try again."),
    507: ErrorPage(
        "The jobs directory cannot be written",
        "Nothing was changed. Free some space: delete jobs or snapshots that are no longer needed, "
        "or ask whoever runs the server. Waiting jobs then continue.",
    ),
}
TOO_LARGE = (
    "The request has more bytes than this address takes at once, or more than 1,000 fields and "
    "files. Send less at a time."
)
OTHER = ErrorPage("Something went wrong", "Go back, load the page again, and try once more.")


def error_answer(
    code: int, message: str, trace: str = "", refused: errors.FormError | None = None
) -> ResponseReturnValue:
    """An error in the shape that was asked for: a page in the layout, or JSON.

    The page of a form that was `refused` lists what is wrong with it.
    """
    if wants_json():
        return jsonify({"error": {"code": code, "message": message}}), code
    if request_ctx.url_adapter is None:
        # The Host header is none: no page can be drawn, for none of its links would have a server.
        return Response(message + "\n", code, mimetype="text/plain")
    shown = PAGES.get(code, OTHER)
    came_from_form = request.method == "POST"
    page = render_template(
        "web/error.html",
        code=code,
        title=shown.title,
        advice=shown.advice,
        message=message,
        refused=refused,
        trace=trace,
        came_from_form=came_from_form,
    )
    return page, code


def add_error_handlers(app: Flask) -> None:
    """Answer every exception by one of the functions here."""

    @app.errorhandler(errors.FormError)
    def form_error(error: errors.FormError) -> ResponseReturnValue:
        if wants_json():
            return form_errors(error.errors)
        return error_answer(400, error.words, refused=error)

    @app.errorhandler(errors.DigitsError)
    def digits_error(error: errors.DigitsError) -> ResponseReturnValue:
        return error_answer(code_of(error), str(error))

    @app.errorhandler(errors.MustBeMade)
    def must_be_made(error: errors.MustBeMade) -> ResponseReturnValue:
        if wants_json():
            said = {"code": 409, "message": str(error), "address": error.address}
            return jsonify({"error": said}), 409
        return error_answer(409, str(error))

    @app.errorhandler(CSRFError)
    def csrf_error(error: CSRFError) -> ResponseReturnValue:
        return error_answer(400, f"{error.description} Load the page again, then send the form.")

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> ResponseReturnValue:
        code = error.code or 500
        if code < 400:
            return error.get_response()
        message, trace = error.description or error.name, ""
        if message == RequestEntityTooLarge.description:
            message = TOO_LARGE
        if isinstance(error, InternalServerError):
            cause = error.original_exception
            message = f"{request.method} {request.path} failed at {time.strftime('%H:%M:%S')}."
            log.error("%s %s failed", request.method, request.path, exc_info=cause)
            if app.debug and cause is not None:
                trace = "".join(traceback.format_exception(cause))
        answer = app.make_response(error_answer(code, message, trace))
        _keep_headers(error, answer)
        return answer


def code_of(error: errors.DigitsError) -> int:
    """The status code of one of our exceptions."""
    return next((CODES[kind] for kind in type(error).__mro__ if kind in CODES), 500)


def _keep_headers(error: HTTPException, answer: Response) -> None:
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after", "content-range"):
            answer.headers[name] = value
