"""How good an exported model is, and how fast here: it classifies pictures of the dataset."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnxruntime

from digits.caffe.data.datum import Sample
from digits.errors import ToolError
from digits.inference.exporting.figures import ModelFigures
from digits.inference.exporting.pictures import Example, Feeds

MOST_PICTURES = 500
# Slow networks are judged by fewer pictures.
MOST_SECONDS = 60.0
# Before the time is taken: the first runs fill caches.
_WARM_UP = 2
_TIMED_ALONE = 5
Scores = npt.NDArray[np.float32]


class Running:
    """A model in onnxruntime on the CPU."""

    def __init__(self, path: Path, output: str | None = None) -> None:
        """`output`: the one to read; the first by default.  Raises ToolError."""
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), options, providers=["CPUExecutionProvider"]
            )
        # Its own exceptions have no class in common but this one.
        except Exception as error:
            raise ToolError(f"onnxruntime cannot load the model: {error}") from error
        self._output = output or self._session.get_outputs()[0].name
        self.path = path

    def scores(self, feeds: Feeds) -> Scores:
        """The scores of the categories of one picture."""
        values = np.asarray(self._session.run([self._output], feeds)[0])
        if values.ndim == 1:
            return values
        # Of a score a place in the picture, the mean, as on the pages.
        first = values[0].reshape(values.shape[1], -1)
        found: Scores = first.mean(axis=1)
        return found


@dataclass
class Measured:
    """What a model said of the pictures."""

    scores: list[Scores] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    right: int = 0
    labelled: int = 0

    def figures(self, path: Path) -> ModelFigures:
        """In numbers."""
        return ModelFigures(
            size_bytes=path.stat().st_size,
            ms_a_picture=round(1000 * statistics.median(self.seconds), 3),
            accuracy=self.right / self.labelled if self.labelled else None,
        )


def measure(
    running: Running,
    examples: Iterable[Example],
    feeds: Callable[[Sample], Feeds],
    note: Callable[[], None],
    clock: Callable[[], float] = time.perf_counter,
) -> Measured:
    """Classify the pictures, one at a time; `note` is called after each."""
    measured = Measured()
    began = clock()
    for number, example in enumerate(examples):
        given = feeds(example.sample)
        for _ in range(_WARM_UP if number == 0 else 0):
            running.scores(given)
        start = clock()
        scores = running.scores(given)
        measured.seconds.append(clock() - start)
        measured.scores.append(scores)
        if 0 <= example.label < len(scores):
            measured.labelled += 1
            measured.right += int(scores.argmax()) == example.label
        note()
        if clock() - began > MOST_SECONDS:
            break
    return measured


def measure_time(running: Running, blank: Sample, feeds: Callable[[Sample], Feeds]) -> Measured:
    """The time alone, on a `blank` picture, where there are no others."""
    examples = itertools.repeat(Example(blank, -1), _TIMED_ALONE)
    return measure(running, examples, feeds, lambda: None)


def largest_difference(first: Measured, second: Measured) -> float:
    """How far two models are apart at most, over the scores of all pictures that both saw."""
    pairs = zip(first.scores, second.scores, strict=False)
    return max((float(np.abs(a - b).max()) for a, b in pairs), default=0.0)
