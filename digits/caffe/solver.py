"""Solvers: train a net as a solver prototxt says, step by step as Caffe does.

    solver = get_solver("solver.prototxt")     # or SGDSolver(...), AdamSolver(...)
    solver.step(100)                           # or solver.solve()
    solver.net.blobs["loss"].data

In: a SolverParameter.  Out: trained nets, snapshots, Caffe's log lines.
One iteration: test if it is time, forward and backward `iter_size` times, show the loss, update the
parameters, take a snapshot if it is time.

Source: solver.cpp, sgd_solver.cpp.  Difference: a nan loss ends the training with an error unless
`allow_nan` is set.  Elsewhere: options (`solving/solver_options.py`), which nets
(`solving/solver_nets.py`), the learning rate (`solving/lr_policy.py`), the update
(`solving/updater.py`, `solving/updates.py`), files (`solving/snapshots/`), several processes
(`solving/parallel.py`).
"""

from __future__ import annotations

import logging
import math
import operator
import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np

from digits.caffe.errors import SolverError
from digits.caffe.fixed import Fixed
from digits.caffe.formats.prototxt import to_text
from digits.caffe.layers.base import Phase
from digits.caffe.machine.log import at, number
from digits.caffe.net import Net
from digits.caffe.nets.verdict import Verdict
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter
from digits.caffe.solving import lr_policy
from digits.caffe.solving.features import FeatureCache, Interrupted
from digits.caffe.solving.nccl import NCCL, callbacks_of
from digits.caffe.solving.outputs import MeanOutputs, SmoothedLoss, output_lines
from digits.caffe.solving.signals import Action
from digits.caffe.solving.snapshots import TrainingState, restore_snapshot, take_snapshot
from digits.caffe.solving.solver_nets import net_to_train, nets_to_test
from digits.caffe.solving.solver_options import Options
from digits.caffe.solving.solver_param import Source, check_solver_param, settings_of
from digits.caffe.solving.solver_targets import require_a_loss
from digits.caffe.solving.updater import Updater
from digits.caffe.solving.whole_set import WholeSet

log = logging.getLogger(__name__)

Callback = Callable[[], None]


