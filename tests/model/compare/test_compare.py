"""Models side by side: which can be compared, what they differ in, what came of them."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.caffe.formats import training_log
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.compare.tables import differing, measures, shown_at_first
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.training.history import History
from digits.model.training.outcome import Best, outcome_of
from digits.model.training.plan import TrainingPlan
from tests.conftest import wait_for_status
from tests.model.requests import TINY, create

ROUTE = "/models/compare"


@pytest.fixture(scope="module")
def other(
    app: Any,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> ImageClassificationModelJob:
    """A second model: of the same name, but with other settings."""
    answer = create(
        app.test_client(),
        dataset.id,
        model_name=trained.name,
        method="custom",
        custom_network=TINY,
        train_epochs="2",
        batch_size="3",
        random_seed="1",
        use_mean="y",
        solver_type="ADAM",
        learning_rate="0.001",
        lr_policy="fixed",
    )
    wait_for_status(models, answer.json["id"], Status.DONE)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    return job


def test_models_are_compared_as_json(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    other: ImageClassificationModelJob,
) -> None:
    answer: Any = client.get(f"{ROUTE}.json?ids={trained.id},{other.id}").json
    # As the home page's form sends them without scripts.
    assert client.get(f"{ROUTE}.json?ids={trained.id}&ids={other.id}").json == answer
    first, second = answer["models"]
    assert (first["id"], second["id"]) == (trained.id, other.id)
    assert answer["differing"] == [
        "Training epochs",
        "Batch size",
        "Solver",
        "Learning rate",
        "Policy",
        "Momentum",
    ]
    assert first["settings"]["Policy"] == "Step down: every 33%, gamma 0.1"
    assert second["settings"]["Policy"] == "Fixed"
    assert (first["settings"]["Batch size"], second["settings"]["Batch size"]) == ("9", "3")
    assert (first["results"]["epochs"], second["results"]["iterations"]) == (4, 18)
    assert 0 <= first["results"]["accuracy"]["value"] <= 1
    assert first["results"]["weights_bytes"] == trained.snapshots()[4].stat().st_size
    assert first["results"]["iterations_per_s"] > 0


def test_the_chart_holds_the_curves_of_each_model(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    other: ImageClassificationModelJob,
) -> None:
    chart: Any = client.get(f"{ROUTE}.json?ids={other.id},{trained.id}").json["chart"]
    columns = {name: values for name, *values in chart["columns"]}
    for number, model in enumerate((other, trained)):
        own = model.train_task.update_data("combined_graph")
        expected = {f"{number}:{name}": values for name, *values in own["columns"]}
        assert {name: columns[name] for name in expected} == expected
        assert columns[f"{number}:rate:lr"][0] == pytest.approx(model.settings.learning_rate)
        assert chart["epoch_iterations"][f"{number}:train_epochs"] == (
            model.train_task.epoch_iterations
        )
    assert chart["series"]["1:loss-val"] == {"model": 1, "measure": "loss (val)"}
    # Two of one name are told apart.
    assert chart["names"]["0:loss-val"] == f"Tiny model ({other.id[-6:]}): loss (val)"
    assert measures(chart) == ["accuracy (val)", "loss (val)", "loss (train)", "learning rate"]


def test_the_page_links_the_models_and_marks_the_best(
    client: FlaskClient,
    trained: ImageClassificationModelJob,
    other: ImageClassificationModelJob,
) -> None:
    page = client.get(f"{ROUTE}?ids={trained.id},{other.id},{trained.id}").text
    assert "Compare 2 models" in page  # the same one twice is one
    assert f'href="/models/{other.id}"' in page
    assert '<span class="tag">best</span>' in page
    assert "settings are the same" in page


def test_what_cannot_be_compared_is_said(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    cases = {
        "": "2 to 10 models can be compared. Received: 0.",
        trained.id: "Received: 1.",
        ",".join(f"x{number}" for number in range(11)): "Received: 11.",
        f"{trained.id},20150421-140640-d697aa": "no model '20150421-140640-d697aa'",
        f"{trained.id},{dataset.id}": "'Grey levels' cannot be compared: only models can",
        f"{trained.id},../../etc/passwd,\x00": "no model '../../etc/passwd'",
    }
    for ids, message in cases.items():
        answer = client.get(f"{ROUTE}.json", query_string={"ids": ids})
        assert answer.status_code == 400
        assert message in answer.json["error"]["message"]
        page = client.get(ROUTE, query_string={"ids": ids}, headers={"Accept": "text/html"})
        assert page.status_code == 400
        assert "home page" in page.text or "only models can" in page.text


def test_a_model_that_has_not_begun_has_no_results_yet(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
) -> None:
    fields = {"method": "custom", "custom_network": TINY, "train_epochs": "1"}
    waiting = create(client, dataset.id, model_name="Later", **fields).json["id"]
    models.abort_job(waiting)
    wait_for_status(models, waiting, Status.ABORTED, Status.DONE)
    answer: Any = client.get(f"{ROUTE}.json?ids={trained.id},{waiting}")
    assert answer.status_code == 200
    assert answer.json["models"][1]["name"] == "Later"
    assert client.get(f"{ROUTE}?ids={trained.id},{waiting}").status_code == 200


def plan(**values: Any) -> TrainingPlan:
    facts: dict[str, Any] = {
        "max_iter": 100,
        "epoch_iterations": 10,
        "train_images": 100,
        "train_batch_size": 10,
        "val_images": 10,
        "val_batch_size": 10,
        "accuracies": ("accuracy",),
        "main_accuracy": "accuracy",
        "main_loss": "loss",
    }
    return TrainingPlan(**{**facts, **values})


def test_the_outcome_is_the_first_best_value_and_the_time_of_all_processes() -> None:
    history = History()
    history.add(training_log.Started(0.0))
    for iteration, accuracy, loss in ((0, 0.1, 3.0), (10, 0.9, 1.0), (20, 0.9, 2.0)):
        history.add(training_log.Testing(float(iteration), iteration))
        history.add(training_log.ValOutput(float(iteration), iteration, "accuracy", accuracy))
        history.add(training_log.ValOutput(float(iteration), iteration, "loss", loss))
    history.add(training_log.Started(1_000.0))  # hours later, another process goes on
    history.add(training_log.TrainLoss(1_010.0, 30, 1.0))
    outcome = outcome_of(history, plan())
    assert outcome.accuracy == Best(0.9, 1)
    assert outcome.loss == Best(1.0, 1)
    assert (outcome.epochs, outcome.iterations, outcome.time_s) == (3.0, 30, 30.0)
    assert outcome.iterations_per_s == 1.0


def test_the_network_before_its_training_counts_for_no_result() -> None:
    history = History()
    history.add(training_log.Started(0.0))
    for iteration, accuracy, loss in ((0, 0.9, 0.5), (10, 0.2, 3.0), (20, 0.3, 2.0)):
        history.add(training_log.ValOutput(float(iteration), iteration, "accuracy", accuracy))
        history.add(training_log.ValOutput(float(iteration), iteration, "loss", loss))
    outcome = outcome_of(history, plan())
    assert (outcome.accuracy, outcome.loss) == (Best(0.3, 2), Best(2.0, 2))
    beginning = outcome_of(_validated_once(), plan())
    assert (beginning.accuracy, beginning.loss) == (None, None)


def _validated_once() -> History:
    """Of a training that has only just begun."""
    history = History()
    history.add(training_log.Started(0.0))
    history.add(training_log.ValOutput(0.0, 0, "accuracy", 0.1))
    history.add(training_log.ValOutput(0.0, 0, "loss", 2.3))
    return history


def test_an_outcome_without_validation_has_no_best() -> None:
    history = History()
    history.add(training_log.TrainLoss(0.0, 5, 1.0))
    outcome = outcome_of(history, plan(main_accuracy="", main_loss="", accuracies=()))
    assert (outcome.accuracy, outcome.loss) == (None, None)
    assert outcome.iterations_per_s is None


def test_settings_are_told_apart_by_their_words() -> None:
    rows, shared = differing(
        [[("Solver", "Adam"), ("Scale", "1")], [("Solver", "SGD"), ("Scale", "1")]]
    )
    assert [(row.title, row.words) for row in rows] == [("Solver", ("Adam", "SGD"))]
    assert [row.title for row in shared] == ["Scale"]


def test_models_of_kinds_with_other_settings_are_compared_in_all_of_them() -> None:
    rows, shared = differing(
        [[("Solver", "Adam"), ("Scale", "1")], [("Scale", "1"), ("Outputs", "3")]]
    )
    assert [(row.title, row.words) for row in rows] == [
        ("Solver", ("Adam", "")),
        ("Outputs", ("", "3")),
    ]
    assert [row.title for row in shared] == ["Scale"]


def test_validation_is_shown_at_first_and_training_where_there_is_none() -> None:
    assert shown_at_first(["accuracy (val)", "loss (val)", "loss (train)"]) == [
        "accuracy (val)",
        "loss (val)",
    ]
    assert shown_at_first(["loss (train)", "learning rate"]) == ["loss (train)"]
    assert shown_at_first([]) == []
