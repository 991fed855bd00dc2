"""Trainings that are cut off, paused and resumed, on the real server with the real engine.

The measure is a training of the same seed that nobody disturbed: its weights and its curves.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.jobs.process import MARK
from tests.conftest import PATIENCE_S, kill_task_processes, task_processes, wait_until
from tests.server_process import ServerProcess

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

# Many, so that there is time to disturb a training before it ends.
EPOCHS = 12
BATCH_SIZE = 32


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """With tasks that outlive it, as in production."""
    jobs_dir = tmp_path_factory.mktemp("resume") / "jobs"
    # One thread: the sums have one order, and a machine with other work to do is no trouble.
    running = ServerProcess(jobs_dir, "--keep-tasks", environment={"OMP_NUM_THREADS": "1"})
    running.start()
    yield running
    running.stop()
    kill_task_processes(jobs_dir)


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    pictures = tmp_path_factory.mktemp("pictures") / "digits"
    command = [sys.executable, "-m", "digits.tools.download_data", "digits", str(pictures)]
    subprocess.run(command, check=True, capture_output=True)
    form = {
        "dataset_name": "Digits", "folder_train": str(pictures),
        "resize_channels": "1", "resize_width": "28", "resize_height": "28",
    }  # fmt: skip
    made = server.post("/datasets/images/classification.json", data=form).json()
    server.wait_for_status(made["id"], "Done")
    return str(made["id"])


@pytest.fixture(scope="module")
def train(server: ServerProcess, dataset_id: str) -> Callable[[str], str]:
    """Starts a training of LeNet; all have the same seed."""

    def start(name: str) -> str:
        form = {
            "model_name": name, "dataset": dataset_id, "method": "standard",
            "standard_networks": "lenet", "train_epochs": str(EPOCHS), "random_seed": "7",
            "batch_size": str(BATCH_SIZE),
        }  # fmt: skip
        answer = server.post("/models/images/classification.json", data=form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["id"])

    return start


@pytest.fixture(scope="module")
def undisturbed(server: ServerProcess, train: Callable[[str], str]) -> str:
    model_id = train("undisturbed")
    server.wait_for_status(model_id, "Done", timeout_s=400)
    return model_id


def facts(server: ServerProcess, model_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = server.get(f"/models/{model_id}.json").json()
    return answer


def curves(server: ServerProcess, model_id: str) -> dict[str, Any]:
    answer: dict[str, Any] = server.get(f"/models/{model_id}/history.json").json()
    return answer


def wait_for_epoch(server: ServerProcess, model_id: str, epoch: int) -> None:
    def reached() -> bool:
        answer = facts(server, model_id)
        assert answer["status"] in ("Waiting", "Running"), answer["error"]
        return epoch in answer["snapshots"]

    wait_until(reached, 2 * PATIENCE_S)


def processes(server: ServerProcess, model_id: str) -> list[psutil.Process]:
    found = []
    for process in task_processes(server.jobs_dir):
        with contextlib.suppress(psutil.Error):
            is_its = process.environ()[MARK].startswith(model_id)
            if is_its and "digits.caffe" in process.cmdline():
                found.append(process)
    return found


@contextlib.contextmanager
def held(server: ServerProcess, model_id: str) -> Iterator[None]:
    """The training stands still, so that it does not end while something else takes its time."""
    found = processes(server, model_id)
    for process in found:
        process.suspend()
    try:
        yield
    finally:
        for process in found:
            process.resume()


def wait_for_more(log: Path) -> None:
    """Wait until a log has grown."""
    size = log.stat().st_size
    wait_until(lambda: log.stat().st_size > size)


def weights(server: ServerProcess, model_id: str) -> list[np.ndarray]:
    """All parameters of the last snapshot."""
    path = (
        server.jobs_dir / model_id / f"snapshot_iter_{last_snapshot(server, model_id)}.caffemodel"
    )
    net = NetParameter.FromString(path.read_bytes())
    return [np.array(blob.data) for layer in net.layer for blob in layer.blobs]


def last_snapshot(server: ServerProcess, model_id: str) -> int:
    """The iteration of the newest snapshot on disk."""
    paths = (server.jobs_dir / model_id).glob("snapshot_iter_*.caffemodel")
    return max(int(path.stem.rpartition("_")[2]) for path in paths)


def assert_equal_trainings(server: ServerProcess, one: str, other: str) -> None:
    for mine, theirs in zip(weights(server, one), weights(server, other), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-5, atol=1e-7)
    first, second = curves(server, one), curves(server, other)
    for phase in ("train", "val", "learning_rate"):
        assert first[phase]["iteration"] == second[phase]["iteration"]
        for name, column in first[phase]["outputs"].items():
            np.testing.assert_allclose(column, second[phase]["outputs"][name], atol=1e-3)


def test_a_killed_training_fails_with_the_reason_and_resumes_to_the_same_end(
    server: ServerProcess, train: Callable[[str], str], undisturbed: str
) -> None:
    model_id = train("killed")
    wait_for_epoch(server, model_id, 1)
    for process in processes(server, model_id):
        process.kill()
    error = server.wait_for_status(model_id, "Error")["error"]
    assert "SIGKILL" in error
    assert "out of memory" in error
    assert "SIGKILL" in server.get(f"/models/{model_id}").text
    assert server.post(f"/models/{model_id}/resume").status_code == 200
    server.wait_for_status(model_id, "Done", timeout_s=400)
    assert_equal_trainings(server, undisturbed, model_id)


def test_a_training_does_not_notice_that_the_server_is_killed(
    server: ServerProcess, train: Callable[[str], str], undisturbed: str
) -> None:
    model_id = train("server killed")
    log = server.jobs_dir / model_id / "caffe_output.log"
    for epoch in (1, 3, 5):
        wait_for_epoch(server, model_id, epoch)
        server.kill()
        wait_for_more(log)
        with held(server, model_id):
            server.start()
    server.wait_for_status(model_id, "Done", timeout_s=400)
    assert_equal_trainings(server, undisturbed, model_id)
    assert log.read_text().count("Starting Optim") == 1


def test_a_paused_training_takes_a_snapshot_and_goes_on_from_it(
    server: ServerProcess, train: Callable[[str], str], undisturbed: str
) -> None:
    model_id = train("paused")
    wait_for_epoch(server, model_id, 1)
    assert server.post(f"/models/{model_id}/pause").status_code == 200
    wait_until(lambda: facts(server, model_id)["status"] != "Running")
    paused = facts(server, model_id)
    assert paused["status"] == "Aborted", paused
    assert "Paused" in server.get(f"/models/{model_id}").text
    last = last_snapshot(server, model_id)
    assert server.post(f"/models/{model_id}/resume").status_code == 200
    server.wait_for_status(model_id, "Done", timeout_s=400)
    log = (server.jobs_dir / model_id / "caffe_output.log").read_text()
    assert f"snapshot_iter_{last}.solverstate" in log[log.rindex("Starting Optim") - 5000 :]
    assert_equal_trainings(server, undisturbed, model_id)


def test_a_stop_without_keeping_tasks_resumes_the_training_at_the_next_start(
    server: ServerProcess, train: Callable[[str], str], undisturbed: str
) -> None:
    model_id = train("stopped")
    wait_for_epoch(server, model_id, 1)
    server.kill()
    flags, server.flags = server.flags, ()
    with held(server, model_id):
        server.start()
    assert server.get(f"/jobs/{model_id}/status").json()["status"] == "Running"
    assert server.stop() == 0
    assert processes(server, model_id) == []
    server.flags = flags
    server.start()
    server.wait_for_status(model_id, "Done", timeout_s=400)
    assert_equal_trainings(server, undisturbed, model_id)
