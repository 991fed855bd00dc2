"""How a solver runs, beside what its prototxt says.

In: choices of a command line or a script.  Out: `Options`, and the context that they give to nets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from digits.caffe.layers.base import LayerContext
from digits.caffe.machine.device import current_device, multiprocess, solver_count, solver_rank
from digits.caffe.machine.randomness import default_randomness
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.parallel import Group
from digits.caffe.solving.precision import Precision
from digits.caffe.solving.signals import Action
from digits.caffe.solving.solver_targets import targets_of


@dataclass(frozen=True)
class Options:
    """What a solver is told.

    `context` is what its nets are told (device, random numbers; None: as pycaffe's functions set
    them).  `keep_blobs` lets scripts look at all blobs, which takes time and memory.  `action` is
    asked once an iteration whether to stop or to take a snapshot, and `progress` told its number.
    With `feature_cache`, a folder, what is frozen runs once (`features.py`).
    With `test_items`, the records of the first test net's set, tests also log means over these.
    """

    context: LayerContext | None = None
    keep_blobs: bool = True
    allow_nan: bool = False
    test_items: int = 0
    precision: Precision = Precision.FP32
    action: Callable[[], Action] = lambda: Action.NONE
    progress: Callable[[int], None] = lambda iteration: None
    feature_cache: str = ""
    feature_variants: int = 0
    group: Group = field(default_factory=lambda: Group(solver_rank()))

    def nets_context(self, param: SolverParameter) -> LayerContext:
        """What the nets of a solver with these settings are told; its random numbers are seeded."""
        context = self.context
        if context is None:
            context = LayerContext(
                device=current_device(), random=default_randomness(), allow_python=True
            )
        # pycaffe's processes are each a group of their own (`NCCL`).
        count = solver_count() if self.group.size == 1 and multiprocess() else self.group.size
        rank = self.group.rank if count > 1 else 0
        context = replace(context, rank=rank, world_size=count, targets=targets_of(param))
        if param.random_seed >= 0:
            # Each rank crops and drops in its own way.
            context.random.seed(param.random_seed + self.group.rank)
        self.precision.settle(context.device)
        return context
