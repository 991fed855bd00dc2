"""From a click to its result: first iteration and first prediction, with warm starts and without.

    python -m benchmarks.starts [--rounds 5]

A real server, up for some seconds, as it is when somebody comes.  The seconds from the POST of a
LeNet to the first iteration in its log, and from the POST of a picture to its answer where no
network is loaded; medians, side by side, in turns.  Last, the memory that warm starts cost.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

from benchmarks.inference_http import ROUTE, TRAINING_S, classes_of_pictures
from tests.server_process import ServerProcess

SETTINGS = {"warm": "900", "cold": "0"}
# In which the libraries are loaded, on a quiet machine.
UP_S = 8.0
LOOK_S = 0.005


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="[%(default)s]")
    parser.add_argument("--up-s", type=float, default=UP_S, help="seconds before [%(default)s]")
    options = parser.parse_args()
    iterations: dict[str, list[float]] = {way: [] for way in SETTINGS}
    predictions: dict[str, list[float]] = {way: [] for way in SETTINGS}
    held_mb = 0.0
    with tempfile.TemporaryDirectory() as folder:
        top = Path(folder)
        picture = classes_of_pictures(top / "pictures", "lenet", 400)[0].read_bytes()
        dataset_id = model_id = ""
        for _ in range(options.rounds):
            for way, idle_s in SETTINGS.items():
                environment = {"DIGITS_WARM_START_IDLE_S": idle_s}
                server = ServerProcess(top / "jobs", environment=environment).start()
                try:
                    dataset_id = dataset_id or make_dataset(server, top / "pictures")
                    time.sleep(options.up_s)
                    if model_id:
                        predictions[way].append(first_prediction(server, model_id, picture))
                    seconds, model_id = first_iteration(server, dataset_id)
                    iterations[way].append(seconds)
                    held_mb = max(held_mb, warm_memory(server) / 1e6)
                finally:
                    server.stop()
    for name, found in (("iteration", iterations), ("prediction", predictions)):
        warm, cold = (statistics.median(found[way]) for way in SETTINGS)
        print(f"first {name}: {warm:.2f} s warm, {cold:.2f} s cold, ratio {warm / cold:.2f}")
    print(f"held in memory for warm starts: {held_mb:.0f} MB")


def make_dataset(server: ServerProcess, folder: Path) -> str:
    form = {
        "dataset_name": "starts",
        "method": "folder",
        "folder_train": str(folder),
        "resize_width": "28",
        "resize_height": "28",
        "resize_channels": "1",
    }
    return server.made("/datasets/images/classification.json", form, TRAINING_S)


def first_iteration(server: ServerProcess, dataset_id: str) -> tuple[float, str]:
    """Seconds from the POST to the first iteration in the log, and the model's id; it is Done."""
    form = {
        "dataset": dataset_id,
        "model_name": "starts",
        "method": "standard",
        "standard_networks": "lenet",
        "train_epochs": "1",
    }
    begun = time.perf_counter()
    answer = server.post(f"{ROUTE}.json", data=form)
    answer.raise_for_status()
    model_id = str(answer.json()["id"])
    log = server.jobs_dir / model_id / "caffe_output.log"
    while not (log.is_file() and "Iteration 0" in log.read_text(errors="replace")):
        time.sleep(LOOK_S)
    seconds = time.perf_counter() - begun
    server.wait_for_status(model_id, "Done", timeout_s=TRAINING_S)
    return seconds, model_id


def first_prediction(server: ServerProcess, model_id: str, picture: bytes) -> float:
    """Seconds from the POST of a picture to its answer, where no network is loaded."""
    begun = time.perf_counter()
    answer = server.post(
        f"{ROUTE}/classify_one.json?job_id={model_id}", files={"image_file": ("1.jpg", picture)}
    )
    answer.raise_for_status()
    return time.perf_counter() - begun


def warm_memory(server: ServerProcess) -> float:
    """Bytes that the process with the libraries holds."""
    for line in server.get("/metrics").text.splitlines():
        if line.startswith("digits_warm_start_memory_bytes "):
            return float(line.split()[1])
    raise LookupError("/metrics does not tell digits_warm_start_memory_bytes")


if __name__ == "__main__":
    main()
