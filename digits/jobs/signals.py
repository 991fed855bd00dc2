"""What the job layer announces, for whoever listens.

The web layer turns it into Socket.IO messages (`sockets.py`).  Each signal is sent with the job or
task as its sender.  Listeners run in the thread that sends, so they are quick.
"""

from __future__ import annotations

import logging
from enum import StrEnum
from typing import Any

from blinker import Signal

log = logging.getLogger(__name__)


class Update(StrEnum):
    """What a live message is about: the field `update` of `job update` and `task update`.

    Pages and scripts go by these names; docs/api.md says what comes with each.  A kind of job from
    elsewhere may send other names, which its own pages understand.
    """

    # Of jobs and of tasks.
    STATUS = "status"
    PROGRESS = "progress"
    # Of jobs.
    ADDED = "added"
    DELETED = "deleted"
    ATTRIBUTE = "attribute"  # the name, the notes or the group
    # Results of tasks.
    LOG = "log"  # a long log of an ended task has been read
    COUNT = "count"  # how many of how many pictures
    DISTRIBUTION = "distribution"  # pictures of each category
    COMBINED_GRAPH = "combined_graph"  # loss and accuracy
    LR_GRAPH = "lr_graph"
    SNAPSHOTS = "snapshots"
    PACE = "pace"  # how far and how fast a training is


# sender: Job
job_added = Signal("a job was added")
job_deleted = Signal("a job and its folder are gone")
job_status_changed = Signal("a job's status changed")
job_attribute_changed = Signal("a job's name or notes changed; attribute=its name")
job_measured = Signal("a job's results are known, or other ones")

# sender: Task
task_status_changed = Signal("a task's status changed")
task_progress = Signal("a task's progress changed")
task_updated = Signal("a task has new results; update=an Update, data=plain JSON")

# sender: Scheduler
resources_changed = Signal("slots or GPUs were taken or given back, or the queue moved")


def announce(signal: Signal, sender: object, **data: Any) -> None:
    """Send a signal; a listener that fails is logged, and never harms the job it was told of."""
    for receiver in signal.receivers_for(sender):
        try:
            receiver(sender, **data)
        except Exception:
            log.exception("a listener failed when %s", signal.__doc__)
