"""The job that a request names as `clone`: its settings take the place of what is sent.

In: `clone`, in the address or among the fields.  Elsewhere: what of a job is copied (each kind's
`cloning.py`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from flask import request

from digits.errors import JobNotFound
from digits.jobs.job import Job
from digits.web.answers import scheduler
from digits.web.submitted import single_value

T = TypeVar("T", bound=Job)


@dataclass(frozen=True)
class KeptFile:
    """A file that was uploaded with the original, in place of an upload."""

    filename: str


def job_to_clone(kind: type[T]) -> T | None:
    """The job that the request wants cloned; None when it names none.

    Raises JobNotFound, also for a job of another kind.
    """
    job_id = (request.args.get("clone") or single_value("clone")).strip()
    if not job_id:
        return None
    job = scheduler().job(job_id)
    if not isinstance(job, kind):
        raise JobNotFound(job_id)
    return job
