"""Odd job.json files: the server starts, shows the other jobs, and says what it cannot read."""

from __future__ import annotations

import copy
import json
import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.jobs.job import Job
from digits.jobs.status import Status, StatusChange, StatusHistory
from digits.jobs.store import JOB_FILE, JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from tests.apps import running_app, scheduler_of

# More by hand: DIGITS_FUZZ=100 pytest tests/security/test_job_files.py
ROUNDS = int(os.environ.get("DIGITS_FUZZ", "2"))
MUTATIONS_A_ROUND = 25
ODD_VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**300, 1.5, 1e308, -1e308, "", "text", "\ud800", "\x00",
    "../../x", "x" * 5000, [], [[]], [None], ["a"], [1.0], {}, {"a": 1}, {"type": "create-db"},
]  # fmt: skip


def ended(job: Job) -> None:
    """Let a job and its tasks be Done."""
    now = time.time()
    for each in (job, *job.tasks):
        each.history = StatusHistory(
            [StatusChange(s, now) for s in (Status.INITIALIZED, Status.WAITING, Status.RUNNING,
                                            Status.DONE)]
        )  # fmt: skip


def real_jobs(jobs_dir: Path) -> list[dict[str, Any]]:
    """The job.json of a job of each kind, which are on disk then."""
    store = JobStore(jobs_dir, JOB_TYPES)
    store.open()
    dataset = store.create(
        ImageClassificationDatasetJob,
        "Digits",
        ImageClassificationDatasetSettings(
            method="textfile", seed=0, resize_channels="1", resize_height=8, resize_width=8
        ),
    )
    model = store.create(
        ImageClassificationModelJob,
        "LeNet",
        ImageClassificationModelSettings(method="custom", dataset=dataset.id, batch_size=4),
    )
    evaluation = store.create(
        ImageClassificationEvaluationJob,
        "val by LeNet",
        EvaluationSettings(
            model=model.id, model_name="LeNet", epoch=3, source="val database", limit=None, top_n=9
        ),
    )
    records = []
    for job in (dataset, model, evaluation):
        job.tasks = job.create_tasks()
        ended(job)
        store.save(job)
        records.append(json.loads((job.dir / JOB_FILE).read_text()))
    store.close()
    return records


def put(jobs_dir: Path, number: int, record: Any) -> str:
    """A folder with this job.json; answers its name."""
    folder = jobs_dir / f"20200101-{number:06d}-abcdef"
    folder.mkdir()
    if isinstance(record, dict) and "id" in record:
        record = {**record, "id": folder.name}
    text = record if isinstance(record, str) else json.dumps(record)
    (folder / JOB_FILE).write_text(text.replace("{id}", folder.name))
    return folder.name


def places(value: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The ways to all values inside of a value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value)
    for key, each in inside:
        yield (*way, key)
        if isinstance(each, dict | list):
            yield from places(each, (*way, key))


def mutated(record: Any, chance: random.Random) -> Any:
    """A copy in which a value is another one, twice there, or missing; sometimes cut off."""
    changed = copy.deepcopy(record)
    if chance.random() < 0.05:
        text = json.dumps(changed)
        return text[: chance.randrange(len(text))]
    for _ in range(chance.choice([1, 1, 1, 2, 5])):
        *way, last = chance.choice(list(places(changed)))
        inner = changed
        for key in way:
            inner = inner[key]
        match chance.choice(["replace", "replace", "remove", "repeat"]):
            case "replace":
                inner[last] = copy.deepcopy(chance.choice(ODD_VALUES))
            case "remove":
                del inner[last]
            case "repeat" if isinstance(inner, list):
                inner.append(copy.deepcopy(inner[last]))
        if not changed:
            break
    return changed


PAGES = [
    "/{category}/{id}",
    "/{category}/{id}.json",
    "/jobs/{id}/status",
    "/clone/{id}",
    "/files/{id}/job.json",
    "/models/{id}/history.json",
    "/models/{id}/download",
    "/models/compare?ids={id}",
    "/models/images/classification/evaluations/{id}/top_n",
]


