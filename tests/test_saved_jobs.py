"""job.json of today, of earlier versions and of newer ones: loaded, saved as it was, and used.

`saved_jobs/today` holds what this version wrote before settings had types, `saved_jobs/earlier`
what lacks the settings that came later.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.status import Status
from digits.jobs.store import JOB_FILE, JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.job import ORIGINAL_FILE
from tests.apps import running_app, scheduler_of
from tests.conftest import wait_for_status
from tests.model.requests import TINY
from tests.pictures import make_class_folders

SAVED = Path(__file__).parent / "saved_jobs"
FILES = sorted(SAVED.glob("*/*.json"), key=lambda path: path.as_posix())
NAMES = [f"{path.parent.name}-{path.stem}" for path in FILES]


def put(jobs_dir: Path, data: dict[str, Any]) -> dict[str, Any]:
    """Make the folder of a job with this job.json."""
    folder = jobs_dir / data["id"]
    folder.mkdir(parents=True)
    (folder / JOB_FILE).write_text(json.dumps(data))
    return data


def read(jobs_dir: Path, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((jobs_dir / job_id / JOB_FILE).read_text())
    return found


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_saved_job_is_saved_again_as_it_was(path: Path, jobs_dir: Path) -> None:
    data = put(jobs_dir, json.loads(path.read_text()))
    store = JobStore(jobs_dir, JOB_TYPES)
    [job] = store.load_all(())
    store.save(job)
    again = read(jobs_dir, job.id)
    assert again["settings"] == data["settings"]
    if path.parent.name == "today":
        assert again == data


@pytest.mark.parametrize("path", FILES, ids=NAMES)
def test_a_job_of_a_newer_version_keeps_the_settings_that_are_not_known_here(
    path: Path, jobs_dir: Path
) -> None:
    data = json.loads(path.read_text())
    data["settings"] = {"augmentation": {"flip": [1, None]}, **data["settings"], "warm_up": 0.5}
    put(jobs_dir, data)
    store = JobStore(jobs_dir, JOB_TYPES)
    [job] = store.load_all(())
    job.name = "renamed"
    store.save(job)
    assert read(jobs_dir, job.id)["settings"] == data["settings"]


@pytest.mark.parametrize(
    ("name", "setting", "value", "words"),
    [
        ("dataset-of-folders", "resize_width", "wide", "resize_width: 'wide' is not a whole"),
        ("dataset-of-folders", "data_roots", "/data", "data_roots: '/data' is not a list"),
        ("dataset-of-uploaded-lists", "textfile_shuffle", 2, "2 is neither true nor false"),
        ("model-of-a-standard-network", "train_epochs", [30], "train_epochs: [30] is not"),
        ("model-of-a-standard-network", "dataset", None, "dataset: It is missing"),
        ("model-of-a-standard-network", "lr_multistep_values", 50, "50 is not a list"),
        ("model-of-a-previous-network", "weights_report", "good", "'good' is not an object"),
        ("evaluation-of-a-list", "epoch", {}, "epoch: {} is not a finite number"),
    ],
)
def test_a_job_with_a_setting_of_a_wrong_type_is_left_alone_and_the_log_says_why(
    jobs_dir: Path,
    name: str,
    setting: str,
    value: Any,
    words: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    data = json.loads((SAVED / "today" / f"{name}.json").read_text())
    data["settings"][setting] = value
    put(jobs_dir, data)
    assert JobStore(jobs_dir, JOB_TYPES).load_all(()) == []
    assert f"its {JOB_FILE} cannot be used: " in caplog.text
    assert words in caplog.text
    assert read(jobs_dir, data["id"]) == data


# In the application ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    """An application that has all of them."""
    jobs_dir = tmp_path_factory.mktemp("saved") / "jobs"
    for number, path in enumerate(FILES):
        data = json.loads(path.read_text())
        if path.parent.name == "earlier":
            data["id"] = f"20150421-140640-{number:06x}"
        put(jobs_dir, data)
        if data["type"] == ImageClassificationModelJob.type_name:
            (jobs_dir / data["id"] / ORIGINAL_FILE).write_text(TINY)
    with running_app(jobs_dir) as app:
        assert len(scheduler_of(app).jobs) == len(FILES)
        yield app


@pytest.fixture(scope="module")
def shown(app: Flask) -> list[tuple[str, dict[str, Any]]]:
    """The address of each dataset and model, and the settings in its file."""
    store = scheduler_of(app).store
    files = [json.loads(path.read_text()) for path in store.jobs_dir.glob(f"*/{JOB_FILE}")]
    kinds = {
        ImageClassificationDatasetJob.type_name: "datasets",
        ImageClassificationModelJob.type_name: "models",
    }
    return [
        (f"/{kinds[data['type']]}/{data['id']}", data["settings"])
        for data in files
        if data["type"] in kinds
    ]


def test_their_settings_are_answered_as_they_stand_in_the_file(
    client: FlaskClient, shown: list[tuple[str, dict[str, Any]]]
) -> None:
    for address, settings in shown:
        assert client.get(f"{address}.json").json["settings"] == settings


def test_their_pages_are_shown_and_their_clones_are_filled_in(
    client: FlaskClient, shown: list[tuple[str, dict[str, Any]]]
) -> None:
    for address, _ in shown:
        assert client.get(address).status_code == 200
        job_id = address.rpartition("/")[2]
        clone = client.get(f"/clone/{job_id}", follow_redirects=True)
        assert clone.status_code == 200, address
        assert " copy" in clone.text


def test_a_waiting_dataset_of_an_earlier_version_is_made(jobs_dir: Path, tmp_path: Path) -> None:
    data = json.loads((SAVED / "earlier" / "dataset-without-limits.json").read_text())
    pictures = make_class_folders(tmp_path / "pictures", classes=2, pictures=4, mode="L")
    data["settings"]["folder_train"] = data["tasks"][0]["settings"]["folder"] = str(pictures)
    for owner in (data, *data["tasks"]):
        owner["history"] = owner["history"][:2]
    assert data["history"][-1][0] == "Waiting"
    put(jobs_dir, data)
    with running_app(jobs_dir) as app:
        scheduler = scheduler_of(app)
        wait_for_status(scheduler, data["id"], Status.DONE, Status.ERROR)
        job = scheduler.job(data["id"])
        assert job.status is Status.DONE, job.error
        assert isinstance(job, ImageClassificationDatasetJob)
        assert (job.picture_count("train"), job.picture_count("val")) == (6, 2)
        assert job.max_skipped_share == 0.5
    assert read(jobs_dir, job.id)["settings"] == data["settings"]


def test_a_model_whose_network_was_removed_by_hand_says_so(jobs_dir: Path) -> None:
    saved = json.loads((SAVED / "today" / "model-of-a-custom-network.json").read_text())
    put(jobs_dir, saved)
    with running_app(jobs_dir) as app:
        client = app.test_client()
        for answer in (
            client.get(f"/models/images/classification/new?clone={saved['id']}"),
            client.post(f"/models/customize?network={saved['id']}"),
        ):
            assert answer.status_code == 400
            assert "original.prototxt" in answer.text
