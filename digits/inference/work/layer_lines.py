"""Where in a prototxt each layer begins; protobuf's parser does not keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""(?P<skip>\#[^\n]*)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<open>[{<])
    |(?P<close>[}>])
    |(?P<word>\w+)
    |(?P<line>\n)""",
    re.VERBOSE,
)
_LAYER_FIELDS = ("layer", "layers")


def layer_lines(text: str) -> dict[str, int]:
    """Layer names to the line (from 1) where the first layer of that name begins.

    For text that parses; of other text, whatever could be found.
    """
    lines: dict[str, int] = {}
    for line, name in _layers(text):
        lines.setdefault(name, line)
    return lines


def _layers(text: str) -> Iterator[tuple[int, str]]:
    depth, line, started = 0, 1, 0
    name, previous = "", ""
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "line":
            line += 1
        elif kind == "open":
            if depth == 0 and previous in _LAYER_FIELDS:
                started, name = line, ""
            depth += 1
        elif kind == "close":
            depth -= 1
            if depth == 0 and started:
                yield started, name
                started = 0
        elif kind == "text" and started and previous == "name" and _is_own(depth, name):
            name = token.group()[1:-1]
        if kind in ("word", "text"):
            previous = token.group()


def _is_own(depth: int, name: str) -> bool:
    """Whether a `name` here is the layer's: V0 nets have it one message deeper, and first."""
    return depth == 1 or (depth == 2 and not name)
