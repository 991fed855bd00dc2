"""How numbers, sizes and times are written on pages: the filters of the templates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from markupsafe import Markup

_UNITS = (("day", 86400), ("hour", 3600), ("minute", 60), ("second", 1))
_SHORT = (("hour", "h"), ("minute", "min"), ("second", "s"))


def duration(seconds: float | None) -> str:
    """A time span in its two largest units: `1 hour, 5 minutes`."""
    if seconds is None:
        return ""
    left = max(0, round(seconds))
    if left == 0:
        return "0 seconds"
    parts = []
    for name, size in _UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count != 1 else ''}")
    return ", ".join(parts[:2])


def short_duration(seconds: float) -> str:
    """The same for a narrow column: `1 h 5 min`."""
    words = duration(seconds)
    for name, short in _SHORT:
        words = words.replace(f" {name}s", f" {short}").replace(f" {name}", f" {short}")
    return words.replace(",", "")


def about(seconds: float) -> str:
    """A time span that is only known roughly, in one unit: `5 minutes`."""
    if seconds < 1:
        return "a second"
    for name, size, most in (("second", 1, 90), ("minute", 60, 90), ("hour", 3600, 36)):
        count = round(seconds / size)
        if count < most:
            return f"{_rough(count)} {name}{'s' if count != 1 else ''}"
    return f"{round(seconds / 86400):,} days"


def _rough(count: int) -> int:
    """A number as one says it beside “about”: from 20 on, in fives."""
    return count if count < 20 else 5 * round(count / 5)


def clock(time_s: float) -> str:
    """A moment as local date and time; pages show it in the reader's own time zone."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(time_s))


def iso_time(time_s: float) -> str:
    """A moment for `<time datetime>`, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def file_size(size_bytes: float) -> str:
    """A size with three digits at most and a binary unit: `1.5 MB`."""
    size = float(size_bytes)
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" or size >= 100 else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"


def percent(fraction: float) -> str:
    """A fraction from 0 to 1 as whole percent, never 100 before it is."""
    return f"{int(min(1.0, max(0.0, fraction)) * 100)}%"


def count(number: int) -> str:
    """A whole number with thousands separated."""
    return f"{number:,}"


def score(value: float | None, is_probability: bool = True) -> str:
    """What a network answers for a category: a probability in percent, any other as it is."""
    if value is None or math.isnan(value):
        return "not a number"
    if math.isinf(value):
        return "infinite" if value > 0 else "-infinite"
    return f"{value:.2f}%" if is_probability else f"{value:.6g}"


def breakable(path: str) -> Markup:
    """A path for a narrow place: its lines end after slashes where that is enough."""
    return Markup("/<wbr>").join(path.split("/"))


FILTERS: dict[str, Callable[..., str]] = {
    "duration": duration,
    "clock": clock,
    "iso_time": iso_time,
    "file_size": file_size,
    "percent": percent,
    "count": count,
    "score": score,
    "breakable": breakable,
}
