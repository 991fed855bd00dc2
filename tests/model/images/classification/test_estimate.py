"""What a model will take is told before it is made: room for snapshots, time, and what is wrong."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.base.formatting import about
from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference.timing import Timings, Training
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.estimate import Estimate, snapshot_count
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.model.requests import TINY, create, dataset_form, errors, token

ROUTE = "/models/images/classification/estimate"
CUSTOM = {"method": "custom", "custom_network": TINY, "batch_size": "9"}
NUMBERS = ("parameters", "snapshots", "snapshots_bytes", "epoch_iterations", "epoch_s")


def estimate(client: FlaskClient, dataset_id: str, **fields: Any) -> dict[str, Any]:
    """The answer for a form without a name."""
    answer = client.post(f"{ROUTE}.json", data={"dataset": dataset_id, "timed": "off", **fields})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def test_snapshots_are_as_large_as_those_of_a_training(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    found = estimate(client, dataset.id, **CUSTOM, train_epochs="4")
    sizes = [path.stat().st_size for path in trained.snapshots().values()]
    assert found["snapshots"] == len(sizes) == 4
    # Beside the weights, a snapshot has the settings of the layers.
    assert all(0 < size - found["snapshot_bytes"] < 2000 for size in sizes)
    assert found["snapshots_bytes"] == 5 * found["snapshot_bytes"]  # a solver state as well
    assert (found["epoch_iterations"], found["iterations"]) == (3, 12)
    assert found["words"][0].startswith("4 snapshots of ")
    assert found["errors"] == {}
    assert found["warnings"] == []


@pytest.mark.parametrize(
    ("fields", "snapshots"),
    [
        ({"snapshot_interval": "2"}, 2),
        ({"snapshot_interval": "3"}, 2),  # that at the end belongs to no interval
        ({"snapshot_interval": "0"}, 1),
        ({"snapshot_interval": "0.5"}, 6),
    ],
)
def test_their_number_follows_the_interval(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    fields: dict[str, str],
    snapshots: int,
) -> None:
    assert estimate(client, dataset.id, **CUSTOM, train_epochs="4", **fields)["snapshots"] == (
        snapshots
    )


def test_what_runs_once_is_told_in_place_of_the_time_of_an_epoch() -> None:
    found = Estimate(training_s=61.0, runs_once=True)
    assert found.words == [
        f"What does not learn runs once, in about {about(61.0)} here, or is there already. An "
        "epoch takes little then."
    ]


def test_solvers_that_remember_more_take_more_room(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    sgd, adam = (
        estimate(client, dataset.id, **CUSTOM, train_epochs="1", solver_type=each)
        for each in ("SGD", "ADAM")
    )
    assert adam["snapshots_bytes"] - sgd["snapshots_bytes"] == sgd["snapshot_bytes"]


@pytest.mark.slow
def test_the_time_of_an_epoch_is_measured_once(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    form = {**CUSTOM, "batch_size": "8"}
    assert estimate(client, dataset.id, **form)["epoch_s"] is None
    measured = estimate(client, dataset.id, **form, timed="on")
    assert 0 < measured["epoch_s"] < 60
    assert measured["training_s"] == pytest.approx(30 * measured["epoch_s"])
    assert "An epoch takes less than a second here" in measured["words"][1]
    kept = estimate(client, dataset.id, **form, train_epochs="60")
    assert kept["training_s"] == pytest.approx(2 * measured["training_s"], rel=0.05)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"standard_networks": "alexnet"}, "standard_networks"),
        ({"train_epochs": "0"}, "train_epochs"),
        ({**CUSTOM, "crop_size": "1000"}, "crop_size"),
        ({**CUSTOM, "custom_network": TINY.replace('"ReLU" bottom: "conv"', '"ReLU" bottom: "x"')},
         "custom_network"),
        ({**CUSTOM, "custom_network": "layer {"}, "custom_network"),
        ({"no_such_field": "1"}, "no_such_field"),
    ],
)  # fmt: skip
def test_what_would_be_refused_is_told_as_it_would_be(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, fields: dict[str, str], field: str
) -> None:
    found = estimate(client, dataset.id, **fields)
    refused = errors(create(client, dataset.id, **fields))
    assert {name: " ".join(texts) for name, texts in found["errors"].items()} == refused
    assert list(refused) == [field]
    assert all(found[name] is None for name in NUMBERS)


def test_what_is_not_filled_in_yet_is_not_wrong(client: FlaskClient, models: Scheduler) -> None:
    for fields in ({}, {"method": "custom"}, {"method": "previous"}):
        found = estimate(client, "", **fields)
        assert (found["errors"], found["words"]) == ({}, [])


def test_a_browser_asks_with_its_whole_form(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    form = {**CUSTOM, "dataset": dataset.id, "model_name": "", "timed": "off"}
    answer = client.post(
        ROUTE,
        data={**form, "csrf_token": token(client), "more": "than the route reads"},
        headers={"Accept": "application/json"},
    )
    assert answer.json["errors"] == {}
    assert answer.json["snapshots"] == 30


def test_a_training_that_is_larger_than_the_disk_is_told() -> None:
    found = Estimate(snapshots=10, snapshot_bytes=5, snapshots_bytes=55, free_bytes=54)
    assert "The disk has 54 bytes left" in found.warnings[0]
    assert Estimate(snapshots=10, snapshots_bytes=54, free_bytes=54).warnings == []
    assert Estimate().words == []


def test_a_training_without_intervals_takes_one_snapshot() -> None:
    assert snapshot_count(SolverParameter(max_iter=7)) == 1
    assert snapshot_count(SolverParameter(max_iter=7, snapshot=7)) == 1
    assert snapshot_count(SolverParameter(max_iter=7, snapshot=2)) == 4


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.01, "a second"),
        (1, "1 second"),
        (47, "45 seconds"),
        (100, "2 minutes"),
        (4000, "65 minutes"),
        (8000, "2 hours"),
        (10**6, "12 days"),
    ],
)
def test_times_are_told_roughly(seconds: float, words: str) -> None:
    assert about(seconds) == words


def test_a_drawing_says_what_would_be_refused_with_its_line(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    def drawn(text: str, **fields: str) -> str:
        form = {"custom_network": text, "dataset": dataset.id, **fields}
        answer = client.post("/models/visualize-network", data=form)
        assert answer.status_code == 200, answer.text
        assert answer.text.startswith('<img src="data:image/png;base64,')
        return answer.text

    assert "data-network-problems" not in drawn(TINY)
    wrong = TINY.replace('type: "ReLU" bottom: "conv"', 'type: "ReLU" bottom: "cnov"')
    assert "No model can be made of it" in drawn(wrong)
    assert "<li>Line 9: layer &#39;relu&#39;" in drawn(wrong)
    assert "Crop size: " in drawn(TINY, crop_size="1000")
    # Without a dataset, what no dataset could train.
    headless = TINY[: TINY.index('layer { name: "loss"')]
    assert "no loss layer" in drawn(headless, dataset="")


def test_models_are_made_as_before_by_scripts_that_know_nothing_of_it(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, would_start: list[list[str]]
) -> None:
    answer = create(client, dataset.id, **CUSTOM)
    assert answer.status_code == 200, answer.text
    assert errors(create(client, dataset.id, timed="on")).keys() == {"timed"}


@pytest.mark.slow
def test_times_of_a_network_that_cannot_be_run_are_not_known() -> None:
    training = Training((("train_val.prototxt", "layer { type: 'No' name: 'a' }"),), "SGD")
    timings = Timings()
    assert timings.times(training, {}) is None
    assert timings.kept(training) is None


def test_of_a_dataset_that_is_not_ready_nothing_is_known_yet(
    client: FlaskClient, models: Scheduler, pictures: Path, would_start: list[list[str]]
) -> None:
    answer = client.post(
        "/datasets/images/classification.json",
        data=dataset_form(pictures, dataset_name="Not ready"),
    )
    found = estimate(client, answer.json["id"], **CUSTOM)
    assert found["note"] in found["words"]
    assert "once the dataset is ready" in found["note"]
    assert (found["errors"], found["snapshots"]) == ({}, None)
