"""The main job over HTTP alone: a folder becomes a dataset, LeNet learns it and names digits."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.server_process import ServerProcess

# The quick run goes the same way in the browser: browser/test_first_model.py.
pytestmark = pytest.mark.slow

HELD_OUT_PER_CLASS = 10
EPOCHS = 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(tmp_path_factory.mktemp("server") / "jobs").start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[Path, str]]:
    """A folder of scikit-learn's digits by class, and pictures held out of it with their labels."""
    top = tmp_path_factory.mktemp("digits")
    command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(top / "all")]
    subprocess.run(command, check=True, capture_output=True)
    held_out: dict[Path, str] = {}
    (top / "held_out").mkdir()
    for class_folder in sorted(path for path in (top / "all").iterdir() if path.is_dir()):
        # From all over the folder: neighbours are by the same hand.
        pictures = sorted(class_folder.iterdir())
        for picture in pictures[:: len(pictures) // HELD_OUT_PER_CLASS][:HELD_OUT_PER_CLASS]:
            moved = picture.rename(top / "held_out" / f"{class_folder.name}-{picture.name}")
            held_out[moved] = class_folder.name
    assert len(held_out) == 10 * HELD_OUT_PER_CLASS
    return top / "all", held_out


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, digits: tuple[Path, dict[Path, str]]) -> str:
    form = {
        "dataset_name": "Handwritten digits",
        "folder_train": str(digits[0]),
        "resize_channels": "1",
        "resize_width": "28",
        "resize_height": "28",
        "seed": "1",
    }
    answer = server.post("/datasets/images/classification.json", data=form)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert set(made) >= {"id", "name", "status", "directory"}
    server.wait_for_status(made["id"], "Done")
    return str(made["id"])


@pytest.fixture(scope="module")
def model_id(server: ServerProcess, dataset_id: str) -> str:
    form = {
        "model_name": "LeNet on digits",
        "dataset": dataset_id,
        "method": "standard",
        "standard_networks": "lenet",
        "train_epochs": str(EPOCHS),
        "use_mean": "y",
        "random_seed": "1",
    }
    answer = server.post("/models/images/classification.json", data=form)
    assert answer.status_code == 200, answer.text
    made = answer.json()
    server.wait_for_status(made["id"], "Done", timeout_s=240)
    return str(made["id"])


def test_the_dataset_has_its_files(server: ServerProcess, dataset_id: str) -> None:
    for name in ("train.txt", "val.txt", "labels.txt", "mean.binaryproto", "mean.jpg"):
        assert server.get(f"/files/{dataset_id}/{name}").status_code == 200, name
    facts = server.get(f"/datasets/{dataset_id}.json").json()
    assert facts["status"] == "Done"
    assert facts["databases"]["train"]["pictures"] > 1200
    assert facts["labels"] == [str(n) for n in range(10)]


def test_held_out_digits_are_named_right(
    server: ServerProcess, model_id: str, digits: tuple[Path, dict[Path, str]]
) -> None:
    held_out = digits[1]
    lines = "".join(f"{path}\n" for path in held_out)
    answer = server.post(
        f"/models/images/classification/classify_many.json?job_id={model_id}",
        files={"image_list": ("list.txt", lines)},
    )
    assert answer.status_code == 200, answer.text
    named = answer.json()["classifications"]
    right = sum(named[str(path)][0][0] == label for path, label in held_out.items())
    assert right / len(held_out) >= 0.95


def test_an_uploaded_picture_is_named(
    server: ServerProcess, model_id: str, digits: tuple[Path, dict[Path, str]]
) -> None:
    path, label = next(iter(digits[1].items()))
    answer = server.post(
        f"/models/images/classification/classify_one.json?job_id={model_id}",
        files={"image_file": (path.name, path.read_bytes())},
    )
    assert answer.status_code == 200, answer.text
    predictions = answer.json()["predictions"]
    assert len(predictions) == 5
    assert predictions[0][0] == label


def test_the_index_lists_both_jobs(server: ServerProcess, dataset_id: str, model_id: str) -> None:
    index = server.get("/index.json").json()
    assert [job["id"] for job in index["datasets"]] == [dataset_id]
    assert [job["id"] for job in index["models"]] == [model_id]
    assert index["models"][0] == {"id": model_id, "name": "LeNet on digits", "status": "Done"}


def test_the_model_tells_its_snapshots(server: ServerProcess, model_id: str) -> None:
    model = server.get(f"/models/{model_id}.json").json()
    assert model["snapshots"] == list(range(1, EPOCHS + 1))


def test_the_dataset_in_use_is_not_deleted(
    server: ServerProcess, dataset_id: str, model_id: str
) -> None:
    answer = requests.delete(f"{server.url}/jobs/{dataset_id}", timeout=30)
    assert answer.status_code == 403
    assert "LeNet on digits" in answer.text
