"""The jobs directory: what is written, what is read back, and what is left alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from digits.errors import StorageError
from digits.jobs import store as store_module
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.jobs.store import JOB_FILE, UNSAVED_FILE, JobStore
from tests.conftest import wait_until
from tests.disks import Disk
from tests.program_jobs import ProgramJob, program


@pytest.fixture
def store(jobs_dir: Path) -> Iterator[JobStore]:
    store = JobStore(jobs_dir, [ProgramJob])
    store.open()
    yield store
    store.close()


def made(store: JobStore, name: str = "one") -> Job:
    job = store.create(ProgramJob, name, program("true"))
    job.tasks = job.create_tasks()
    store.save(job)
    return job


def loaded(store: JobStore) -> list[Job]:
    """What another server would read, which has seen none of it."""
    return JobStore(store.jobs_dir, [ProgramJob]).load_all(())


def changed(job: Job, **values: Any) -> None:
    path = job.dir / JOB_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def test_nothing_is_left_of_a_job_that_a_killed_server_did_not_come_to_save(
    store: JobStore,
) -> None:
    """The folder, with gigabytes of an upload in it, was left for ever."""
    cut_off = store.create(ProgramJob, "two", program("true"))
    (cut_off.dir / "upload").write_bytes(b"large")
    kept, mine = made(store), store.jobs_dir / "20200101-000000-abcdef"
    mine.mkdir()
    (kept.dir / UNSAVED_FILE).touch()  # killed between the two
    store.close()
    store.open()
    assert not cut_off.dir.exists()
    assert mine.exists()
    assert [job.id for job in loaded(store)] == [kept.id]
    assert not (kept.dir / UNSAVED_FILE).exists()
    assert [path.name for path in made(store).dir.iterdir()] == [JOB_FILE]


def test_a_job_is_read_back_as_it_was(store: JobStore) -> None:
    job = made(store, "Zoë’s 数字")
    job.notes = "line\nline \udce9"
    job.history.move_to(Status.WAITING)
    job.tasks[0].history.move_to(Status.WAITING)
    job.tasks[0].error = "why"
    job.tasks[0].allocation = ["0"]
    job.tasks[0].attempts = 3
    job.tasks[0].pausing = True
    store.save(job)
    [read] = loaded(store)
    assert read.to_json() == job.to_json()
    assert read.dir == job.dir


def test_ids_are_never_given_twice(store: JobStore) -> None:
    jobs = [store.create(ProgramJob, "one", program("true")) for _ in range(200)]
    assert len({job.id for job in jobs}) == 200
    assert all(job.dir.is_dir() for job in jobs)


def test_jobs_are_read_oldest_first_without_the_known_ones(store: JobStore) -> None:
    jobs = [made(store, str(number)) for number in range(5)]
    ids = sorted(job.id for job in jobs)
    assert [job.id for job in loaded(store)] == ids
    assert [job.id for job in store.load_all(set(ids[:3]))] == ids[3:]


BROKEN = {
    "empty": "",
    "not JSON": "{",
    "not an object": "[]",
    "null": "null",
    "no keys": "{}",
    "another program's": '{"format": 1, "id": "{id}", "type": "spreadsheet"}',
    "not UTF-8": b'{"name": "\xff"}',
    "nested too deep": "[" * 100_000,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_job_file_is_ignored(
    store: JobStore, content: str | bytes, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = made(store), made(store)
    data = content if isinstance(content, bytes) else content.replace("{id}", bad.id).encode()
    (bad.dir / JOB_FILE).write_bytes(data)
    assert [job.id for job in loaded(store)] == [good.id]
    assert f"{bad.dir} is ignored" in caplog.text
    assert (bad.dir / JOB_FILE).read_bytes() == data


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", 2, "newer version"),
        ("format", "one", "cannot be used"),
        ("id", "20150421-140640-d697", "it says that it is the job '20150421-140640-d697'"),
        ("name", 7, "must be text"),
        ("notes", None, "must be text"),
        ("settings", [], "settings must be an object, received []"),
        ("history", [["Lost", 1.0]], "Lost"),
        ("history", 7, "cannot be used"),
        ("tasks", [{}], "knows no task None"),
        ("tasks", {"type": "program"}, "cannot be used"),
        ("type", "unknown", "no kind of job is called 'unknown'"),
        ("type", [], "cannot be used"),
    ],
)
def test_a_job_file_with_a_wrong_value_is_ignored_and_the_reason_logged(
    store: JobStore, key: str, value: Any, words: str, caplog: pytest.LogCaptureFixture
) -> None:
    job = made(store)
    changed(job, **{key: value})
    assert loaded(store) == []
    assert words in caplog.text
    assert job.dir.exists()


def test_foreign_folders_are_logged_once_and_never_deleted(
    store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    half_deleted = made(store)
    (half_deleted.dir / JOB_FILE).unlink()
    (half_deleted.dir / "train.txt").touch()
    (store.jobs_dir / "holiday").mkdir()
    (store.jobs_dir / "holiday" / "beach.jpg").touch()
    (store.jobs_dir / "notes.txt").touch()
    (store.jobs_dir / "dangling").symlink_to("/nowhere")
    before = sorted(store.jobs_dir.rglob("*"))
    for _ in range(3):
        assert store.load_all(()) == []
    assert caplog.text.count("holiday is ignored") == 1
    assert caplog.text.count(f"{half_deleted.id} is ignored") == 1
    again = JobStore(store.jobs_dir, [ProgramJob])
    store.close()
    again.open()
    again.close()
    assert sorted(store.jobs_dir.rglob("*")) == before


def test_hidden_folders_are_not_even_mentioned(
    store: JobStore, caplog: pytest.LogCaptureFixture
) -> None:
    (store.jobs_dir / ".Trash").mkdir()
    assert store.load_all(()) == []
    assert ".Trash" not in caplog.text


def test_a_job_that_is_taken_away_is_no_job_at_once(store: JobStore) -> None:
    job = made(store)
    gone = store.take_away(job)
    assert gone is not None
    assert loaded(store) == []
    assert not job.dir.exists()
    store.erase(gone)
    assert not gone.exists()
    assert store.take_away(job) is None


def test_a_deletion_that_was_cut_off_is_ended_at_the_next_start(store: JobStore) -> None:
    job = made(store)
    gone = store.take_away(job)
    assert gone is not None
    (store.jobs_dir / ".deleted-something-else").mkdir()
    store.close()
    store.open()
    assert not gone.exists()
    assert (store.jobs_dir / ".deleted-something-else").exists()


def test_a_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match="cannot be made .*--jobs-dir"):
        JobStore(tmp_path / "file" / "jobs", [ProgramJob]).open()


def test_saving_a_job_whose_folder_was_removed_by_hand_says_so(store: JobStore) -> None:
    job = made(store)
    (job.dir / JOB_FILE).unlink()
    job.dir.rmdir()
    with pytest.raises(StorageError, match="someone removed it by hand"):
        store.save(job)
    assert store.problem is None


def test_a_full_disk_leaves_the_old_job_file_and_is_remembered(small_disk: Disk) -> None:
    store = JobStore(small_disk.path, [ProgramJob])
    job = made(store)
    old = (job.dir / JOB_FILE).read_text()
    small_disk.fill()
    job.notes = "x" * 10_000
    with pytest.raises(StorageError, match="the disk is full"):
        store.save(job)
    assert (job.dir / JOB_FILE).read_text() == old
    assert "the disk is full" in (store.problem or "")
    with pytest.raises(StorageError, match="new jobs are accepted again"):
        store.create(ProgramJob, "two", {})
    small_disk.empty()
    wait_until(lambda: store.problem is None)  # it is found out when somebody asks
    store.save(job)
    [read] = loaded(store)
    assert read.notes == job.notes


def test_a_read_only_disk_is_noticed_before_anything_is_written(small_disk: Disk) -> None:
    store = JobStore(small_disk.path, [ProgramJob])
    job = made(store)
    assert store.problem is None
    small_disk.make_read_only()
    wait_until(lambda: store.problem is not None)
    assert "read-only" in str(store.problem)
    with pytest.raises(StorageError, match="read-only"):
        store.save(job)
    with pytest.raises(StorageError, match="read-only"):
        store.take_away(job)
    assert job.dir.exists()
    small_disk.make_writable()
    store.save(job)
    assert store.problem is None


def test_asking_for_the_problem_writes_nothing_while_all_is_well(store: JobStore) -> None:
    before = store.jobs_dir.stat().st_mtime_ns
    assert store.problem is None
    store._looked_s -= 10 * store_module.PROBE_INTERVAL_S
    assert store.problem is None
    assert store.jobs_dir.stat().st_mtime_ns == before


WRITE_FOR_EVER = """
import sys, itertools, pathlib
from digits.jobs.store import JobStore
from tests.program_jobs import ProgramJob
store = JobStore(pathlib.Path(sys.argv[1]), [ProgramJob])
[job] = store.load_all(())
for number in itertools.count():
    job.notes = str(number) * 2000
    store.save(job)
    print(number, flush=True)
