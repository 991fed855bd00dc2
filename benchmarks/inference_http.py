"""Speed of trying a model over HTTP with a real server, against bare loops over the same network.

    python -m benchmarks.inference_http [--network lenet] [--pictures 3000]

Makes a dataset and trains a model for one epoch.  Then, over HTTP and with a warm worker: the
milliseconds of `classify_one.json` (median) and how much more that is than the bare forward pass;
pictures a second of `classify_many.json` and of an evaluation job, as ratios to a bare loop that
decodes with all cores and then runs the net; and, meanwhile, the median of `GET /`.  Last, the
seconds until the page with all layers is there.

The loop, the list and the job take turns, so that a machine that is slower for a while is so for
all of them; the loop runs in a process as workers are, at their priority.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import requests

from benchmarks.inference import bare_loop, best_seconds, make_pictures, median_seconds
from benchmarks.networks import INPUTS
from digits.base.priority import lower_priority
from digits.inference import Network
from digits.inference.evaluate import NICENESS
from digits.inference.operations.messages import from_json
from digits.inference.work.loaded import LoadedNetwork
from tests.server_process import ServerProcess

ROUTE = "/models/images/classification"
# Ample for GoogLeNet's first epoch on a slow machine.
TRAINING_S = 1800.0
SMALL_PICTURE_SIZE, PICTURE_SIZE = (28, 28), (500, 375)
CLASSES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--network", default="lenet", choices=["lenet", "alexnet", "googlenet"])
    parser.add_argument("--pictures", type=int, default=3000)
    parser.add_argument("--repeats", type=int, default=100, help="of one picture [%(default)s]")
    parser.add_argument("--rounds", type=int, default=3, help="of many pictures [%(default)s]")
    parser.add_argument("--bare", type=Path, nargs=2, metavar=("REQUEST", "FOLDER"))
    options = parser.parse_args()
    if options.bare:
        print(bare_pictures_per_s(*options.bare))
        return
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        pictures = classes_of_pictures(top / "pictures", options.network, options.pictures)
        server = ServerProcess(top / "jobs").start()
        try:
            model_id = train(server, options.network, top / "pictures")
            request = make_request(server, model_id, top / "pictures")
            measure_one(server, model_id, request, pictures[0], options.repeats)
            measure_many(server, model_id, request, pictures, options.rounds)
        finally:
            server.stop()


def measure_one(
    server: ServerProcess, model_id: str, request: Path, picture: Path, repeats: int
) -> None:
    """Print what one picture takes over HTTP, beside the bare forward pass."""
    loaded = LoadedNetwork(network_of(request))
    one = picture.read_bytes()
    ask = asker(server, model_id)

    def classify_one() -> None:
        ask("classify_one.json", files={"image_file": ("one.jpg", one)})

    loaded.take_picture(one, prepared=False)
    over_http_s = median_seconds(classify_one, repeats)
    bare_s = median_seconds(lambda: loaded.scores(1), repeats)
    print(
        f"one picture: {over_http_s * 1e3:.2f} ms over HTTP, bare pass {bare_s * 1e3:.2f} ms, "
        f"{(over_http_s - bare_s) * 1e3:.2f} ms more"
    )
    form = {"show_visualizations": "1"}
    page_s = best_seconds(lambda: ask("classify_one", data=form, files={"image_file": ("1", one)}))
    print(f"page with all layers: {page_s:.2f} s")


def measure_many(
    server: ServerProcess, model_id: str, request: Path, pictures: list[Path], rounds: int
) -> None:
    """Print how fast many pictures are classified, and how `GET /` is answered meanwhile."""
    ask = asker(server, model_id)
    folder = pictures[0].parent.parent
    lines = "\n".join(map(str, pictures)).encode()
    bare, listed, job, whole_s, home_s = [], [], [], [], []
    for _ in range(rounds):
        bare.append(bare_in_a_process(request, folder))
        with home_page_times(server) as times:
            start = time.perf_counter()
            ask("classify_many.json", files={"image_list": ("list.txt", lines)})
            listed.append(len(pictures) / (time.perf_counter() - start))
            per_s, all_s = evaluate(server, ask, folder)
        job.append(per_s)
        whole_s.append(all_s)
        home_s += times
    for name, found in (("list", listed), ("job", job)):
        print(
            f"{name}: {max(found):.0f}/s, bare loop {max(bare):.0f}/s, "
            f"ratio {max(found) / max(bare):.2f} "
            f"(of medians {statistics.median(found) / statistics.median(bare):.2f})"
        )
    print(f"job from its start to its end: {min(whole_s):.1f} s for {len(pictures)} pictures")
    print(
        f"GET / meanwhile: median {statistics.median(home_s) * 1e3:.1f} ms, "
        f"longest {max(home_s) * 1e3:.0f} ms of {len(home_s)}"
    )


def bare_in_a_process(request: Path, folder: Path) -> float:
    """Pictures a second of the bare loop, in a process as a worker is."""
    command = [sys.executable, "-m", "benchmarks.inference_http", "--bare", request, folder]
    # As workers have it: `digits/caffe/machine/process.py`.
    environment = {**os.environ, "GOMP_SPINCOUNT": "1000", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout)


def bare_pictures_per_s(request: Path, folder: Path) -> float:
    """The better of two runs over the pictures below `folder`."""
    lower_priority(NICENESS)
    loaded = LoadedNetwork(network_of(request))
    pictures = sorted(folder.rglob("*.jpg"))
    found = []
    for _ in range(2):
        start = time.perf_counter()
        bare_loop(loaded, pictures)
        found.append(len(pictures) / (time.perf_counter() - start))
    return max(found)


def asker(server: ServerProcess, model_id: str) -> Callable[..., requests.Response]:
    """Posts to a route about the model, over one connection."""
    session = requests.Session()

    def ask(route: str, **options: Any) -> requests.Response:
        url = f"{server.url}{ROUTE}/{route}?job_id={model_id}"
        answer = session.post(url, timeout=TRAINING_S, **options)
        answer.raise_for_status()
        return answer

    return ask


def evaluate(
    server: ServerProcess, ask: Callable[..., requests.Response], folder: Path
) -> tuple[float, float]:
    """Pictures a second of an evaluation job while it classifies, and its seconds in all."""
    start = time.perf_counter()
    job_id = ask("classify_many.json", data={"image_folder": str(folder)}).json()["id"]
    server.wait_for_status(job_id, "Done", timeout_s=TRAINING_S)
    all_s = time.perf_counter() - start
    job_dir = server.jobs_dir / job_id
    # From the network being loaded to the last picture, by the times of the files.
    seconds = (job_dir / "rows.bin").stat().st_mtime - (job_dir / "labels.txt").stat().st_mtime
    count = server.get(f"{ROUTE}/evaluations/{job_id}.json").json()["count"]
    return count / seconds, all_s


@contextmanager
def home_page_times(server: ServerProcess) -> Iterator[list[float]]:
    """The seconds of one `GET /` after the other while the block runs."""
    times: list[float] = []
    stop = threading.Event()

    def look() -> None:
        session = requests.Session()
        while not stop.wait(0.05):
            start = time.perf_counter()
            session.get(server.url, timeout=60).raise_for_status()
            times.append(time.perf_counter() - start)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield times
    finally:
        stop.set()
        thread.join()


def classes_of_pictures(folder: Path, network: str, count: int) -> list[Path]:
    """JPEG files in two class folders."""
    size = SMALL_PICTURE_SIZE if INPUTS[network][1] <= 28 else PICTURE_SIZE
    found = []
    for number in range(CLASSES):
        below = folder / f"class_{number}"
        below.mkdir(parents=True)
        found += make_pictures(below, count // CLASSES, size)
    return found


def train(server: ServerProcess, network: str, folder: Path) -> str:
    """The id of a model that has been trained for an epoch on a few of the pictures."""
    small = INPUTS[network][1] <= 28
    side = "28" if small else "256"
    form = {
        "dataset_name": "pictures",
        "folder_train": str(folder),
        "folder_train_max_per_class": "8",
        "resize_width": side,
        "resize_height": side,
        "resize_channels": "1" if small else "3",
    }
    dataset_id = server.post("/datasets/images/classification.json", data=form).json()["id"]
    server.wait_for_status(dataset_id, "Done")
    form = {
        "model_name": network,
        "dataset": dataset_id,
        "standard_networks": network,
        "train_epochs": "1",
        "batch_size": "4",
        "use_mean": "on",
    }
    model_id = str(server.post(f"{ROUTE}.json", data=form).json()["id"])
    server.wait_for_status(model_id, "Done", timeout_s=TRAINING_S)
    return model_id


def make_request(server: ServerProcess, model_id: str, folder: Path) -> Path:
    """The file with what an evaluation of the model is told."""
    form = {"image_folder": str(folder), "num_test_images": "1"}
    url = f"{ROUTE}/classify_many.json?job_id={model_id}"
    job_id = server.post(url, data=form).json()["id"]
    server.wait_for_status(job_id, "Done")
    return server.jobs_dir / job_id / "request.json"


def network_of(request: Path) -> Network:
    return from_json(Network, json.loads(request.read_text())["network"])


if __name__ == "__main__":
    main()
