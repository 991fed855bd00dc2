"""How pages write time spans."""

from __future__ import annotations

import pytest

from digits.base.formatting import duration, short_duration


@pytest.mark.parametrize(
    ("seconds", "words", "short"),
    [
        (0, "0 seconds", "0 s"),
        (1, "1 second", "1 s"),
        (61, "1 minute, 1 second", "1 min 1 s"),
        (7500, "2 hours, 5 minutes", "2 h 5 min"),
        (90_000, "1 day, 1 hour", "1 day 1 h"),
        (176_400, "2 days, 1 hour", "2 days 1 h"),
    ],
)
def test_a_time_span_is_written_in_full_and_for_a_narrow_column(
    seconds: float, words: str, short: str
) -> None:
    assert (duration(seconds), short_duration(seconds)) == (words, short)
