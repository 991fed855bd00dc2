"""Rows of a table of jobs, under the names that scripts of DIGITS 4 to 6 read.

In: jobs.  Out: plain JSON.  Elsewhere: what a kind of job adds to its row (`Job.table_facts`), the
lists of the home page (`job_list.py`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from digits.home.columns import list_facts
from digits.jobs.job import Job

# The ends of the names under which a row has an output's values.
MEASURES = ("last", "min", "max")


def table_row(job: Job) -> dict[str, Any]:
    """A job's row; its logs are read.  Times in seconds, progress in percent."""
    job.read_logs()
    return {
        "id": job.id,
        "name": job.name,
        "group": job.group,
        "status": job.status.value,
        "status_css": job.status.css,
        "submitted": job.history.created_s,
        "elapsed": job.history.running_s(),
        "progress": round(100 * job.progress),
        "type": job.category,
        "extension": None,
        **list_facts(job),
        **job.table_facts(),
    }


def output_fields(rows: Iterable[Mapping[str, Any]]) -> list[str]:
    """The names of all outputs' values that the rows have, such as `loss (val) min`."""
    ends = tuple(f") {measure}" for measure in MEASURES)
    return sorted({name for row in rows for name in row if name.endswith(ends)})
