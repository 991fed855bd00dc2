"""Of how many ended tasks a server remembers what their logs said; others are read again.

In: tasks that somebody looks at.  Out: nothing; tasks that nobody has looked at for long are told
to forget.  One for all jobs of a jobs directory (`store.py`).
"""

from __future__ import annotations

import threading
import weakref
from collections import OrderedDict

from digits.base.aside import Aside, here
from digits.jobs.long_logs import LongLogs
from digits.jobs.task import Task

MOST_LOGS_REMEMBERED = 200


class RecentLogs:
    """The tasks whose logs were read last; at most `most` of them, and none is kept alive."""

    def __init__(
        self,
        most: int = MOST_LOGS_REMEMBERED,
        aside: Aside = here,
        long_logs: LongLogs | None = None,
    ) -> None:
        self.most = most
        self._aside = aside  # runs what takes long
        self._long_logs = long_logs  # reads what takes longer; None: everybody waits
        self._lock = threading.Lock()  # guards the tasks, the latest at the end
        self._tasks: OrderedDict[weakref.ref[Task], None] = OrderedDict()

    def read(self, task: Task, *, whole: bool = False) -> None:
        """Bring a task's derived state up to date with its log; `whole`: however long it takes."""
        task.read_log(self._aside, self._long_logs, whole=whole)
        for forgotten in self._note(weakref.ref(task)):
            forgotten.forget_log()

    def _note(self, task: weakref.ref[Task]) -> list[Task]:
        """Put a task at the end; answers those that there are too many."""
        with self._lock:
            self._tasks[task] = None
            self._tasks.move_to_end(task)
            surplus = max(0, len(self._tasks) - self.most)
            oldest = [self._tasks.popitem(last=False)[0]() for _ in range(surplus)]
        return [each for each in oldest if each is not None]
