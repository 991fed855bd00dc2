"""Speed, memory and start of training: ours, real Caffe's and hand-written PyTorch's side by side.

    python -m benchmarks.train --real-caffe SCRIPT [--networks lenet alexnet] [--rounds 3]

SCRIPT prints the folder of a chroot in which `caffe` runs; without it real Caffe is left out.  All
train on one LMDB (grey digits of 28 x 28 raw, pictures of 256 x 256 as PNG) by one solver, in
processes of their own, in turns, on the same cores.  Seconds per iteration come from the times in
the logs, which have one form; of all rounds the fastest counts.  Hand-written PyTorch trains the
same network on one batch in memory, in the memory format that is faster for it.

The table has for each network: seconds per iteration of the three, how many times faster ours is,
largest memory, seconds from the start of our process to its first iteration, and the arithmetic of
convolutions and matrix products that ours does in a second, as a share of what one large product of
matrices reaches on these cores: what is near 100 % no other program can beat by much.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from benchmarks.networks import CLASSES, INPUTS, STANDARD
from digits.caffe.data import datum, db, pictures
from digits.caffe.formats import prototxt, upgrade

ROOT = Path(__file__).parent.parent
BATCHES = {"lenet": 64, "alexnet": 32, "googlenet": 16}
# Iterations: those that warm up, those that are measured.
ITERATIONS = {"lenet": (50, 300), "alexnet": (2, 8), "googlenet": (2, 8)}
LINE = re.compile(r"^I(\d{4} [\d:.]+) .*solver\.cpp:\d+\] Iteration (\d+) \(")
SOLVER = """\
net: "net.prototxt"
base_lr: 0.001
lr_policy: "fixed"
momentum: 0.9
weight_decay: 0.0005
display: 1
max_iter: {iterations}
snapshot_after_train: false
snapshot_prefix: "snap"
random_seed: 1
solver_mode: CPU
"""


@dataclass
class Figures:
    """What was measured of one program; the best of all rounds."""

    seconds: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)

    def best(self) -> float:
        """Seconds per iteration."""
        return min(self.seconds, default=float("nan"))


@dataclass
class Handwritten:
    """Of hand-written PyTorch: the best seconds per iteration; what an iteration is to compute."""

    seconds: float = float("inf")
    operations: float = 0.0  # of floating point, in convolutions and matrix products
    peak: float = 0.0  # operations a second in one large product of matrices

    def add(self, printed: str) -> None:
        """Take over what `--handwritten` printed."""
        seconds, self.operations, peak = map(float, printed.split())
        self.seconds, self.peak = min(self.seconds, seconds), max(self.peak, peak)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(BATCHES), choices=list(BATCHES))
    parser.add_argument("--real-caffe", metavar="SCRIPT", help="prints the chroot's folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--flags", default="", help="more flags for our engine")
    parser.add_argument("--handwritten", metavar="NETWORK", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.handwritten:
        name = options.handwritten
        print(handwritten_seconds(name), operations(name), peak())
        return
    chroot = _chroot(options.real_caffe) if options.real_caffe else None
    print(f"{len(os.sched_getaffinity(0))} cores")
    print(
        f"{'network':<10} {'ours':>9} {'real':>9} {'times':>6} {'PyTorch':>9} {'times':>6} "
        f"{'memory':>8} {'real':>8} {'start':>7} {'GFLOP/s':>8} {'of peak':>8}"
    )
    for name in options.networks:
        print(_line(name, *measure(name, chroot, options.rounds, options.flags.split())))


def measure(
    name: str, chroot: Path | None, rounds: int, flags: list[str]
) -> tuple[Figures, Figures, Handwritten]:
    """Ours, real Caffe's (empty without a chroot), hand-written PyTorch's."""
    with tempfile.TemporaryDirectory(dir=chroot / "tmp" if chroot else None) as temporary:
        folder = Path(temporary)
        make_files(name, folder)
        ours, real, theirs = Figures(), Figures(), Handwritten()
        for _ in range(rounds):
            command = [sys.executable, "-m", "digits.caffe", "train", "--solver=solver.prototxt"]
            run(name, [*command, *flags], folder, ours)
            if chroot:
                inside = f"cd /tmp/{folder.name} && exec caffe train --solver=solver.prototxt"
                run(name, ["chroot", str(chroot), "sh", "-c", inside], folder, real)
            command = [sys.executable, "-m", "benchmarks.train", "--handwritten", name]
            theirs.add(subprocess.check_output(command, cwd=ROOT, text=True))
        return ours, real, theirs


def run(name: str, command: list[str], folder: Path, figures: Figures) -> None:
    """Train once and add what was measured."""
    log = folder / "log"
    start = datetime.now()
    with log.open("w") as file:
        process = subprocess.Popen(
            command, cwd=folder, stderr=file, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
        _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed:\n{log.read_text()[-2000:]}")
    moments = {int(m[2]): _moment(m[1]) for m in map(LINE.match, log.open()) if m}
    warm, measured = ITERATIONS[name]
    figures.seconds.append((moments[warm + measured] - moments[warm]).total_seconds() / measured)
    figures.start_s.append((moments[0] - start).total_seconds())
    figures.memory_mb.append(_megabytes(usage))


def make_files(name: str, folder: Path) -> None:
    """The database, the network and the solver."""
    channels, side, _ = INPUTS[name]
    size, count, kind = (28, 2000, "") if side == 28 else (256, 8 * BATCHES[name], "png")
    rng = np.random.default_rng(0)
    with db.Writer(str(folder / "db")) as writer:
        for index in range(count):
            coarse = rng.integers(0, 256, (size // 8, size // 8, channels), dtype=np.uint8)
            image = pictures.resize(coarse, size, size)
            record = datum.raw(image, index % 10)
            if kind:
                data = pictures.encode(image, kind)
                record = datum.Datum(data=data, label=index % 10, encoded=True)
            writer.put(b"%08d" % index, record.SerializeToString())
    net = upgrade.read_net(STANDARD / f"{name}.prototxt")
    kept = [layer for layer in net.layer if not any(r.phase == 1 for r in layer.include)]
    del net.layer[:]
    net.layer.extend(kept)
    data_param = net.layer[0].data_param
    data_param.source, data_param.backend, data_param.batch_size = "db", 1, BATCHES[name]
    for layer in net.layer:
        if layer.type == "InnerProduct" and not layer.inner_product_param.num_output:
            layer.inner_product_param.num_output = CLASSES[name]
    prototxt.write_text(folder / "net.prototxt", net)
    iterations = sum(ITERATIONS[name]) + 1
    (folder / "solver.prototxt").write_text(SOLVER.format(iterations=iterations))


def handwritten_seconds(name: str) -> float:
    """Seconds per iteration of hand-written PyTorch, in the faster memory format."""
    # Only here: the process that measures the others needs no PyTorch.
    import torch  # noqa: PLC0415

    from benchmarks.handwritten import TRAINED, training_loss  # noqa: PLC0415

    best = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        module = TRAINED[name]().to(memory_format=memory_format).train()
        inputs = torch.rand(BATCHES[name], *INPUTS[name]).contiguous(memory_format=memory_format)
        labels = torch.randint(0, 10, (BATCHES[name],))
        optimizer = torch.optim.SGD(
            module.parameters(), lr=0.001, momentum=0.9, weight_decay=0.0005
        )
        warm, measured = ITERATIONS[name]
        times = []
        for _ in range(warm + measured):
            start = time.perf_counter()
            optimizer.zero_grad()
            training_loss(module, inputs, labels).backward()
            optimizer.step()
            times.append(time.perf_counter() - start)
        best.append(statistics.mean(times[warm:]))
    return min(best)


def operations(name: str) -> int:
    """Floating-point operations of an iteration; a multiplication with its addition is two.

    The backward pass takes twice those of the forward pass, but the first layer has no gradient to
    hand on.  (PyTorch's counter of the backward pass is wrong for grouped convolutions.)
    """
    import torch  # noqa: PLC0415
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415

    from benchmarks.handwritten import TRAINED  # noqa: PLC0415

    module = TRAINED[name]().train()
    first = next(part for part in module.modules() if isinstance(part, torch.nn.Conv2d))
    tops: list[int] = []
    first.register_forward_hook(lambda _module, _bottoms, top: tops.append(top.numel()))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        module(torch.rand(BATCHES[name], *INPUTS[name]))
    return int(3 * counter.get_total_flops() - 2 * tops[0] * first.weight[0].numel())


def peak(side: int = 3072, repeats: int = 8) -> float:
    """Operations a second in the product of two square matrices, the best of some."""
    import torch  # noqa: PLC0415

    left, right = torch.rand(side, side), torch.rand(side, side)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        times.append(time.perf_counter() - start)
    return 2 * side**3 / min(times)


def _chroot(script: str) -> Path:
    folder = subprocess.check_output(["bash", script], text=True).strip()
    if shutil.which("chroot") is None:
        raise SystemExit("real Caffe runs in a chroot, but there is no program of that name")
    return Path(folder)


def _moment(text: str) -> datetime:
    return datetime.strptime(f"{datetime.now().year}{text}", "%Y%m%d %H:%M:%S.%f")


def _megabytes(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / 1024


def _line(name: str, ours: Figures, real: Figures, theirs: Handwritten) -> str:
    mine, handwritten = ours.best(), theirs.seconds
    reached = theirs.operations / mine
    return (
        f"{name:<10} {mine * 1e3:>6.1f} ms {real.best() * 1e3:>6.1f} ms "
        f"{real.best() / mine:>6.2f} {handwritten * 1e3:>6.1f} ms {handwritten / mine:>6.2f} "
        f"{min(ours.memory_mb):>5.0f} MB {min(real.memory_mb, default=float('nan')):>5.0f} MB "
        f"{min(ours.start_s):>5.2f} s {reached / 1e9:>8.0f} {reached / theirs.peak:>8.0%}"
    )


if __name__ == "__main__":
    main()
