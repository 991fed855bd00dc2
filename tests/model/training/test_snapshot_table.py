"""The table of snapshots: measures, marks, sizes, and what may be deleted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import JobRefused
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.network import graph
from digits.model.network.text import parse_network, standard_network_text
from digits.model.training.history import Table
from digits.model.training.plan import TrainingPlan
from digits.model.training.snapshot_table import snapshot_table
from tests.conftest import wait_for_status, wait_until
from tests.model.requests import TINY, create

PLAN = TrainingPlan(
    max_iter=50,
    epoch_iterations=10,
    train_images=100,
    train_batch_size=10,
    val_images=10,
    val_batch_size=10,
    accuracies=("head/top-1", "top-1", "top-5"),
    main_accuracy="top-1",
    main_loss="loss",
)


def weights(folder: Path, *iterations: int) -> dict[int, Path]:
    paths = {n: folder / f"snapshot_iter_{n}.caffemodel" for n in iterations}
    for number, path in paths.items():
        path.write_bytes(b"x" * number)
    return paths


def measured(**columns: list[float]) -> Table:
    """Values at the iterations 10, 20, ..."""
    table = Table()
    for row in range(max(map(len, columns.values()))):
        for name, values in columns.items():
            if row < len(values):
                table.add(10 * (row + 1), 0.0, name, values[row])
    return table


def test_the_best_are_marked_by_the_main_measures(tmp_path: Path) -> None:
    val = measured(**{"top-1": [0.5, 0.7, 0.7], "top-5": [1.0, 0.9, 0.8], "loss": [0.9, 0.5, 0.4]})
    rows = snapshot_table(weights(tmp_path, 10, 20, 30), PLAN, val, {30: "needed"})
    assert [row.has_best_accuracy for row in rows] == [False, True, False]
    assert [row.has_lowest_loss for row in rows] == [False, False, True]
    assert [row.is_last for row in rows] == [False, False, True]
    assert [row.size_bytes for row in rows] == [10, 20, 30]
    assert [row.kept_because for row in rows] == ["", "", "needed"]
    assert rows[1].epoch == 2


def test_a_snapshot_between_validations_is_not_measured(tmp_path: Path) -> None:
    val = measured(**{"top-1": [0.5, float("nan")], "loss": [0.9, 0.5]})
    rows = snapshot_table(weights(tmp_path, 10, 15, 20), PLAN, val, {})
    assert [row.accuracy for row in rows] == [0.5, None, None]
    assert [row.loss for row in rows] == [0.9, None, 0.5]
    assert rows[0].has_best_accuracy
    assert rows[2].has_lowest_loss


def test_without_validation_none_is_best(tmp_path: Path) -> None:
    rows = snapshot_table(weights(tmp_path, 10, 20), PLAN, Table(), {})
    assert not any(row.is_best for row in rows)
    assert rows[-1].is_last


def test_plans_of_old_files_fall_back_to_the_last_accuracy(tmp_path: Path) -> None:
    plan = replace(PLAN, main_accuracy="", main_loss="")
    assert plan.accuracy_name(["loss", "top-1"]) == "top-1"
    assert plan.loss_name(["top-1", "loss"]) == "loss"
    assert plan.accuracy_name([]) is None


def test_the_main_measures_of_a_network_with_several_heads() -> None:
    googlenet = parse_network(standard_network_text("googlenet"))
    assert graph.main_measures(googlenet)[0] == "accuracy"
    assert graph.main_measures(parse_network(TINY)) == ("accuracy", "loss")


# Deleting -----------------------------------------------------------------------------------------


@pytest.fixture
def model(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> Iterator[ImageClassificationModelJob]:
    """A model of its own with five snapshots."""
    form = {"custom_network": TINY, "train_epochs": "5", "batch_size": "27", "random_seed": "1"}
    answer: Any = create(client, dataset.id, method="custom", **form)
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    yield job
    models.delete_job(job.id)


@pytest.mark.slow
def test_snapshots_are_deleted_one_by_one_or_all_but_best_and_last(
    client: FlaskClient, model: ImageClassificationModelJob
) -> None:
    path = model.snapshots()[2]
    answer: Any = client.delete(f"/models/{model.id}/snapshots/2")
    assert answer.json == {"deleted": [2], "snapshots": [1, 3, 4, 5]}
    assert not path.exists()
    facts: Any = client.get(f"/models/{model.id}.json").json
    kept = {facts["best_accuracy_epoch"], facts["lowest_loss_epoch"], 5}
    assert None not in kept
    assert [row["epoch"] for row in facts["snapshot_details"]] == [1, 3, 4, 5]
    assert all(row["size_bytes"] > 100 for row in facts["snapshot_details"])

    answer = client.post(f"/models/{model.id}/snapshots/prune")
    assert set(answer.json["snapshots"]) == kept
    assert set(answer.json["deleted"]) == {1, 3, 4, 5} - kept
    assert {p.name for p in model.dir.glob("*.caffemodel")} == {
        p.name for p in model.snapshots().values()
    }
    # Again: there is nothing left to do.
    again: Any = client.post(f"/models/{model.id}/snapshots/prune").json
    assert again["deleted"] == []


def test_the_page_marks_the_best(client: FlaskClient, trained: ImageClassificationModelJob) -> None:
    page = client.get(f"/models/{trained.id}").text
    assert page.count("best accuracy</span>") == 1
    assert page.count("lowest loss</span>") == 1


@pytest.mark.parametrize("epoch", ["17", "nan", "x", "..", "1e400", "-1"])
def test_what_is_no_snapshot_is_not_deleted(
    client: FlaskClient, trained: ImageClassificationModelJob, epoch: str
) -> None:
    headers = {"Accept": "application/json"}
    answer: Any = client.delete(f"/models/{trained.id}/snapshots/{epoch}", headers=headers)
    assert answer.status_code in (400, 404)
    assert list(trained.snapshots()) == [1, 2, 3, 4]


def test_another_site_cannot_delete(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    headers = {"Origin": "http://elsewhere.example"}
    for method, path in (("DELETE", "1"), ("POST", "prune")):
        route = f"/models/{trained.id}/snapshots/{path}"
        assert client.open(route, method=method, headers=headers).status_code == 403


@pytest.mark.slow
def test_what_a_running_training_needs_stays(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    form = {"custom_network": TINY, "train_epochs": "100000", "snapshot_interval": "10"}
    form["learning_rate"] = "0.00001"  # so that it never ends by itself
    answer: Any = create(client, dataset.id, method="custom", **form)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    try:
        wait_until(lambda: len(job.snapshots()) >= 3)
        models.abort_job(job.id)
        wait_for_status(models, job.id, Status.ABORTED)
        table = job.train_task.snapshot_table()
        assert table[-1].kept_because == "The training goes on from it."
        answer = client.delete(
            f"/models/{job.id}/snapshots/{table[-1].epoch:g}",
            headers={"Accept": "application/json"},
        )
        assert answer.status_code == 403
        assert "goes on from it" in answer.json["error"]["message"]
        with pytest.raises(JobRefused):
            job.train_task.delete_snapshots([row.epoch for row in table])
        client.post(f"/models/{job.id}/snapshots/prune")
        assert table[-1].epoch in job.snapshots()
        # It goes on from there.
        models.resume_job(job.id)
        wait_until(lambda: max(job.snapshots(), default=0) > table[-1].epoch)
    finally:
        models.delete_job(job.id)
