"""Train on several GPUs, a process each: Caffe's train.py, `digits-caffe train.py --gpus 0 1`.

The command `caffe train --gpu=0,1` does the same without the times of layers.
Source: the arguments and the order of calls of python/train.py.
"""

from __future__ import annotations

import multiprocessing
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass

from digits import caffe
from digits.caffe.errors import CaffeError, SolverError
from digits.caffe.machine import device
from digits.caffe.tools import python_program


@dataclass(frozen=True)
class Plan:
    """What every process is told; `gpus` has a device for each, None for the CPU."""

    solver: str
    snapshot: str
    gpus: tuple[int | None, ...]
    timing: bool
    uid: bytes


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    parser = ArgumentParser("train.py", description="Trains a model using one or more GPUs.")
    parser.add_argument("--solver", required=True, help="Solver proto definition.")
    parser.add_argument("--snapshot", default="", help="Solver snapshot to restore.")
    parser.add_argument(
        "--gpus", type=int, nargs="+", default=[0], help="List of device ids (default: 0)."
    )
    parser.add_argument("--timing", action="store_true", help="Show timing info.")
    return python_program.run(parser, arguments, _train_on_gpus)


def _train_on_gpus(given: Namespace) -> None:
    for index in given.gpus:
        device.check_gpu(index)
    train(given.solver, given.snapshot, given.gpus, given.timing)


def train(solver: str, snapshot: str, gpus: Sequence[int | None], timing: bool) -> None:
    """Train in a process for each device; SolverError when one of them fails."""
    caffe.init_log()
    caffe.log(f"Using devices {list(gpus)}")
    plan = Plan(solver, snapshot, tuple(gpus), timing, caffe.NCCL.new_uid())
    # A forked process must not use CUDA.
    context = multiprocessing.get_context("spawn")
    team = [
        context.Process(target=_solve, args=(plan, rank), daemon=True) for rank in range(len(gpus))
    ]
    for process in team:
        process.start()
    failed = False
    while team and not failed:
        multiprocessing.connection.wait([process.sentinel for process in team])
        ended = [process for process in team if process.exitcode is not None]
        failed = any(process.exitcode for process in ended)
        team = [process for process in team if process not in ended]
    for process in team:  # the others would wait for the one that failed
        process.terminate()
        process.join()
    if failed:
        raise SolverError("a process has failed; its messages stand above")


def _solve(plan: Plan, rank: int) -> None:
    try:
        _solve_as(plan, rank)
    except CaffeError as error:
        sys.exit(f"train.py: error: {error}")


def _solve_as(plan: Plan, rank: int) -> None:
    gpu = plan.gpus[rank]
    if gpu is not None:
        caffe.set_mode_gpu()
        caffe.set_device(gpu)
    caffe.set_solver_count(len(plan.gpus))
    caffe.set_solver_rank(rank)
    caffe.set_multiprocess(True)
    solver = caffe.SGDSolver(plan.solver)
    if plan.snapshot:
        solver.restore(plan.snapshot)
    nccl = caffe.NCCL(solver, plan.uid)
    nccl.bcast()
    if plan.timing and rank == 0:
        _Times(solver).measure(nccl)
    else:
        solver.add_callback(nccl)
    if solver.param.layer_wise_reduce:
        solver.net.after_backward(nccl)
    solver.step(solver.param.max_iter)
    nccl.close()


class _Times:
    """How long each layer takes, in milliseconds, logged whenever the solver displays."""

    def __init__(self, solver: caffe.SGDSolver) -> None:
        self._solver = solver
        count = len(solver.net.layers)
        self._forward = [caffe.Timer() for _ in range(count)]
        self._backward = [caffe.Timer() for _ in range(count)]
        self._passes, self._reduce = caffe.Timer(), caffe.Timer()

    def measure(self, nccl: caffe.NCCL) -> None:
        """Take the times from now on, `nccl` being what is measured besides the passes."""
        net = self._solver.net
        net.before_forward(lambda layer: self._forward[layer].start())
        net.after_forward(lambda layer: self._forward[layer].stop())
        net.before_backward(lambda layer: self._backward[layer].start())
        net.after_backward(lambda layer: self._backward[layer].stop())
        self._solver.add_callback(self._passes.start, self._end_passes)
        self._solver.add_callback(nccl)
        self._solver.add_callback(lambda: None, self._end_iteration)

    def _end_passes(self) -> None:
        self._passes.stop()
        self._reduce.start()

    def _end_iteration(self) -> None:
        self._reduce.stop()
        display = self._solver.param.display
        if display and self._solver.iter % display == 0:
            caffe.log("\n".join(["", *self._lines()]))

    def _lines(self) -> list[str]:
        names = list(self._solver.net._layer_names)
        forward = [
            f"forw {n:3} {name:>8} : {self._forward[n].ms:.2f}" for n, name in enumerate(names)
        ]
        backward = [
            f"back {n:3} {name:>8} : {self._backward[n].ms:.2f}" for n, name in enumerate(names)
        ]
        totals = [f"solver total: {self._passes.ms:.2f}", f"allreduce: {self._reduce.ms:.2f}"]
        return [*forward, *reversed(backward), *totals]


if __name__ == "__main__":
    sys.exit(main())
