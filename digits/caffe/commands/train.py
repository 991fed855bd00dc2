"""`caffe train`: train or fine-tune a model.  Source: train() in caffe.cpp."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch

from digits.caffe.commands.devices import gpu, gpu_numbers, use_the_cores_given
from digits.caffe.commands.flags import Flags, written
from digits.caffe.commands.progress import progress_bar
from digits.caffe.commands.team import Member, started_members, this_member
from digits.caffe.data.augmentation import Augmentation, read_augmentation
from digits.caffe.errors import SolverError
from digits.caffe.layers.base import LayerContext
from digits.caffe.layers.prefetching_data import PrefetchingDataLayer
from digits.caffe.machine.device import check_gpu, memory_errors
from digits.caffe.machine.log import at
from digits.caffe.machine.randomness import Randomness
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.parallel import joined
from digits.caffe.solving.precision import precision_named
from digits.caffe.solving.signals import Action, SignalHandler, action_named
from digits.caffe.solving.solver_options import Options
from digits.caffe.solving.solver_param import read_solver_param

log = logging.getLogger(__name__)

MOST_VARIANTS = 1000


def train(flags: Flags) -> int:
    """Train as the flags say; raises CaffeError for what cannot be used."""
    member = this_member()
    param = _settings(flags)
    signals = SignalHandler(
        action_named(flags.sigint_effect, "sigint_effect"),
        action_named(flags.sighup_effect, "sighup_effect"),
    )
    precision_named(flags.precision)
    gpus = gpu_numbers(_gpus(flags, param))
    size = max(len(gpus), flags.processes)
    if member is not None:
        # It does what rank 0 was asked to do, and SIGTERM ends it at once.
        _train(flags, param, member, _device(gpus, member), lambda: Action.NONE)
        return 0
    team: AbstractContextManager[Member] = nullcontext(Member(0, 1))
    if size > 1:
        for index in gpus:
            check_gpu(index)
        team = started_members(size, written(flags))
    with signals, team as this:
        _train(flags, param, this, _device(gpus, this), signals.requested)
    return 0


def _train(
    flags: Flags,
    param: SolverParameter,
    this: Member,
    device: torch.device,
    action: Callable[[], Action],
) -> None:
    context = LayerContext(
        device=device,
        allow_python=flags.allow_python,
        channels_last=True,
        random=Randomness(),
        augmentation=_augmentation(flags.augmentation),
    )
    with (
        memory_errors(device),
        joined(this.rank, this.size, this.store, device) as group,
        progress_bar(param.max_iter if group.is_root else 0) as show,
    ):
        options = Options(
            context=context,
            keep_blobs=False,
            allow_nan=flags.allow_nan,
            test_items=flags.test_items,
            precision=precision_named(flags.precision),
            feature_cache=flags.feature_cache,
            feature_variants=flags.feature_variants,
            action=action,
            progress=show,
            group=group,
        )
        solver = get_solver(param, options=options)
        try:
            if context.augmentation:
                _require_pictures(solver)
            _solve(solver, flags.snapshot)
        finally:
            solver.close()


def _solve(solver: Solver, snapshot: str) -> None:
    if snapshot:
        log.info("Resuming from %s", snapshot, extra=at("caffe.cpp:235"))
        solver.restore(snapshot)
    log.info("Starting Optimization", extra=at("caffe.cpp:239"))
    solver.solve()
    log.info("Optimization Done.", extra=at("caffe.cpp:250"))


def _augmentation(path: str) -> Augmentation | None:
    """How pictures are changed; None where nothing is, so that such a training is as ever."""
    if not path:
        return None
    augmentation = read_augmentation(path)
    log.info("Pictures are changed as %s says", path, extra=at("caffe.cpp:200"))
    return augmentation if augmentation.is_on else None


def _require_pictures(solver: Solver) -> None:
    """SolverError unless there is one layer whose pictures can be changed."""
    sources = [
        layer for layer in solver.net.engine_layers if isinstance(layer, PrefetchingDataLayer)
    ]
    if len(sources) != 1 or not sources[0].has_pictures:
        found = ", ".join(f"{layer.name!r} ({layer.type})" for layer in sources) or "none"
        raise SolverError(
            "--augmentation is for nets whose pictures come from one layer of the type Data or "
            f"ImageData in the TRAIN phase; this one has {found}. Train without --augmentation"
        )


def _device(gpus: list[int], this: Member) -> torch.device:
    use_the_cores_given(this.size)
    if not gpus:
        log.info("Use CPU.", extra=at("caffe.cpp:197"))
        return torch.device("cpu")
    log.info("Using GPUs %s", ", ".join(map(str, gpus)), extra=at("caffe.cpp:204"))
    device = gpu(gpus[this.rank])
    for index in gpus:
        name = torch.cuda.get_device_name(index)
        log.info("GPU %d: %s", index, name, extra=at("caffe.cpp:209"))
    return device


def _settings(flags: Flags) -> SolverParameter:
    if not flags.solver:
        raise SolverError("Need a solver definition to train. Give it by --solver=FILE")
    if flags.snapshot and flags.weights:
        raise SolverError("Give a snapshot to resume training or weights to finetune but not both.")
    if flags.processes < 1 or (flags.processes > 1 and flags.gpu):
        raise SolverError(
            f"--processes is for the CPU and must be 1 or more, received {flags.processes}; with "
            "--gpu there is one process for each GPU"
        )
    if not 0 <= flags.feature_variants <= MOST_VARIANTS:
        raise SolverError(
            f"--feature_variants is 0 to {MOST_VARIANTS}, received {flags.feature_variants}"
        )
    param = read_solver_param(flags.solver)
    param.train_state.level = flags.level
    param.train_state.stage.extend(flags.stages)
    if flags.snapshot:
        param.ClearField("weights")
    elif flags.weights:
        param.ClearField("weights")
        param.weights.append(flags.weights)
    return param


def _gpus(flags: Flags, param: SolverParameter) -> str:
    """The value of --gpu, or what the solver says where the flag is missing."""
    asked = param.HasField("solver_mode") and param.solver_mode == SolverParameter.GPU
    return flags.gpu or (str(param.device_id) if asked else "")
