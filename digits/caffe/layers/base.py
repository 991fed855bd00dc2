"""What every layer type is: the base class, its decorator, and what a layer is told of its net.

A layer is built from its own copy of its LayerParameter, told the shapes of its bottoms (`setup`
once, `reshape` whenever they change), answers the shapes of its tops, and computes them in
`forward` with PyTorch operations; autograd gives the gradients.  Where Caffe's gradient
deliberately differs from the mathematical one, the layer uses a `torch.autograd.Function`.

The order of calls is Caffe's: the counts of bottoms and tops are checked, then `setup`,
`param_slots` (the net fills `params`), `reshape`; later `reshape` where a bottom's shape changed,
and `forward`, once a pass.

Elsewhere: who calls it and in what order (`net.py`), how parameters are filled (`fillers.py`),
which modules are searched for layer types (`registry.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, ClassVar, TypeVar

import torch

from digits.caffe.data.augmentation import Augmentation
from digits.caffe.errors import LayerError
from digits.caffe.layers.targets import Targets
from digits.caffe.machine.randomness import Randomness, default_randomness
from digits.caffe.proto import caffe_pb2

Shape = tuple[int, ...]


class Phase(IntEnum):
    """Caffe's two phases, with its numbers."""

    TRAIN = 0
    TEST = 1


@dataclass
class LayerContext:
    """What a layer knows of the net around it.

    `device` and `dtype` say where parameters and data live (float32; float64 in gradient checks);
    `rank` and `world_size` shard the data; `base_dir` is what relative paths start from ("" is
    the working directory, as in Caffe); `allow_python` lets Python layers run; `random` is where
    every random number comes from; with `channels_last` the net keeps four-axes parameters in that
    memory format, and convolutions hand it on to their tops (values and shapes stay the same);
    `augmentation` says how pictures are changed in the TRAIN phase, `targets` what its softmax
    losses aim at.
    """

    phase: Phase = Phase.TEST
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    dtype: torch.dtype = torch.float32
    allow_python: bool = False
    # Programs that show their users messages: what a Python layer raises becomes a LayerError.
    wrap_python_errors: bool = False
    rank: int = 0
    world_size: int = 1
    base_dir: str = ""
    random: Randomness = field(default_factory=default_randomness)
    channels_last: bool = False
    augmentation: Augmentation | None = None
    targets: Targets = field(default_factory=Targets)


@dataclass(frozen=True)
class ParamSlot:
    """A parameter that a layer asks for: its shape and how it is filled at first."""

    shape: Shape
    filler: caffe_pb2.FillerParameter


@dataclass(frozen=True)
class Check:
    """Whole numbers on a device that nobody has looked at yet: their ends, and their limit.

    `low` and `high` are tensors without axes; `explain` gives the error for what is out of range.
    """

    low: torch.Tensor
    high: torch.Tensor
    limit: int
    explain: Callable[[], LayerError]

    def settle(self, low: float, high: float) -> None:
        """Raise what `explain` gives unless these ends lie within [0, limit)."""
        if not (low > -1 and high < self.limit):  # true for nan, too
            raise self.explain()


