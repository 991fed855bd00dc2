"""An imported job's settings: what its files tell, else the forms' defaults."""

from __future__ import annotations

from dataclasses import replace

import pytest

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.importing.settings import dataset_settings, learning_rate, model_settings
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.training.solver import LR_POLICIES, SOLVER_TYPES, TrainingSize, make_solver

SIZE = TrainingSize(train_images=3000, train_batch_size=32, val_images=600, val_batch_size=32)


def imported(solver: SolverParameter) -> ImageClassificationModelSettings:
    return model_settings(
        solver, SIZE.epoch_iterations, dataset="id", batch_size=32, crop_size=None,
        use_mean=True, use_gpu=False, imported_from="old",
    )  # fmt: skip


def test_a_dataset_is_as_if_it_were_made_from_a_text_file_for_each_database() -> None:
    settings = dataset_settings(
        channels=1, height=1, width=2, resize_mode="squash", encoding="png", splits=["train"],
        imported_from="old",
    )  # fmt: skip
    assert (settings.resize_channels, settings.resize_height, settings.resize_width) == ("1", 1, 2)
    assert (settings.method, settings.list_splits) == ("textfile", ["train"])
    assert settings.to_json()["imported_from"] == "old"


@pytest.mark.parametrize("policy", LR_POLICIES)
@pytest.mark.parametrize("solver_type", SOLVER_TYPES)
def test_settings_read_from_a_solver_make_the_same_solver(policy: str, solver_type: str) -> None:
    given = replace(
        imported(SolverParameter(max_iter=1)),
        lr_policy=policy, solver_type=solver_type, learning_rate=0.02,
        train_epochs=12, snapshot_interval=2, val_interval=1, random_seed=7,
        lr_step_size=25, lr_step_gamma=0.3, lr_multistep_values=(40.0, 75.0),
        lr_exp_gamma=0.9, lr_inv_power=0.7, lr_poly_power=2, lr_sigmoid_step=60,
    )  # fmt: skip
    solver = make_solver(given, SIZE, use_gpu=False)
    again = make_solver(imported(solver), SIZE, use_gpu=False)
    for name in ("gamma", "power"):
        assert getattr(again, name) == pytest.approx(getattr(solver, name), rel=1e-5)
        for one in (solver, again):
            one.ClearField(name)
    assert again == solver


def test_an_unknown_policy_becomes_fixed() -> None:
    rate = learning_rate(SolverParameter(base_lr=0.5, lr_policy="triangle", max_iter=9))
    assert (rate.lr_policy, rate.learning_rate) == ("fixed", 0.5)
