"""Whether a model has classified anything yet: a newcomer's last step, which its folder remembers.

A hidden file in the job's folder, so that it goes with the job and is there after a restart.
"""

from __future__ import annotations

import logging

from digits.jobs.job import Job

log = logging.getLogger(__name__)

TRIED_FILE = ".tried"


def note_tried(job: Job) -> None:
    """Remember that the model was used; a disk that cannot be written changes nothing else."""
    try:
        (job.dir / TRIED_FILE).touch(exist_ok=True)
    except OSError as error:
        log.debug("%s: that it was tried is not remembered: %s", job.id, error)


def was_tried(job: Job) -> bool:
    """Whether it was, on this server."""
    return (job.dir / TRIED_FILE).exists()