"""


@pytest.mark.slow
def test_a_writer_killed_at_any_moment_leaves_a_whole_job_file(store: JobStore) -> None:
    job = made(store)
    last = -1
    for kill in range(60):
        command = [sys.executable, "-c", WRITE_FOR_EVER, str(store.jobs_dir)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ}) as writer:
            assert writer.stdout is not None
            for _ in range(1 + kill % 7):
                last = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            rest = writer.stdout.read().split()
        last = int(rest[-1]) if rest else last
        [read] = loaded(store)
        number = int(read.notes[: len(read.notes) // 2000])
        assert read.notes == str(number) * 2000
        assert number in (last, last + 1)  # what was told to be written is there
    assert {path.name for path in job.dir.iterdir()} <= {JOB_FILE, f".{JOB_FILE}.part"}


def test_what_flushes_files_is_used_for_every_file_of_a_job(jobs_dir: Path) -> None:
    flushed: list[str] = []

    def sync(descriptor: int) -> None:
        flushed.append(os.readlink(f"/proc/self/fd/{descriptor}"))

    store = JobStore(jobs_dir, [ProgramJob], sync=sync)
    store.open()
    store.save(store.create(ProgramJob, "one", {"tasks": []}))
    (loaded,) = store.load_all(())
    loaded.write_text("notes", "a")
    store.close()
    folder = loaded.dir
    parts = [str(folder / ".job.json.part"), str(folder), str(folder / ".notes.part"), str(folder)]
    assert flushed == parts
