"""Models of earlier versions, without settings that came later: trained as they would be now."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from digits.jobs.resources import TRAIN, Need
from digits.jobs.store import JOB_FILE, JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.job import ORIGINAL_FILE
from tests.model.requests import TINY

EARLIER = Path(__file__).parents[3] / "saved_jobs" / "earlier"
FILES = ("train_val.prototxt", "deploy.prototxt", "solver.prototxt")


@pytest.mark.parametrize("name", ["model-without", "imported-model-without"])
def test_a_training_is_the_one_that_all_settings_at_their_defaults_ask_for(
    trained: ImageClassificationModelJob, tmp_path: Path, name: str
) -> None:
    [path] = EARLIER.glob(f"{name}*.json")
    data = json.loads(path.read_text())
    data["settings"]["dataset"] = trained.dataset_id
    earlier = loaded(trained, data, tmp_path / "earlier")
    later = {"mirror": "", "scale": None, "mean_value": [], "python_layers": False}
    data["settings"].update(later)
    now = loaded(trained, data, tmp_path / "now")
    for job in (earlier, now):
        job.train_task.prepare()
    for file in FILES:
        assert (earlier.dir / file).read_text() == (now.dir / file).read_text()
    assert earlier.train_task.need() == now.train_task.need() == Need(TRAIN)
    assert earlier.train_task.arguments() == now.train_task.arguments()
    assert "--allow_python" not in earlier.train_task.arguments()


def loaded(
    like: ImageClassificationModelJob, data: dict[str, Any], jobs_dir: Path
) -> ImageClassificationModelJob:
    """The job of a job.json, alone in a jobs directory, on the dataset of another job."""
    folder = jobs_dir / data["id"]
    folder.mkdir(parents=True)
    (folder / ORIGINAL_FILE).write_text(TINY)
    (folder / JOB_FILE).write_text(json.dumps(data))
    [job] = JobStore(jobs_dir, JOB_TYPES).load_all(())
    assert isinstance(job, ImageClassificationModelJob)
    assert like.dataset is not None
    job.link({like.dataset_id: like.dataset})
    return job
