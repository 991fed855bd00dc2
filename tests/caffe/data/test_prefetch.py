"""Making batches ahead of time."""

from __future__ import annotations

import itertools
import threading

import pytest

from digits.caffe.data.prefetch import Prefetcher


def test_results_come_in_order() -> None:
    numbers = itertools.count()
    prefetcher = Prefetcher(lambda: next(numbers), depth=3, name="test")
    assert [prefetcher.get() for _ in range(20)] == list(range(20))
    prefetcher.close()


def test_no_more_is_made_ahead_than_asked_for() -> None:
    made = threading.Semaphore(0)
    count = itertools.count()

    def produce() -> int:
        made.release()
        return next(count)

    prefetcher = Prefetcher(produce, depth=2, name="test")
    # Two wait in the queue, the third is in the thread's hands.
    assert all(made.acquire(timeout=10) for _ in range(3))
    assert not made.acquire(timeout=0.05)
    prefetcher.get()
    assert made.acquire(timeout=10)
    prefetcher.close()


def test_an_error_comes_after_the_results_before_it_and_stays() -> None:
    numbers = iter([1, 2])
    prefetcher = Prefetcher(lambda: next(numbers), depth=4, name="test")
    assert [prefetcher.get(), prefetcher.get()] == [1, 2]
    for _ in range(2):
        with pytest.raises(StopIteration):
            prefetcher.get()
    prefetcher.close()


def test_closing_ends_a_thread_that_waits_for_room() -> None:
    prefetcher = Prefetcher(lambda: 1, depth=1, name="to close")
    prefetcher.get()
    prefetcher.close()
    assert not [t for t in threading.enumerate() if t.name == "prefetch to close"]
