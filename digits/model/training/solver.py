"""From the form's solver options to a SolverParameter (`solver.prototxt`), and to a drawn curve.

In: options in the user's units: epochs, and percent of the training.  Out: Caffe's units,
iterations.  Steps of the learning rate scale so that the curve drawn over 0 to 100 percent is the
one that is trained, whatever the number of iterations.

Elsewhere: what the rate is at an iteration (`digits/caffe/solving/lr_policy.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solving.lr_policy import learning_rate
from digits.errors import FormError
from digits.jobs.record import Count

# The form's names and Caffe's.
SOLVER_TYPES = {
    "SGD": "SGD",
    "NESTEROV": "Nesterov",
    "ADAGRAD": "AdaGrad",
    "ADADELTA": "AdaDelta",
    "RMSPROP": "RMSProp",
    "ADAM": "Adam",
}
# What each solver reads beside the rate.  Caffe refuses a momentum with AdaGrad and RMSProp, and
# AdaDelta means another thing by it.
SOLVER_FIELDS: dict[str, tuple[str, ...]] = {
    "SGD": ("momentum",),
    "NESTEROV": ("momentum",),
    "ADAGRAD": (),
    "ADADELTA": (),
    "RMSPROP": ("rms_decay",),
    "ADAM": ("momentum", "momentum2"),
}
# Where nothing else was asked for.
USUAL = {"momentum": 0.9, "momentum2": 0.999, "rms_decay": 0.99, "weight_decay": 0.0005}
# Caffe's own are the same: they stand in no solver file of ours.
CAFFES_OWN = frozenset({"momentum2", "rms_decay"})
# What pages call them.
POLICY_TITLES = {
    "fixed": "Fixed",
    "step": "Step down",
    "multistep": "Step down (arbitrary steps)",
    "exp": "Exponential decay",
    "inv": "Inverse decay",
    "poly": "Polynomial decay",
    "cosine": "Cosine decay",
    "sigmoid": "Sigmoid decay",
}
SOLVER_TITLES = {
    "SGD": "Stochastic gradient descent (SGD)",
    "NESTEROV": "Nesterov's accelerated gradient (NAG)",
    "ADAGRAD": "Adaptive gradient (AdaGrad)",
    "ADADELTA": "AdaDelta",
    "RMSPROP": "RMSProp",
    "ADAM": "Adam",
}
LR_POLICIES = tuple(POLICY_TITLES)
# Caffe counts iterations in 32 bits.
MAX_ITERATIONS = 2**31 - 1
DISPLAYS_AN_EPOCH = 8
IMAGES_A_DISPLAY = 5000
SOLVER_FILE = "solver.prototxt"
SNAPSHOT_PREFIX = "snapshot"
PREVIEW_POINTS = 101
# Which weights the classes have in the loss.
UNWEIGHTED = "none"
BALANCED = "balanced"


@dataclass(frozen=True)
class LearningRate:
    """A learning-rate policy; only the fields of `lr_policy` count.  Steps are percent."""

    learning_rate: float = 0.01
    lr_policy: str = "step"
    lr_step_size: float = 33
    lr_step_gamma: float = 0.1
    lr_multistep_values: tuple[float, ...] = (50.0, 85.0)
    lr_multistep_gamma: float = 0.5
    lr_exp_gamma: float = 0.95
    lr_inv_gamma: float = 0.1
    lr_inv_power: float = 0.5
    lr_poly_power: float = 3
    lr_sigmoid_step: float = 50
    lr_sigmoid_gamma: float = 0.1


@dataclass(frozen=True, kw_only=True)
class SolverOptions(LearningRate):
    """The form's solver fields; intervals are in epochs, 0 stands for never."""

    train_epochs: Count = 30
    lr_warmup: float = 0
    snapshot_interval: float = 1
    val_interval: float = 1
    random_seed: int | None = None
    solver_type: str = "SGD"
    # None: what is usual; one batch for each change of the weights.
    batch_accumulation: Count | None = None
    momentum: float | None = None
    momentum2: float | None = None
    rms_decay: float | None = None
    weight_decay: float | None = None
    clip_gradients: float | None = None  # their largest L2 norm; None: any
    label_smoothing: float = 0
    class_weights: str = UNWEIGHTED  # or BALANCED

    def number(self, name: str) -> float:
        """One of the numbers in `USUAL`, as it was asked for or as it is usual."""
        given = getattr(self, name)
        return USUAL[name] if given is None else float(given)


