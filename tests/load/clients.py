"""The clients of a load test: pages with live connections, and requests at a steady rate.

In: a server's address and a job's id.  Out: how long answers took, when messages came, and whatever
went wrong.
"""

from __future__ import annotations

import itertools
import json
import queue
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import IO, Any

import requests

ASKING_THREADS = 8
PAGES_IN_A_PROCESS = 10
ANSWER_S = 60.0


class Browsers:
    """Open pages (`pages.py`), a few in each process: all in one would fall behind the server."""

    def __init__(self, url: str, job_id: str, count: int) -> None:
        self.lost: list[str] = []  # why connections broke
        self.messages = 0
        # Name that a job was given -> when each page heard of it.
        self.heard: dict[str, list[float]] = defaultdict(list)
        self._count = count
        self._open = 0
        self._news = threading.Condition()  # guards all of the above
        counts = [min(PAGES_IN_A_PROCESS, count - n) for n in range(0, count, PAGES_IN_A_PROCESS)]
        command = [sys.executable, "-m", "tests.load.pages", url, job_id]
        self._processes = [
            subprocess.Popen(
                [*command, str(pages)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
            )
            for pages in counts
        ]
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout,))
            for process in self._processes
        ]

    def __enter__(self) -> Browsers:
        """Open all pages; they are in the job's room then."""
        for reader in self._readers:
            reader.start()
        with self._news:
            self._news.wait_for(lambda: self._open == self._count or self.lost, 2 * ANSWER_S)
            is_open = self._open == self._count
        if not is_open:
            self.close()
            raise RuntimeError(f"only {self._open} of {self._count} pages opened: {self.lost}")
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def wait_for(self, names: Iterable[str], timeout_s: float) -> None:
        """Return when each page has heard all of `names`, or has had its time."""
        with self._news:
            self._news.wait_for(
                lambda: all(len(self.heard[name]) >= self._count for name in names), timeout_s
            )

    def close(self) -> None:
        """Close all pages; their last words are read then."""
        for process in self._processes:
            assert process.stdin is not None
            process.stdin.close()
        for process, reader in zip(self._processes, self._readers, strict=True):
            try:
                process.wait(ANSWER_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            reader.join()

    def _read(self, lines: IO[str]) -> None:
        with lines:
            for line in lines:
                told = json.loads(line)
                with self._news:
                    self._take(told)
                    self._news.notify_all()

    def _take(self, told: dict[str, Any]) -> None:
        self._open += told.get("open", 0)
        self.messages += told.get("messages", 0)
        if "heard" in told:
            self.heard[told["heard"]].append(told["at_s"])
        if "lost" in told:
            self.lost.append(told["lost"])


class Requests:
    """Asks for `paths` in turn, `rate` times a second, whether or not answers have come."""

    def __init__(self, url: str, paths: Sequence[str], rate: float) -> None:
        self.url = url
        self.paths = paths
        self.rate = rate
        self.seconds: dict[str, list[float]] = defaultdict(list)
        self.errors: list[str] = []
        self._lock = threading.Lock()  # guards the two above
        self._due: queue.Queue[tuple[str, float] | None] = queue.Queue()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(ASKING_THREADS)]
        self._timer = threading.Thread(target=self._send_on_time)

    def start(self) -> None:
        for thread in (*self._threads, self._timer):
            thread.start()

    def stop(self) -> None:
        """End after the answers to what has been asked."""
        self._stop.set()
        self._timer.join()
        for _ in self._threads:
            self._due.put(None)
        for thread in self._threads:
            thread.join()

    def _send_on_time(self) -> None:
        began_s = time.perf_counter()
        for number in itertools.count():
            due_s = began_s + number / self.rate
            if self._stop.wait(max(0.0, due_s - time.perf_counter())):
                return
            self._due.put((self.paths[number % len(self.paths)], due_s))

    def _ask(self) -> None:
        with requests.Session() as session:
            while (item := self._due.get()) is not None:
                path, due_s = item
                error = ""
                try:
                    answer = session.get(self.url + path, timeout=ANSWER_S)
                    if answer.status_code != 200:
                        error = f"{path}: {answer.status_code}"
                except requests.RequestException as problem:
                    error = f"{path}: {problem}"
                with self._lock:
                    # From the moment at which it was due: time spent waiting for us counts too.
                    self.seconds[path].append(time.perf_counter() - due_s)
                    if error:
                        self.errors.append(error)
