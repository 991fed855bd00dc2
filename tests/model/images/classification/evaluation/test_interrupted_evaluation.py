"""Evaluations whose server, program or worker is killed, or that are aborted, in the middle."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.inference.evaluation import CSV_FILE
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import task_processes, wait_until
from tests.evaluations import LONG, processes_in, stop_in_the_middle
from tests.model.requests import copy_finished
from tests.server_process import ServerProcess

pytestmark = pytest.mark.slow

ROUTE = "/models/images/classification"


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory,
    models: Scheduler,
    trained: ImageClassificationModelJob,
) -> Iterator[ServerProcess]:
    """A server of its own, which can be killed, with the trained model."""
    jobs_dir = tmp_path_factory.mktemp("interrupted") / "jobs"
    for job_id in (trained.id, trained.dataset_id):
        copy_finished(models.job(job_id), jobs_dir)
    running = ServerProcess(jobs_dir).start()
    yield running
    running.stop()
    assert not task_processes(jobs_dir)


class Interrupted:
    """An evaluation of a long list, and its processes: stopped after the first pictures."""

    def __init__(self, server: ServerProcess, model_id: str, names: list[str]) -> None:
        answer = server.post(
            f"{ROUTE}/classify_many.json?job_id={model_id}",
            files={"image_list": ("list.txt", "\n".join(names))},
            data={"as_job": "1"},
        )
        assert answer.status_code == 200, answer.text
        self.server = server
        self.id = str(answer.json()["id"])
        self.folder = server.jobs_dir / self.id
        self.program, self.worker = stop_in_the_middle(self.folder)

    @property
    def is_gone(self) -> bool:
        """Whether no process is left of it."""
        return not processes_in(self.folder)

    @property
    def names(self) -> list[str]:
        """The pictures that it has written, in their order."""
        with (self.folder / CSV_FILE).open(newline="") as file:
            return [row["image"] for row in csv.DictReader(file)]


@pytest.fixture
def names(pictures: Path) -> list[str]:
    paths = sorted(pictures.rglob("*.png"))
    return [str(paths[number % len(paths)]) for number in range(LONG)]


@pytest.fixture
def evaluation(
    server: ServerProcess, trained: ImageClassificationModelJob, names: list[str]
) -> Interrupted:
    return Interrupted(server, trained.id, names)


@pytest.mark.slow
def test_it_goes_on_without_its_server_and_misses_no_picture(
    evaluation: Interrupted, names: list[str]
) -> None:
    server = evaluation.server
    server.kill()
    evaluation.program.resume()
    server.start()
    server.wait_for_status(evaluation.id, "Done")
    numbers = server.get(f"{ROUTE}/evaluations/{evaluation.id}.json").json()
    assert (numbers["count"], numbers["unreadable"]) == (LONG, 0)
    assert evaluation.names == names
    assert evaluation.is_gone


def test_a_worker_that_is_killed_fails_it_in_words_or_is_replaced(
    evaluation: Interrupted, names: list[str]
) -> None:
    evaluation.worker.kill()
    evaluation.program.resume()
    status = evaluation.server.wait_for_status(evaluation.id, "Error", "Done")
    wait_until(lambda: evaluation.is_gone)
    if status["status"] == "Done":
        # It had answered and waited for more: another one has gone on.
        assert evaluation.names == names
    else:
        assert "killed by SIGKILL" in status["error"]
        address = f"{ROUTE}/evaluations/{evaluation.id}.json"
        assert 0 < evaluation.server.get(address).json()["count"] < LONG


def test_an_abort_in_the_middle_leaves_no_process(evaluation: Interrupted) -> None:
    assert evaluation.server.post(f"/jobs/{evaluation.id}/abort").ok
    evaluation.program.resume()
    evaluation.server.wait_for_status(evaluation.id, "Aborted")
    wait_until(lambda: evaluation.is_gone)
