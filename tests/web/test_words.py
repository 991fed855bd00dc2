"""The words for yes and no."""

from __future__ import annotations

import pytest

from digits.errors import FormError
from digits.web.words import required_yes_or_no, yes_or_no

YES = ["y", "Y", "yes", "YES", "true", "True", "TRUE", "on", "On", "ON", "1", " on "]
NO = ["n", "N", "no", "No", "false", "False", "FALSE", "off", "OFF", "0", "none", "None", "", " "]
NEITHER = ["maybe", "2", "-1", "1.0", "01", "ja", "oui", "yess", "t", "f", "null", "y y", "٣"]


@pytest.mark.parametrize("word", YES)
def test_words_for_yes_in_any_case(word: str) -> None:
    assert yes_or_no(word) is True


@pytest.mark.parametrize("word", NO)
def test_words_for_no_in_any_case(word: str) -> None:
    assert yes_or_no(word) is False


@pytest.mark.parametrize("word", NEITHER)
def test_other_words_are_neither_and_refused_at_their_field(word: str) -> None:
    assert yes_or_no(word) is None
    with pytest.raises(FormError) as refused:
        required_yes_or_no("as_job", word)
    assert repr(word) in refused.value.errors["as_job"][0]
