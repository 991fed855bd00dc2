"""Logs of a gigabyte: how fast they are read, how their pages answer, and what others notice.

    python -m benchmarks.long_logs [--megabytes 1000] [--folder DIR]

Makes a dataset and a model whose training has written such a log (`--folder` keeps them for another
run), starts the real server on them, and prints: megabytes a second of the reader; the first look
at the model's page, when nothing is kept of the log, and when the page has filled in; later looks;
the first look after a restart of the server; its memory; and all the while milliseconds of the home
page for others (median, 95th percentile, slowest) beside those when nothing is read.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil
import requests

from benchmarks.many_jobs import make_jobs
from digits.jobs.log_digest import digest_path, make_digest
from digits.model.training.digest import TrainingDigest
from tests.server_process import ServerProcess

LOG_NAME = "caffe_output.log"
# What real Caffe writes for an iteration that is displayed.
LINES = (
    "{head}solver.cpp:239] Iteration {n} (46.1538 iter/s, 0.26s/12 iters), loss = {loss:.6f}\n"
    "{head}solver.cpp:258]     Train net output #0: loss = {loss:.6f} (* 1 = {loss:.6f} loss)\n"
    "{head}sgd_solver.cpp:112] Iteration {n}, lr = 0.01\n"
)
PAUSE_S = 0.05
QUIET_S = 5.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--folder", type=Path, help="where the jobs are made, and kept")
    options = parser.parse_args()
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        log_path = long_log(folder, options.megabytes * 1_000_000)
        measure_reader(log_path)
        digest_path(log_path).unlink()
        measure_server(folder, log_path)


def long_log(folder: Path, size: int) -> Path:
    """The log of a model in `folder`, which is made where it is not there."""
    if not folder.exists() or not any(folder.iterdir()):
        make_jobs(folder, 2)
    job_json = next(
        p for p in folder.glob("*/job.json") if '"type": "train-caffe"' in p.read_text()
    )
    log_path = job_json.with_name(LOG_NAME)
    if not log_path.exists() or log_path.stat().st_size < size:
        with log_path.open("w") as file:
            write_log(file.write, size)
    return log_path


def write_log(write: Callable[[str], int], size: int) -> None:
    """An iteration a second, for as many days as fill `size` bytes."""
    written = write("I0601 12:00:00.000000  1 caffe.cpp:248] Starting Optimization\n")
    number = 0
    while written < size:
        day, hour = 1 + number // 86_400 % 28, number // 3600 % 24
        head = f"I06{day:02d} {hour:02d}:{number // 60 % 60:02d}:{number % 60:02d}.000000 30536 "
        written += write(LINES.format(head=head, n=number, loss=1 + 1 / (number + 1)))
        number += 1


def measure_reader(log_path: Path) -> None:
    size = log_path.stat().st_size
    began_s, worked_s = time.perf_counter(), time.process_time()
    digest = make_digest(log_path, TrainingDigest)
    passed_s, worked_s = time.perf_counter() - began_s, time.process_time() - worked_s
    memory = psutil.Process().memory_info().rss / 2**20
    print(
        f"read {size / 1e6:.0f} MB in {passed_s:.1f} s, {size / 1e6 / passed_s:.1f} MB/s; "
        f"processor {worked_s:.1f} s, {size / 1e6 / worked_s:.1f} MB/s; up to iteration "
        f"{digest.history.iteration:,}, {len(digest.history.train.iterations):,} points kept in "
        f"{digest_path(log_path).stat().st_size / 1e6:.1f} MB; {memory:.0f} MB of memory"
    )


def measure_server(folder: Path, log_path: Path) -> None:
    page = f"/models/{log_path.parent.name}"
    server = ServerProcess(folder).start()
    try:
        with others(server) as times:
            time.sleep(QUIET_S)
        print_others("nothing is read", times)
        print(f"server before: {memory(server)}")
        with others(server) as times:
            print(f"first look, its end alone known: {look(server, page)}")
            began_s = time.perf_counter()
            while (
                requests.get(f"{server.url}{page}.json", timeout=600)
                .json()
                .get("log_is_being_read")
            ):
                time.sleep(0.5)
            print(f"filled in after {time.perf_counter() - began_s:.1f} s more")
        print_others("a log is read", times)
        for _ in range(3):
            print(f"later look: {look(server, page)}")
        print(f"server afterwards: {memory(server)}")
    finally:
        server.stop()
    server = ServerProcess(folder).start()
    try:
        print(f"first look after a restart: {look(server, page)}; server {memory(server)}")
    finally:
        server.stop()


def look(server: ServerProcess, page: str) -> str:
    began_s = time.perf_counter()
    answer = requests.get(server.url + page, timeout=600)
    answer.raise_for_status()
    return f"{time.perf_counter() - began_s:.2f} s, {len(answer.content) / 1024:.0f} kB"


@contextmanager
def others(server: ServerProcess) -> Iterator[list[float]]:
    """Milliseconds that somebody else waits for the home page meanwhile."""
    times: list[float] = []
    over = threading.Event()

    def ask() -> None:
        with requests.Session() as session:
            while not over.wait(PAUSE_S):
                began_s = time.perf_counter()
                session.get(f"{server.url}/", timeout=600).raise_for_status()
                times.append(1000 * (time.perf_counter() - began_s))

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield times
    finally:
        over.set()
        thread.join()


def print_others(when: str, times: list[float]) -> None:
    slow = statistics.quantiles(times, n=20)[-1]
    print(
        f"GET / while {when}: median {statistics.median(times):.0f} ms, 95th percentile "
        f"{slow:.0f} ms, slowest {max(times):.0f} ms ({len(times)} times)"
    )


def memory(server: ServerProcess) -> str:
    return f"{psutil.Process(server.process.pid).memory_info().rss / 2**20:.0f} MB"


if __name__ == "__main__":
    main()
