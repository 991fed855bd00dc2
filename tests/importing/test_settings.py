"""An imported job's settings: the forms' fields, with what its files tell."""

from __future__ import annotations

import pytest
from flask import Flask

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.importing.settings import dataset_settings, learning_rate_settings, model_settings
from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.model.images.classification.training_files import solver_options
from digits.model.training.solver import LR_POLICIES, SOLVER_TYPES, TrainingSize, make_solver

SIZE = TrainingSize(train_images=3000, train_batch_size=32, val_images=600, val_batch_size=32)
# Made by the program when a job is created, not by the form.
MADE_LATER = {"caffe_root", "weights_report", "seed"}


def imported(solver: SolverParameter) -> dict[str, object]:
    return model_settings(
        solver, SIZE.epoch_iterations, dataset="id", batch_size=32, crop_size=None,
        use_mean=True, use_gpu=False,
    )  # fmt: skip


def test_a_dataset_has_the_settings_that_the_form_has() -> None:
    with Flask("test").test_request_context():
        form = ImageClassificationDatasetForm(meta={"csrf": False}).settings()
    ours = dataset_settings(
        channels=3, height=1, width=1, resize_mode="squash", encoding="png", splits=["train"]
    )
    assert set(ours) - MADE_LATER == set(form) - MADE_LATER


def test_a_model_has_the_settings_that_the_form_has() -> None:
    with Flask("test").test_request_context():
        form = ImageClassificationModelForm(meta={"csrf": False})
        form.offer([], {}, [])
        wanted = form.settings()
    assert set(imported(SolverParameter(max_iter=1))) - MADE_LATER == set(wanted) - MADE_LATER


@pytest.mark.parametrize("policy", LR_POLICIES)
@pytest.mark.parametrize("solver_type", SOLVER_TYPES)
def test_settings_read_from_a_solver_make_the_same_solver(policy: str, solver_type: str) -> None:
    given = {
        **imported(SolverParameter(max_iter=1)),
        "lr_policy": policy, "solver_type": solver_type, "learning_rate": 0.02,
        "train_epochs": 12, "snapshot_interval": 2, "val_interval": 1, "random_seed": 7,
        "lr_step_size": 25, "lr_step_gamma": 0.3, "lr_multistep_values": [40.0, 75.0],
        "lr_exp_gamma": 0.9, "lr_inv_power": 0.7, "lr_poly_power": 2, "lr_sigmoid_step": 60,
    }  # fmt: skip
    solver = make_solver(solver_options(given), SIZE, use_gpu=False)
    again = make_solver(solver_options(imported(solver)), SIZE, use_gpu=False)
    for name in ("gamma", "power"):
        assert getattr(again, name) == pytest.approx(getattr(solver, name), rel=1e-5)
        for one in (solver, again):
            one.ClearField(name)
    assert again == solver


def test_an_unknown_policy_becomes_fixed() -> None:
    rate = learning_rate_settings(SolverParameter(base_lr=0.5, lr_policy="cosine", max_iter=9))
    assert (rate["lr_policy"], rate["learning_rate"]) == ("fixed", 0.5)
