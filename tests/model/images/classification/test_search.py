"""The search for the best learning rate and decay of a head, and the training that takes them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.solving.solver_param import read_solver_param
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.resources import LIGHT
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.search.outcome import read_outcome
from digits.tools.cross_validation import Measured, candidates, ranked, stratified
from tests.conftest import wait_for_status
from tests.model.requests import TINY, create, errors


def form_of(model: ImageClassificationModelJob, **fields: str) -> dict[str, str]:
    """A head that begins with the weights of a model, and looks for its settings first."""
    return {
        "method": "previous",
        "previous_networks": model.id,
        f"{model.id}-snapshot": "4",
        "restart_outputs": "y",
        "fine_tune": "head",
        "find_settings": "y",
        "train_epochs": "2",
        "batch_size": "9",
        "random_seed": "1",
        **fields,
    }


@pytest.fixture(scope="module")
def found(
    app: Flask,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> ImageClassificationModelJob:
    """A model whose settings were looked for."""
    answer = create(app.test_client(), dataset.id, **form_of(trained))
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE, Status.ERROR)
    job = models.job(answer.json["id"])
    assert job.error is None
    assert isinstance(job, ImageClassificationModelJob)
    return job


def test_the_training_takes_the_pair_that_did_best(found: ImageClassificationModelJob) -> None:
    outcome = found.search_outcome
    assert outcome is not None
    assert (outcome.pictures, outcome.parts, len(outcome.rows)) == (27, 5, 20)
    ranks = [(-(row.accuracy or 0), row.loss) for row in outcome.rows if row.loss is not None]
    assert ranks == sorted(ranks)
    best = outcome.best
    assert found.settings.learning_rate == best.learning_rate
    assert found.settings.weight_decay == best.weight_decay
    solver = read_solver_param(str(found.dir / "solver.prototxt"))
    assert solver.base_lr == pytest.approx(best.learning_rate)
    assert solver.weight_decay == pytest.approx(best.weight_decay)


def test_the_training_reads_the_features_that_the_search_has_made(
    found: ImageClassificationModelJob,
) -> None:
    log = (found.dir / "caffe_output.log").read_text()
    assert "Reading conv of 27 records for the training" in log
    assert "Computing conv of 27 records" not in log


def test_page_and_json_show_the_table(
    client: FlaskClient, found: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/{found.id}").text
    assert "Search for the best settings" in page
    assert page.count("<td>") >= 40
    told = client.get(f"/models/{found.id}.json").json["search"]
    rows = json.loads((found.dir / "search.json").read_text())["rows"]
    assert told == {"rows": rows, "pictures": 27, "parts": 5}


def test_it_is_light_and_comes_before_the_training(found: ImageClassificationModelJob) -> None:
    search, training = found.tasks
    assert search.need().kind == LIGHT
    assert training.depends_on == [search.id]
    assert found.train_task is training


@pytest.mark.slow
def test_a_search_that_was_cut_off_goes_on_with_what_was_measured(
    found: ImageClassificationModelJob,
    dataset: ImageClassificationDatasetJob,
) -> None:
    # Beside the job, since its files name the dataset's by relative paths.
    folder = found.dir.parent / "cut-off"
    shutil.copytree(found.dir, folder)
    try:
        shutil.copy(dataset.mean_path, folder)
        # The pair that was asked for, as the search found it.
        lines = (folder / "search.jsonl").read_text().splitlines()
        log = _run(found, folder)
        whole = json.loads((folder / "search.json").read_text())
        before = (folder / "search.jsonl").read_text().splitlines()
        (folder / "search.jsonl").write_text("\n".join(before[:60]) + "\n" + before[60][:20])
        (folder / "search.json").unlink()
        log = _run(found, folder)
        assert "Done: learning rate" in log
        assert json.loads((folder / "search.json").read_text()) == whole
        after = (folder / "search.jsonl").read_text().splitlines()
        assert after[:60] == before[:60]
        assert len(lines) == len(before) == 101
    finally:
        shutil.rmtree(folder)


def _run(found: ImageClassificationModelJob, folder: Path) -> str:
    arguments = found.search_task.arguments() if found.search_task else []
    assert arguments[0] == sys.executable
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True).stderr


@pytest.mark.parametrize(
    "fields",
    [{"fine_tune": "all"}, {"fine_tune": "last_blocks"}, {"fine_tune": ""}],
)
def test_it_is_refused_where_more_than_the_last_layer_learns(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    fields: dict[str, str],
) -> None:
    answer = create(client, dataset.id, **form_of(trained, **fields))
    assert "only the last layer may learn" in errors(answer)["find_settings"]


def test_it_is_refused_without_weights_to_keep(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    answer = create(
        client, dataset.id, method="custom", custom_network=TINY, find_settings="y", batch_size="9"
    )
    assert "find_settings" in errors(answer)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"rows": [], "pictures": 1, "parts": 2}',
        '{"rows": [{"learning_rate": null}], "pictures": 1, "parts": 2}',
        '{"rows": [{"learning_rate": "x", "weight_decay": 0, "accuracy": 1, "deviation": 0, '
        '"loss": 0}], "pictures": 1, "parts": 2}',
        '{"rows": [{"learning_rate": NaN, "weight_decay": 0, "accuracy": 1, "deviation": 0, '
        '"loss": 0}], "pictures": 1, "parts": 2}',
        "[" * 100_000,
    ],
)
def test_a_file_that_somebody_has_changed_is_no_outcome(tmp_path: Path, content: str) -> None:
    (tmp_path / "search.json").write_text(content)
    assert read_outcome(tmp_path) is None


def test_the_pairs_lie_around_what_was_asked_for() -> None:
    pairs = candidates(0.01, 0.002)
    assert {rate for rate, _ in pairs} == {0.001, 0.003, 0.01, 0.03, 0.1}
    assert {decay for _, decay in pairs} == {0.0, 0.0005, 0.002, 0.005, 0.05}
    assert (0.01, 0.002) in pairs


def test_each_part_has_its_share_of_each_category() -> None:
    labels = np.repeat([0, 1, 2], [50, 10, 3])
    parts = stratified(labels, 5)
    counts = [[int(np.sum((labels == c) & (parts == p))) for p in range(5)] for c in range(3)]
    assert counts[0] == [10] * 5
    assert counts[1] == [2] * 5
    assert sorted(counts[2]) == [0, 0, 1, 1, 1]
    assert sorted(np.bincount(parts).tolist()) == [12, 12, 13, 13, 13]


def test_the_most_accurate_pair_is_first_then_the_lowest_loss_and_what_diverged_is_last() -> None:
    measured = [
        Measured(0.1, 0.0, 0, 1.0, 0.1),
        Measured(0.1, 0.0, 1, None, None),
        Measured(0.01, 0.0, 0, 0.5, 0.9),
        Measured(0.01, 0.0, 1, 0.9, 0.9),
        Measured(0.01, 0.5, 0, 0.7, 0.4),
        Measured(0.01, 0.5, 1, 0.7, 0.2),
    ]
    first, second, last = ranked(measured)
    assert (first.weight_decay, first.accuracy, first.deviation) == (0.5, 0.7, 0.0)
    assert second.deviation == pytest.approx(0.2)
    assert (last.learning_rate, last.accuracy, last.loss) == (0.1, None, None)
