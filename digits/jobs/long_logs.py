"""Have long logs read by a program of its own, one at a time, while pages show what is known.

In: a log that no digest is kept of.  Out: its digest, handed to whoever waits for it.

Elsewhere: the program (`read_long_log.py`), what it keeps (`log_digest.py`).
"""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import cast

from digits.base.aside import Aside, here
from digits.jobs import log_digest
from digits.jobs.log_digest import Digest

log = logging.getLogger(__name__)


class LongRead:
    """A log that is being read; `digest` is there once it `is_over`, None when that failed."""

    def __init__(self) -> None:
        self.digest: Digest | None = None
        self._over = threading.Event()

    @property
    def is_over(self) -> bool:
        return self._over.is_set()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Whether it is over after that time at most."""
        return self._over.wait(timeout_s)

    def end(self, digest: Digest | None) -> None:
        """Hand out what was read."""
        self.digest = digest
        self._over.set()


class LongLogs:
    """Reads long logs, one after the other."""

    def __init__(self, aside: Aside = here) -> None:
        self._aside = aside
        self._turn = threading.Lock()  # held by the thread whose program runs

    @property
    def is_busy(self) -> bool:
        """Whether a log is being read, so that others have to wait."""
        return self._turn.locked()

    def read(
        self,
        log_path: Path,
        kind: type[Digest],
        then: Callable[[], None] = lambda: None,
        most: int | None = None,
    ) -> LongRead:
        """Begin to read a log, or its first `most` bytes.

        `then` is called when that is over, after all that wait for it have been told.
        """
        reading = LongRead()

        def read() -> None:
            self._read(reading, log_path, kind, most)
            then()

        threading.Thread(target=read, name=f"reads {log_path}", daemon=True).start()
        return reading

    def _read(
        self, reading: LongRead, log_path: Path, kind: type[Digest], most: int | None
    ) -> None:
        digest = None
        try:
            with self._turn:
                digest = self._digest(log_path, kind, most)
        except OSError as error:
            log.warning("%s: the program that reads it cannot be started: %s", log_path, error)
        finally:
            reading.end(digest)

    def _digest(self, log_path: Path, kind: type[Digest], most: int | None) -> Digest | None:
        name = log_digest.kind_name(kind)
        command = [sys.executable, "-m", "digits.jobs.read_long_log", name, str(log_path)]
        command += [] if most is None else [str(most)]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode == 0:
            return cast(Digest, self._aside(kind.from_bytes, done.stdout))
        words = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
        log.warning("%s cannot be read (status %d): %s", log_path, done.returncode, words)
        return None
