"""When in a training weights were written, and how long it was: told, or guessed.

In: the weights' iteration, an epoch, a solver, each where it is known.  Out: how many iterations an
epoch has, and the plan that turns iterations into epochs.
"""

from __future__ import annotations

from dataclasses import dataclass

from digits.caffe.proto.caffe_pb2 import NetParameter, NetState, SolverParameter
from digits.model.images.classification.upload.reading import ReadModel
from digits.model.network import graph
from digits.model.training.plan import TrainingPlan
from digits.model.training.solver import MAX_ITERATIONS, SolverOptions


@dataclass(frozen=True)
class Moment:
    """After how many iterations of a training, of which an epoch has so many."""

    iteration: int
    epoch_iterations: int


def moment_of(iteration: int | None, epoch: float | None, solver: SolverParameter | None) -> Moment:
    """When weights were written; a training that nothing is known of was one iteration long."""
    longest = solver.max_iter if solver else 0
    known = min(max(1, iteration or longest or 1), MAX_ITERATIONS)
    if epoch and epoch > 0:
        an_epoch = round(known / epoch) if known / epoch < MAX_ITERATIONS else known
    elif solver is not None:
        # DIGITS takes a snapshot and validates once an epoch by default.
        an_epoch = solver.snapshot or solver.test_interval or longest // SolverOptions.train_epochs
    else:
        an_epoch = known
    return Moment(known, max(1, an_epoch))


def plan_of(moment: Moment, model: ReadModel, output: str) -> TrainingPlan:
    """The training as far as the files tell of it; pictures are counted by iterations."""
    net = model.train_val.net if model.train_val else NetParameter()
    batch = _batch_size(net, graph.TRAIN)
    accuracy, loss = graph.main_measures(net)
    return TrainingPlan(
        max_iter=max(moment.iteration, model.solver.max_iter if model.solver else 1),
        epoch_iterations=moment.epoch_iterations,
        train_images=moment.epoch_iterations * batch,
        train_batch_size=batch,
        val_images=0,
        val_batch_size=_batch_size(net, graph.VAL),
        accuracies=tuple(
            top
            for layer in graph.layers_in(net, graph.VAL)
            if layer.type == "Accuracy"
            for top in layer.top
        ),
        main_accuracy=accuracy,
        main_loss=loss,
        output=output,
    )


def _batch_size(net: NetParameter, state: NetState) -> int:
    layers = [layer for layer in graph.layers_in(net, state) if layer.type == "Data"]
    return max(1, layers[0].data_param.batch_size) if layers else 1
