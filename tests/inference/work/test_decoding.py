"""Threads that decode: everything in order, errors at their place, no more than is wanted."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from digits.inference.work.decoding import Decoders


def decoded(item: int) -> int:
    if item % 5 == 3:
        raise ValueError(str(item))
    return 2 * item


@pytest.mark.parametrize("run", [1, 4, 100])
def test_results_come_in_order_with_errors_at_their_place(run: int) -> None:
    decoders = Decoders(2, on_work=lambda seconds: None)
    outcomes = list(decoders.map(decoded, range(23), 4, run))
    assert [str(each) for each in outcomes] == [
        str(item) if item % 5 == 3 else str(2 * item) for item in range(23)
    ]
    assert list(decoders.map(decoded, [], 4, run)) == []


@pytest.mark.parametrize("run", [1, 4])
def test_items_are_taken_only_as_far_as_needed(run: int) -> None:
    taken = 0

    def endless() -> Iterator[int]:
        nonlocal taken
        while True:
            taken += 1
            yield 0

    results = Decoders(2, on_work=lambda seconds: None).map(decoded, endless(), 8, run)
    for _ in range(10):
        next(results)
    assert taken <= 10 + 8 + 2 * run


def test_the_work_of_the_threads_is_told() -> None:
    told: list[float] = []

    def work(item: int) -> None:
        end = time.thread_time() + 0.01
        while time.thread_time() < end:
            pass

    list(Decoders(2, on_work=told.append).map(work, range(6), 2, 2))
    assert len(told) == 3
    assert sum(told) >= 0.06
