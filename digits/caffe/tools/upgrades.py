"""What the three upgrade tools share: read, upgrade, write, and Caffe's log lines about it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf.message import Message

from digits.caffe.errors import CaffeError
from digits.caffe.machine.gflags import Value

log = logging.getLogger(__name__)

AnyMessage = TypeVar("AnyMessage", bound=Message)


@dataclass(frozen=True)
class Upgrade(Generic[AnyMessage]):
    """How one kind of file is upgraded; `kind` is "NetParameter text proto" or the like."""

    kind: str
    read: Callable[[str], AnyMessage]
    is_old: Callable[[AnyMessage], bool]
    upgrade: Callable[[AnyMessage, str], bool]
    write: Callable[[str, AnyMessage], None]

    def run(self, flags: dict[str, Value], words: list[str]) -> int:
        """Upgrade file `words[0]` to `words[1]`: 0, 1 if a part could not be, 2 if not readable."""
        source, target = words
        try:
            message = self.read(source)
        except CaffeError as error:
            log.error("Failed to parse input file as %s: %s: %s", self.kind, source, error)
            return 2
        done = True
        if self.is_old(message):
            done = self.upgrade(message, source)
            if not done:
                log.error("Encountered error(s) while upgrading prototxt; see details above.")
        else:
            log.error("File already in latest proto format: %s", source)
        self.write(target, message)
        log.info("Wrote upgraded %s to %s", self.kind, target)
        return 0 if done else 1
