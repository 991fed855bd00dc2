"""What a solver is told beside its rate: in the form, the files, the page, and a clone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.solver_fit import check_solver
from tests.conftest import wait_for_status
from tests.model.images.classification.test_creation import begun, custom, finished
from tests.model.requests import TINY, create, dataset_form, errors
from tests.pictures import make_class_folders

ADAM = {
    "solver_type": "ADAM",
    "momentum": "0.5",
    "momentum2": "0.99",
    "weight_decay": "0",
    "clip_gradients": "2.5",
    "lr_warmup": "0.5",
    "label_smoothing": "0.1",
}
# What real Caffe does not have.
OURS: dict[str, Any] = {
    "lr_policy": "cosine",
    "lr_warmup": 1,
    "label_smoothing": 0.1,
    "class_weights": "balanced",
}


def test_the_files_the_page_and_a_clone_have_what_was_asked_for(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    form = custom(batch_size="9", batch_accumulation="2", **ADAM)
    job = begun(models, create(client, dataset.id, **form), would_start)
    solver = prototxt.read_solver(job.dir / "solver.prototxt")
    assert (solver.iter_size, solver.max_iter) == (2, 2)  # 27 pictures, 18 an iteration
    assert (solver.momentum, solver.momentum2) == pytest.approx((0.5, 0.99))
    assert (solver.weight_decay, solver.clip_gradients) == (0, 2.5)
    assert solver.label_smoothing == pytest.approx(0.1)
    assert solver.lr_warmup == 1  # of 2 iterations in each epoch
    plan = job.train_task.plan
    assert plan is not None
    assert plan.iteration_images == 18
    words = dict(job.settings_in_words({}))
    assert words["Batch size"] == "9, 2 batches a step"
    assert (words["Momentum"], words["Weight decay"]) == ("0.5 and 0.99", "0")
    assert (words["Gradient clipping"], words["Warm-up"]) == ("2.5", "0.5 epochs")
    assert (words["Label smoothing"], words["Class weights"]) == ("0.1", "none")
    page = client.get(f"/models/images/classification/new?clone={job.id}").text
    for name, value in {**ADAM, "batch_accumulation": "2"}.items():
        assert f'value="{value}"' in page, name


def test_what_a_solver_does_not_read_is_not_looked_at(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    # Scripts of DIGITS 5 send a decay with every solver; a browser sends hidden fields.
    form = custom(rms_decay="0.9", momentum2="many", batch_accumulation="")
    job = begun(models, create(client, dataset.id, **form), would_start)
    solver = prototxt.read_solver(job.dir / "solver.prototxt")
    assert not solver.HasField("rms_decay")
    assert not solver.HasField("iter_size")
    assert job.settings.rms_decay is None


@pytest.mark.parametrize(
    ("field", "value", "solver_type", "said"),
    [
        ("batch_accumulation", "0", "SGD", "1"),
        ("batch_accumulation", "1.5", "SGD", "whole number"),
        ("momentum", "1", "SGD", "0.999999"),
        ("momentum2", "-0.1", "ADAM", "0"),
        ("rms_decay", "nan", "RMSPROP", "finite"),
        ("weight_decay", "1.1", "ADAGRAD", "1"),
        ("clip_gradients", "0", "SGD", "above 0"),
        ("clip_gradients", "1000001", "SGD", "1000000"),
        ("lr_warmup", "-1", "SGD", "at least 0"),
        ("lr_warmup", "1.5", "SGD", "Enter 0 to 1"),  # epochs
        ("label_smoothing", "-0.1", "SGD", "at least 0"),
        ("label_smoothing", "1", "SGD", "at most 0.999999"),
        ("class_weights", "sqrt", "SGD", "none, balanced"),
    ],
)
def test_a_number_out_of_its_range_is_refused_with_the_range(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    field: str,
    value: str,
    solver_type: str,
    said: str,
) -> None:
    form = custom(solver_type=solver_type, **{field: value})
    assert said in errors(create(client, dataset.id, **form))[field]


def test_a_warmup_is_in_the_curve_of_the_form(client: FlaskClient) -> None:
    form = {"lr_policy": "fixed", "lr_warmup": "2", "train_epochs": "10"}
    curve = client.post("/models/visualize-lr", data=form).json["data"]["columns"][0][1:]
    assert (curve[0], curve[20], curve[100]) == pytest.approx((0, 0.01, 0.01))
    assert curve[10] == pytest.approx(0.005)
    short = client.post("/models/visualize-lr", data={**form, "train_epochs": "1"})
    assert "longer than the training of 1" in errors(short)["lr_warmup"]


@pytest.fixture
def uneven(client: FlaskClient, models: Scheduler, tmp_path: Path) -> str:
    """The id of a dataset of 4, 2 and 3 training pictures."""
    folder = make_class_folders(tmp_path / "uneven", classes=3, pictures=4, mode="L")
    for path in ("class_1/0.png", "class_1/1.png", "class_2/0.png"):
        (folder / path).unlink()
    form = dataset_form(folder, folder_pct_val="0")
    made = client.post("/datasets/images/classification.json", data=form)
    wait_for_status(models, made.json["id"], Status.DONE)
    return str(made.json["id"])


def test_balanced_weights_are_those_of_the_training_pictures(
    client: FlaskClient, models: Scheduler, uneven: str, would_start: list[list[str]]
) -> None:
    form = custom(class_weights="balanced")
    job = begun(models, create(client, uneven, **form), would_start)
    solver = prototxt.read_solver(job.dir / "solver.prototxt")
    assert list(solver.class_weight) == pytest.approx([9 / 12, 9 / 6, 9 / 9])
    assert dict(job.settings_in_words({}))["Class weights"] == "balanced"
    page = client.get(f"/models/images/classification/new?clone={job.id}").text
    assert '<option selected value="balanced">' in page
    assert job.settings.to_json()["class_weights"] == "balanced"
    # Names that nobody has counted pictures of, as those of a dataset that was changed by hand.
    job.image_dataset.labels_path.write_text("x\ny\nz\n")
    assert "is not known" in errors(create(client, uneven, **form))["class_weights"]


def test_categories_of_one_size_need_no_weights(
    client: FlaskClient,
    models: Scheduler,
    dataset: ImageClassificationDatasetJob,
    would_start: list[list[str]],
) -> None:
    job = begun(models, create(client, dataset.id, **custom(class_weights="balanced")), would_start)
    assert "class_weight" not in (job.dir / "solver.prototxt").read_text()


def test_a_network_without_such_a_loss_is_refused_with_the_reason(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    hinge = TINY.replace("SoftmaxWithLoss", "HingeLoss")
    form = custom(hinge, label_smoothing="0.1", class_weights="balanced")
    wrong = errors(create(client, dataset.id, **form))
    assert set(wrong) == {"label_smoothing", "class_weights"}
    assert "no layer of the type SoftmaxWithLoss" in wrong["label_smoothing"]


def test_what_a_real_caffe_does_not_have_is_refused_at_its_field() -> None:
    with pytest.raises(FormError) as refused:
        check_solver(Settings(dataset="any", **OURS), "/opt/caffe")
    assert set(refused.value.errors) == set(OURS)
    assert "no warm-up" in refused.value.errors["lr_warmup"][0]
    check_solver(Settings(dataset="any"), "/opt/caffe")
    check_solver(Settings(dataset="any", **OURS), "")


@pytest.mark.slow
def test_batches_are_added_up(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    form = custom(batch_size="9", batch_accumulation="3", random_seed="1")
    job = finished(models, create(client, dataset.id, **form))
    assert list(job.snapshots()) == [1]
    assert (job.dir / "snapshot_iter_1.caffemodel").is_file()
