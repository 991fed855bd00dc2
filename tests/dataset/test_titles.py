"""How people call tasks and sets, beside the names that logs and scripts know."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.model.tasks.train import TrainTask

FOLDER = {"folder_train": "/data"}


@pytest.mark.parametrize(
    ("settings", "titles"),
    [
        (FOLDER, ["Reading the folder", "Training set", "Validation set"]),
        (
            {**FOLDER, "has_val_folder": True, "folder_val": "/val"},
            [
                "Reading the training folder",
                "Reading the validation folder",
                "Training set",
                "Validation set",
            ],
        ),
        (
            {"method": "archive"},
            ["Unpacking the archive", "Reading the folder", "Training set", "Validation set"],
        ),
        (
            {"method": "textfile", "textfile_use_val": False},
            ["Reading the text files", "Training set"],
        ),
    ],
)
def test_tasks_of_a_dataset_are_called_what_they_do(
    settings: dict[str, object], titles: list[str]
) -> None:
    given = ImageClassificationDatasetSettings.from_json({"split_folders": "off", **settings})
    job = ImageClassificationDatasetJob(Path("20260101-000000-000000"), "Flowers", given)
    tasks = job.create_tasks()
    assert [task.title for task in tasks] == titles
    # Logs and scripts go on by the original's names.
    assert tasks[-1].name.startswith("Create DB (")


def test_a_training_is_called_so_also_where_it_fails(tmp_path: Path) -> None:
    task = TrainTask(tmp_path, "train_caffe")
    assert (task.title, task.name) == ("Training", "Train Caffe Model")


def test_a_page_calls_what_is_stored_as_the_form_does() -> None:
    given = ImageClassificationDatasetSettings.from_json(
        {**FOLDER, "resize_mode": "half_crop", "encoding": "jpg", "backend": "hdf5"}
    )
    job = ImageClassificationDatasetJob(Path("20260101-000000-000000"), "Flowers", given)
    assert job.stored_in_words() == [
        ("Resize transformation", "Half crop, half fill"),
        ("Picture encoding", "JPEG (lossy, 90% quality)"),
        ("Database", "HDF5"),
    ]


def test_a_set_that_cannot_be_written_is_named_in_the_reason() -> None:
    given = ImageClassificationDatasetSettings.from_json(FOLDER)
    job = ImageClassificationDatasetJob(Path("20260101-000000-000000"), "Flowers", given)
    writing = job.database_task("val", [])
    assert writing.explain_failure(-9).startswith("Writing the validation set failed")


def test_graphs_call_the_sets_as_people_do() -> None:
    given = ImageClassificationDatasetSettings.from_json(FOLDER)
    job = ImageClassificationDatasetJob(Path("20260101-000000-000000"), "Flowers", given)
    writing = job.database_task("train", [])
    writing.process_line('2026-01-01 00:00:00 [INFO] Distribution of train_db: {"zero": 3}')
    data = writing.distribution_chart()["data"]
    assert (data["columns"], data["names"]) == ([["train_db", 3]], {"train_db": "Training set"})
