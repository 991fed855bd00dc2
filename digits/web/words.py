"""Words that are received: those for yes and no, in one place for every box, and how to quote them.

Python's `requests` sends False as "False", jQuery sends "false", curl's users write 0 or off.
"""

from __future__ import annotations

from digits.errors import FormError

YES = frozenset({"y", "yes", "true", "on", "1"})
NO = frozenset({"n", "no", "false", "off", "0", "none", ""})
LONGEST_SHOWN = 60
LONGEST_NAME_SHOWN = 80


def yes_or_no(text: str) -> bool | None:
    """What a word says, whatever its case; None for one that is neither yes nor no."""
    word = text.strip().casefold()
    if word in YES:
        return True
    return False if word in NO else None


def required_yes_or_no(name: str, text: str) -> bool:
    """The same for the field `name`; FormError for a word that is neither."""
    said = yes_or_no(text)
    if said is None:
        raise FormError({name: [neither(text)]})
    return said


def neither(text: str) -> str:
    """The message about a word that is neither."""
    return (
        f"{shown(text)} is neither yes nor no. Send y, yes, true, on or 1; or n, no, false, off "
        "or 0."
    )


def shown(text: str, longest: int = LONGEST_SHOWN) -> str:
    """A received text as messages quote it: short, whatever was sent."""
    return repr(text if len(text) <= longest else text[:longest] + "…")


def field_name(name: str) -> str:
    """A field's name as it was sent, fit for an answer."""
    return name[:LONGEST_NAME_SHOWN].encode("utf-8", "replace").decode()
