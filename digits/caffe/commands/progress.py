"""A progress bar for whoever watches a training on a terminal; nothing where stderr is a file."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from digits.caffe.machine.log import glog_handler


@contextmanager
def progress_bar(iterations: int) -> Iterator[Callable[[int], None]]:
    """Gives a function to be told the number of iterations done."""
    handler = glog_handler()
    if handler is None or not sys.stderr.isatty():
        yield lambda iteration: None
        return
    from tqdm import tqdm  # noqa: PLC0415  # not needed where nobody watches

    with tqdm(total=iterations, unit="iter", dynamic_ncols=True, leave=False) as bar:

        def show(iteration: int) -> None:
            bar.update(iteration - bar.n)

        handler.shows_progress = True
        try:
            yield show
        finally:
            handler.shows_progress = False
