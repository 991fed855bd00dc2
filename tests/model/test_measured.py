"""A real dataset and a real training, once they have ended, as lists show them."""

from __future__ import annotations

from flask import Flask

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_until


def test_lists_tell_what_came_of_a_training(
    app: Flask, trained: ImageClassificationModelJob
) -> None:
    wait_until(lambda: trained.measured is not None)
    results, outcome = trained.current_results(), trained.train_task.outcome()
    assert outcome is not None
    assert outcome.accuracy is not None
    assert results.accuracy == outcome.accuracy.value
    assert (results.epochs, len(results.curve)) == (4.0, 5)
    client = app.test_client()
    index = client.get("/index.json?details=yes&sort=-accuracy").json
    assert index is not None
    told = next(row for row in index["models"] if row["id"] == trained.id)
    assert told["best_accuracy"] == outcome.accuracy.value
    assert told["size_bytes"] == results.size_bytes
    row = client.get(f"/jobs/{trained.id}/table_data.json").json["job"]  # type: ignore[index]
    assert {name: row[name] for name in told} == told
    page = client.get(f"/?search={trained.id}").text
    assert f"{100 * outcome.accuracy.value:.2f}%" in page
    assert f'points="{results.curve_points}"' in page


def test_lists_tell_what_is_in_a_dataset(
    app: Flask, dataset: ImageClassificationDatasetJob
) -> None:
    wait_until(lambda: dataset.measured is not None)
    index = app.test_client().get("/index.json?details=yes").json
    assert index is not None
    told = next(row for row in index["datasets"] if row["id"] == dataset.id)
    assert told["pictures"] == 36
    assert told["categories"] == len(dataset.labels())
    assert told["size_bytes"] > 0
