"""The operations of a worker: a request's `op` says which.

Imported by worker processes alone.  PyTorch is loaded by the first operation that needs it, so a
worker that only parses nets starts at once and stays small.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from digits.caffe.errors import CaffeError
from digits.inference.errors import BadRequest
from digits.inference.protocol import Message
from digits.inference.work.drawing import draw_net
from digits.inference.work.limits import memory_errors
from digits.inference.work.parsing import parse_net

if TYPE_CHECKING:
    from digits.inference.work.exploring import Explorer
    from digits.inference.work.network_service import NetworkService

Operation = Callable[[Message], Message]


class Service:
    """Answers requests, one at a time; holds at most one network."""

    def __init__(self, memory_mb: int) -> None:
        self._memory_mb = memory_mb
        self._networks: NetworkService | None = None
        self._explorer: Explorer | None = None

    def answer(self, request: Message) -> Message:
        """Do what `op` says.  Raises InferenceErrors, ImageError, MemoryExhausted."""
        with memory_errors(self._memory_mb):
            try:
                return self._operation(str(request.header.get("op")))(request)
            except CaffeError as error:
                raise BadRequest(str(error)) from error

    def _exploring(self, name: str) -> Operation:
        if self._explorer is None:
            # Here, not above: a worker that only parses nets needs no databases.
            from digits.inference.work.exploring import Explorer  # noqa: PLC0415

            self._explorer = Explorer()
        operation: Operation = getattr(self._explorer, name)
        return operation

    def _operation(self, name: str) -> Operation:
        if name == "start":
            return lambda request: Message({})
        if name == "parse":
            return parse_net
        if name == "draw":
            return draw_net
        if name in ("explore", "samples", "record"):
            return self._exploring(name)
        if name == "check":
            # Here, not above: it loads PyTorch.
            from digits.inference.work.checking import check  # noqa: PLC0415

            return check
        if self._networks is None:
            from digits.inference.work.network_service import (  # noqa: PLC0415  the same
                NetworkService,
            )

            self._networks = NetworkService()
        operation = self._networks.operations.get(name)
        if operation is None:
            raise BadRequest(f"There is no operation {name!r}.")
        return operation
