"""The machine's devices: GPUs by NVML, and what the processor, memory and disk are doing.

`Devices` keeps one reading for all who ask within a moment, however many pages are open.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

# How long a reading is taken for the present state.
FRESH_S = 2.0


@dataclass(frozen=True)
class Gpu:
    """One GPU; memory in bytes, utilization from 0 to 1 (None: the driver does not tell)."""

    index: str
    name: str
    memory_total: int
    memory_used: int
    utilization: float | None


@dataclass(frozen=True)
class Machine:
    """The state of the machine; sizes in bytes, load from 0 to 1.

    The disk is the one that holds the jobs directory; None when it does not answer.
    """

    cpu_load: float
    cpu_count: int
    memory_total: int
    memory_used: int
    disk_total: int | None
    disk_free: int | None
    gpus: tuple[Gpu, ...] = ()


class GpuReader:
    """Asks the driver; the library stays loaded between two readings."""

    def __init__(self) -> None:
        self._is_ready = False

    def __call__(self) -> list[Gpu]:
        """All GPUs that the driver reports; none without a driver."""
        import pynvml  # noqa: PLC0415 - only where it is asked for: it loads the driver's library

        try:
            if not self._is_ready:
                pynvml.nvmlInit()
                self._is_ready = True
            return [_gpu(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
        except pynvml.NVMLError:
            # No driver, or one that was just replaced: the next reading begins anew.
            self.close()
            return []

    def close(self) -> None:
        """Let go of the driver."""
        import pynvml  # noqa: PLC0415

        if self._is_ready:
            with contextlib.suppress(pynvml.NVMLError):
                pynvml.nvmlShutdown()
        self._is_ready = False


def gpu_indices() -> list[str]:
    """The indices of all GPUs, as `--gpu` takes them."""
    with contextlib.closing(GpuReader()) as reader:
        return [gpu.index for gpu in reader()]


def call(work: Callable[[], Machine]) -> Machine:
    """Run it here and now."""
    return work()


class Devices:
    """The state of the machine, read at most once every `fresh_s`.

    `folder` is on the disk whose room is told.  `run` calls a function that may take a moment: a
    server hands in its thread pool.  `gpus` and `clock` are for tests.
    """

    def __init__(
        self,
        folder: Path,
        *,
        gpus: Callable[[], Sequence[Gpu]] | None = None,
        run: Callable[[Callable[[], Machine]], Machine] = call,
        fresh_s: float = FRESH_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.folder = folder
        self._gpus = gpus or GpuReader()
        self._run = run
        self._fresh_s = fresh_s
        self._clock = clock
        self._times = psutil.cpu_times()
        self._machine: Machine | None = None
        self._read_s = 0.0
        self._lock = threading.Lock()  # one reads, the others wait for what it finds

    def read(self) -> Machine:
        """The state of the machine, `fresh_s` old at most."""
        with self._lock:
            if self._machine is None or self._clock() - self._read_s >= self._fresh_s:
                self._machine = self._run(self._look)
                self._read_s = self._clock()
            return self._machine

    def _look(self) -> Machine:
        memory = psutil.virtual_memory()
        disk = None
        with contextlib.suppress(OSError):
            disk = psutil.disk_usage(str(self.folder))
        return Machine(
            cpu_load=self._load(),
            cpu_count=psutil.cpu_count() or 1,
            memory_total=memory.total,
            memory_used=memory.total - memory.available,
            disk_total=disk.total if disk else None,
            disk_free=disk.free if disk else None,
            gpus=tuple(self._gpus()),
        )

    def _load(self) -> float:
        """The share of processor time since the last reading that was not idle.

        psutil.cpu_percent remembers the last reading for each thread; readings come from many.
        """
        before, now = self._times, psutil.cpu_times()
        self._times = now
        idle = _idle_s(now) - _idle_s(before)
        total = _total_s(now) - _total_s(before)
        return min(1.0, max(0.0, 1.0 - idle / total)) if total > 0 else 0.0


def _idle_s(times: Any) -> float:
    return float(times.idle + getattr(times, "iowait", 0.0))


def _total_s(times: Any) -> float:
    # Linux counts a guest's time in user and nice already.
    guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - guests)


def _gpu(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    try:
        utilization: float | None = nvml.nvmlDeviceGetUtilizationRates(handle).gpu / 100
    except nvml.NVMLError:
        utilization = None
    name = nvml.nvmlDeviceGetName(handle)
    return Gpu(str(index), str(name), int(memory.total), int(memory.used), utilization)
