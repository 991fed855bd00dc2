"""A server with thousands of finished jobs: how soon it answers, how fast, in how much memory.

    python -m benchmarks.many_jobs [--jobs 10000] [--folder DIR]

Makes half datasets, half models in a folder of its own (`--folder` keeps it for another run),
starts the real server on it, and prints: seconds from the start of the process to the first answer
(that it is starting), and to the first one with all jobs; milliseconds of an answer of the pages
(median and slowest of many); memory of the server.  The processor's time beside each is what a
machine with nothing else to do would need at least.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

import psutil
import requests

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.dataset.results import DatasetResults
from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.results import CURVE_POINTS, ModelResults

PAGES = (
    "/",
    "/?search=flowers+17",
    "/?status=Error&models_sort=name",
    "/?datasets_sort=-took",
    "/?models_sort=-accuracy",
    "/?search=alexnet+flowers+17",
    "/?models_page=150",
    "/index.json",
    "/metrics",
    "/models/images/classification/new",
)
ANSWERS = 15
MODELS_PER_DATASET = 5
GROUPED = 3  # of 40 models


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--folder", type=Path, help="where the jobs are made, and kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if not folder.exists() or not any(folder.iterdir()):
            make_jobs(folder, options.jobs)
        measure(folder)


def make_jobs(folder: Path, count: int) -> None:
    """Write `count` finished jobs, half of them datasets, as the forms' defaults make them."""
    store = JobStore(folder, JOB_TYPES, sync=lambda descriptor: None)  # nobody minds losing them
    store.open()
    dataset_settings = ImageClassificationDatasetSettings(
        folder_train="/data/pictures/flowers", seed=1
    )
    dataset: Job | None = None
    for number in range(count // 2):
        name = f"flowers {number}"
        made = store.create(ImageClassificationDatasetJob, name, dataset_settings)
        made.measured = DatasetResults(size_bytes=40_000_000, records=9000 + number, categories=17)
        finish(store, made)
        if dataset is None or number % MODELS_PER_DATASET == 0:
            dataset = made
        settings = ImageClassificationModelSettings(dataset=dataset.id)
        model = store.create(ImageClassificationModelJob, f"alexnet on {name}", settings)
        model.link({dataset.id: dataset})
        model.measured = trained(number)
        # A series of trainings now and then.
        model.group = f"series {number // 40}" if number % 40 < GROUPED else ""
        finish(store, model)
    store.close()


def trained(number: int) -> ModelResults:
    """What a training comes to, each a little other than the last."""
    best = 40 + number % 55
    return ModelResults(
        size_bytes=240_000_000,
        network="AlexNet",
        accuracy=best / 100 + number / 1_000_000,
        loss=1.2,
        epochs=30.0,
        curve_of="accuracy (val)",
        curve=tuple(round(best * (1 - 0.8**n)) for n in range(CURVE_POINTS)),
    )


def finish(store: JobStore, job: Job) -> None:
    """Give a job the past of one that went well, a log for each task, and save it."""
    job.tasks = job.create_tasks()
    for owner in (job, *job.tasks):
        owner.history = past()
    for task in job.tasks:
        task.attempts = 1
        task.log_path.write_text("done\n")
    store.save(job)


def past() -> StatusHistory:
    steps = (Status.INITIALIZED, Status.WAITING, Status.RUNNING, Status.DONE)
    now_s = time.time()
    return StatusHistory([StatusChange(status, now_s + n) for n, status in enumerate(steps)])


def measure(folder: Path) -> None:
    """Start the server on `folder` and print what was measured."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "digits.server", "--port", "0", "--jobs-dir", str(folder)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        try:
            url = address(server)
            process = psutil.Process(server.pid)
            print_since(began, "first answer", process, requests.get(url + "/healthz", timeout=60))
            print_since(began, "all jobs there", process, first_index(url))
            for page in PAGES:
                print_page(url, page, process)
            print(f"memory {process.memory_info().rss / 2**20:.0f} MB")
        finally:
            server.terminate()


def address(server: subprocess.Popen[str]) -> str:
    """Where the server listens, from its log."""
    assert server.stderr is not None  # noqa: S101 - it was asked for
    for line in server.stderr:
        if match := re.search(r"listens at (http://\S+?)/? and", line.strip()):
            return match[1]
    raise SystemExit("the server did not start")


def first_index(url: str) -> requests.Response:
    """The first answer that is not that the server is starting."""
    while True:
        answer = requests.get(url + "/index.json", timeout=60)
        if answer.status_code != 503:
            answer.raise_for_status()
            return answer


def print_since(
    began: float, what: str, process: psutil.Process, answer: requests.Response
) -> None:
    passed_s = time.perf_counter() - began
    print(
        f"{what} ({answer.status_code}) after {passed_s:.2f} s, "
        f"processor {processor_s(process):.2f} s"
    )


def processor_s(process: psutil.Process) -> float:
    """Seconds that the processor has worked for it."""
    times = process.cpu_times()
    return float(times.user + times.system)


def print_page(url: str, page: str, process: psutil.Process) -> None:
    times = []
    began_s = processor_s(process)
    with requests.Session() as session:
        for _ in range(ANSWERS):
            answer = session.get(url + page, timeout=60)
            answer.raise_for_status()
            times.append(answer.elapsed.total_seconds() * 1000)
    busy = (processor_s(process) - began_s) / ANSWERS * 1000
    print(
        f"{page:<36} {statistics.median(times):>6.0f} ms  slowest {max(times):>6.0f} ms  "
        f"processor {busy:>6.0f} ms  {len(answer.content) / 1024:>6.0f} kB"
    )


if __name__ == "__main__":
    main()
