"""An evaluation of very many pictures: what it takes of the memory, and how its pages answer.

    python -m benchmarks.long_evaluation [--network lenet] [--pictures 100000]

Makes a dataset and trains a model for one epoch; a job then classifies a list that names the same
few pictures again and again.  Printed: the memory of the server, of the job's program and of the
workers after each tenth of the pictures, which should not grow; milliseconds of the pages about the
results; and how fast the results are downloaded, with the server's memory afterwards.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import requests

from benchmarks.inference_http import ROUTE, TRAINING_S, classes_of_pictures, home_page_times, train
from tests.server_process import ServerProcess

DISTINCT_PICTURES = 1000
STEPS = 10
REPEATS = 9
# Addresses about the results, below the evaluation's.
PAGES = (
    "",
    "?page=1000",
    "?sort=confidence&order=down",
    "?outcome=wrong&sort=confidence",
    "?truth=1&predicted=0",
    "?name=class_1/7",
    ".json",
    "/top_n",
    "/thumbnails/77",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="lenet", choices=["lenet", "alexnet", "googlenet"])
    parser.add_argument("--pictures", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        distinct = min(DISTINCT_PICTURES, options.pictures)
        pictures = classes_of_pictures(top / "pictures", options.network, distinct)
        server = ServerProcess(top / "jobs").start()
        try:
            model_id = train(server, options.network, top / "pictures")
            print(f"before: {megabytes(psutil.Process(server.process.pid))}")
            job_id = start(server, model_id, top / "list.txt", pictures, options.pictures)
            watch(server, job_id, options.pictures)
            look(server, job_id)
            for _ in range(2):
                download(server, job_id)
        finally:
            server.stop()


def start(
    server: ServerProcess, model_id: str, path: Path, pictures: list[Path], count: int
) -> str:
    """The id of the evaluation of a list of `count` lines, which is written to `path`."""
    with path.open("w") as file:
        for picture in itertools.islice(itertools.cycle(pictures), count):
            file.write(f"{picture} {picture.parent.name[-1]}\n")
    with path.open("rb") as file:
        url = f"{ROUTE}/classify_many.json?job_id={model_id}"
        answer = server.post(url, files={"image_list": file}, data={"as_job": "1"})
    answer.raise_for_status()
    return str(answer.json()["id"])


def watch(server: ServerProcess, job_id: str, count: int) -> None:
    """Print the memory of all processes after each tenth of the pictures, until the job is done."""
    started = time.perf_counter()
    for step in range(1, STEPS + 1):
        while (done := classified(server, job_id)) < count * step // STEPS:
            status = server.get(f"/jobs/{job_id}/status").json()
            if status["status"] in ("Done", "Error", "Aborted"):
                break
            time.sleep(0.2)
        sizes = ", ".join(megabytes(process) for process in processes(server))
        print(
            f"{done:>7} pictures after {time.perf_counter() - started:.1f} s: {sizes}", flush=True
        )
    server.wait_for_status(job_id, "Done", timeout_s=TRAINING_S)


def classified(server: ServerProcess, job_id: str) -> int:
    return int(server.get(f"{ROUTE}/evaluations/{job_id}.json").json()["count"])


def processes(server: ServerProcess) -> Iterator[psutil.Process]:
    """The server, and what it has running for the evaluation."""
    top = psutil.Process(server.process.pid)
    yield top
    for process in top.children(recursive=True):
        programs = {"digits.inference.evaluate", "digits.inference.work.worker"}
        if process.name() != "sh" and programs & set(process.cmdline()):
            yield process


def megabytes(process: psutil.Process) -> str:
    try:
        name = next((word for word in process.cmdline() if word.startswith("digits.")), "?")
        return f"{name.split('.')[-1]} {process.memory_info().rss / 2**20:.0f} MB"
    except psutil.NoSuchProcess:
        return "ended"


def look(server: ServerProcess, job_id: str) -> None:
    """Print the median time of the pages about the results, and the server's memory afterwards."""
    session = requests.Session()
    for page in PAGES:
        times = []
        for _ in range(REPEATS):
            started = time.perf_counter()
            session.get(f"{server.url}{ROUTE}/evaluations/{job_id}{page}").raise_for_status()
            times.append(time.perf_counter() - started)
        print(f"GET {page or '(the page)'}: median {statistics.median(times) * 1e3:.0f} ms")
    print(megabytes(psutil.Process(server.process.pid)))


def download(server: ServerProcess, job_id: str) -> None:
    """Print how soon a download begins, how long it takes, and what it means for others."""
    for address in (
        f"/files/{job_id}/classifications.csv",
        f"{ROUTE}/evaluations/{job_id}/classifications.json",
    ):
        started = time.perf_counter()
        with (
            home_page_times(server) as times,
            server.get(address, stream=True) as answer,
        ):
            answer.raise_for_status()
            chunks = answer.iter_content(1 << 16)
            size = len(next(chunks))
            first_s = time.perf_counter() - started
            size += sum(map(len, chunks))
            all_s = time.perf_counter() - started
        meanwhile = f"{statistics.median(times) * 1e3:.0f} ms" if times else "not asked"
        print(
            f"{address.rsplit('/', 1)[1]}: {size / 1e6:.1f} MB, begins after {first_s * 1e3:.0f} "
            f"ms, takes {all_s:.1f} s; GET / meanwhile: {meanwhile}; "
            f"{megabytes(psutil.Process(server.process.pid))}"
        )


if __name__ == "__main__":
    main()