@pytest.mark.parametrize("seed", range(ROUNDS))
def test_no_odd_job_keeps_the_server_from_starting_or_a_page_from_being_shown(
    jobs_dir: Path, seed: int
) -> None:
    chance = random.Random(seed)
    good = real_jobs(jobs_dir)
    for number in range(MUTATIONS_A_ROUND):
        put(jobs_dir, number, mutated(chance.choice(good), chance))
    with running_app(jobs_dir) as app:
        client = app.test_client()
        jobs = {job.id: job for job in scheduler_of(app).jobs}
        assert {record["id"] for record in good} <= set(jobs)
        # None is lost without a word.
        assert len(jobs) + len(scheduler_of(app).store.left_aside) == MUTATIONS_A_ROUND + 3
        for page in ("/", "/index.json", "/metrics", "/datasets/images/classification/new",
                     "/models/images/classification/new", "/?models_sort=took"):  # fmt: skip
            assert client.get(page).status_code == 200, page
        assert client.post("/jobs/rescan").status_code == 200
        for job in jobs.values():
            for page in PAGES:
                address = page.format(id=job.id, category=f"{job.category}s")
                answer = client.get(address)
                answer.close()
                assert answer.status_code < 500, (address, job.to_json())


ODD_JOBS: dict[str, tuple[str, Any]] = {
    "an empty history": ("history", []),
    "a time without end": ("history", [["Done", 1e308]]),
    "half a character in the name": ("name", "\ud800"),
    "no tasks": ("tasks", []),
    "no settings": ("settings", {}),
    "a status that its tasks deny": ("history", [["Aborted", 1.0], ["Error", 2.0]]),
}


@pytest.mark.parametrize(("key", "value"), ODD_JOBS.values(), ids=ODD_JOBS)
def test_the_home_page_says_why_a_job_is_left_aside(jobs_dir: Path, key: str, value: Any) -> None:
    dataset, model, _ = real_jobs(jobs_dir)
    folder = put(jobs_dir, 1, {**model, key: value})
    if key == "history" and value[:1] and value[0][0] == "Aborted":
        record = json.loads((jobs_dir / folder / JOB_FILE).read_text())
        record["tasks"][0]["history"] = [["Running", 1.0]]
        (jobs_dir / folder / JOB_FILE).write_text(json.dumps(record))
    with running_app(jobs_dir) as app:
        client = app.test_client()
        page = client.get("/").text
        assert folder in page
        assert "cannot be used: " in page
        assert "Digits" in page
        assert client.get(f"/models/{folder}").status_code == 404
        answer = client.post("/jobs/rescan").json
        assert answer is not None
        assert list(answer["left_aside"]) == [folder]
        # Repaired, it is taken in.
        put_again = {**model, "id": folder}
        (jobs_dir / folder / JOB_FILE).write_text(json.dumps(put_again))
        assert client.post("/jobs/rescan").json == {"found": [folder]}
        assert "cannot be used" not in client.get("/").text


@pytest.mark.parametrize("name", ["../../x", "x" * 5000, "", "\x00", "Train"])
def test_a_dataset_with_a_set_that_there_is_not_is_left_aside(jobs_dir: Path, name: str) -> None:
    """Sets name files: of a name that leads elsewhere, or is too long, nothing may be asked."""
    dataset, *_ = real_jobs(jobs_dir)
    odd = copy.deepcopy(dataset)
    lists, database = odd["tasks"][0]["settings"], odd["tasks"][-1]["settings"]
    database["split"] = name
    folders = [put(jobs_dir, 1, odd)]
    database["split"], lists["folders"] = "train", {name: ""}
    folders.append(put(jobs_dir, 2, odd))
    store = JobStore(jobs_dir, JOB_TYPES)
    assert [job.id for job in store.load_all(())].count(dataset["id"]) == 1
    assert sorted(store.left_aside) == folders
    assert all("'train' or 'val' or 'test'" in why for why in store.left_aside.values())