class Layer:
    """One layer of a net.

    Class attributes say how many bottoms and tops fit (None: any number).
    `params` holds the layer's parameter tensors in Caffe's order (its `blobs`); the net creates
    them from `param_slots`, or puts a shared one in their place, before the first `forward`.
    """

    type: ClassVar[str] = ""
    exact_bottoms: ClassVar[int | None] = None
    min_bottoms: ClassVar[int | None] = None
    max_bottoms: ClassVar[int | None] = None
    exact_tops: ClassVar[int | None] = None
    min_tops: ClassVar[int | None] = None
    max_tops: ClassVar[int | None] = None
    # As many tops as bottoms (neuron layers run over several blobs).
    equal_bottoms_tops: ClassVar[bool] = False
    # A loss: when the prototxt gives no loss_weight the net gives its first top weight 1 (it
    # appends to `param.loss_weight` before `setup`), and when it names no top the net makes one.
    is_loss: ClassVar[bool] = False
    # Whether a top may have its bottom's name; the few types that refuse it in Caffe say False.
    allows_in_place: ClassVar[bool] = True
    # True where forward gives a fresh tensor (no view of a bottom or parameter) that the layer's
    # own gradient does not need: an in-place layer that comes next may overwrite it.
    top_may_be_overwritten: ClassVar[bool] = False
    # False where Caffe's Backward reads no bottom and no top, only what forward left in the layer.
    backward_reads_blobs: bool = True
    # True where the layer runs code of the network's author, whose exceptions are the author's.
    runs_foreign_code: ClassVar[bool] = False
    # True where forward may answer None: the tops stay what they are from pass to pass.
    keeps_tops: ClassVar[bool] = False

    def __init__(self, param: caffe_pb2.LayerParameter, context: LayerContext) -> None:
        # A copy of its own, so that `setup` may complete it as Caffe's LayerSetUp does.
        self.param = param
        self.name = param.name
        self.context = context
        self.params: list[torch.Tensor] = []
        # Set by the net: some top has the name of its bottom.
        self.in_place = False
        # Set by the net: an in-place layer whose bottom nobody needs any more; see `may_overwrite`.
        self.bottom_is_free = False
        # Set by the net: forward shall leave in `memory` what `replay` needs of it.
        self.remembers = False
        self.memory: tuple[torch.Tensor, ...] = ()
        # Left by forward on a GPU: what is to be looked at once the device has come so far.
        self.check: Check | None = None

    @property
    def training(self) -> bool:
        """Whether the net is in the TRAIN phase."""
        return self.context.phase is Phase.TRAIN

    def may_overwrite(self, bottom: torch.Tensor) -> bool:
        """Whether forward may use PyTorch's in-place operations on this bottom to save memory.

        True only for in-place layers, where neither autograd nor another layer needs the old
        values.  The result is the same either way.
        """
        return self.bottom_is_free and not (bottom.is_leaf and bottom.requires_grad)

    def setup(self, bottoms: Sequence[Shape]) -> None:
        """Check the layer's own fields; called once, before `param_slots` and `reshape`.

        May complete `self.param` (BatchNorm, for example, adds `param { lr_mult: 0 }`).
        """

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        """The parameters wanted, in Caffe's order; called once, after `setup`."""
        return []

    def reshape(self, bottoms: Sequence[Shape]) -> Sequence[Shape | None]:
        """The shapes of the tops for these bottoms; raises LayerError when they do not fit.

        Called before the first forward and again whenever a bottom's shape changes.  None leaves
        the shape of that top as it is (an Input layer after its first time).
        """
        raise NotImplementedError

    def initial_tops(self) -> Sequence[torch.Tensor | None]:
        """What the tops hold before the first forward; nothing or None stands for zeros."""
        return ()

    def forward(self, bottoms: Sequence[torch.Tensor]) -> Sequence[torch.Tensor | None]:
        """The tops, one tensor each, of the shapes that `reshape` answered.

        A layer whose tops' shapes depend on the data (Filter, Python) may answer others.  None
        leaves a top as it is: its user's values (Input), or those of `initial_tops`.
        Runs with or without autograd; the tensors may have any memory format.
        """
        raise NotImplementedError

    def replay(
        self, bottoms: Sequence[torch.Tensor], tops: Sequence[torch.Tensor]
    ) -> Sequence[torch.Tensor]:
        """The tops as functions of the bottoms whose gradients are those of Caffe's Backward now.

        Asked for where the blobs changed since `forward`, or where that never ran.  `tops` are the
        tops as they are now.  What Caffe takes from the blobs at that time is taken from them; what
        it keeps within the layer, from `memory`, which is empty before the first forward: it stands
        for zeros then.  The values of the answer do not matter, and nothing else may change by it.
        """
        return [top for top in self.forward(bottoms) if top is not None]

    def absorbs(self, before: Layer) -> bool:
        """Take over the work of the layer just before, whose top nobody else sees.

        True: from now on `before` is not run, and this layer gets its bottom.  Asked once, by nets
        that do not keep their blobs.
        """
        return False

    def stand_alone(self) -> None:
        """Run the layer that `absorbs` took over no more."""

    def accepts_gradient(self, index: int) -> bool:
        """Whether a gradient can flow into bottom `index` (labels and indices take none).

        Caffe's AllowForceBackward.
        """
        return True

    def refuses_gradient(self, index: int) -> bool:
        """Whether it is an error if bottom `index` comes from layers that learn.

        False where Caffe's Backward passes such a bottom over (Crop's reference).
        """
        return not self.accepts_gradient(index)

    def shares(self, top: int) -> tuple[torch.Tensor, torch.Tensor] | None:
        """Sums and weights whose quotients are the values of a top after the last forward pass.

        So that several passes can be put together.  None, for most: the values are means over the
        items of a batch.
        """
        return None

    def state(self) -> dict[str, Any]:
        """What a resumed training needs besides parameters, for `restore`; numbers, str and arrays.

        The position in a database, for example, or the hidden state that a recurrent layer hands
        from one pass to the next.  Empty for most.
        """
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from what `state` gave in another process; called between two passes."""

    def close(self) -> None:
        """Let go of threads, files and databases; called when the net is closed."""

    def error(self, problem: str) -> LayerError:
        """A LayerError that names this layer."""
        return LayerError(self.name, self.param.type or self.type, problem)


LayerClass = TypeVar("LayerClass", bound=type[Layer])
registry: dict[str, type[Layer]] = {}


def register(type_name: str) -> Callable[[LayerClass], LayerClass]:
    """Class decorator: make a layer type known under Caffe's name for it."""

    def add(layer_class: LayerClass) -> LayerClass:
        layer_class.type = type_name
        registry[type_name] = layer_class
        return layer_class

    return add
