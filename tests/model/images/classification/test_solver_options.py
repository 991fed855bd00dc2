"""What a solver is told beside its rate: in the form, the files, the page, and a clone."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from digits.caffe.formats import prototxt
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.images.classification.solver_fit import check_solver
from tests.model.images.classification.test_creation import begun, custom, finished
from tests.model.requests import create, errors

ADAM = {
    "solver_type": "ADAM",
    "momentum": "0.5",
    "momentum2": "0.99",
    "weight_decay": "0",
    "clip_gradients": "2.5",
    "lr_warmup": "0.5",
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
    assert solver.lr_warmup == 1  # of 2 iterations in each epoch
    plan = job.train_task.plan
    assert plan is not None
    assert plan.iteration_images == 18
    words = dict(job.settings_in_words({}))
    assert words["Batch size"] == "9, 2 batches a step"
    assert (words["Momentum"], words["Weight decay"]) == ("0.5 and 0.99", "0")
    assert (words["Gradient clipping"], words["Warm-up"]) == ("2.5", "0.5 epochs")
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


def test_what_a_real_caffe_does_not_have_is_refused_at_its_field() -> None:
    with pytest.raises(FormError) as refused:
        check_solver(Settings(dataset="any", lr_policy="cosine", lr_warmup=1), "/opt/caffe")
    assert set(refused.value.errors) == {"lr_policy", "lr_warmup"}
    assert "no warm-up" in refused.value.errors["lr_warmup"][0]
    check_solver(Settings(dataset="any"), "/opt/caffe")
    check_solver(Settings(dataset="any", lr_policy="cosine", lr_warmup=1), "")


@pytest.mark.slow
def test_batches_are_added_up(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    form = custom(batch_size="9", batch_accumulation="3", random_seed="1")
    job = finished(models, create(client, dataset.id, **form))
    assert list(job.snapshots()) == [1]
    assert (job.dir / "snapshot_iter_1.caffemodel").is_file()
