"""Jobs of the original DIGITS become jobs of ours, which classify and are trained further."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.importing.command import main
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.kinds import JOB_TYPES
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app
from tests.conftest import wait_until
from tests.importing.old_jobs import BATCH_SIZE, CLASSES, DATASET_ID, MAX_ITER, MODEL_ID, PICTURES

TRAIN_PICTURES = CLASSES * PICTURES * 3 // 4


def imported(jobs_dir: Path, *arguments: object) -> dict[str, Job]:
    """The jobs there are after a successful import, by type."""
    assert main([*map(str, arguments), "--jobs-dir", str(jobs_dir)]) == 0
    return loaded(jobs_dir)


def loaded(jobs_dir: Path) -> dict[str, Job]:
    jobs = {job.id: job for job in JobStore(jobs_dir, JOB_TYPES).load_all(())}
    for job in jobs.values():
        job.link(jobs)
    return {job.category: job for job in jobs.values()}


def test_a_dataset_is_imported_whole(old_jobs: Path, jobs_dir: Path) -> None:
    job = imported(jobs_dir, old_jobs / DATASET_ID, "--name", "Flowers")["dataset"]
    assert isinstance(job, ImageClassificationDatasetJob)
    assert (job.name, job.status) == ("Flowers", Status.DONE)
    assert [(task.id, task.status) for task in job.tasks] == [
        ("create_db_train", Status.DONE), ("create_db_val", Status.DONE),
    ]  # fmt: skip
    assert (job.width, job.height, job.channels, job.encoding) == (16, 16, 3, "png")
    assert job.labels() == [f"class {number}" for number in range(CLASSES)]
    assert job.picture_count("train") == TRAIN_PICTURES
    facts = job.facts()["databases"]
    assert facts["train"]["categories"] == dict.fromkeys(job.labels(), TRAIN_PICTURES // CLASSES)
    for name in ("mean.binaryproto", "mean.jpg", "train.txt", "val_db/data.mdb"):
        assert (job.dir / name).read_bytes() == (old_jobs / DATASET_ID / name).read_bytes()
    assert not job.can_resume


def test_counts_come_from_the_database_when_there_is_no_list(
    old_jobs: Path, jobs_dir: Path
) -> None:
    (old_jobs / DATASET_ID / "train.txt").unlink()
    job = imported(jobs_dir, old_jobs / DATASET_ID)["dataset"]
    assert isinstance(job, ImageClassificationDatasetJob)
    assert job.picture_count("train") == TRAIN_PICTURES


def test_a_model_brings_its_dataset_its_curves_and_its_snapshots(
    old_jobs: Path, jobs_dir: Path
) -> None:
    jobs = imported(jobs_dir, old_jobs / MODEL_ID)
    model, dataset = jobs["model"], jobs["dataset"]
    assert isinstance(model, ImageClassificationModelJob)
    model.read_logs()
    assert (model.name, model.status) == (f"Imported {MODEL_ID}", Status.DONE)
    assert model.dataset is dataset
    assert list(model.snapshots()) == [1, 2, 3, 4]
    assert model.settings.train_epochs == 4
    assert model.settings.solver_type == "NESTEROV"
    assert model.settings.lr_step_size == pytest.approx(100 * 10 / MAX_ITER, rel=1e-4)
    assert model.settings.batch_size == BATCH_SIZE
    assert model.train_task.curves.val.iterations == [0, 7, 14, 21, 28]
    text = (model.dir / "train_val.prototxt").read_text()
    assert f'source: "../{dataset.id}/train_db"' in text
    assert f'mean_file: "../{dataset.id}/mean.binaryproto"' in text
    assert str(old_jobs) not in text


def test_a_whole_directory_is_imported_each_dataset_once(old_jobs: Path, jobs_dir: Path) -> None:
    shutil.copytree(old_jobs / MODEL_ID, old_jobs / "20150422-100000-aaaa")
    (old_jobs / "holiday").mkdir()
    assert main([str(old_jobs), "--jobs-dir", str(jobs_dir)]) == 0
    jobs = JobStore(jobs_dir, JOB_TYPES).load_all(())
    assert sorted(job.category for job in jobs) == ["dataset", "model", "model"]
    [dataset] = [job for job in jobs if job.category == "dataset"]
    assert all(job.settings.dataset == dataset.id for job in jobs if job.category == "model")
    # They stand where they were in time.
    assert all(job.history.created_s < 1.5e9 for job in jobs)


def test_no_pickle_is_ever_read(old_jobs: Path, jobs_dir: Path, pristine: Path) -> None:
    before = {path: path.read_bytes() for path in old_jobs.rglob("*") if path.is_file()}
    imported(jobs_dir, old_jobs)
    assert not (pristine.parent / "exploded").exists()
    assert not list(jobs_dir.rglob("status.pickle"))
    assert {path: path.read_bytes() for path in old_jobs.rglob("*") if path.is_file()} == before


def test_an_archive_of_a_model_can_classify_though_it_has_no_pictures(
    old_jobs: Path, jobs_dir: Path
) -> None:
    archive = old_jobs.parent / "unpacked"
    shutil.copytree(old_jobs / MODEL_ID, archive)
    for name in ("labels.txt", "mean.binaryproto"):
        shutil.copy(old_jobs / DATASET_ID / name, archive)
    for path in [
        *archive.glob("*.solverstate*"),
        *archive.glob("*.resume"),
        archive / "caffe_output.log",
    ]:
        path.unlink()
    shutil.rmtree(old_jobs)
    text = (archive / "train_val.prototxt").read_text()
    (archive / "train_val.prototxt").write_text(text.replace("original", "elsewhere"))
    jobs = imported(jobs_dir, archive)
    assert jobs["model"].status is Status.DONE
    assert jobs["dataset"].tasks == []
    assert jobs["dataset"].settings.resize_width == 16
    with running_app(jobs_dir) as app:
        client = app.test_client()
        for job in jobs.values():
            assert client.get(f"/jobs/{job.id}", follow_redirects=True).status_code == 200


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        ("rm -rf *", "is no job"),
        ("rm -rf */*", "is no job"),
        (f"rm {MODEL_ID}/*.caffemodel; rm -r {DATASET_ID}", "has no snapshot_iter_N.caffemodel"),
        (f"rm -r {DATASET_ID}; sed -i s/original/x/ {MODEL_ID}/train_val.prototxt", "--dataset"),
        (f"rm -r {DATASET_ID}; echo 'layer {{' > {MODEL_ID}/deploy.prototxt", "deploy.prototxt"),
        (f"rm -r {DATASET_ID}; echo x > {MODEL_ID}/solver.prototxt", "solver.prototxt"),
        (f"rm -r {DATASET_ID}; echo 'layer {{ include {{}} exclude {{}} }}' >> "
         f"{MODEL_ID}/train_val.prototxt", "not both"),
        (f"rm -r {MODEL_ID}; echo x > {DATASET_ID}/train_db/data.mdb", "train_db"),
        (f"rm -r {MODEL_ID} {DATASET_ID}/*_db; echo x > {DATASET_ID}/mean.binaryproto", "mean"),
    ],
)  # fmt: skip
def test_what_cannot_be_imported_is_said_in_a_line_and_nothing_is_left(
    old_jobs: Path, jobs_dir: Path, spoil: str, words: str
) -> None:
    subprocess.run(["sh", "-c", spoil], cwd=old_jobs, check=True)
    folders = sorted(old_jobs.iterdir())
    folder = folders[0] if len(folders) == 1 else old_jobs
    command = [sys.executable, "-m", "digits.tools.import_job", str(folder)]
    done = subprocess.run(
        [*command, "--jobs-dir", str(jobs_dir)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    [line] = done.stderr.splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert list(jobs_dir.iterdir()) == []


@pytest.mark.slow
def test_an_imported_model_classifies_and_is_trained_further(
    old_jobs: Path, jobs_dir: Path
) -> None:
    shutil.copytree(old_jobs / MODEL_ID, old_jobs / "20150422-100000-aaaa")
    for path in (old_jobs / "20150422-100000-aaaa").glob("snapshot_iter_2*"):
        path.unlink()  # it was cut off after 14 of 28 iterations
    assert main([str(old_jobs), "--jobs-dir", str(jobs_dir)]) == 0
    picture = old_jobs.parent / "new.png"
    Image.new("RGB", (40, 30), (97, 158, 40)).save(picture)
    with running_app(jobs_dir) as app:
        client = app.test_client()
        models = {
            job.settings.imported_from: job
            for job in app.extensions["digits"].scheduler.jobs
            if job.category == "model"
        }
        done, cut_off = models[MODEL_ID], models["20150422-100000-aaaa"]
        address = f"/models/images/classification/classify_one.json?job_id={done.id}"
        answer = client.post(address, data={"image_url": str(picture)})
        assert answer.status_code == 200, answer.text
        assert len(answer.json["predictions"]) == CLASSES

        # The one that was cut off goes on from its newest solver state.
        assert cut_off.status is Status.ABORTED
        assert client.post(f"/models/{cut_off.id}/resume").status_code == 200
        wait_until(lambda: not cut_off.status.is_active, 120)
        assert cut_off.status is Status.DONE, cut_off.error
        assert list(cut_off.snapshots()) == [1, 2, 3, 4]

        # The other one's last snapshot is where a new training starts.
        form = {
            "model_name": "further", "dataset": done.settings.dataset, "method": "previous",
            "previous_networks": done.id, f"{done.id}-snapshot": "4", "train_epochs": "1",
            "crop_size": "12", "use_mean": "y",
        }  # fmt: skip
        made = client.post("/models/images/classification.json", data=form)
        assert made.status_code == 200, made.text
        further = app.extensions["digits"].scheduler.job(made.json["id"])
        wait_until(lambda: not further.status.is_active, 120)
        assert further.status is Status.DONE, further.error
