"""The list of guides: groups, order, and what stands before and after each."""

from __future__ import annotations

import pytest

from digits.web.help_guides import Group, Guide, groups_of, index_of, neighbours

LISTING = """# All guides

- [Stray](stray.md): above the first group.

## Start

- [First `steps`](first.md): with [a link](first.md#x) in it.
- [Away](https://example.org): not a guide.

## Nothing

## Later

- [Second](second.md)
"""


def test_groups_and_guides_are_those_of_the_list() -> None:
    assert groups_of(LISTING) == (
        Group("", (Guide("stray", "Stray"),)),
        Group("Start", (Guide("first", "First steps"),)),
        Group("Later", (Guide("second", "Second"),)),
    )


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("README", None, "Stray"),
        ("stray", "All guides", "First steps"),
        ("first", "Stray", "Second"),
        ("second", "First steps", None),
        ("not-listed", None, None),
    ],
)
def test_neighbours_follow_the_list(name: str, before: str | None, after: str | None) -> None:
    found = neighbours(groups_of(LISTING), Guide("README", "All guides"), name)
    assert [guide and guide.title for guide in found] == [before, after]


def test_pages_of_a_folder_stand_in_its_own_list() -> None:
    assert index_of("decisions/0001-a") == "decisions/README"
    assert index_of("api") == "README"
    groups = groups_of("- [One](0001-a.md)\n", "decisions")
    assert groups[0].guides == (Guide("decisions/0001-a", "One"),)
