"""What is frozen in a training runs once: its features are kept, and the training reads them.

In: the nets of a solver, a folder, and how many variants of each picture are wanted where training
crops or mirrors at random.  Out: nets whose frozen layers do not run; weights, snapshots and the
values in the log are as without it.  Where no features can be kept, the log says why, and the
training runs as ever.

Elsewhere: what is frozen (`nets/frozen.py`), the files (`solving/feature_store.py`).
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from digits.caffe.machine.log import at
from digits.caffe.net import Net
from digits.caffe.nets.frozen import FrozenPart, NothingFrozen
from digits.caffe.solving.feature_store import Array, FeatureStore, Wanted

log = logging.getLogger(__name__)

# Of each picture where a training crops or mirrors at random, unless told otherwise.
USUAL_VARIANTS = 4
# What the numbers are made of; another one makes all files that are there strange.
FORMAT = 1
BATCH_SIZE = 32
SHOWN_EVERY_S = 10.0


class Interrupted(Exception):
    """The training is to stop while features are made."""


@dataclass(frozen=True)
class FeatureCache:
    """Where features are kept.

    `variants` of a picture that is cropped or mirrored at random; 0: as many as usual.
    `precision` names the number format of the passes, and `autocast` gives what to run them in.
    `is_stopping` is asked between batches; then Interrupted is raised.
    """

    folder: Path
    variants: int
    precision: str
    autocast: Callable[[], AbstractContextManager[object]]
    is_stopping: Callable[[], bool]

    def features_of(self, net: Net, what: str) -> tuple[FrozenPart, list[Array]]:
        """What is frozen in a net, and its features; `what` names the net in the log.

        Raises NothingFrozen, Interrupted, and OSError where they cannot be kept.
        """
        part = net.frozen_part()
        return part, self._found_or_made(net, part, self._wanted(part), what)

    def use_for(self, net: Net, what: str) -> None:
        """Have a net read features; `what` names it in the log.  Raises Interrupted."""
        try:
            part, features = self.features_of(net, what)
        except NothingFrozen as error:
            _say("No features are kept for the %s: %s.", what, error)
            return
        except OSError as error:
            reason = error.strerror or error
            _say("The features for the %s cannot be kept, and are not used: %s.", what, reason)
            return
        part.layer.hand_out(features)
        part.give_way()

    def _wanted(self, part: FrozenPart) -> Wanted:
        layer = part.layer
        variants = (self.variants or USUAL_VARIANTS) if layer.is_random else 1
        depends_on = (FORMAT, self.precision, variants, layer.identity(), part.digest())
        digest = hashlib.sha256(repr(depends_on).encode()).hexdigest()[:32]
        return Wanted(digest, variants, layer.records, part.names, part.shapes)

    def _found_or_made(self, net: Net, part: FrozenPart, wanted: Wanted, what: str) -> list[Array]:
        store = FeatureStore(self.folder)
        names = ", ".join(wanted.names)
        features = store.find(wanted)
        if features is None:
            with store.turn(wanted, self._look_whether_to_stop):
                features = store.find(wanted)  # made by another one meanwhile
                if features is None:
                    _say(
                        "Computing %s of %d records for the %s, %d time(s) each, by %d layers",
                        names, wanted.records, what, wanted.variants, len(part.nodes),
                    )  # fmt: skip
                    return store.write(wanted, self._batches(net, part, wanted))
        _say("Reading %s of %d records for the %s", names, wanted.records, what)
        return features

    def _batches(self, net: Net, part: FrozenPart, wanted: Wanted) -> Iterator[list[Array]]:
        done, total = 0, wanted.records * wanted.variants
        began = shown = time.monotonic()
        for variant in range(wanted.variants):
            for pictures in part.layer.pictures(variant, BATCH_SIZE):
                self._look_whether_to_stop()
                with self.autocast():
                    features = net.frozen_features(part, pictures)
                yield [each.float().cpu().contiguous().numpy() for each in features]
                done += len(pictures)
                now = time.monotonic()
                if done == total or now - shown >= SHOWN_EVERY_S:
                    shown = now
                    pace = done / max(now - began, 1e-9)
                    _say("Features: %d of %d (%.1f/s)", done, total, pace)

    def _look_whether_to_stop(self) -> None:
        if self.is_stopping():
            raise Interrupted


def _say(message: str, *values: object) -> None:
    log.info(message, *values, extra=at("solver.cpp:50"))