@dataclass(frozen=True)
class TrainingSize:
    """How much there is to see in an epoch; no validation when its count or batch is None."""

    train_images: int
    train_batch_size: int
    val_images: int | None = None
    val_batch_size: int | None = None
    batch_accumulation: int = 1  # batches in an iteration

    @property
    def iteration_images(self) -> int:
        """The images of one iteration."""
        return self.train_batch_size * self.batch_accumulation

    @property
    def epoch_iterations(self) -> int:
        """Iterations in an epoch: ceil(images / images in an iteration)."""
        return max(1, -(-self.train_images // self.iteration_images))


def make_solver(
    options: SolverOptions,
    size: TrainingSize,
    *,
    use_gpu: bool,
    class_weights: Sequence[float] = (),
) -> SolverParameter:
    """The solver of a training on `train_val.prototxt`, both in the job's folder.

    `class_weights` has one for each class; empty, they count alike.
    Raises FormError when the training would have more iterations than Caffe can count.
    """
    epoch = size.epoch_iterations
    solver = SolverParameter(net="train_val.prototxt", snapshot_prefix=SNAPSHOT_PREFIX)
    solver.max_iter = _checked_iterations(epoch, options.train_epochs)
    if size.val_images and size.val_batch_size and options.val_interval > 0:
        solver.test_iter.append(-(-size.val_images // size.val_batch_size))
        solver.test_interval = _interval(options.val_interval, epoch)
    if options.snapshot_interval > 0:
        solver.snapshot = _interval(options.snapshot_interval, epoch)
    solver.display = display_interval(size)
    _set_learning_rate(solver, options)
    if options.lr_warmup > 0:
        solver.lr_warmup = _interval(options.lr_warmup, epoch)
    solver.type = SOLVER_TYPES[options.solver_type]
    if size.batch_accumulation > 1:
        solver.iter_size = size.batch_accumulation
    for name in (*SOLVER_FIELDS[options.solver_type], "weight_decay"):
        if options.number(name) != USUAL[name] or name not in CAFFES_OWN:
            setattr(solver, name, options.number(name))
    if options.clip_gradients is not None:
        solver.clip_gradients = options.clip_gradients
    if options.label_smoothing > 0:
        solver.label_smoothing = options.label_smoothing
    solver.class_weight.extend(class_weights)
    solver.solver_mode = SolverParameter.GPU if use_gpu else SolverParameter.CPU
    if options.random_seed is not None:
        solver.random_seed = options.random_seed
    return solver


def balanced_weights(counts: Sequence[int]) -> list[float]:
    """n / (k * n_c) for each class: n pictures, k classes that have some, n_c of the class.

    The mean over all pictures is 1, so that the loss stays where it was.  A class without pictures
    has 1, which nothing is multiplied by.  Empty where all classes have as many.
    """
    filled = [count for count in counts if count]
    if len(set(filled)) <= 1:
        return []
    return [sum(filled) / (len(filled) * count) if count else 1.0 for count in counts]


def display_interval(size: TrainingSize) -> int:
    """Iterations between displays: 8 times an epoch, or every 5,000 images if that is sooner."""
    eighth = size.epoch_iterations // DISPLAYS_AN_EPOCH
    by_images = -(-IMAGES_A_DISPLAY // size.iteration_images)
    return max(1, min(eighth, by_images))


def preview(rate: LearningRate, warmup: float = 0) -> list[float]:
    """The learning rate at 0, 1, ... 100 percent of a training; `warmup` is a share of it."""
    solver = SolverParameter(max_iter=PREVIEW_POINTS - 1)
    _set_learning_rate(solver, rate)
    rates = [learning_rate(solver, percent) for percent in range(PREVIEW_POINTS)]
    # In shares, not in the solver's iterations: a warm-up may be shorter than one percent.
    end = 100 * warmup
    return [r * percent / end if percent < end else r for percent, r in enumerate(rates)]


def _checked_iterations(epoch_iterations: int, epochs: int) -> int:
    iterations = epoch_iterations * epochs
    if iterations > MAX_ITERATIONS:
        raise FormError(
            {
                "train_epochs": [
                    f"{epochs} epochs of {epoch_iterations} iterations are more than the "
                    f"{MAX_ITERATIONS} that Caffe can count. Choose fewer epochs or larger batches."
                ]
            }
        )
    return iterations


def _interval(epochs: float, epoch_iterations: int) -> int:
    return min(MAX_ITERATIONS, max(1, round(epochs * epoch_iterations)))


def _set_learning_rate(solver: SolverParameter, rate: LearningRate) -> None:
    """Write the policy in iterations; `solver.max_iter` must be set."""
    solver.base_lr = rate.learning_rate
    solver.lr_policy = rate.lr_policy
    scale = solver.max_iter / 100  # iterations in one percent
    if rate.lr_policy == "step":
        solver.stepsize = _steps(rate.lr_step_size, solver.max_iter)
        solver.gamma = rate.lr_step_gamma
    elif rate.lr_policy == "multistep":
        solver.stepvalue.extend(
            _steps(value, solver.max_iter) for value in rate.lr_multistep_values
        )
        solver.gamma = rate.lr_multistep_gamma
    elif rate.lr_policy == "exp":
        solver.gamma = math.pow(rate.lr_exp_gamma, 1 / scale)
    elif rate.lr_policy == "inv":
        solver.gamma = rate.lr_inv_gamma / scale
        solver.power = rate.lr_inv_power
    elif rate.lr_policy == "poly":
        solver.power = rate.lr_poly_power
    elif rate.lr_policy == "sigmoid":
        # Negative: the rate falls, as one expects of a training.
        solver.gamma = -rate.lr_sigmoid_gamma / scale
        solver.stepsize = _steps(rate.lr_sigmoid_step, solver.max_iter)


def _steps(percent: float, max_iter: int) -> int:
    """The first iteration at or after `percent` of the training."""
    # 33 % of 100 must be 33, though 33 * 100 / 100 may come out a little above.
    return max(1, math.ceil(percent * max_iter / 100 - 1e-6))
