"""Models that need not be trained: copies of a trained one, with another network in it."""

from __future__ import annotations

import shutil

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.job import ORIGINAL_FILE
from tests.conftest import wait_until


def copied_model(
    models: Scheduler, trained: ImageClassificationModelJob, job_id: str, network: str
) -> ImageClassificationModelJob:
    """A model of the id `job_id`, known to the scheduler, whose `network` has random weights."""
    folder = models.store.jobs_dir / job_id
    wait_until(lambda: '"Done"' in (trained.dir / "job.json").read_text())
    shutil.copytree(trained.dir, folder, ignore=shutil.ignore_patterns("*.part"))
    record = folder / "job.json"
    record.write_text(record.read_text().replace(trained.id, job_id))
    (folder / ORIGINAL_FILE).write_text(network)
    assert job_id in models.rescan()
    job = models.job(job_id)
    assert isinstance(job, ImageClassificationModelJob)
    job.write_training_files()
    net = Net(folder / "deploy.prototxt", Phase.TEST)
    for path in job.snapshots().values():
        path.unlink()
        net.save(path)
    return job
