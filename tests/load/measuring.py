"""A load test from beginning to end: a server, a training, browsers, requests, and figures."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
import requests

from tests.conftest import kill_task_processes
from tests.load.clients import Browsers, Requests
from tests.server_process import ProductionServer

MEGABYTE = 1 << 20
# How often a job is renamed, which all pages are told.
RENAME_EVERY_S = 5.0
TELL_S = 60.0


@dataclass(frozen=True)
class Figures:
    """What a load test found.  Times in milliseconds, memory in megabytes."""

    seconds: float
    browsers: int
    requests: int
    errors: list[str]
    # Path, with the job's id left out -> median, 95th percentile and slowest.
    answers_ms: dict[str, tuple[float, float, float]]
    lost_connections: list[str]  # why each was lost
    messages: int
    names: int  # how many the job was given
    untold: int  # browsers that were not told of a new name
    told_ms: tuple[float, float, float]
    memory_mb: list[float]  # about once a second
    training: str  # its status at the end

    @property
    def growth_mb(self) -> float:
        """From the second fifth, when all is warm, to the last."""
        fifth = max(1, len(self.memory_mb) // 5)
        return statistics.median(self.memory_mb[-fifth:]) - statistics.median(
            self.memory_mb[fifth : 2 * fifth] or self.memory_mb
        )

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "growth_mb": self.growth_mb}


@contextlib.contextmanager
def training_server(folder: Path, epochs: int) -> Iterator[tuple[ProductionServer, str]]:
    """gunicorn with a LeNet that learns handwritten digits on all cores, and the model's id."""
    server = ProductionServer(folder / "jobs")
    server.start()
    try:
        pictures = folder / "digits"
        command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(pictures)]
        subprocess.run(command, check=True, capture_output=True)
        form = {
            "dataset_name": "Digits", "folder_train": str(pictures),
            "resize_channels": "1", "resize_width": "28", "resize_height": "28",
        }  # fmt: skip
        dataset = server.post("/datasets/images/classification.json", data=form).json()["id"]
        server.wait_for_status(dataset, "Done")
        form = {
            "model_name": "LeNet", "dataset": dataset, "standard_networks": "lenet",
            "train_epochs": str(epochs), "random_seed": "1", "snapshot_interval": "10",
        }  # fmt: skip
        model = server.post("/models/images/classification.json", data=form).json()["id"]
        server.wait_for_status(model, "Running")
        yield server, model
    finally:
        server.stop()
        kill_task_processes(server.jobs_dir)


def measure(
    server: ProductionServer, model: str, *, seconds: float, browsers: int, rate: float
) -> Figures:
    """Let `browsers` pages look on while `rate` requests a second are answered."""
    worker = psutil.Process(server.worker_pid())
    paths = ["/", f"/models/{model}", f"/jobs/{model}/status", "/index.json"]
    asking = Requests(server.url, paths, rate)
    renamed: dict[str, float] = {}
    memory: list[float] = []
    with Browsers(server.url, model, browsers) as pages:
        asking.start()
        ends_s = time.monotonic() + seconds
        try:
            while time.monotonic() < ends_s:
                if not renamed or time.monotonic() - max(renamed.values()) >= RENAME_EVERY_S:
                    rename(server, model, f"LeNet {len(renamed) + 1}", renamed)
                memory.append(worker.memory_info().rss / MEGABYTE)
                time.sleep(min(1.0, max(0.0, ends_s - time.monotonic())))
        finally:
            asking.stop()
        pages.wait_for(renamed, TELL_S)
        status = str(server.get(f"/jobs/{model}/status").json()["status"])
    told = [at_s - renamed[name] for name in renamed for at_s in pages.heard[name]]
    return Figures(
        seconds=seconds,
        browsers=browsers,
        requests=sum(map(len, asking.seconds.values())),
        errors=asking.errors,
        answers_ms={
            path.replace(model, "<id>"): percentiles(found)
            for path, found in asking.seconds.items()
        },
        lost_connections=pages.lost,
        messages=pages.messages,
        names=len(renamed),
        untold=browsers * len(renamed) - len(told),
        told_ms=percentiles(told),
        memory_mb=memory,
        training=status,
    )


def rename(server: ProductionServer, model: str, name: str, renamed: dict[str, float]) -> None:
    """Give the model a name that it never had, and note when."""
    renamed[name] = time.monotonic()
    answer = requests.put(f"{server.url}/jobs/{model}", data={"job_name": name}, timeout=TELL_S)
    answer.raise_for_status()


def percentiles(seconds: Sequence[float]) -> tuple[float, float, float]:
    """Median, 95th percentile and slowest, in milliseconds."""
    if not seconds:
        return (0.0, 0.0, 0.0)
    ordered = sorted(seconds)
    return (
        1000 * statistics.median(ordered),
        1000 * ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        1000 * ordered[-1],
    )
