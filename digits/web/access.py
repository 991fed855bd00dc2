"""What each address needs of whoever asks.

In: an endpoint's name, its values, a user, and the one table of what every endpoint needs: it joins
what is no kind's (`POLICIES`) with the rows of every kind of job (`kind.py`), and docs/security.md
shows it whole.  Out: a Verdict.  Nothing is asked of anybody while there are no users.  An endpoint
that is missing in the table is for admins alone, and fails a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Protocol

from digits.accounts.users import Role, User
from digits.errors import JobNotFound
from digits.jobs.scheduler import Scheduler


class Access(Enum):
    """What one must be."""

    PUBLIC = "anybody, logged in or not"
    SEE = "anybody who is logged in"
    MAKE = "who may make jobs: users and admins"
    CHANGE = "the owner of the job `job_id`, or an admin"
    ADMIN = "an admin"


class Owned(Protocol):
    """What belongs to somebody: a job, or one in the bin."""

    @property
    def owner(self) -> str:
        """The name of a user; empty: it is the admins'."""


class Verdict(Enum):
    """Whether a request may go on; the value is the status code that says so."""

    ALLOWED = 204
    LOG_IN = 401
    REFUSED = 403


# What stands for jobs of any kind, or for none.
POLICIES: dict[str, Access] = {
    "static": Access.PUBLIC,
    # What a log-in page and a proxy need.
    "logins.log_in": Access.PUBLIC,
    "logins.log_out": Access.PUBLIC,
    "logins.check": Access.PUBLIC,
    # A supervisor has no login; it is told no more than that all is well, or what is not.
    "monitoring.healthz": Access.PUBLIC,
    # Pages and what they show.
    "home.home": Access.SEE,
    "home.show_job": Access.SEE,
    "home.job_status": Access.SEE,
    "tables.completed_jobs": Access.SEE,
    "tables.table_data": Access.SEE,
    "jobs.contents": Access.SEE,
    "jobs.log": Access.SEE,
    # Prometheus sends a reader's token.
    "monitoring.metrics": Access.SEE,
    "help.index": Access.SEE,
    "help.page": Access.SEE,
    "help.search": Access.SEE,
    "files.serve_file": Access.SEE,
    "datasets.show": Access.SEE,
    "datasets.summary": Access.SEE,
    "models.show": Access.SEE,
    "models.history_as_csv": Access.SEE,
    "models.history_as_json": Access.SEE,
    "models.graph": Access.SEE,
    "models.download": Access.SEE,
    "compare.compare_models": Access.SEE,
    # Forms, what they ask while they are filled in, and what they make.
    "home.clone_job": Access.MAKE,
    "home.make_sample": Access.MAKE,
    # Whose the jobs are is looked at one by one.
    "home.ask_before_delete": Access.MAKE,
    "home.delete_jobs": Access.MAKE,
    "bin.show": Access.MAKE,
    "bin.ask_before_discard": Access.MAKE,
    "bin.restore_jobs": Access.MAKE,
    "bin.restore_job": Access.MAKE,
    "bin.discard_jobs": Access.MAKE,
    "bin.discard_job": Access.MAKE,
    "bin.empty": Access.MAKE,
    "tables.delete_jobs": Access.MAKE,
    "tables.abort_jobs": Access.MAKE,
    "tables.group": Access.MAKE,
    "files.autocomplete_path": Access.MAKE,
    "jobs.preview_notes": Access.MAKE,
    "image_datasets.resize_example": Access.MAKE,
    "models.customize": Access.MAKE,
    "models.visualize_network": Access.MAKE,
    "models.visualize_lr": Access.MAKE,
    # Jobs.
    "home.rename_job": Access.CHANGE,
    "home.delete_job": Access.CHANGE,
    "home.abort_job": Access.CHANGE,
    "home.pause_job": Access.CHANGE,
    "home.stop_and_keep_job": Access.CHANGE,
    "home.resume_job": Access.CHANGE,
    "datasets.remove_features": Access.CHANGE,
    "models.delete_snapshot": Access.CHANGE,
    "longer.form": Access.CHANGE,
    "longer.train_longer": Access.CHANGE,
    "models.prune_snapshots": Access.CHANGE,
    # The server as a whole.
    "home.rescan": Access.ADMIN,
}


def verdict(
    user: User | None,
    endpoint: str | None,
    values: Mapping[str, Any],
    policies: Mapping[str, Access],
    scheduler: Scheduler,
) -> Verdict:
    """Whether `user` (None: nobody is logged in) may ask for an endpoint with these values.

    `policies` is the table of every endpoint.  An address that does not exist has no endpoint;
    strangers are not told that.
    """
    need = Access.SEE if endpoint is None else policies.get(endpoint, Access.ADMIN)
    if need is Access.PUBLIC:
        return Verdict.ALLOWED
    if user is None:
        return Verdict.LOG_IN
    if user.role is Role.ADMIN or need is Access.SEE:
        return Verdict.ALLOWED
    if need is Access.CHANGE:
        allowed = _may_change(user, str(values.get("job_id", "")), scheduler)
    else:
        allowed = need is Access.MAKE and user.role.may_make
    return Verdict.ALLOWED if allowed else Verdict.REFUSED


def may_change(user: User | None, job: Owned) -> bool:
    """Whether a user may rename, stop, delete or restore a job.  One without an owner is the
    admins'."""
    if user is None:
        return False
    return user.role is Role.ADMIN or (user.role.may_make and job.owner == user.name)


def _may_change(user: User, job_id: str, scheduler: Scheduler) -> bool:
    try:
        return may_change(user, scheduler.job(job_id))
    except JobNotFound:
        return user.role.may_make  # they are told that there is none
