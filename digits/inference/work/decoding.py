"""Threads that decode pictures while the network computes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Decoded = TypeVar("Decoded")


class Decoders:
    """A pool of threads, each of which computes with one core.

    `on_work` is told the seconds of core time that they have used, now and then.
    """

    def __init__(self, threads: int, on_work: Callable[[float], None]) -> None:
        self._on_work = on_work
        own = torch.get_num_threads()
        started = threading.Barrier(threads)
        # PyTorch's filter, which resizes pictures, would start threads of its own in each.
        self._executor = ThreadPoolExecutor(
            threads, "inference decoder", initializer=torch.set_num_threads, initargs=(1,)
        )
        for future in [self._executor.submit(started.wait) for _ in range(threads)]:
            future.result()
        # What a thread sets, MKL takes for all of them.
        torch.set_num_threads(own)

    def map(
        self, decode: Callable[[Item], Decoded], items: Iterable[Item], ahead: int, run: int = 1
    ) -> Iterator[Decoded | Exception]:
        """Results in the items' order, or the exception of an item; `ahead` are being worked on.

        Any number of items; those waiting and their results are all that is held.  A thread is
        given `run` of them at a time: for small pictures, that takes as long as the decoding.
        """
        remaining = iter(items)
        waiting: deque[Future[tuple[list[Decoded | Exception], float]]] = deque()
        try:
            while some := list(islice(remaining, run)):
                waiting.append(self._executor.submit(_outcomes, decode, some))
                if len(waiting) * run > ahead:
                    yield from self._results(waiting.popleft())
            while waiting:
                yield from self._results(waiting.popleft())
        finally:
            for future in waiting:
                future.cancel()

    def _results(
        self, future: Future[tuple[list[Decoded | Exception], float]]
    ) -> list[Decoded | Exception]:
        results, seconds = future.result()
        self._on_work(seconds)
        return results


def _outcomes(
    decode: Callable[[Item], Decoded], items: Iterable[Item]
) -> tuple[list[Decoded | Exception], float]:
    """The results, and the seconds of core time that they took."""
    start = time.thread_time()
    outcomes = [_outcome(decode, item) for item in items]
    return outcomes, time.thread_time() - start


def _outcome(decode: Callable[[Item], Decoded], item: Item) -> Decoded | Exception:
    try:
        return decode(item)
    except Exception as error:  # noqa: BLE001  who asked for the item decides what it means
        return error
