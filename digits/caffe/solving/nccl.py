"""pycaffe's `NCCL`: several processes, each with a solver of its own, train one net together.

    uid = caffe.NCCL.new_uid()                 # once, for all of them
    # in each process:
    caffe.set_solver_count(count); caffe.set_solver_rank(rank); caffe.set_multiprocess(True)
    solver = caffe.SGDSolver("solver.prototxt")
    nccl = caffe.NCCL(solver, uid)
    nccl.bcast()
    solver.add_callback(nccl)
    solver.step(1000)

Between GPUs this is NCCL, as in Caffe; between CPUs, which real Caffe refuses, it is gloo.
Elsewhere: what the processes tell each other (`parallel.py`), `train --gpu 0,1`, which starts them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from digits.caffe.errors import SolverError
from digits.caffe.machine.device import current_device, solver_count, solver_rank
from digits.caffe.solving.parallel import TCPStore, Team, meeting_place

if TYPE_CHECKING:
    from digits.caffe.solver import Solver

Callback = Callable[[], None]


class NCCL:
    """A process's place among those that were given the same `uid`.

    Waits until all `solver_count()` are there.  Raises SolverError for what is no `new_uid()`.
    """

    # Where processes meet, for as long as the process lives that asked for it.
    _meeting_places: ClassVar[list[TCPStore]] = []

    @staticmethod
    def new_uid() -> bytes:
        """A name for a new group of processes on this machine; bytes, as pycaffe's."""
        place = meeting_place()
        NCCL._meeting_places.append(place)
        return f"digits-caffe:{place.port}".encode()

    def __init__(self, solver: Solver, uid: bytes | str) -> None:
        text = uid.decode(errors="replace") if isinstance(uid, bytes) else uid
        name, _, port = text.partition(":")
        if name != "digits-caffe" or not port.isdigit():
            raise SolverError(f"NCCL takes what NCCL.new_uid() answers; received {uid!r}.")
        self._solver = solver
        self._team = Team(solver_rank(), solver_count(), meeting_place(int(port)), current_device())

    def bcast(self) -> None:
        """Give all processes the parameters of rank 0."""
        self._team.share_params([blob.leaf for blob in self._solver.net.learnable_blobs])

    def on_start(self) -> None:
        """Before the passes: nothing."""

    def on_gradients_ready(self) -> None:
        """Between the passes and the update: average the gradients over all processes."""
        self._team.average(self._solver.updater.gradients())

    def __call__(self, layer: int) -> None:
        """For `net.after_backward(nccl)`: nothing, gradients are averaged when all are there."""

    def close(self) -> None:
        """Leave the others."""
        self._team.close()


def callbacks_of(
    on_start: Callback | NCCL, on_gradients_ready: Callback | None
) -> tuple[Callback, Callback]:
    """What `add_callback` was given: two functions, or an NCCL that stands for both."""
    if isinstance(on_start, NCCL):
        return on_start.on_start, on_start.on_gradients_ready
    if on_gradients_ready is None:
        raise TypeError("add_callback takes two functions, or one NCCL; received one function.")
    return on_start, on_gradients_ready