@pytest.mark.parametrize("text", ['{"attempts": Infinity}', "\x00", "{", "[" * 100_000])
def test_a_running_server_says_what_a_rescan_cannot_read(jobs_dir: Path, text: str) -> None:
    with running_app(jobs_dir) as app:
        folder = put(jobs_dir, 1, text)
        answer = app.test_client().post("/jobs/rescan")
        assert answer.status_code == 200
        assert answer.json is not None
        assert list(answer.json["left_aside"]) == [folder]


def test_a_job_file_that_is_no_file_is_left_aside(jobs_dir: Path) -> None:
    for number, make in enumerate((lambda path: path.mkdir(), lambda path: path.symlink_to(path))):
        folder = jobs_dir / f"20200101-00000{number}-abcdef"
        folder.mkdir(parents=True)
        make(folder / JOB_FILE)
    (jobs_dir / "circle").symlink_to("circle")
    (jobs_dir / os.fsdecode(b"odd-\xff")).mkdir()
    with running_app(jobs_dir) as app:
        assert len(scheduler_of(app).store.left_aside) == 2
        assert app.test_client().get("/").status_code == 200


@pytest.mark.parametrize("name", ["train_val.prototxt", "labels.txt", "info.json", "link"])
def test_a_job_with_a_pipe_in_its_folder_is_left_aside(jobs_dir: Path, name: str) -> None:
    """Whoever opened it would wait for ever, and every page of the server with it."""
    dataset, model, _ = real_jobs(jobs_dir)
    folder = jobs_dir / put(jobs_dir, 1, model)
    os.mkfifo(jobs_dir / dataset["id"] / ".pipe" if name == "link" else folder / name)
    (folder / "circle").symlink_to("circle")
    if name == "link":
        (folder / name).symlink_to(jobs_dir / dataset["id"] / ".pipe")
    store = JobStore(jobs_dir, JOB_TYPES)
    store.load_all(())
    assert name in store.left_aside[folder.name]
    assert "is a pipe or device" in store.left_aside[folder.name]


def test_an_evaluation_whose_model_is_gone_has_a_page(jobs_dir: Path) -> None:
    _, model, evaluation = real_jobs(jobs_dir)
    (jobs_dir / model["id"] / JOB_FILE).unlink()
    with running_app(jobs_dir) as app:
        client = app.test_client()
        for page in (
            f"/models/images/classification/evaluations/{evaluation['id']}",
            f"/models/images/classification/evaluations/{evaluation['id']}/top_n",
            "/",
        ):
            assert client.get(page).status_code == 200


def test_notes_with_half_a_character_are_shown(jobs_dir: Path) -> None:
    dataset, _, _ = real_jobs(jobs_dir)
    folder = put(jobs_dir, 1, {**dataset, "notes": "half \ud800 of one"})
    with running_app(jobs_dir) as app:
        answer = app.test_client().get(f"/datasets/{folder}")
        assert answer.status_code == 200
        assert "half ? of one" in answer.text


@pytest.mark.parametrize("kind", ["pipe", "endless", "no text", "folder"])
def test_labels_that_become_something_else_while_the_server_runs_are_told(
    jobs_dir: Path, kind: str
) -> None:
    """A pipe stopped the server, and a file of gigabytes took its memory."""
    dataset, *_ = real_jobs(jobs_dir)
    with running_app(jobs_dir) as app:
        labels = jobs_dir / dataset["id"] / "labels.txt"
        match kind:
            case "pipe":
                os.mkfifo(labels)
            case "endless":
                labels.touch()
                os.truncate(labels, 2**40)
            case "no text":
                labels.write_bytes(b"\xff\xfe")
            case "folder":
                labels.mkdir()
        client = app.test_client()
        assert client.get("/").status_code == 200
        for address in (f"/datasets/{dataset['id']}", f"/datasets/{dataset['id']}.json"):
            answer = client.get(address)
            assert answer.status_code == 400
            assert "cannot be read" in answer.text
