"""The sample jobs: made by plain functions, without a request and whoever may log in."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.home import demo
from digits.home.first_steps import first_steps
from digits.home.samples import DIGITS, EMOJI, Sample
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import KINDS, running_app
from tests.conftest import wait_for_status, wait_until
from tests.security.people import add_people

PATIENCE_S = 900.0


@pytest.mark.slow
def test_both_sample_jobs_are_made_once_also_where_users_log_in(
    jobs_dir: Path,
) -> None:
    add_people(jobs_dir)
    with running_app(jobs_dir) as app:
        services = app.extensions["digits"]
        demo.make_jobs(services)
        demo.make_jobs(services)
        dataset, model = services.scheduler.jobs
        assert isinstance(dataset, ImageClassificationDatasetJob)
        assert isinstance(model, ImageClassificationModelJob)
        assert (dataset.name, dataset.owner) == (DIGITS.dataset_name, "")
        assert (dataset.width, dataset.channels, dataset.settings.seed) == (28, 1, 1)
        assert (model.name, model.dataset_id) == (DIGITS.model_name, dataset.id)
        assert (model.settings.standard_networks, model.settings.train_epochs) == ("lenet", 15)
        wait_for_status(services.scheduler, dataset.id, Status.DONE, Status.ERROR)
        assert dataset.status is Status.DONE, dataset.error
        services.scheduler.abort_job(model.id)


@pytest.mark.parametrize(
    ("sample", "values"),
    [
        (DIGITS, {"standard_networks": "lenet", "train_epochs": 15, "random_seed": 1}),
        (EMOJI, {"standard_networks": "efficientnet-lite0", "random_seed": 1}),
    ],
)
def test_the_next_step_fills_in_the_form_of_the_samples_model(
    tmp_path: Path, sample: Sample, values: dict[str, object]
) -> None:
    dataset = ImageClassificationDatasetJob(tmp_path, sample.dataset_name, sample.dataset)
    steps = first_steps([dataset], KINDS)
    assert steps is not None
    assert steps.sample is sample
    assert steps.model_values == {
        "model_name": sample.model_name,
        **values,
        "dataset": dataset.id,
    }


def test_a_dataset_of_ones_own_is_no_sample(tmp_path: Path) -> None:
    dataset = ImageClassificationDatasetJob(tmp_path, "Cats and dogs", DIGITS.dataset)
    steps = first_steps([dataset], KINDS)
    assert steps is not None
    assert steps.sample is None
    assert steps.model_values == {"dataset": dataset.id}


def test_the_sample_in_color_is_made_and_offers_the_network_that_has_learned(
    jobs_dir: Path,
) -> None:
    with running_app(jobs_dir) as app:
        client = app.test_client()
        home = client.get("/").text
        assert "Make one in color" in home
        made = client.post("/datasets/sample.json", data={"sample": "emoji"}).json
        again = client.post("/datasets/sample.json", data={"sample": "emoji"}).json
        assert made["id"] == again["id"]
        scheduler = app.extensions["digits"].scheduler
        wait_for_status(scheduler, made["id"], Status.DONE, Status.ERROR)
        job = scheduler.job(made["id"])
        assert job.status is Status.DONE, job.error
        assert job.labels() == [
            "animals",
            "buildings",
            "clothes",
            "faces",
            "food",
            "plants",
            "vehicles",
        ]
        assert (job.width, job.channels) == (128, 3)
        home = client.get("/").text
        assert "Train EfficientNet-Lite0 on it" in home
        assert "standard_networks=efficientnet-lite0" in home


@pytest.mark.slow
def test_from_the_sample_in_color_to_predictions_by_accepting_all_defaults(jobs_dir: Path) -> None:
    with running_app(jobs_dir) as app:
        client, scheduler = app.test_client(), app.extensions["digits"].scheduler
        made = client.post("/datasets/sample.json", data={"sample": "emoji"}).json
        steps = first_steps(scheduler.jobs, KINDS)
        assert steps is not None
        model = client.post("/models/images/classification.json", data=steps.model_values).json
        job = scheduler.job(model["id"])
        wait_until(lambda: job.status in (Status.DONE, Status.ERROR), timeout_s=PATIENCE_S)
        assert job.error is None
        assert job.settings.what_learns == "head"
        accuracy = client.get(f"/models/{job.id}.json").json["last_outputs"]["val"]["accuracy"]
        assert accuracy > 0.8
        picture = next((jobs_dir / EMOJI.folder / "faces").iterdir())
        answer = client.post(
            "/models/images/classification/classify_one.json",
            data={"job_id": job.id, "image_path": str(picture)},
        )
        assert answer.json["predictions"][0][0] == "faces"
        assert made["id"] == job.dataset_id


def test_without_its_font_the_command_that_installs_it_is_shown_instead(
    jobs_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(name, str(jobs_dir))
    with running_app(jobs_dir) as app:
        client = app.test_client()
        home = client.get("/").text
        assert "Make one in color" not in home
        assert "<code>sudo apt-get install fonts-noto-color-emoji</code>" in home
        answer = client.post("/datasets/sample.json", data={"sample": "emoji"})
        assert answer.status_code == 400
        [message] = answer.json["errors"]["sample"]
        assert "sudo apt-get install fonts-noto-color-emoji" in message
        assert not (jobs_dir / EMOJI.folder).exists()


@pytest.mark.parametrize("sample", ["letters", "digits\nemoji", "../../etc"])
def test_an_unknown_sample_is_refused_with_those_that_there_are(
    jobs_dir: Path, sample: str
) -> None:
    with running_app(jobs_dir) as app:
        answer = app.test_client().post("/datasets/sample.json", data={"sample": sample})
        assert answer.status_code == 400
        assert "sample" in answer.json["errors"]
