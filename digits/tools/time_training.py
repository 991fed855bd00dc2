"""Time a few iterations of a training, so that a form can say about how long it will take.

MODEL is a train_val.prototxt whose Data layers read databases.  A large batch is not run: two
small ones say how the time grows with it.  The answer is one line of JSON on stdout: `train_s`,
seconds of an iteration, and `val_s`, seconds of a validation batch (null without a TEST phase).

  python -m digits.tools.time_training train_val.prototxt --solver-type SGD
"""

from __future__ import annotations

import argparse
import contextlib
import json
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from digits.base.program import parser_for, run_program
from digits.caffe.machine.process import keep_freed_memory, settle_threads
from digits.errors import ToolError

if TYPE_CHECKING:
    from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
    from digits.caffe.solver import Solver

# Pictures of the first batch that is run.
SMALL_BATCH = 4
# What one iteration may take, and how long iterations are repeated.
ITERATION_S = 1.2
REPEATED_S = 0.7
MOST_REPEATS = 256
# Programs and libraries, which are not counted against the memory of a network.
BASE_BYTES = 1 << 30
DATA_LAYERS = ("Data", "HDF5Data")


@dataclass(frozen=True)
class Times:
    """Seconds of a training iteration, and of a validation batch (None without a TEST phase)."""

    train_s: float
    val_s: float | None


class Stopwatch:
    """Runs a training with small batches.  Raises CaffeError for a network that cannot be run."""

    def __init__(self, net: NetParameter, solver_type: str, gpu: str, *, python: bool) -> None:
        # PyTorch takes a second to load: not before the command line is known to be good.
        from digits.caffe.commands.devices import one_device  # noqa: PLC0415

        self.net = net
        self.solver_type = solver_type
        self.python = python
        self.device = one_device(gpu, 0)
        self.batch = _batch_size(net, "TRAIN") or 1
        self.val_batch = _batch_size(net, "TEST")

    def times(self) -> Times:
        """Of the batches that the network names."""
        small = min(self.batch, SMALL_BATCH)
        with self._solver(small) as solver:
            small_s = self._iteration_s(solver)
            large = min(self.batch, int(small * ITERATION_S / small_s))
            if large <= small:
                return self._times((small, small_s), (small, small_s), solver)
        with self._solver(large) as solver:
            return self._times((small, small_s), (large, self._iteration_s(solver)), solver)

    def _times(self, small: tuple[int, float], large: tuple[int, float], solver: Solver) -> Times:
        """From two batches (pictures, seconds); `solver` runs the second one."""
        train_s = at_size(self.batch, small, large)
        if not self.val_batch:
            return Times(train_s, None)
        return Times(train_s, self._validation_s(solver) * self.val_batch / large[0])

    def _iteration_s(self, solver: Solver) -> float:
        """Seconds of an iteration."""
        solver.step(1)  # memory is taken, the databases are open
        return self._mean_s(solver.step)

    def _validation_s(self, solver: Solver) -> float:
        """Seconds of a validation pass."""
        net = solver.test_nets[0]
        net.share_with(solver.net)
        net.forward_pass()
        return self._mean_s(lambda count: [net.forward_pass() for _ in range(count)])

    @contextlib.contextmanager
    def _solver(self, pictures: int) -> Iterator[Solver]:
        from digits.caffe.layers.base import LayerContext  # noqa: PLC0415
        from digits.caffe.machine.randomness import Randomness  # noqa: PLC0415
        from digits.caffe.proto.caffe_pb2 import SolverParameter  # noqa: PLC0415
        from digits.caffe.solver import get_solver  # noqa: PLC0415
        from digits.caffe.solving.solver_options import Options  # noqa: PLC0415

        # The rate is so small that no loss becomes infinite; the arithmetic is the same.
        param = SolverParameter(
            net_param=with_batches(self.net, pictures), type=self.solver_type, base_lr=1e-8,
            lr_policy="fixed", max_iter=1 << 30, random_seed=1, snapshot_prefix="none",
        )  # fmt: skip
        if self.val_batch:
            param.test_iter.append(1)
            param.test_interval = 1 << 30
            param.test_initialization = False
        context = LayerContext(
            device=self.device, allow_python=self.python, channels_last=True, random=Randomness()
        )
        options = Options(context=context, keep_blobs=False, allow_nan=True)
        solver = get_solver(param, options=options)
        try:
            yield solver
        finally:
            solver.close()

    def _mean_s(self, run: Callable[[int], object]) -> float:
        """Seconds of one of several runs; they are repeated until that is long enough to tell."""
        count, all_s = 1, 0.0
        while True:
            start = time.perf_counter()
            run(count)
            self._wait_for_gpu()
            elapsed_s = time.perf_counter() - start
            all_s += elapsed_s
            # The last ones, half of all, are the most even.
            if all_s >= REPEATED_S or count >= MOST_REPEATS:
                return elapsed_s / count
            count *= 2

    def _wait_for_gpu(self) -> None:
        if self.device.type == "cuda":
            import torch  # noqa: PLC0415

            torch.cuda.synchronize(self.device)


