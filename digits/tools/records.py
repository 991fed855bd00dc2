"""Turn pictures into records of a database, with worker processes on all cores.

Decoding, scaling and compressing are work for the processor, so each core gets a process.  The
pictures go to them in batches; the records come back in order, in memory that all share, so that
none is copied on its way.  Only a few batches are on their way at any time, so memory does not grow
with the list.  Pictures named by a URL are fetched by threads here.

Elsewhere: which pictures (`sources/picture_list.py`), what a worker does (`record_worker.py`), what
becomes of the records (`databases.py`, `hdf5_writer.py`).
"""

from __future__ import annotations

import mmap
import multiprocessing
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from digits.errors import ImageError, ToolError
from digits.images.budget import process_budget
from digits.images.read import picture_size
from digits.images.resize import Scale, pillow_scale
from digits.sources.picture_list import LabelledEntry, is_url
from digits.sources.url_policy import UrlPolicy
from digits.tools.memory import loading
from digits.tools.record_worker import Made, Picture, RecordSpec, make_batch, start_worker
from digits.tools.skipped import SkippedPicture

if TYPE_CHECKING:
    from digits.sources.downloads import Downloader

_BATCHES_PER_WORKER = 3
# Fetching is slow: in small batches the connections get even shares of a short list, too.
_BATCH_URLS = 4
# At most this many requests run at once, whatever the number of cores.
_CONNECTIONS = 8
# From this many pictures on, what `fast_scaling` saves is more than the time it takes to load.
_FAST_FROM_PICTURES = 2000


@dataclass(frozen=True)
class Records:
    """What became of a batch; the records are valid until the next batch is asked for."""

    records: Sequence[memoryview]
    labels: Sequence[int]
    numbers: Sequence[int]  # of the records' pictures, in the order in which they were given
    skipped: Sequence[SkippedPicture]
    # The sum of the pictures, H x W x C, if it was asked for and there is a picture.
    total: NDArray[np.uint16] | None
    wide: int = 0  # pictures with 16 bits
    seen: tuple[int, int] | None = None  # the range of their values


class RecordMaker:
    """The worker processes; started at once, and ended by `close`.

    They are forked, so start them before there are threads, locks or open databases.
    """

    def __init__(
        self, spec: RecordSpec, workers: int, first: LabelledEntry, count: int, urls: UrlPolicy
    ) -> None:
        """`first` of `count` pictures tells whether they are fetched, and whether scaled.

        `urls` is where they may be fetched from.
        """
        self._urls = urls
        self._batch_size, on_their_way = spec.pictures_per_batch, workers * _BATCHES_PER_WORKER
        if is_url(first.path):
            self._batch_size = min(self._batch_size, _BATCH_URLS)
            on_their_way += _CONNECTIONS
        process_budget()  # one that this process makes is shared by those forked from it
        self._slots = mmap.mmap(-1, on_their_way * spec.slot_bytes)
        self._free = list(range(on_their_way))
        fast = count >= _FAST_FROM_PICTURES and _needs_scaling(spec, first)
        with loading():
            scale = _fast_scale() if fast else pillow_scale
        self._pool = _pool_of(workers, (spec, scale, self._slots))
        self._pool.submit(os.getpid)  # the first one forks all of them
        self._downloads = ThreadPoolExecutor(_CONNECTIONS, thread_name_prefix="download")

    def make(self, entries: Iterable[LabelledEntry]) -> Iterator[Records]:
        """The records of `entries`, batch by batch and in order.

        Raises ToolError when a worker process dies.
        """
        iterator = iter(entries)
        running: deque[tuple[int, int, Future[Made]]] = deque()
        given = 0
        view = memoryview(self._slots)
        try:
            while True:
                while self._free and (batch := list(islice(iterator, self._batch_size))):
                    slot = self._free.pop()
                    running.append((slot, given, self._submit(slot, batch)))
                    given += len(batch)
                if not running:
                    return
                slot, first, future = running.popleft()
                made = future.result()
                records = [view[start:end] for start, end in made.spans]
                numbers = [first + place for place in made.places]
                yield Records(
                    records, made.labels, numbers, made.skipped, made.total, made.wide, made.seen
                )
                self._free.append(slot)
        except BrokenProcessPool as error:
            raise ToolError(
                "A worker process was killed; most likely the memory ran out. "
                "Try again with fewer --workers."
            ) from error

    def close(self) -> None:
        """End the workers, in the middle of their work, too."""
        self._downloads.shutdown(wait=False, cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def _submit(self, slot: int, batch: Sequence[LabelledEntry]) -> Future[Made]:
        if not any(is_url(entry.path) for entry in batch):
            return self._pool.submit(make_batch, slot, [Picture(entry) for entry in batch])

        downloader = self._downloader

        def download_then_make() -> Made:
            pictures = [_download(entry, downloader) for entry in batch]
            return self._pool.submit(make_batch, slot, pictures).result()

        return self._downloads.submit(download_then_make)

    @cached_property
    def _downloader(self) -> Downloader:
        # Late: lists of files do not need the 0.1 s that it takes.
        from digits.sources.downloads import Downloader  # noqa: PLC0415

        return Downloader(self._urls)


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def _download(entry: LabelledEntry, downloader: Downloader) -> Picture:
    if not is_url(entry.path):
        return Picture(entry)
    from digits.sources.downloads import DownloadError  # noqa: PLC0415 - as above

    try:
        data, _ = downloader.fetch(entry.path)
    except DownloadError as error:
        return Picture(entry, problem=str(error))
    return Picture(entry, data)


def _fast_scale() -> Scale:
    # Late: it takes half a second, which few pictures do not pay for.
    from digits.images.fast_scaling import fast_scale  # noqa: PLC0415

    return fast_scale


def _needs_scaling(spec: RecordSpec, entry: LabelledEntry) -> bool:
    """Whether the first picture has another size; a guess for the others."""
    if is_url(entry.path):
        return False  # the network is slower than any filter
    try:
        return picture_size(entry.path) != (spec.height, spec.width)
    except ImageError:
        return False


def _pool_of(workers: int, arguments: tuple[Any, ...]) -> ProcessPoolExecutor:
    """A pool of worker processes; ToolError where the system has no semaphores for them."""
    try:
        return ProcessPoolExecutor(
            workers, multiprocessing.get_context("fork"), start_worker, arguments
        )
    except OSError as error:  # names no file
        raise ToolError(
            f"Worker processes need /dev/shm, which cannot be used here ({error.strerror}). Mount "
            "a tmpfs there that everybody may write."
        ) from error