class Solver:
    """Trains a net; the rule is the `type` of its settings.

    `net` is trained, `test_nets` are tested with its parameters, `iter` is the number of updates
    made, `param` the settings.
    Raises PrototxtError, SolverError, NetError, WeightsError, DataError for what cannot be used.
    """

    # The type that a class stands for; Solver itself takes that of the settings.
    rule: ClassVar[str | None] = None

    param = Fixed[SolverParameter]()
    net = Fixed[Net]()
    test_nets = Fixed[list[Net]]()

    def __init__(self, source: Source, *, options: Options | None = None) -> None:
        self.options = options or Options()
        self.group = self.options.group
        self.param = settings_of(source, self.rule)
        self._log_once("Initializing solver from parameters: \n" + to_text(self.param).rstrip(), 45)
        check_solver_param(self.param)
        self._context = self.options.nets_context(self.param)
        self.random = self._context.random
        self._iter = 0
        self.current_step = 0
        self.test_nets = []
        self.net = self._make_net(net_to_train(self.param), Phase.TRAIN)
        try:
            require_a_loss(self.net, self.param)
            keep = self.options.keep_blobs or self.param.snapshot_diff
            self.updater = Updater(self.net, self.param, keep_updates=keep)
            if self.group.is_root:
                self._make_test_nets()
            self.group.share_params([blob.leaf for blob in self.net.learnable_blobs])
        except BaseException:
            self.close()
            raise
        self._log_once("Solver scaffolding done.", 57)
        self._callbacks: list[tuple[Callback, Callback]] = []
        self._stopping = False
        self._has_features = False  # or it was tried
        self._deferred = Action.NONE  # asked for where it could not be done at once
        self._smoothed = SmoothedLoss(self.param.average_loss)
        self._started = 0  # the iteration that the last step() began with
        self._shown = (0, time.monotonic())  # iteration and time of the last display
        self._began: float | None = None  # when the first iteration was asked for

    # ---- what scripts call -------------------------------------------------------------------

    @property
    def iter(self) -> int:
        """How many iterations were trained, those before a snapshot that was restored included."""
        return self._iter

    @property
    def type(self) -> str:
        """The update rule: SGD, Nesterov, AdaGrad, RMSProp, AdaDelta or Adam."""
        return self.param.type

    @property
    def lr(self) -> float:
        """The learning rate of the coming update, a float32 as in Caffe."""
        step = lr_policy.current_step(self.param, self.iter, self.current_step)
        return float(np.float32(lr_policy.learning_rate(self.param, self.iter, step)))

    def step(self, iterations: int) -> None:
        """Train for so many iterations, or until asked to stop.

        Raises SolverError when the loss becomes nan, TypeError for no whole number, and what the
        layers raise.
        """
        iterations = operator.index(iterations)
        self._smoothed = SmoothedLoss(self.param.average_loss)
        self._started = self.iter
        self._begin()
        self._use_features()
        self._shown = (self.iter, time.monotonic())
        end = self.iter + iterations
        while self.iter < end and not self._stopping:
            self.net.clear_param_diffs()
            if self._is_time(self.param.test_interval) and (
                self.iter > 0 or self.param.test_initialization
            ):
                self.test_all()
            if not self._stopping:
                self._iterate()

    def solve(self, resume_file: str | os.PathLike[str] | None = None) -> None:
        """Train to max_iter, take the last snapshot, show and test a last time."""
        self._begin()
        self._log_once(f"Solving {self.net.name}", 289)
        self._log_once(f"Learning Rate Policy: {self.param.lr_policy}", 290)
        self._stopping = False
        if resume_file:
            self._log_once(f"Restoring previous solver status from {resume_file}", 297)
            self.restore(resume_file)
        self.step(self.param.max_iter - self.iter)
        if self.param.snapshot_after_train and not self._was_snapshotted():
            self.snapshot()
        else:
            self._log_elapsed()
        if self._stopping:
            self._log_once("Optimization stopped early.", 311)
            return
        if self._is_time(self.param.display):
            self._show_last_loss()
        if self._is_time(self.param.test_interval):
            self.test_all()
        self._log_once("Optimization Done.", 332)

    def snapshot(self) -> None:
        """Write the weights, the solver state and what a resumed training needs."""
        self._log_elapsed()
        take_snapshot(self._state())

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from a `.solverstate`, binary or HDF5."""
        self._iter, self.current_step = restore_snapshot(self._state(), os.fspath(path))

    def add_callback(
        self, on_start: Callback | NCCL, on_gradients_ready: Callback | None = None
    ) -> None:
        """Call these in every iteration: before the passes, and between passes and update.

        An `NCCL` stands for both.
        """
        self._callbacks.append(callbacks_of(on_start, on_gradients_ready))

    def apply_update(self) -> None:
        """Update the parameters by their gradients; the end of an iteration."""
        # What callbacks wrote into arrays.
        self.net.flush_params()
        rate = self._learning_rate()
        if self._is_time(self.param.display):
            self._log_once(f"Iteration {self.iter}, lr = {number(rate)}", 112, "sgd_solver.cpp")
        if self.group.size > 1:
            self.group.average(self.updater.gradients())
        self.updater.apply(rate, self.iter)
        self.net.show_params()
        self._iter += 1

    def share_weights(self, net: Net) -> None:
        """Train with the parameters of another net, in its memory."""
        self.net.share_with(net)

    def test_all(self) -> None:
        """Run all test nets; only rank 0 has them."""
        for index in range(len(self.test_nets)):
            if not self._stopping:
                self._test(index)
        stop = self.group.agree(Action.STOP if self._stopping else Action.NONE)
        self._stopping = stop is Action.STOP

    def close(self) -> None:
        """End the threads and close the databases of all nets."""
        for net in [self.net, *self.test_nets]:
            net.close()

    # ---- what is frozen ----------------------------------------------------------------------

    def _use_features(self) -> None:
        """Have the nets read the features of what is frozen; only now, with the last weights."""
        if self._has_features or not self.options.feature_cache:
            return
        self._has_features = True
        cache = FeatureCache(
            Path(self.options.feature_cache),
            self.options.feature_variants,
            self.options.precision.value,
            lambda: self.options.precision.autocast(self._context.device),
            self._is_stopped_early,
        )
        try:
            cache.use_for(self.net, "training")
            for index, net in enumerate(self.test_nets):
                net.share_with(self.net)
                cache.use_for(net, f"test net (#{index})")
        except Interrupted:
            self._stopping = True

    def _is_stopped_early(self) -> bool:
        """Whether a signal asked to stop; one that asks for a snapshot gets it later."""
        if self.group.size > 1:
            return False  # all processes stop together, after an iteration
        request = self.options.action()
        if request is Action.SNAPSHOT:
            self._deferred = request
        return request is Action.STOP

    # ---- one iteration -----------------------------------------------------------------------

    def _iterate(self) -> None:
        for on_start, _ in self._callbacks:
            on_start()
        display = self._is_time(self.param.display)
        if self.param.debug_info:
            self.net.set_debug_info(display)
        loss = self._forward_backward()
        self._smoothed.add(loss, self.iter - self._started)
        if display:
            self._display()
        self._check_loss(loss)
        for _, on_gradients_ready in self._callbacks:
            on_gradients_ready()
        self.apply_update()
        self.options.progress(self.iter)
        self._obey(self._request())

    def _forward_backward(self) -> float:
        """The loss, the mean over iter_size passes; the gradients are their sum."""
        total = 0.0
        for _ in range(self.param.iter_size):
            with self.options.precision.autocast(self._context.device):
                verdict = self.net.begin_pass()
            with self._early_updates(verdict):
                self.net.backward_pass()
            total += verdict.loss()
        return total / self.param.iter_size

    def _early_updates(self, verdict: Verdict) -> AbstractContextManager[None]:
        """What to run a backward pass in: updates of large parameters, where that is the same."""
        if not self._may_update_early() or math.isnan(verdict.loss()):
            return nullcontext()
        step = lr_policy.current_step(self.param, self.iter, self.current_step)
        rate = lr_policy.learning_rate(self.param, self.iter, step)
        return self.updater.update_early(rate, self.iter)

    def _may_update_early(self) -> bool:
        param = self.param
        return not (
            # The host would wait for the loss before it hands over the backward pass.
            self._context.device.type != "cpu"
            or self.options.keep_blobs
            or self._callbacks
            or self.group.size > 1
            or param.iter_size > 1
            or param.clip_gradients >= 0
            or param.snapshot_diff
            or param.debug_info
            or param.lr_policy not in lr_policy.POLICIES
        )

    def _obey(self, request: Action) -> None:
        if request is Action.SNAPSHOT or self._is_time(self.param.snapshot):
            self.snapshot()
        if request is Action.STOP:
            self._stopping = True

    def _learning_rate(self) -> float:
        step = lr_policy.current_step(self.param, self.iter, self.current_step)
        if step != self.current_step and self.param.lr_policy == "multistep":
            self._log_once(
                f"MultiStep Status: Iteration {self.iter}, step = {step}", 50, "sgd_solver.cpp"
            )
        self.current_step = step
        return lr_policy.learning_rate(self.param, self.iter, step)

    def _check_loss(self, loss: float) -> None:
        if math.isnan(loss) and not self.options.allow_nan:
            raise SolverError(
                f"the loss is nan in iteration {self.iter}, so training cannot go on. A lower "
                f"base_lr (now {number(self.param.base_lr)}), clip_gradients, or inputs of smaller "
                "size often help; --allow_nan goes on as real Caffe does"
            )

    # ---- showing -----------------------------------------------------------------------------

    def _display(self) -> None:
        before, then = self._shown
        lapse = time.monotonic() - then
        speed = (self.iter - before) / (lapse or 1)
        self._log_elapsed()
        self._log_once(
            f"Iteration {self.iter} ({number(speed)} iter/s, {number(round(lapse, 3))}s/"
            f"{self.param.display} iters), loss = {number(self._smoothed.value)}",
            239,
        )
        self._shown = (self.iter, time.monotonic())
        for line in output_lines(self.net, "Train"):
            self._log_once(line, 258)

    def _show_last_loss(self) -> None:
        """A forward pass for its loss only: the parameters were updated since the last one."""
        with self.options.precision.autocast(self._context.device):
            loss = float(self.net.forward_pass().detach())
        self._smoothed.add(loss, self.iter - self._started)
        self._log_once(f"Iteration {self.iter}, loss = {number(self._smoothed.value)}", 327)
        self._check_loss(loss)

    def _test(self, index: int) -> None:
        self._log_elapsed()
        self._log_once(f"Iteration {self.iter}, Testing net (#{index})", 347)
        net, passes = self.test_nets[index], self.param.test_iter[index]
        net.share_with(self.net)
        if not passes:  # test_iter: 0 switches a test off
            return
        scores = MeanOutputs(net)
        items = self.options.test_items if index == 0 else 0
        whole = WholeSet(net, items, lambda: self._pass_of_test(net)) if items > 0 else None
        for test_pass in range(passes):
            self._obey_while_testing()
            if self._stopping:
                self._log_once("Test interrupted.", 396)
                return
            if whole:
                whole.before(test_pass)
            scores.add(self._pass_of_test(net))
            if whole:
                whole.after(test_pass)
        if self.param.test_compute_loss:
            self._log_once(f"Test loss: {number(scores.loss)}", 401)
        for line in [*scores.lines(), *(whole.lines() if whole else ())]:
            self._log_once(line, 414)

    def _pass_of_test(self, net: Net) -> float:
        with self.options.precision.autocast(self._context.device):
            return float(net.forward_pass())

    def _obey_while_testing(self) -> None:
        """Do what signals asked for during a test; only rank 0 tests."""
        while (request := self.options.action()) is not Action.NONE:
            if request is Action.STOP:
                self._stopping = True
            elif self.group.size == 1:
                self.snapshot()
            else:
                # The other processes do not test: all take it after the next iteration.
                self._deferred = request

    def _begin(self) -> None:
        if self._began is None:
            self._began = time.monotonic()

    def _log_elapsed(self) -> None:
        """Say how long the training has taken, which Caffe does not.

        The clock before each line tells neither the year nor summer time, and may be set.  A line
        of its own, since what reads Caffe's logs counts on the words of all others.
        """
        if self._began is not None:
            self._log_once(f"Elapsed: {time.monotonic() - self._began:.3f} s", 238)

    # ---- small things ------------------------------------------------------------------------

    def _is_time(self, interval: int) -> bool:
        return interval > 0 and self.iter % interval == 0

    def _state(self) -> TrainingState:
        return TrainingState(
            self.param,
            self.net,
            self.test_nets,
            self.updater,
            self.random,
            self.group,
            self.iter,
            self.current_step,
        )

    def _was_snapshotted(self) -> bool:
        return self._is_time(self.param.snapshot)

    def _request(self) -> Action:
        request, self._deferred = self._deferred, Action.NONE
        return self.group.agree(self.options.action() if request is Action.NONE else request)

    def _make_net(self, param: NetParameter, phase: Phase) -> Net:
        context = replace(self._context, phase=phase)
        keep = self.options.keep_blobs
        net = Net(param, phase, context=context, keep_blobs=keep)
        try:
            for names in self.param.weights:
                for name in names.split(","):
                    self._log_once(f"Finetuning from {name.strip()}", 72)
                    net.copy_from(name.strip())
        except BaseException:
            net.close()
            raise
        return net

    def _make_test_nets(self) -> None:
        for index, test in enumerate(nets_to_test(self.param)):
            self._log_once(f"Creating test net (#{index}) specified by {test.source}", 190)
            net = self._make_net(test.param, Phase.TEST)
            if self.param.debug_info:
                net.set_debug_info(True)
            self.test_nets.append(net)

    def _log_once(self, message: str, line: int, file: str = "solver.cpp") -> None:
        """Say it in one of the processes only."""
        if self.group.is_root:
            log.info("%s", message, extra=at(f"{file}:{line}"))


class SGDSolver(Solver):
    """Stochastic gradient descent with momentum."""

    rule = "SGD"


class NesterovSolver(Solver):
    """Nesterov's accelerated gradient."""

    rule = "Nesterov"


class AdaGradSolver(Solver):
    """AdaGrad."""

    rule = "AdaGrad"


class RMSPropSolver(Solver):
    """RMSProp."""

    rule = "RMSProp"


class AdaDeltaSolver(Solver):
    """AdaDelta."""

    rule = "AdaDelta"


class AdamSolver(Solver):
    """Adam."""

    rule = "Adam"


_TYPES: dict[str, type[Solver]] = {
    kind.rule: kind for kind in Solver.__subclasses__() if kind.rule is not None
}


def get_solver(source: Source, *, options: Options | None = None) -> Solver:
    """A solver of the type that the settings name; SolverError for an unknown one."""
    param = settings_of(source, None)
    return _TYPES[param.type](param, options=options)
