"""Training on a GPU: ours and hand-written PyTorch's side by side, in every precision.

    python -m benchmarks.gpu [--networks lenet resnet50] [--precisions fp32 bf16] [--seconds 2]

Three tables, in ten minutes at most:

1. Milliseconds of a training iteration (forward, backward, update) on one batch in the GPU's
   memory: the medians of many, after some that warm up; how many times faster ours is; the GPU's
   memory at most; and how often ours waits for the GPU within an iteration (PyTorch counts the
   calls that do; 0 is what it should be).  Hand-written PyTorch runs in the memory format that is
   faster for it, and in its own autocast.
2. Pictures a second that a Data layer hands over (PNG of 256 x 256 in an LMDB, cropped, mirrored,
   mean subtracted), beside those that the networks take: where the first is less, training waits.
3. Two trainings at a time on the one GPU, in processes of their own, against one alone.

Without a GPU there is one line that says so.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks.handwritten import TRAINED, training_loss
from benchmarks.networks import CLASSES, INPUTS, train_net
from digits.caffe.data import datum, db, pictures
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.randomness import Randomness
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.precision import Precision
from digits.caffe.solving.solver_options import Options

ROOT = Path(__file__).parent.parent
BATCHES = {"lenet": 64, "alexnet": 128, "googlenet": 128, "resnet50": 128, "lite0": 128}
NO_GPU = "PyTorch sees no GPU here, so there is nothing to measure."
WARM_UP = 8
# Iterations in a block; the host waits for the GPU at its end only.
BLOCK = 10
PAIR = ("googlenet", Precision.TF32)
GPU = torch.device("cuda", 0)


@dataclass(frozen=True)
class Timing:
    """Medians of blocks of iterations, in seconds an iteration; memory in bytes."""

    seconds: float
    memory: int
    waits: int = 0


@dataclass(frozen=True)
class Row:
    """One line of the first table."""

    network: str
    batch: int
    precision: Precision
    ours: Timing
    theirs: Timing

    def text(self) -> str:
        """The line."""
        ours, theirs = self.ours, self.theirs
        return (
            f"{self.network:<10} {self.batch:>5} {self.precision:<5} {ours.seconds * 1e3:>8.2f} ms "
            f"{theirs.seconds * 1e3:>8.2f} ms {theirs.seconds / ours.seconds:>6.2f} "
            f"{self.batch / ours.seconds:>10.0f} {ours.memory / 2**30:>7.2f} GiB "
            f"{theirs.memory / 2**30:>7.2f} GiB {ours.waits:>6}"
        )


HEAD = (
    f"{'network':<10} {'batch':>5} {'':<5} {'ours':>11} {'PyTorch':>11} {'times':>6} "
    f"{'pictures/s':>10} {'memory':>11} {'PyTorch':>11} {'waits':>6}"
)


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 0 also where there is no GPU."""
    options = parser().parse_args(arguments)
    if not torch.cuda.is_available():
        print(NO_GPU)
        return 0
    if options.alone:
        name, precision = options.alone
        print(measure_ours(name, Precision(precision), options.seconds).seconds)
        return 0
    version = f"PyTorch {torch.__version__}, CUDA {torch.version.cuda}"
    print(f"{torch.cuda.get_device_name()}, {version}, {torch.get_num_threads()} threads")
    print(HEAD, flush=True)
    for name in options.networks:
        for precision in options.precisions:
            row = measure(name, Precision(precision), options.seconds)
            print(row.text(), flush=True)
    if not options.only_training:
        print(f"Data layer: {decoded_per_second(options.seconds):.0f} pictures/s", flush=True)
        print(pair_text(options.seconds))
    return 0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    result = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    known = [str(precision) for precision in Precision]
    result.add_argument("--networks", nargs="+", default=list(BATCHES), choices=list(BATCHES))
    result.add_argument("--precisions", nargs="+", default=known, choices=known)
    result.add_argument("--seconds", type=float, default=3, help="for each figure [%(default)s]")
    result.add_argument("--only-training", action="store_true", help="the first table only")
    result.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    return result


def measure(name: str, precision: Precision, seconds: float) -> Row:
    """Ours and hand-written PyTorch's, one after the other."""
    ours = measure_ours(name, precision, seconds)
    layouts = (torch.contiguous_format, torch.channels_last)
    theirs = [measure_theirs(name, precision, seconds, layout) for layout in layouts]
    best = min(theirs, key=lambda timing: timing.seconds)
    return Row(name, BATCHES[name], precision, ours, best)


def measure_ours(name: str, precision: Precision, seconds: float) -> Timing:
    """A solver as `caffe train` makes it, with a batch in the GPU's memory."""
    solver = solver_of(name, precision, GPU)
    try:
        timing = timed(lambda: solver.step(1), seconds)
        return Timing(timing.seconds, timing.memory, waits_in(lambda: solver.step(1)))
    finally:
        solver.close()


