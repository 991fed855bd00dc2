"""The card of a pretrained model: kept, completed, and read from whatever an archive holds."""

from __future__ import annotations

from typing import Any

import pytest

from digits.model.card import LONGEST_TEXT, Card

CARD = Card("Pets", "a garage", "MIT", "two pets", "no birds")


def test_a_card_comes_back_as_it_was() -> None:
    assert Card.from_json(CARD.to_json()) == CARD
    assert CARD.pairs()[0] == ("Name", "Pets")
    assert Card("Pets").pairs() == [("Name", "Pets")]


@pytest.mark.parametrize("given", [None, [], "text", {}, {"name": ["no text"]}, {"other": "x"}])
def test_what_is_no_card_is_none(given: Any) -> None:
    assert Card.from_json(given) is None


def test_texts_that_no_page_could_show_are_cut_and_cleaned() -> None:
    card = Card.from_json({"name": "a\ud800b\x00 c", "limits": "y" * 9999, "source": "1\r\n2"})
    assert card is not None
    assert card.name == "a?b c" or card.name.endswith("c")
    assert "\x00" not in card.name
    assert card.source == "1\n2"
    assert len(card.limits) == LONGEST_TEXT


def test_a_card_takes_from_another_what_it_does_not_say() -> None:
    both = Card(licence="GPL").or_else(CARD)
    assert both == Card("Pets", "a garage", "GPL", "two pets", "no birds")
