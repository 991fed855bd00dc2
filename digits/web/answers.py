"""What every view needs: the services of the running application, and answers in two shapes.

An HTML route answers a browser, its `.json` twin answers scripts; both call the same function and
end in `answer` or `form_errors`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast

from flask import Response, current_app, jsonify, redirect, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MIMEAccept

from digits.accounts.accounts import Accounts
from digits.base.devices import Devices
from digits.config import Config
from digits.inference.timing import Timings
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.sources.paths import PathPolicy
from digits.web.policies import Policies

if TYPE_CHECKING:
    from digits.inference.pool import Pool
    from digits.web.kind import Kinds


P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True)
class Services:
    """What `create_app` was given, for views."""

    config: Config
    scheduler: Scheduler
    pool: Pool
    policies: Policies
    devices: Devices
    kinds: Kinds
    # How long trainings take on this machine.
    timings: Timings

    @property
    def paths(self) -> PathPolicy:
        return self.policies.paths

    @property
    def accounts(self) -> Accounts:
        return self.policies.accounts


def services() -> Services:
    """The services of the application that answers this request."""
    return cast(Services, current_app.extensions["digits"])


def scheduler() -> Scheduler:
    """The scheduler of the application that answers this request."""
    return services().scheduler


def in_thread(work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """What `work` answers; it reads the disk, or computes, beside the event loop, not in it."""
    import gevent.monkey  # noqa: PLC0415 - as in `sockets.async_mode`

    if not gevent.monkey.is_module_patched("threading"):
        return work(*args, **kwargs)
    result, error = gevent.get_hub().threadpool.apply(_outcome, (work, args, kwargs))
    if error is not None:
        raise error
    return cast(T, result)


def _outcome(
    work: Callable[..., T], args: Iterable[Any], kwargs: Mapping[str, Any]
) -> tuple[T | None, Exception | None]:
    """What `work` answers, or what it raises.

    gevent would print each exception with its traceback, and wait for ever for a very deep one.
    """
    try:
        return work(*args, **kwargs), None
    except Exception as error:  # noqa: BLE001  # whatever it is, `in_thread` raises it
        return None, error


def wants_json() -> bool:
    """Whether the answer should be JSON: a `.json` route, or asked for by the Accept header."""
    if request.path.endswith(".json"):
        return True
    # Clients add parameters to types ("application/json; charset=utf-8"), which change nothing.
    accepted = MIMEAccept(
        [(name.partition(";")[0].strip(), quality) for name, quality in request.accept_mimetypes]
    )
    if accepted.best_match(["text/html", "application/json"]) != "application/json":
        return False
    # Who takes both alike is a browser.
    names_pages = any(name.lower() == "text/html" for name in accepted.values())
    return not names_pages or accepted["application/json"] > accepted["text/html"]


def answer(template: str, data: Mapping[str, Any], **context: Any) -> ResponseReturnValue:
    """`data` as JSON when JSON is wanted, else the page."""
    if wants_json():
        return jsonify(dict(data))
    return render_template(template, **context)


def letting_others_run(pieces: Iterable[str]) -> Iterator[str]:
    """The pieces of a long answer; after each, other requests are served if there are any."""
    for piece in pieces:
        yield piece
        time.sleep(0)  # gevent's, in the server


def created(job: Job, url: str) -> ResponseReturnValue:
    """The answer to a form that made a job: where it is (JSON), or the way there (303)."""
    if wants_json():
        return jsonify(job_summary(job))
    return redirect(url, 303)


def job_summary(job: Job) -> dict[str, Any]:
    """The keys that every JSON answer about a job begins with."""
    return {
        "id": job.id,
        "name": job.name,
        "status": job.status.value,
        "directory": str(job.dir),
        **({"log_is_being_read": True} if job.log_is_being_read else {}),
        **({"owner": job.owner} if job.owner else {}),
        **({"group": job.group} if job.group else {}),
    }


def form_errors(errors: Mapping[str, Any]) -> tuple[Response, int]:
    """A form's errors by field, as JSON."""
    return jsonify({"errors": errors}), 400