def at_size(batch: int, small: tuple[int, float], large: tuple[int, float]) -> float:
    """Seconds of an iteration with `batch` pictures, along the line through two measured ones.

    Each is (pictures, seconds).  A part of the time, such as the update of the weights, does not
    depend on the batch.
    """
    (first, first_s), (second, second_s) = small, large
    a_picture_s = second_s / second
    if second > first:
        a_picture_s = min(a_picture_s, max(0.0, (second_s - first_s) / (second - first)))
    return second_s + (batch - second) * a_picture_s


def with_batches(net: NetParameter, pictures: int) -> NetParameter:
    """The network with so many pictures in the batches of every phase."""
    copy = type(net)()
    copy.CopyFrom(net)
    for layer in copy.layer:
        if layer.type in DATA_LAYERS:
            _reader(layer).batch_size = pictures
    return copy


def _batch_size(net: NetParameter, phase: str) -> int:
    """The batch that the data layer of a phase reads; 0 without one."""
    number = {"TRAIN": 0, "TEST": 1}[phase]
    for layer in net.layer:
        phases = [rule.phase for rule in layer.include]
        if layer.type in DATA_LAYERS and (not phases or number in phases):
            return int(_reader(layer).batch_size)
    return 0


def _reader(layer: LayerParameter) -> Any:
    """The settings of a data layer that say how large its batches are."""
    return layer.hdf5_data_param if layer.type == "HDF5Data" else layer.data_param


def measure(given: argparse.Namespace) -> Times:
    """What the command line asks for.  Raises ToolError."""
    from digits.caffe.errors import CaffeError  # noqa: PLC0415
    from digits.caffe.formats.upgrade import read_net  # noqa: PLC0415

    try:
        net = read_net(given.model)
        watch = Stopwatch(net, given.solver_type, given.gpu, python=given.python_layers)
        return watch.times()
    # PyTorch says RuntimeError where there is no memory left.
    except (CaffeError, MemoryError, RuntimeError) as error:
        raise ToolError(f"The training cannot be timed: {error}") from error


def main() -> None:
    parser = parser_for(__doc__, "time_training")
    parser.add_argument("model", metavar="MODEL", type=Path)
    parser.add_argument("--solver-type", default="SGD", help="as a solver.prototxt names it [SGD]")
    parser.add_argument("--gpu", default="", help="the GPU's number [the CPU]")
    parser.add_argument("--python-layers", action="store_true", help="run Python layers")
    parser.add_argument("--memory-mb", type=int, default=4096, help="at most so much [4096]")
    given = parser.parse_args()
    keep_freed_memory()
    settle_threads()

    def timed() -> str:
        if not given.gpu:  # a GPU's driver reserves more than it takes
            limit_memory(given.memory_mb)
        found = measure(given)
        print(json.dumps(asdict(found)), flush=True)
        return f"{found.train_s:.4g} s an iteration."

    run_program(timed)


def limit_memory(memory_mb: int) -> None:
    """Make allocations beyond `memory_mb` fail in this process."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = BASE_BYTES + (memory_mb << 20)
    limit = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, hard))


if __name__ == "__main__":
    main()
