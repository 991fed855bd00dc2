"""Training longer: a training that has ended goes on from its last state, for more epochs.

In: a job's folder with a solver state.  Out: its solver and its plan, rewritten for the longer
training.  The learning rate stays where it is told from then on: a policy that was spread over the
old length would jump on the new one.

Elsewhere: putting the task back into the queue (`jobs/control.py`), the form
(`model/longer_views.py`).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path

from digits.base.atomic import SyncCall, write_text
from digits.base.job_files import read_text
from digits.caffe.errors import CaffeError
from digits.caffe.formats import prototxt
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.lr_policy import learning_rate
from digits.errors import FormError, JobRefused
from digits.model.training import snapshots
from digits.model.training.plan import TrainingPlan
from digits.model.training.solver import MAX_ITERATIONS, SOLVER_FILE

# What other policies read, and the warm-up, which is for the first steps of a network.
_OF_POLICIES = ("gamma", "power", "stepsize", "stepvalue", "lr_warmup")


@dataclass(frozen=True)
class End:
    """Where a training has ended: its solver, and the iteration that its state is of."""

    solver: SolverParameter
    iteration: int

    @property
    def learning_rate(self) -> float:
        """The rate of the last iteration; where that was 0, the rate at the start."""
        last = learning_rate(self.solver, max(0, self.iteration - 1))
        return float(f"{last if last > 0 else self.solver.base_lr:.6g}")


def end_of(job_dir: Path) -> End:
    """The end of a training; raises JobRefused when nothing can go on from there."""
    state = snapshots.newest_state(job_dir)
    if state is None:
        raise JobRefused(
            "This training cannot go on: the state of its last snapshot is not there any more. "
            "Train a new model that begins with its weights (Previous network)."
        )
    (number,) = re.findall(r"_iter_(\d+)", state.name)
    try:
        text = read_text(job_dir / SOLVER_FILE)
        solver = prototxt.parse_text(text, SolverParameter(), SOLVER_FILE)
    except (OSError, ValueError, CaffeError) as error:
        raise JobRefused(
            f"This training cannot go on: its {SOLVER_FILE} cannot be read: {error}."
        ) from error
    return End(solver, int(number))


def go_on(
    job_dir: Path,
    plan: TrainingPlan,
    end: End,
    epochs: int,
    rate: float,
    sync: SyncCall = os.fsync,
) -> TrainingPlan:
    """Write solver and plan of a training that goes on for `epochs` epochs at `rate`.

    Raises FormError when Caffe cannot count so far, OSError when a file cannot be written.
    """
    iterations = end.iteration + epochs * plan.epoch_iterations
    if iterations > MAX_ITERATIONS:
        raise FormError(
            {
                "train_epochs": [
                    f"{epochs} more epochs make {iterations} iterations; Caffe can count "
                    f"{MAX_ITERATIONS}. Choose fewer."
                ]
            }
        )
    solver = SolverParameter()
    solver.CopyFrom(end.solver)
    for name in _OF_POLICIES:
        solver.ClearField(name)
    solver.max_iter, solver.lr_policy, solver.base_lr = iterations, "fixed", rate
    longer = replace(plan, max_iter=iterations)
    # The solver first: a server that is killed in between has a Done training and a longer file.
    write_text(job_dir / SOLVER_FILE, prototxt.to_text(solver), sync)
    longer.write(job_dir, sync)
    return longer
