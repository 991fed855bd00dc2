"""The training task, run by a real scheduler with a program that speaks as Caffe does.

The program stands for a Caffe that CAFFE_ROOT names: it writes a recorded log and empty snapshots.
"""

from __future__ import annotations

import stat
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from digits.errors import TaskFailed
from digits.jobs.job import Job
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import GPU, TRAIN, Need, Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.model.job import ModelJob
from digits.model.settings import ModelSettings
from digits.model.tasks.train import TrainTask
from digits.model.training.plan import TrainingPlan
from digits.model.training.program import caffe_command, caffe_version
from tests.conftest import wait_for_status, wait_until

LOGS = Path(__file__).parents[1] / "training" / "logs"
PLAN = TrainingPlan(
    max_iter=100,
    epoch_iterations=25,
    train_images=500,
    train_batch_size=20,
    val_images=60,
    val_batch_size=20,
    accuracies=("accuracy",),
)
SETTINGS = ModelSettings(dataset="")


class RecordedModel(ModelJob):
    """A model without dataset, whose training is a recorded one."""

    type_name = "recorded-model"
    title = "Recorded model"

    def required_jobs(self) -> list[str]:
        return []

    def write_training_files(self) -> TrainingPlan:
        (self.dir / "solver.prototxt").write_text("net: 'x'\n")
        PLAN.write(self.dir)
        return PLAN


@pytest.fixture
def scheduler(tmp_path: Path) -> Any:
    store = JobStore(tmp_path / "jobs", [RecordedModel])
    running = Scheduler(store, Resources.of(), LocalLauncher(), environment=dict, grace_s=2.0)
    running.start()
    yield running
    running.stop(keep_tasks=False)


def caffe_that(tmp_path: Path, script: str, version: str = "caffe version 1.0.0") -> str:
    """A folder with a `bin/caffe` that runs a shell script; `$LOGS` is where recorded logs are.

    Asked for its `version` it answers as real Caffe does.
    """
    program = tmp_path / "caffe" / "bin" / "caffe"
    program.parent.mkdir(parents=True, exist_ok=True)
    program.write_text(
        f'#!/bin/sh\nif [ "$1" = --version ]; then echo "{version}"; exit; fi\n'
        f'echo "$@" >> arguments\nLOGS="{LOGS}"\n{script}\n'
    )
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return str(tmp_path / "caffe")


def add(scheduler: Scheduler, caffe_root: str, **settings: Any) -> RecordedModel:
    wanted = replace(SETTINGS, caffe_root=caffe_root, **settings)
    job: Job = scheduler.add_job(RecordedModel, "a model", wanted)
    assert isinstance(job, RecordedModel)
    return job


# The states are the smallest that are whole: an iteration and a step.
SNAPSHOTS = "".join(
    f"touch snapshot_iter_{n}.caffemodel; "
    rf"printf '\010\001\040\000' > snapshot_iter_{n}.solverstate" + "\n"
    for n in (50, 100)
)


def test_a_finished_training_shows_its_log(scheduler: Scheduler, tmp_path: Path) -> None:
    job = add(scheduler, caffe_that(tmp_path, f'{SNAPSHOTS} cat "$LOGS/train_ok.log" >&2'))
    wait_for_status(scheduler, job.id, Status.DONE)
    task = job.train_task
    assert task.progress == 1.0
    assert task.update_data("snapshots") == [[2, "Epoch #2"], [4, "Epoch #4"]]
    chart = task.update_data("combined_graph")
    assert chart["axes"] == {"accuracy-val": "y2"}
    assert ["val_epochs", 0.0, 1.0, 2.0, 3.0, 4.0] in chart["columns"]
    assert ["accuracy-val", 5.33333, 100.0, 100.0, 100.0, 100.0] in chart["columns"]
    assert task.update_data("lr_graph")["columns"][1][1] == 0.01
    assert task.last_outputs()["val"] == {"accuracy": 1.0, "loss": 9.3707e-05}
    assert (job.dir / "arguments").read_text().split() == ["train", "--solver=solver.prototxt"]
    assert not (job.dir / "snapshot_iter_50.solverstate").exists()
    assert (job.dir / "snapshot_iter_100.solverstate").exists()


