"""What lists show of datasets and models, and how they are sorted, searched and grouped by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.dataset.results import DatasetResults
from digits.home.columns import columns_of, list_facts
from digits.home.job_list import JobPage, ListQuery, list_query, listed
from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.results import ModelResults

ENDED = (Status.INITIALIZED, Status.WAITING, Status.RUNNING, Status.DONE)


def history(*statuses: Status) -> StatusHistory:
    return StatusHistory([StatusChange(status, 1000.0 + n) for n, status in enumerate(statuses)])


def dataset(number: int, name: str, results: DatasetResults | None) -> Job:
    settings = ImageClassificationDatasetSettings(folder_train="/data")
    job = ImageClassificationDatasetJob(Path(f"20260101-00000{number}-000000"), name, settings)
    job.history, job.measured = history(*ENDED), results
    return job


def model(number: int, name: str, learnt: Job, results: ModelResults | None, **more: Any) -> Job:
    settings = ImageClassificationModelSettings(dataset=learnt.id)
    job = ImageClassificationModelJob(
        Path(f"20260102-00000{number}-000000"),
        name,
        replace(settings, **more),
    )
    job.link({learnt.id: learnt})
    job.history, job.measured = history(*ENDED), results
    return job


FLOWERS = dataset(1, "Flowers", DatasetResults(size_bytes=5000, records=1797, categories=10))
CATS = dataset(2, "Cats", DatasetResults(size_bytes=90_000, records=40, categories=2))
NEW = dataset(3, "New", None)
GOOD = model(
    1, "Good", FLOWERS, ModelResults(accuracy=0.97, epochs=30, size_bytes=100, network="AlexNet")
)
BETTER = model(2, "Better", CATS, ModelResults(accuracy=0.99, epochs=30, size_bytes=300))
UNKNOWN = model(3, "Unknown", FLOWERS, None, standard_networks="googlenet")
OWN = model(4, "Own", CATS, ModelResults(loss=0.12345, network="My Net", epochs=3), method="custom")
JOBS = [FLOWERS, CATS, NEW, GOOD, BETTER, UNKNOWN, OWN]


def names(jobs: list[Job]) -> list[str]:
    return [job.name for job in jobs]


def words(job: Job) -> dict[str, str]:
    return {each.key: each.words(job) for each in columns_of(job.category)}


@pytest.mark.parametrize(
    ("category", "sort", "expected"),
    [
        ("model", "-accuracy", ["Better", "Good", "Own", "Unknown"]),
        ("model", "accuracy", ["Good", "Better", "Own", "Unknown"]),  # the unknown stay behind
        ("model", "network", ["Better", "Good", "Unknown", "Own"]),
        ("model", "dataset", ["Own", "Better", "Unknown", "Good"]),
        ("model", "-disk", ["Better", "Good", "Own", "Unknown"]),
        ("dataset", "-pictures", ["Flowers", "Cats", "New"]),
        ("dataset", "categories", ["Cats", "Flowers", "New"]),
        ("dataset", "-disk", ["Cats", "Flowers", "New"]),
        ("dataset", "-accuracy", ["New", "Cats", "Flowers"]),  # none has one
    ],
)
def test_lists_are_sorted_by_what_came_of_the_jobs(
    category: str, sort: str, expected: list[str]
) -> None:
    assert names(listed(JOBS, category, ListQuery(sort=sort))) == expected


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ("alexnet", ["Better", "Good"]),
        ("GoogLeNet", ["Unknown"]),
        ("my net", ["Own"]),
        ("flowers", ["Unknown", "Good"]),
        ("alexnet flowers", ["Good"]),
        ("tulips", []),
    ],
)
def test_networks_and_datasets_find_their_models(search: str, expected: list[str]) -> None:
    assert names(listed(JOBS, "model", ListQuery(words=search))) == expected


def test_columns_say_what_is_known_and_nothing_else() -> None:
    assert words(FLOWERS)["pictures"] == "1,797"
    assert words(NEW) | {"took": ""} == dict.fromkeys(words(NEW), "")
    assert words(GOOD)["accuracy"] == "97.00%"
    assert (words(OWN)["accuracy"], words(OWN)["network"]) == ("loss 0.1235", "My Net")
    assert (words(UNKNOWN)["accuracy"], words(UNKNOWN)["dataset"]) == ("", "Flowers")


def test_one_of_a_thing_is_told_in_the_singular() -> None:
    folded = {
        each.key: each.folded(job)
        for job in (
            dataset(5, "Tiny", DatasetResults(records=1, categories=2)),
            model(5, "Short", FLOWERS, ModelResults(epochs=1), train_epochs=1),
        )
        for each in columns_of(job.category)
    }
    assert (folded["pictures"], folded["categories"]) == ("1 picture", "2 categories")
    assert folded["epochs"] == "1 epoch"


def test_epochs_tell_how_far_a_training_came() -> None:
    assert words(GOOD)["epochs"] == "30"
    stopped = model(5, "Stopped", CATS, ModelResults(epochs=12.7))
    stopped.history = history(*ENDED[:3], Status.ABORTED)
    assert words(stopped)["epochs"] == "12 of 30"


def test_scripts_are_told_the_same_as_numbers() -> None:
    assert list_facts(GOOD) == {
        "best_accuracy": 0.97,
        "network": "AlexNet",
        "dataset_name": "Flowers",
        "epochs": 30,
        "size_bytes": 100,
        "created": 1000.0,
        "duration": 1.0,
    }
    assert list_facts(NEW)["pictures"] is None


def test_only_the_jobs_of_who_asks_are_listed() -> None:
    mine = dataset(4, "Mine", None)
    mine.owner = "olga"
    query = list_query({"mine": "1"}, user="olga")
    assert names(listed([*JOBS, mine], "dataset", query)) == ["Mine"]
    # Without logins all jobs are everybody's.
    assert len(listed([*JOBS, mine], "dataset", list_query({"mine": "1"}))) == 4
    assert len(listed([*JOBS, mine], "dataset", list_query({"mine": "no"}, user="olga"))) == 4


def test_jobs_of_a_group_stand_together_where_the_first_of_them_stands() -> None:
    jobs = [dataset(number, f"job {number}", None) for number in range(6)]
    for number in (1, 4):
        jobs[number].group = "Series"
    page = JobPage(jobs, "dataset", ListQuery(sort="name"))
    assert names(list(page.jobs)) == ["job 0", "job 1", "job 4", "job 2", "job 3", "job 5"]
    assert [(group.name, names(list(group.jobs)), group.size) for group in page.groups] == [
        ("", ["job 0"], 4),
        ("Series", ["job 1", "job 4"], 2),
        ("", ["job 2", "job 3", "job 5"], 4),
    ]


def test_a_paused_job_is_found_by_its_word_and_as_aborted() -> None:
    paused = model(6, "Paused one", CATS, None)
    paused.tasks = paused.create_tasks()
    for owner in (paused, *paused.tasks):
        owner.history = history(*ENDED[:3], Status.ABORTED)
    paused.tasks[0].pausing = True
    aborted = model(7, "Aborted one", CATS, None)
    aborted.history = history(*ENDED[:3], Status.ABORTED)
    jobs = [paused, aborted]
    assert (paused.status_word, aborted.status_word) == ("Paused", "Aborted")
    assert paused.css != aborted.css
    assert names(listed(jobs, "model", list_query({"status": "paused"}))) == ["Paused one"]
    assert len(listed(jobs, "model", list_query({"status": "Aborted"}))) == 2
    assert names(listed(jobs, "model", ListQuery(words="paused"))) == ["Paused one"]
