"""The scheduler with real processes: turns, endings, aborts, restarts."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from pathlib import Path

import psutil
import pytest

from digits.dataset.tasks.extract_archive import ExtractArchiveTask
from digits.errors import JobInUse, JobNotFound, JobNotRunning, JobRefused
from digits.jobs.launcher import LocalLauncher
from digits.jobs.resources import GPU, TRAIN, Resources
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JobStore
from digits.jobs.task import Task
from tests.conftest import SchedulerMaker, wait_for_status, wait_until
from tests.program_jobs import ProgramJob, ProgramTask, program

# Runs until the file `go` appears in the job's folder; no fixed time is waited for.
UNTIL_GO = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo finished"


def only_task(scheduler: Scheduler, job_id: str) -> ProgramTask:
    task = scheduler.job(job_id).tasks[0]
    assert isinstance(task, ProgramTask)
    return task


def wait_for_line(scheduler: Scheduler, job_id: str, line: str) -> None:
    wait_until(lambda: line in only_task(scheduler, job_id).lines)


def go(job: object) -> None:
    (job.dir / "go").touch()  # type: ignore[attr-defined]


def test_a_job_runs_and_its_log_is_read(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("echo hello; echo progress 0.5; echo bye"))
    wait_for_status(scheduler, job.id, Status.DONE)
    assert only_task(scheduler, job.id).lines == ["hello", "progress 0.5", "bye"]
    assert only_task(scheduler, job.id).progress == 1.0
    assert [s for s, _ in job.history.to_json()] == ["Initialized", "Waiting", "Running", "Done"]


def test_a_last_line_without_newline_is_read(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("printf 'no newline'"))
    wait_for_status(scheduler, job.id, Status.DONE)
    assert only_task(scheduler, job.id).lines == ["no newline"]


def test_tasks_run_after_those_they_depend_on(scheduler: Scheduler) -> None:
    settings = {
        "tasks": [
            {"task_id": "second", "script": "cat made", "depends_on": ["first"]},
            {"task_id": "first", "script": "echo it > made"},
        ]
    }
    job = scheduler.add_job(ProgramJob, "two", settings)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert only_task(scheduler, job.id).lines == ["it"]


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("echo careful; exit 3", ["exit status 3", "careful"]),
        ("echo 'Error: the folder is empty'; exit 1", ["the folder is empty"]),
        ("kill -9 $$", ["SIGKILL", "out of memory"]),
        ("kill -SEGV $$", ["SIGSEGV"]),
        ("/no/such/program", ["not found"]),
    ],
)
def test_a_failing_program_ends_the_job_with_the_reason(
    scheduler: Scheduler, script: str, words: list[str]
) -> None:
    job = scheduler.add_job(ProgramJob, "bad", program(script))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert job.error is not None
    assert all(word in job.error for word in words), job.error


def test_a_program_that_leaves_its_result_out_is_an_error(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "bad", program("true", must_exist="result"))
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert job.error == "result was not written."


def test_a_failed_task_takes_the_waiting_ones_out_of_the_queue(scheduler: Scheduler) -> None:
    settings = {
        "tasks": [
            {"task_id": "first", "script": "exit 1"},
            {"task_id": "second", "script": "true", "depends_on": ["first"]},
        ]
    }
    job = scheduler.add_job(ProgramJob, "bad", settings)
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert [task.status for task in job.tasks] == [Status.ERROR, Status.ABORTED]


def test_abort_ends_the_whole_process_tree(scheduler: Scheduler) -> None:
    script = "trap '' TERM; (trap '' TERM; echo $$ > inner; sleep 600) & sleep 600"
    scheduler.running.grace_s = 0.2
    job = scheduler.add_job(ProgramJob, "stubborn", program(script))
    wait_until((job.dir / "inner").exists)
    group = [
        process.pid
        for process in psutil.process_iter()
        if process.pid != os.getpid() and str(job.dir) in " ".join(_environment(process))
    ]
    assert len(group) >= 2
    scheduler.abort_job(job.id)
    assert job.status is Status.ABORTED
    assert not [pid for pid in group if _is_running(pid)]


def test_abort_of_a_waiting_job_takes_it_out_of_the_queue(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(create_db_slots=1))
    first = scheduler.add_job(ProgramJob, "first", program(UNTIL_GO))
    wait_for_line(scheduler, first.id, "started")
    second = scheduler.add_job(ProgramJob, "second", program("touch ran"))
    assert [task.job_id for _, task in scheduler.waiting()] == [second.id]
    scheduler.abort_job(second.id)
    go(first)
    wait_for_status(scheduler, first.id, Status.DONE)
    assert second.status is Status.ABORTED
    assert not (second.dir / "ran").exists()


def test_abort_of_an_ended_job_is_refused(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("true"))
    wait_for_status(scheduler, job.id, Status.DONE)
    with pytest.raises(JobNotRunning, match="Done"):
        scheduler.abort_job(job.id)
    with pytest.raises(JobNotFound):
        scheduler.abort_job("20000101-000000-000000")


def test_delete_of_a_running_job_ends_it_and_removes_the_folder(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(scheduler, job.id, "started")
    scheduler.delete_job(job.id)
    assert not job.dir.exists()
    assert scheduler.jobs == []


def test_a_job_in_use_is_not_deleted_and_its_users_are_named(scheduler: Scheduler) -> None:
    dataset = scheduler.add_job(ProgramJob, "dataset", program("true"))
    user = scheduler.add_job(ProgramJob, "user", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, user.id, Status.DONE)
    with pytest.raises(JobInUse, match="user"):
        scheduler.delete_job(dataset.id)
    assert dataset.dir.exists()


def test_many_people_deleting_the_same_job_at_once_do_no_harm(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(scheduler, job.id, "started")
    outcomes: list[str] = []

    def delete() -> None:
        try:
            scheduler.delete_job(job.id)
            outcomes.append("deleted")
        except (JobNotFound, JobNotRunning):
            outcomes.append("gone")

    threads = [threading.Thread(target=delete) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["deleted"] + ["gone"] * 5


def test_a_job_waits_for_the_one_it_requires(scheduler: Scheduler) -> None:
    dataset = scheduler.add_job(ProgramJob, "dataset", program(UNTIL_GO))
    model = scheduler.add_job(ProgramJob, "model", {**program("true"), "requires": [dataset.id]})
    wait_for_line(scheduler, dataset.id, "started")
    assert model.status is Status.WAITING
    go(dataset)
    wait_for_status(scheduler, model.id, Status.DONE)


def test_a_job_whose_requirement_failed_fails_with_its_name(scheduler: Scheduler) -> None:
    dataset = scheduler.add_job(ProgramJob, "broken dataset", program("exit 1"))
    model = scheduler.add_job(ProgramJob, "model", {**program("true"), "requires": [dataset.id]})
    wait_for_status(scheduler, model.id, Status.ERROR)
    assert model.error is not None
    assert "broken dataset" in model.error


def test_slots_limit_how_many_run_and_are_given_first_come_first_served(
    make_scheduler: SchedulerMaker,
) -> None:
    scheduler = make_scheduler(Resources.of(create_db_slots=2))
    jobs = [scheduler.add_job(ProgramJob, str(n), program(UNTIL_GO)) for n in range(4)]
    wait_for_line(scheduler, jobs[0].id, "started")
    wait_for_line(scheduler, jobs[1].id, "started")
    assert [task.job_id for _, task in scheduler.waiting()] == [jobs[2].id, jobs[3].id]
    go(jobs[1])
    wait_for_line(scheduler, jobs[2].id, "started")
    assert jobs[3].status is Status.WAITING
    for job in jobs:
        go(job)
    for job in jobs:
        wait_for_status(scheduler, job.id, Status.DONE)


def test_a_task_that_wants_two_gpus_is_not_overtaken_for_ever(
    make_scheduler: SchedulerMaker,
) -> None:
    scheduler = make_scheduler(Resources.of(gpus=["0", "1"]))
    first = scheduler.add_job(ProgramJob, "first", program(UNTIL_GO, kind=GPU))
    wait_for_line(scheduler, first.id, "started")
    both = scheduler.add_job(ProgramJob, "both", program(UNTIL_GO, kind=GPU, count=2))
    late = scheduler.add_job(ProgramJob, "late", program("true", kind=GPU))
    assert scheduler.step() == 0  # GPU 1 is free, and kept for `both`
    go(first)
    wait_for_line(scheduler, both.id, "started")
    assert sorted(only_task(scheduler, both.id).allocation) == ["0", "1"]
    assert late.status is Status.WAITING
    go(both)
    wait_for_status(scheduler, late.id, Status.DONE)


def test_a_chosen_gpu_is_the_one_that_is_given(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(gpus=["0", "1", "2"]))
    job = scheduler.add_job(ProgramJob, "one", program("true", kind=GPU, choices=["2"]))
    wait_for_status(scheduler, job.id, Status.DONE)
    assert only_task(scheduler, job.id).allocation == ["2"]


def test_a_need_that_can_never_be_met_is_an_error(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(gpus=["0"]))
    job = scheduler.add_job(ProgramJob, "greedy", program("true", kind=GPU, count=2))
    wait_for_status(scheduler, job.id, Status.ERROR)


def test_a_new_server_follows_what_an_old_one_started(make_scheduler: SchedulerMaker) -> None:
    old = make_scheduler()
    job = old.add_job(ProgramJob, "one", program(UNTIL_GO, kind=TRAIN))
    wait_for_line(old, job.id, "started")
    old.stop(keep_tasks=True)
    new = make_scheduler()
    found = new.job(job.id)
    assert found.status is Status.RUNNING
    waiting = new.add_job(ProgramJob, "two", program("true", kind=TRAIN))
    wait_for_line(new, job.id, "started")
    assert waiting.status is Status.WAITING  # the slot is still held
    go(found)
    wait_for_status(new, waiting.id, Status.DONE)
    assert only_task(new, job.id).lines == ["started", "finished"]


def test_a_new_server_settles_what_ended_while_there_was_none(
    make_scheduler: SchedulerMaker,
) -> None:
    old = make_scheduler()
    good = old.add_job(ProgramJob, "good", program(UNTIL_GO))
    bad = old.add_job(ProgramJob, "bad", program(UNTIL_GO + "; exit 7"))
    wait_for_line(old, good.id, "started")
    wait_for_line(old, bad.id, "started")
    old.stop(keep_tasks=True)
    go(good)
    go(bad)
    wait_until((good.dir / ".run" / "main.1.exit").exists)
    wait_until((bad.dir / ".run" / "main.1.exit").exists)
    new = make_scheduler()
    wait_for_status(new, good.id, Status.DONE)
    wait_for_status(new, bad.id, Status.ERROR)
    assert "exit status 7" in (new.job(bad.id).error or "")


def test_a_new_server_notices_that_a_process_was_killed_with_its_shell(
    make_scheduler: SchedulerMaker,
) -> None:
    old = make_scheduler()
    job = old.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(old, job.id, "started")
    old.stop(keep_tasks=True)
    os.killpg(int((job.dir / ".run" / "main.1.pid").read_text()), signal.SIGKILL)
    new = make_scheduler()
    wait_for_status(new, job.id, Status.ERROR)
    assert "vanished" in (new.job(job.id).error or "")


def test_stopping_without_keeping_lets_the_next_server_start_the_task_again(
    make_scheduler: SchedulerMaker,
) -> None:
    old = make_scheduler()
    job = old.add_job(ProgramJob, "one", program("echo started; [ -e go ] || sleep 600"))
    wait_for_line(old, job.id, "started")
    go(job)
    old.stop(keep_tasks=False)
    assert job.tasks[0].status is Status.WAITING
    new = make_scheduler()
    wait_for_status(new, job.id, Status.DONE)
    assert new.job(job.id).tasks[0].attempts == 2


def test_abort_works_for_a_job_that_a_previous_server_started(
    make_scheduler: SchedulerMaker,
) -> None:
    old = make_scheduler()
    job = old.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(old, job.id, "started")
    old.stop(keep_tasks=True)
    pid = int((job.dir / ".run" / "main.1.pid").read_text())
    new = make_scheduler()
    new.abort_job(job.id)
    assert new.job(job.id).status is Status.ABORTED
    assert not _is_running(pid)


def test_an_aborted_job_can_be_resumed_and_a_done_one_cannot(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("[ -e go ] || sleep 600"))
    wait_for_status(scheduler, job.id, Status.RUNNING)
    scheduler.abort_job(job.id)
    go(job)
    scheduler.resume_job(job.id)
    wait_for_status(scheduler, job.id, Status.DONE)
    with pytest.raises(JobRefused, match="nothing to resume"):
        scheduler.resume_job(job.id)


def test_the_active_jobs_are_those_that_have_not_ended_after_every_change(
    scheduler: Scheduler,
) -> None:
    def active() -> list[str]:
        return [job.name for job in scheduler.active]

    assert active() == []
    first = scheduler.add_job(ProgramJob, "first", program(UNTIL_GO))
    second = scheduler.add_job(ProgramJob, "second", program(UNTIL_GO))
    assert active() == ["first", "second"]
    wait_for_line(scheduler, first.id, "started")
    scheduler.abort_job(first.id)
    wait_until(lambda: active() == ["second"])
    scheduler.resume_job(first.id)
    assert active() == ["first", "second"]
    go(first)
    scheduler.delete_job(second.id)
    wait_until(lambda: active() == [])


def test_pause_lets_a_program_save_its_state(scheduler: Scheduler) -> None:
    script = "trap 'touch saved; exit 0' INT; echo started; while :; do sleep 0.02; done"
    job = scheduler.add_job(ProgramJob, "one", program(script))
    wait_for_line(scheduler, job.id, "started")
    scheduler.pause_job(job.id)
    wait_for_status(scheduler, job.id, Status.ABORTED)
    assert (job.dir / "saved").exists()
    assert "Paused" in (job.tasks[0].message or "")


def test_what_is_stopped_and_kept_is_done(scheduler: Scheduler) -> None:
    script = "trap 'touch saved; exit 0' INT; echo started; while :; do sleep 0.02; done"
    job = scheduler.add_job(ProgramJob, "one", program(script))
    wait_for_line(scheduler, job.id, "started")
    scheduler.stop_and_keep_job(job.id)
    wait_for_status(scheduler, job.id, Status.DONE)
    assert (job.dir / "saved").exists()
    with pytest.raises(JobNotRunning):
        scheduler.stop_and_keep_job(job.id)


def test_a_program_ended_before_it_could_save_is_judged_by_what_is_there(
    scheduler: Scheduler,
) -> None:
    task = {"task_id": "main", "script": "echo started; sleep 600", "must_exist": "saved"}
    job = scheduler.add_job(ProgramJob, "one", {"tasks": [task]})
    wait_for_line(scheduler, job.id, "started")
    scheduler.stop_and_keep_job(job.id)
    wait_for_status(scheduler, job.id, Status.ERROR)
    assert job.tasks[0].error == "saved was not written."


def test_what_is_done_goes_on_when_there_is_more_to_do(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("echo more >> done"))
    with pytest.raises(JobNotFound):
        scheduler.continue_job("20150421-140640-000000", "main", lambda: None)
    wait_for_status(scheduler, job.id, Status.DONE)
    seen = []
    scheduler.continue_job(job.id, "main", lambda: seen.append(job.status))
    wait_for_status(scheduler, job.id, Status.DONE)
    assert (job.dir / "done").read_text() == "more\nmore\n"
    assert seen == [Status.DONE]


def test_what_is_not_done_or_cannot_be_prepared_does_not_go_on(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("exit 1"))
    wait_for_status(scheduler, job.id, Status.ERROR)
    with pytest.raises(JobRefused, match="Only a job that is Done"):
        scheduler.continue_job(job.id, "main", lambda: None)
    done = scheduler.add_job(ProgramJob, "two", program("true"))
    wait_for_status(scheduler, done.id, Status.DONE)

    def prepare() -> None:
        raise JobRefused("not now")

    with pytest.raises(JobRefused, match="not now"):
        scheduler.continue_job(done.id, "main", prepare)
    assert done.status is Status.DONE


def test_a_pause_that_one_task_refuses_leaves_all_of_them_running(
    make_scheduler: SchedulerMaker,
) -> None:
    scheduler = make_scheduler(Resources.of(create_db_slots=2))
    both = [{"task_id": task_id, "script": "sleep 600"} for task_id in ("first", "second")]
    job = scheduler.add_job(ProgramJob, "one", {"tasks": both})
    wait_until(lambda: len(scheduler.running.runners()) == 2)
    job.task("second").resumable = False
    with pytest.raises(JobRefused, match="Program second cannot be paused, only aborted"):
        scheduler.pause_job(job.id)
    assert [task.pausing for task in job.tasks] == [False, False]


def test_nothing_is_left_of_a_job_that_could_not_be_filled(
    scheduler: Scheduler, jobs_dir: Path
) -> None:
    def fill(job: object) -> None:
        raise ValueError("bad upload")

    with pytest.raises(ValueError, match="bad upload"):
        scheduler.add_job(ProgramJob, "one", program("true"), fill)
    assert [path.name for path in jobs_dir.iterdir()] == [".lock"]
    assert scheduler.jobs == []


def test_rescan_takes_in_jobs_that_were_copied_in(
    make_scheduler: SchedulerMaker, jobs_dir: Path, tmp_path: Path
) -> None:
    old = make_scheduler()
    job = old.add_job(ProgramJob, "one", program("true"))
    wait_for_status(old, job.id, Status.DONE)
    old.stop(keep_tasks=True)
    away = tmp_path / job.id
    job.dir.rename(away)
    new = make_scheduler()
    assert new.jobs == []
    away.rename(jobs_dir / job.id)
    assert new.rescan() == [job.id]
    assert new.job(job.id).status is Status.DONE
    assert new.rescan() == []


class HalfMadeTask(ProgramTask):
    type_name = "half-made"

    def clean_up(self) -> None:
        self.path("half").unlink()


class HalfMadeJob(ProgramJob):
    type_name = "half-made"
    task_types = (HalfMadeTask,)

    def create_tasks(self) -> list[Task]:
        return [
            HalfMadeTask(self.dir, "main", script=task["script"]) for task in self.settings.tasks
        ]


@pytest.mark.parametrize(
    ("script", "is_left"), [("exit 1", False), ("kill -9 0", False), ("true", True)]
)
def test_what_a_failed_attempt_left_half_made_is_removed(
    make_scheduler: SchedulerMaker, script: str, is_left: bool
) -> None:
    scheduler = make_scheduler(job_types=(HalfMadeJob,))
    job = scheduler.add_job(HalfMadeJob, "one", program(f"touch half; {script}"))
    wait_for_status(scheduler, job.id, Status.DONE, Status.ERROR)
    assert (job.dir / "half").exists() is is_left


def test_unpacking_that_was_killed_leaves_nothing(tmp_path: Path) -> None:
    half = tmp_path / ".pictures.partial" / "cat"
    half.mkdir(parents=True)
    (half / "1.png").touch()
    (tmp_path / "archive").touch()
    ExtractArchiveTask(
        tmp_path, "extract_archive", archive="archive", folder="pictures", uploaded_name="x.zip"
    ).clean_up()
    assert [path.name for path in tmp_path.iterdir()] == ["archive"]


def test_places_in_the_queue_outlast_the_server_and_resuming_takes_the_last_one(
    make_scheduler: SchedulerMaker,
) -> None:
    old = make_scheduler()
    running = old.add_job(ProgramJob, "one", program(UNTIL_GO))
    waiting = old.add_job(ProgramJob, "two", program("true"))
    assert (running.place, waiting.place) == (1, 2)
    wait_for_line(old, running.id, "started")
    old.stop(keep_tasks=True)
    new = make_scheduler()
    assert [job.place for job in new.jobs] == [1, 2]
    new.abort_job(running.id)
    new.resume_job(running.id)
    assert new.job(running.id).place == 3
    wait_for_status(new, waiting.id, Status.DONE)
    go(running)
    wait_for_status(new, running.id, Status.DONE)


def test_a_server_on_a_copy_of_the_jobs_leaves_the_originals_alone(
    make_scheduler: SchedulerMaker, jobs_dir: Path, tmp_path: Path
) -> None:
    """What used to happen: starting it ended every task that the first server ran."""
    original = make_scheduler()
    job = original.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(original, job.id, "started")
    subprocess.run(["cp", "-a", str(jobs_dir), str(tmp_path / "copy")], check=True)
    copy = Scheduler(
        JobStore(tmp_path / "copy", [ProgramJob]),
        Resources.of(),
        LocalLauncher(),
        environment=dict,
        grace_s=0.2,
    )
    copy.start()
    wait_for_status(copy, job.id, Status.ERROR)
    assert "vanished" in str(copy.job(job.id).error)
    copy.delete_job(job.id)
    copy.stop(keep_tasks=False)
    assert job.status is Status.RUNNING
    go(job)
    wait_for_status(original, job.id, Status.DONE)


def test_a_copy_of_a_running_job_that_is_taken_in_leaves_the_original_alone(
    make_scheduler: SchedulerMaker, jobs_dir: Path
) -> None:
    scheduler = make_scheduler()
    job = scheduler.add_job(ProgramJob, "one", program(UNTIL_GO))
    wait_for_line(scheduler, job.id, "started")
    copy = jobs_dir / "20200101-000000-abcdef"
    subprocess.run(["cp", "-a", str(job.dir), str(copy)], check=True)
    record = copy / "job.json"
    record.write_text(record.read_text().replace(job.id, copy.name))
    assert scheduler.rescan() == [copy.name]
    wait_for_status(scheduler, copy.name, Status.ERROR)
    scheduler.delete_job(copy.name)
    go(job)
    wait_for_status(scheduler, job.id, Status.DONE)


def _environment(process: psutil.Process) -> list[str]:
    try:
        return list(process.environ().values())
    except psutil.Error:
        return []


def _is_running(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
