"""Whether categories are of very unequal size, in words."""

from __future__ import annotations

from collections.abc import Mapping

# A network that always answers the largest category is right so often that it learns little else.
VERY_UNEQUAL = 10


def words_of_unequal(counts: Mapping[str, int]) -> str:
    """What to say of categories with so many pictures each; empty where all is well.

    Those without any are told elsewhere.
    """
    some = {label: count for label, count in counts.items() if count}
    if len(some) < 2:
        return ""
    largest = max(some, key=lambda label: some[label])
    smallest = min(some, key=lambda label: some[label])
    if some[largest] < VERY_UNEQUAL * some[smallest]:
        return ""
    return (
        f"The categories are of very unequal size: {largest!r} has {some[largest]:,} pictures, "
        f"{smallest!r} has {some[smallest]:,}. The network will favor the large ones. Add pictures "
        "to the small ones, or limit the large ones (maximum per category)."
    )
