"""What the programs say while they work: lines for people that the job layer understands too.

    2015-04-21 14:06:40 [INFO] Progress: 1234/5000 pictures, 560 pictures/s, 7 s left
    2015-04-21 14:06:49 [INFO] Distribution of train: {"cat": 120, "dog": 95}
    2015-04-21 14:06:49 [WARNING] Skipped "/data/cat/x.jpg": the file is empty
    2015-04-21 14:06:49 [INFO] Done: 4999 pictures in train_db, 1 skipped.
    2015-04-21 14:06:49 [ERROR] Error: There is no folder /data/cats.

`ProgressMeter` and the `log_` functions write them; `parse_line` reads them back.
Elsewhere: signals, errors and exit status (`program.py`).
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

log = logging.getLogger("digits.tools")

LINE_FORMAT = "%(asctime)s [%(levelname)s] %(message)s"
TIME_FORMAT = "%Y-%m-%d %H:%M:%S"
# Often enough for a progress bar to move, seldom enough for a log to stay readable.
SECONDS_BETWEEN_LINES = 0.5
# A rate over the last seconds: over the whole run it would hide that a disk has become slow.
RATE_WINDOW_S = 10.0

_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \[([A-Z]+)\] (.*)")
_PROGRESS = re.compile(
    r"Progress: (\d+)/(\d+|\?) ([^,]+)(?:, ([\d.]+) [^,]+/s)?(?:, (\d+) s left)?"
)
_DISTRIBUTION = re.compile(r"Distribution of (.+?): (\{.*\})")
_SKIPPED = re.compile(r'Skipped ("(?:[^"\\]|\\.)*"): (.*)')


# What a line can say ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Progress:
    """How far the program is."""

    done: int
    total: int | None  # None when it cannot be known, as for a folder still being searched
    unit: str  # what is counted, in the plural
    per_second: float | None = None
    seconds_left: int | None = None

    @property
    def fraction(self) -> float:
        """0.0 to 1.0; 0.0 while the total is not known."""
        return min(1.0, self.done / self.total) if self.total else 0.0


@dataclass(frozen=True)
class Distribution:
    """How many pictures each category has in a set or database."""

    name: str
    counts: Mapping[str, int]  # category -> pictures, in the order of the labels


@dataclass(frozen=True)
class Skipped:
    """A picture that was left out."""

    path: str
    reason: str


@dataclass(frozen=True)
class Warned:
    """Something that the user should know, though the program goes on."""

    text: str


@dataclass(frozen=True)
class Done:
    """The program has succeeded."""

    text: str


@dataclass(frozen=True)
class Failed:
    """The program has failed; `text` says why and what to do."""

    text: str


Event = Progress | Distribution | Skipped | Warned | Done | Failed


def parse_line(line: str) -> Event | None:
    """What a line of a log says; None for lines that are for people alone.  Never raises."""
    if not (matched := _LINE.fullmatch(line.rstrip())):
        return None
    level, text = matched.groups()
    if found := _PROGRESS.fullmatch(text):
        done, total, unit, per_second, seconds_left = found.groups()
        return Progress(
            int(done),
            None if total == "?" else int(total),
            unit,
            float(per_second) if per_second else None,
            int(seconds_left) if seconds_left else None,
        )
    if found := _DISTRIBUTION.fullmatch(text):
        return _parse_distribution(*found.groups())
    if found := _SKIPPED.fullmatch(text):
        return _parse_skipped(*found.groups())
    if text.startswith("Done: "):
        return Done(text.removeprefix("Done: "))
    if text.startswith("Error: "):
        return Failed(text.removeprefix("Error: "))
    return Warned(text) if level == "WARNING" else None


def _parse_distribution(name: str, text: str) -> Distribution | None:
    try:
        counts = json.loads(text)
    except (ValueError, RecursionError):
        return None
    sound = all(isinstance(count, int) for count in counts.values())
    return Distribution(name, counts) if sound else None


def _parse_skipped(quoted_path: str, reason: str) -> Skipped | None:
    try:
        return Skipped(json.loads(quoted_path), reason)
    except ValueError:
        return None


# Saying it ----------------------------------------------------------------------------------------


class ProgressMeter:
    """Logs how many of `total` are done, a few times a second at most."""

    def __init__(
        self, unit: str, total: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.unit, self.total, self.done = unit, total, 0
        self._clock = clock
        self._last_line = clock()
        self._window = [(self._last_line, 0)]  # (time, done) of the last RATE_WINDOW_S

    def add(self, count: int = 1) -> None:
        """`count` more are done."""
        self.done += count
        now = self._clock()
        if now - self._last_line >= SECONDS_BETWEEN_LINES:
            self._log_line(now)

    def finish(self) -> None:
        """Log the final count, whenever the last line was."""
        self._log_line(self._clock())

    def _log_line(self, now: float) -> None:
        self._last_line = now
        recent = [point for point in self._window if now - point[0] <= RATE_WINDOW_S]
        self._window = recent or self._window[-1:]
        start, done_then = self._window[0]
        self._window.append((now, self.done))
        rate = (self.done - done_then) / (now - start) if now > start else 0.0
        text = f"Progress: {self.done}/{'?' if self.total is None else self.total} {self.unit}"
        if rate > 0:
            text += f", {rate:.{0 if rate >= 10 else 1}f} {self.unit}/s"
        if rate > 0 and self.total is not None:
            text += f", {max(0, self.total - self.done) / rate:.0f} s left"
        log.info("%s", text)


def log_distribution(name: str, counts: Mapping[str, int]) -> None:
    """Log the pictures of each category of a set."""
    log.info("Distribution of %s: %s", name, json.dumps(dict(counts), ensure_ascii=False))


def log_skipped(path: str, reason: str) -> None:
    """Log a picture that is left out; whatever is in its path, it stays one line."""
    quoted = json.dumps(printable(path), ensure_ascii=False)
    log.warning("Skipped %s: %s", quoted, printable(reason))


# What the pictures of a set are for.
PURPOSES = {"train": "training", "val": "validation", "test": "testing"}


def found_pictures(categories: int, pictures: Mapping[str, int]) -> str:
    """What was found, by set: "3 categories, 181 pictures: 136 for training, 45 for validation."""
    sizes = ", ".join(f"{count:,} for {PURPOSES[name]}" for name, count in pictures.items())
    return f"{categories:,} categories, {counted(sum(pictures.values()), 'picture')}: {sizes}."


def counted(count: int, one: str, many: str = "") -> str:
    """`count` and what is counted: "1 picture", "2 pictures"; `many` where an s is not enough."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def printable(text: str) -> str:
    """`text` on one line of valid UTF-8: line breaks and undecodable bytes as escapes."""
    return "".join(char if char.isprintable() else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    # Python keeps an undecodable byte of a file's name as the surrogate 0xDC00 + byte.
    if "\udc80" <= char <= "\udcff":
        return f"\\x{ord(char) - 0xDC00:02x}"
    return char.encode("unicode_escape").decode()
