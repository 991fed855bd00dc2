"""What a worker process keeps from one request to the next."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from digits.inference.errors import BadRequest

if TYPE_CHECKING:  # a worker that only parses nets needs neither PyTorch nor databases
    from digits.inference.work.examining import Examination
    from digits.inference.work.exploring import Index
    from digits.inference.work.trained import TrainedNetwork


class State:
    """At most one trained network, the labels of a few databases, looks at a few folders.

    `python_layers` says whether networks may have layers that run Python code of the server.
    """

    def __init__(self, *, python_layers: bool = False) -> None:
        self.python_layers = python_layers
        self.loaded: TrainedNetwork | None = None
        self.indexes: OrderedDict[tuple[Any, ...], Index] = OrderedDict()
        self.examinations: OrderedDict[tuple[Any, ...], Examination] = OrderedDict()

    @property
    def network(self) -> TrainedNetwork:
        """The network.  Raises BadRequest where none was loaded."""
        if self.loaded is None:
            raise BadRequest("This worker has no network loaded.")
        return self.loaded
