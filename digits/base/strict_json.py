"""JSON that every parser reads: numbers that are not finite become null.

In: plain values.  Out: text, as RFC 8259 has it.  Python writes NaN and Infinity otherwise, at
which browsers and other languages stop: a network that answers NaN would have no answer at all.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

loads = json.loads


def dumps(value: Any, *, default: Callable[[Any], Any] | None = None, **options: Any) -> str:
    """The value as text; `default` and other options are those of `json.dumps`."""
    try:
        return json.dumps(value, default=default, allow_nan=False, **options)
    except ValueError:
        # Rare, so that nobody else pays for the copy.
        finite_default = None if default is None else lambda each: finite(default(each))
        return json.dumps(finite(value), default=finite_default, allow_nan=False, **options)


def finite(value: Any) -> Any:
    """A copy in which None stands for each number that is nan or infinite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return value