def test_another_server_reads_the_same_from_the_folder(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    job = add(scheduler, caffe_that(tmp_path, f'{SNAPSHOTS} cat "$LOGS/train_ok.log" >&2'))
    wait_for_status(scheduler, job.id, Status.DONE)
    scheduler.stop(keep_tasks=True)  # so that all of job.json is written
    other = JobStore(tmp_path / "jobs", [RecordedModel])
    [loaded] = other.load_all({})
    assert isinstance(loaded, RecordedModel)
    loaded.link({})
    loaded.read_logs()
    for update in ("combined_graph", "lr_graph", "snapshots", "pace"):
        assert loaded.train_task.update_data(update) == job.train_task.update_data(update)


def test_a_failed_training_says_why(scheduler: Scheduler, tmp_path: Path) -> None:
    caffe = caffe_that(tmp_path, 'cat "$LOGS/train_missing_mean.log" >&2; exit 134')
    job = add(scheduler, caffe)
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert job.error == "The training failed: File not found: missing.binaryproto."


def test_a_training_that_diverged_in_real_caffe_is_an_error(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    job = add(scheduler, caffe_that(tmp_path, f'{SNAPSHOTS} cat "$LOGS/train_nan.log" >&2'))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert "Lower the learning rate" in (job.error or "")


def test_a_training_without_snapshot_is_an_error(scheduler: Scheduler, tmp_path: Path) -> None:
    job = add(scheduler, caffe_that(tmp_path, 'cat "$LOGS/train_ok.log" >&2'))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert "without writing a snapshot" in (job.error or "")


def test_an_interrupted_training_goes_on_from_its_newest_state(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    half = (
        f'head -n 545 "$LOGS/train_ok.log" >&2; {SNAPSHOTS.partition("touch snapshot_iter_100")[0]}'
    )
    caffe = caffe_that(tmp_path, f"{half}\nsleep 600")
    job = add(scheduler, caffe)
    wait_until(lambda: job.train_task.progress >= 0.6)
    wait_until(lambda: job.train_task.update_data("snapshots") == [[2, "Epoch #2"]])
    scheduler.abort_job(job.id)
    assert job.status is Status.ABORTED
    caffe_that(tmp_path, f'{SNAPSHOTS} sed -n "496,\\$p" "$LOGS/train_ok.log" >&2')
    scheduler.resume_job(job.id)
    wait_for_status(scheduler, job.id, Status.DONE)
    last = (job.dir / "arguments").read_text().splitlines()[-1]
    assert last.endswith("--snapshot=snapshot_iter_50.solverstate")
    # The log was continued; no point is there twice.
    assert job.train_task.curves.val.iterations == [0, 25, 50, 75, 100]


def test_pretrained_weights_are_kept_in_the_folder_and_given(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    weights = tmp_path / "weights.caffemodel"
    weights.write_bytes(b"weights")
    caffe = caffe_that(tmp_path, f'{SNAPSHOTS} cat "$LOGS/train_ok.log" >&2')

    def keep(job: Job) -> None:
        assert isinstance(job, RecordedModel)
        job.keep_weights(weights)

    settings = replace(SETTINGS, caffe_root=caffe, method="previous")
    job = scheduler.add_job(RecordedModel, "a model", settings, keep)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert (job.dir / "arguments").read_text().split()[-1] == "--weights=pretrained.caffemodel"
    assert (job.dir / "pretrained.caffemodel").read_bytes() == b"weights"


def test_a_caffe_that_is_not_there_is_an_error(scheduler: Scheduler, tmp_path: Path) -> None:
    job = add(scheduler, str(tmp_path / "nothing"))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert "CAFFE_ROOT" in (job.error or "")


def test_the_version_of_a_configured_caffe_is_noted_and_written_into_the_log(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    caffe = caffe_that(tmp_path, f'{SNAPSHOTS} cat "$LOGS/train_ok.log" >&2', "caffe version 1.2.3")
    job = add(scheduler, caffe)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert job.settings.caffe_version == "1.2.3"
    first = (job.dir / "caffe_output.log").read_text().splitlines()[0]
    assert first == f"Training by Caffe 1.2.3: {caffe}/bin/caffe"


@pytest.mark.parametrize(
    ("version", "said"), [("a program of another kind", "another kind"), ("", "nothing")]
)
def test_a_program_that_is_no_caffe_is_an_error_that_says_what_it_said(
    tmp_path: Path, version: str, said: str
) -> None:
    caffe = caffe_that(tmp_path, "", version)
    with pytest.raises(TaskFailed, match=f"does not answer with its version.*{said}"):
        caffe_version(caffe)


def attached(tmp_path: Path, **settings: Any) -> TrainTask:
    job = RecordedModel(tmp_path, "x", replace(SETTINGS, **settings))
    [task] = job.create_tasks()
    assert isinstance(task, TrainTask)
    return task


@pytest.mark.parametrize(
    ("settings", "need"),
    [
        ({}, Need(TRAIN)),
        ({"use_gpu": True}, Need(GPU)),
        ({"use_gpu": True, "select_gpu": "1"}, Need(GPU, 1, ("1",))),
        ({"use_gpu": True, "select_gpus": ("0", "2")}, Need(GPU, 2, ("0", "2"))),
        ({"use_gpu": True, "select_gpu_count": 3}, Need(GPU, 3)),
    ],
)
def test_gpus_are_asked_for_as_the_form_says(
    tmp_path: Path, settings: Mapping[str, Any], need: Need
) -> None:
    assert attached(tmp_path, **settings).need() == need


def test_the_gpus_it_got_are_named_to_the_program(tmp_path: Path) -> None:
    task = attached(tmp_path, use_gpu=True)
    task.allocation = ["0", "2"]
    assert task.arguments()[-1] == "--gpu=0,2"
    assert task.arguments()[1:4] == ["-m", "digits.caffe", "train"]


@pytest.mark.parametrize(
    ("allowed", "flag"), [(True, "--allow_python"), (False, "--noallow_python")]
)
def test_python_layers_run_only_where_the_server_allows_them(
    tmp_path: Path, allowed: bool, flag: str
) -> None:
    arguments = attached(tmp_path, python_layers=allowed).arguments()
    assert [word for word in arguments if "allow_python" in word] == [flag]


def test_the_engine_is_told_how_many_pictures_validation_has(tmp_path: Path) -> None:
    task = attached(tmp_path)
    assert not [word for word in task.arguments() if "test_items" in word]
    PLAN.write(task.job_dir)
    assert "--test_items=60" in task.arguments()


def test_variables_of_glog_do_not_reach_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GLOG_minloglevel", "2")
    monkeypatch.setenv("SOMETHING", "else")
    environment = attached(tmp_path).environment()
    assert environment["SOMETHING"] == "else"
    assert not [name for name in environment if name.startswith("GLOG_")]


def test_the_caffe_on_the_path_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    caffe_that(tmp_path, "")
    monkeypatch.setenv("PATH", str(tmp_path / "caffe" / "bin"))
    assert caffe_command("<PATHS>") == [str(tmp_path / "caffe" / "bin" / "caffe")]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(TaskFailed, match="no caffe on the PATH"):
        caffe_command("<PATHS>")


@pytest.mark.parametrize(
    ("epoch_iterations", "iteration", "name"),
    [(1, 7, 7), (10, 25, 2.5), (30, 30, 1), (30, 1, 0.03), (30, 2, 0.07), (1000, 1, 0.001)],
)
def test_epochs_have_the_decimals_that_tell_them_apart(
    epoch_iterations: int, iteration: int, name: float
) -> None:
    plan = TrainingPlan(100, epoch_iterations, 1, 1, 0, 0, ())
    assert plan.epoch_name(iteration) == name


def test_an_unreadable_plan_is_none(tmp_path: Path) -> None:
    assert TrainingPlan.read(tmp_path) is None
    (tmp_path / "training.json").write_text('{"max_iter": 3}')
    assert TrainingPlan.read(tmp_path) is None


# A training that gets no better after the first epoch, and that saves itself when asked.
STALLING = r"""
state() { printf '\010\001\040\000' > snapshot_iter_$1.solverstate
  touch snapshot_iter_$1.caffemodel
  say "Snapshotting to binary proto file snapshot_iter_$1.caffemodel"
  say "Snapshotting solver state to binary proto file snapshot_iter_$1.solverstate"; }
say() { echo "I1123 09:30:52.000000 1 solver.cpp:1] $1" >&2; }
trap 'state $n; say "Optimization stopped early."; exit 0' INT
n=0
for n in 25 50 75 $LATER; do
  say "Iteration $n, Testing net (#0)"
  say "    Test net output #0: accuracy = 0.$((90 - n))"
  state $n
done
say "Iteration $n, loss = 1"
while [ "$WAITS" ]; do sleep 0.02; done
"""


def test_a_training_that_gets_no_better_stops_early_and_is_done(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    caffe = caffe_that(tmp_path, f"WAITS=yes\n{STALLING}")
    job = add(scheduler, caffe, early_stopping_patience=2)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert job.train_task.message == (
        "Stopped early at epoch 3: accuracy of the validation set had not become better than 65 % "
        "(epoch 1) for 2 epochs."
    )
    assert list(job.snapshots()) == [1, 2, 3]


def test_a_training_with_more_patience_goes_on(scheduler: Scheduler, tmp_path: Path) -> None:
    caffe = caffe_that(tmp_path, f"WAITS=yes\n{STALLING}")
    job = add(scheduler, caffe, early_stopping_patience=3)
    wait_until(lambda: job.train_task.curves.iteration == 75)
    assert not job.train_task.has_done_enough()
    scheduler.stop_and_keep_job(job.id)
    wait_for_status(scheduler, job.id, Status.DONE)
    message = "Stopped at epoch 3 of 4. What it had learned is kept."
    assert job.train_task.message == message


def test_a_training_that_is_stopped_before_it_can_save_anything_is_no_failure(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    job = add(scheduler, caffe_that(tmp_path, "echo starting >&2; sleep 600"))
    log = job.train_task.log_path
    wait_until(lambda: log.is_file() and "starting" in log.read_text())
    scheduler.stop_and_keep_job(job.id)
    wait_for_status(scheduler, job.id, Status.ABORTED)
    assert job.train_task.error is None
    message = "Stopped before there was anything to keep. Resume begins it again."
    assert job.train_task.message == message


def test_only_the_best_and_the_last_snapshots_stay(scheduler: Scheduler, tmp_path: Path) -> None:
    caffe = caffe_that(tmp_path, f"LATER=100\n{STALLING}")
    job = add(scheduler, caffe, snapshots_kept=1)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert list(job.snapshots()) == [1, 4]
    assert job.train_task.message is None


def test_a_training_goes_on_for_longer_in_the_same_job(
    scheduler: Scheduler, tmp_path: Path
) -> None:
    script = (
        '[ -e ended ] && { echo "I1123 09:30:54.0 1 s.cpp:1] Iteration 149, loss = 1" >&2; exit; }'
        f'\n{SNAPSHOTS} cat "$LOGS/train_ok.log" >&2; touch ended'
    )
    job = add(scheduler, caffe_that(tmp_path, script), early_stopping_patience=1)
    wait_for_status(scheduler, job.id, Status.DONE)
    (job.dir / "solver.prototxt").write_text("base_lr: 0.01 lr_policy: 'fixed' max_iter: 100")
    task = job.train_task
    assert task.can_go_on
    scheduler.continue_job(job.id, task.id, lambda: task.train_longer(2, None))
    wait_until(lambda: task.attempts == 2)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert (job.dir / "arguments").read_text().splitlines()[1] == (
        "train --solver=solver.prototxt --snapshot=snapshot_iter_100.solverstate"
    )
    assert task.plan is not None
    assert task.plan.max_iter == 150
    settings = job.settings
    assert (settings.train_epochs, settings.learning_rate) == (6, 0.01)
    assert (settings.lr_policy, settings.early_stopping_patience) == ("fixed", 0)
    chart = task.update_data("combined_graph")
    assert ["val_epochs", 0.0, 1.0, 2.0, 3.0, 4.0] in chart["columns"]  # what was, is still there
