"""The card of a pretrained model: where its weights are from, and what may be done with them.

In: what the form of a pretrained model asks.  Out: texts, each of which may be empty; as plain JSON
in the settings of jobs, and in the info.json of every archive of a model that began from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Self

LONGEST_TEXT = 4000  # characters
LONGEST_SHOWN = 300
# The key of info.json.
INFO_KEY = "pretrained model"
TITLES = {
    "name": "Name",
    "source": "Source",
    "licence": "Licence",
    "data": "Data that it learned from",
    "limits": "Limits",
}


@dataclass(frozen=True)
class Card:
    """What is known of a pretrained model, each in a sentence or two."""

    name: str = ""
    source: str = ""
    licence: str = ""
    data: str = ""
    limits: str = ""

    @classmethod
    def from_json(cls, given: Any) -> Self | None:
        """A card as `to_json` gave it; None for anything else: archives hold what they like."""
        if not isinstance(given, Mapping):
            return None
        texts = {each.name: _text(given.get(each.name)) for each in fields(cls)}
        return cls(**texts) if any(texts.values()) else None

    def to_json(self) -> dict[str, Any]:
        """The same as plain JSON."""
        return asdict(self)

    def pairs(self) -> list[tuple[str, str]]:
        """(title, words) of what is known."""
        return [(title, text) for name, title in TITLES.items() if (text := getattr(self, name))]

    def or_else(self, other: Card) -> Card:
        """This card, with what another one says where it says nothing."""
        missing = {
            each.name: getattr(other, each.name)
            for each in fields(self)
            if not getattr(self, each.name)
        }
        return replace(self, **missing)


def _text(value: Any) -> str:
    """A text as a page can show it."""
    if not isinstance(value, str):
        return ""
    # JSON can hold half characters, which no file can.
    whole = value.encode("utf-8", "replace").decode()
    lines = ("".join(filter(str.isprintable, line)) for line in whole.splitlines())
    return "\n".join(lines).strip()[:LONGEST_TEXT]