def solver_of(name: str, precision: Precision, device: torch.device) -> Solver:
    """A solver for the network on a device, with a batch in its memory."""
    param = SolverParameter(
        base_lr=0.001, lr_policy="fixed", momentum=0.9, weight_decay=0.0005, max_iter=1 << 30,
        random_seed=1, net_param=train_net(name, BATCHES[name]), snapshot_prefix="none",
    )  # fmt: skip
    context = LayerContext(device=device, channels_last=True, random=Randomness())
    # Weights of a benchmark may diverge.
    options = Options(context=context, keep_blobs=False, precision=precision, allow_nan=True)
    solver = get_solver(param, options=options)
    inputs, labels = batch_of(name, device)
    solver.net.blobs["data"].assign(inputs)
    solver.net.blobs["label"].assign(labels.float())
    return solver


def measure_theirs(
    name: str, precision: Precision, seconds: float, layout: torch.memory_format
) -> Timing:
    """The same network, written by hand, with PyTorch's own SGD."""
    precision.settle(GPU)
    module = TRAINED[name]().to(GPU, memory_format=layout).train()
    inputs, labels = batch_of(name, GPU)
    inputs = inputs.contiguous(memory_format=layout)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005)

    def iterate() -> None:
        optimizer.zero_grad()
        with precision.autocast(GPU):
            loss = training_loss(module, inputs, labels)
        loss.backward()
        optimizer.step()

    return timed(iterate, seconds)


def batch_of(name: str, device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    """Random pictures and labels on a device."""
    shape = (BATCHES[name], *INPUTS[name])
    generator = torch.Generator(device).manual_seed(0)
    inputs = torch.rand(shape, device=device, generator=generator)
    labels = torch.randint(0, CLASSES[name], shape[:1], device=device, generator=generator)
    return inputs, labels


def timed(iterate: Callable[[], object], seconds: float) -> Timing:
    """The median time of an iteration over blocks of them, for so many seconds."""
    torch.cuda.reset_peak_memory_stats()
    for _ in range(WARM_UP):
        iterate()
    torch.cuda.synchronize()
    times: list[float] = []
    while len(times) < 3 or sum(times) * BLOCK < seconds:
        start = time.perf_counter()
        for _ in range(BLOCK):
            iterate()
        torch.cuda.synchronize()
        times.append((time.perf_counter() - start) / BLOCK)
    memory = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    return Timing(statistics.median(times), memory)


def waits_in(iterate: Callable[[], object], iterations: int = 3) -> int:
    """How many calls of an iteration make the host wait for the GPU, as PyTorch counts them."""
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            for _ in range(iterations):
                iterate()
    finally:
        torch.cuda.set_sync_debug_mode("default")
    found = [one for one in caught if "synchronizing" in str(one.message)]
    return round(len(found) / iterations)


def decoded_per_second(seconds: float, count: int = 2048, batch: int = 128) -> float:
    """Pictures a second that a Data layer hands over to the GPU."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_pictures(folder / "db", count)
        context = LayerContext(device=GPU, random=Randomness(1), channels_last=True)
        net = Net(data_net(folder / "db", batch), Phase.TRAIN, context=context, keep_blobs=False)
        try:
            return batch / timed(net.forward_pass, seconds).seconds
        finally:
            net.close()


def write_pictures(path: Path, count: int) -> None:
    """An LMDB of colour pictures of 256 x 256 as PNG, as DIGITS makes them by default."""
    rng = np.random.default_rng(0)
    with db.Writer(str(path)) as writer:
        for index in range(count):
            coarse = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            data = pictures.encode(pictures.resize(coarse, 256, 256), "png")
            record = datum.Datum(data=data, label=index % 10, encoded=True)
            writer.put(b"%08d" % index, record.SerializeToString())


def data_net(path: Path, batch: int) -> NetParameter:
    """A net of a Data layer alone."""
    net = NetParameter()
    layer = net.layer.add(name="data", type="Data", top=["data", "label"])
    param = layer.data_param
    param.source, param.batch_size, param.backend = str(path), batch, param.LMDB
    transform = layer.transform_param
    transform.crop_size, transform.mirror = 227, True
    transform.mean_value.extend([104, 117, 123])
    return net


def pair_text(seconds: float) -> str:
    """Two trainings at a time against one alone."""
    name, precision = PAIR
    (alone,), both = together(1, seconds), together(2, seconds)
    total, single = sum(BATCHES[name] / one for one in both), BATCHES[name] / alone
    return (
        f"{name} {precision}: one training {single:.0f} pictures/s; two at a time "
        f"{' + '.join(f'{BATCHES[name] / one:.0f}' for one in both)}, {total / single:.2f} times"
    )


def together(processes: int, seconds: float) -> list[float]:
    """Seconds of an iteration in each of so many trainings at a time."""
    name, precision = PAIR
    command = [sys.executable, "-m", "benchmarks.gpu", "--alone", name, str(precision)]
    command += ["--seconds", str(2 * seconds)]
    started = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    printed = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit(f"{' '.join(command)} failed")
    return [float(text.split()[-1]) for text in printed]


if __name__ == "__main__":
    sys.exit(main())
