"""Deleted jobs in the bin: moved there whole, brought back, and gone when their days are over."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from digits.errors import BinUnusable, JobNotFound, JobRefused, NotInBin, StorageError
from digits.importing.jobs import JOB_TYPES
from digits.jobs import signals
from digits.jobs.bin import BIN_FOLDER, GOING, Bin
from digits.jobs.bin_entry import DAY_S, entry_name, read_name
from digits.jobs.bin_keeper import BinKeeper
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.jobs.store import JOB_FILE, JobStore
from tests.conftest import SchedulerMaker, wait_for_status, wait_until
from tests.disks import Disk
from tests.program_jobs import ProgramJob, program

NOW_S = 1_777_371_300.123
NOBODY = 65534


class PartJob(ProgramJob):
    """A job that belongs to another one."""

    type_name = "part"

    @property
    def belongs_to(self) -> str | None:
        return self.settings.whole


TYPES = (ProgramJob, PartJob)


@pytest.fixture
def scheduler(make_scheduler: SchedulerMaker) -> Scheduler:
    return make_scheduler(job_types=TYPES, keep_deleted_days=7)


def done(scheduler: Scheduler, name: str = "one", *requires: Job, script: str = "true") -> Job:
    settings = {**program(script), "requires": [job.id for job in requires]}
    job = scheduler.add_job(ProgramJob, name, settings, owner="ada")  # type: ignore[arg-type]
    wait_for_status(scheduler, job.id, Status.DONE)
    wait_until(lambda: job.measured is not None)
    with scheduler._lock:
        return job  # its status and results are on the disk now


def part_of(scheduler: Scheduler, whole: Job) -> Job:
    settings: Any = {**program("true"), "whole": whole.id}
    job = scheduler.add_job(PartJob, "a part", settings)
    wait_for_status(scheduler, job.id, Status.DONE)
    wait_until(lambda: job.measured is not None)
    with scheduler._lock:
        return job


def in_bin(scheduler: Scheduler) -> list[str]:
    return [entry.id for entry in scheduler.bin.table.wholes()]


def listing(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file() and ".run" not in path.parts)
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


# In and out ---------------------------------------------------------------------------------------


def test_a_deleted_job_is_gone_and_comes_back_as_it_was(scheduler: Scheduler) -> None:
    job = done(scheduler, "Zoë’s 数字", script="echo one > a; mkdir b; echo two > b/c")
    before = listing(job.dir)
    heard: list[str] = []
    with signals.job_added.connected_to(lambda added: heard.append(added.id)):
        scheduler.delete_job(job.id, "otto")
        with pytest.raises(JobNotFound):
            scheduler.job(job.id)
        assert not job.dir.exists()
        (entry,) = scheduler.bin.table.wholes()
        assert (entry.id, entry.name, entry.owner) == (job.id, "Zoë’s 数字", "ada")
        assert entry.deleted_by == "otto"
        back = scheduler.restore_job(entry.key)
    assert heard == [job.id]
    assert scheduler.job(job.id) is back
    assert listing(back.dir) == before
    assert (back.name, back.status, back.owner) == (job.name, Status.DONE, "ada")
    assert in_bin(scheduler) == []


def test_a_server_that_comes_later_knows_what_is_in_the_bin(
    scheduler: Scheduler, make_scheduler: SchedulerMaker
) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id, "otto")
    (before,) = scheduler.bin.table.all()
    scheduler.stop(keep_tasks=True)
    later = make_scheduler(job_types=TYPES, keep_deleted_days=7)
    assert later.jobs == []
    (entry,) = later.bin.table.all()
    assert (entry.key, entry.name, entry.deleted_by) == (before.key, job.name, "otto")
    assert later.restore_job(job.id).status is Status.DONE


def test_what_ran_is_aborted_first_and_does_not_run_when_it_is_back(scheduler: Scheduler) -> None:
    job = scheduler.add_job(ProgramJob, "one", program("sleep 600"))  # type: ignore[arg-type]
    wait_for_status(scheduler, job.id, Status.RUNNING)
    scheduler.delete_job(job.id)
    back = scheduler.restore_job(job.id)
    assert back.status is Status.ABORTED
    assert back.can_resume


def test_a_status_that_did_not_get_to_the_disk_starts_nothing(scheduler: Scheduler) -> None:
    job = done(scheduler)
    text = (job.dir / JOB_FILE).read_text()
    scheduler.delete_job(job.id)
    (entry,) = scheduler.bin.table.all()
    running = text.replace('"Done"', '"Running"')
    (entry.folder / JOB_FILE).write_text(running)
    assert scheduler.restore_job(job.id).status is Status.ABORTED


def test_without_a_bin_or_for_good_a_job_is_gone(
    scheduler: Scheduler, make_scheduler: SchedulerMaker
) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id, for_good=True)
    assert in_bin(scheduler) == []
    other = done(scheduler)
    scheduler.stop(keep_tasks=True)
    without = make_scheduler(keep_deleted_days=0)
    without.delete_job(other.id)
    left = [path for path in without.store.jobs_dir.rglob("*") if other.id in path.name]
    assert left == []


def test_loading_rescanning_and_importing_pass_over_the_bin(scheduler: Scheduler) -> None:
    scheduler.delete_job(done(scheduler).id)
    assert scheduler.rescan() == []
    assert scheduler.store.left_aside == {}
    assert JobStore(scheduler.store.jobs_dir, JOB_TYPES).load_all(()) == []


def test_a_model_comes_back_without_its_dataset_and_misses_it(scheduler: Scheduler) -> None:
    dataset = done(scheduler, "dataset")
    model = done(scheduler, "model", dataset)
    scheduler.delete_job(model.id)
    scheduler.delete_job(dataset.id)
    back = scheduler.restore_job(model.id)
    assert scheduler.missing(back) == [dataset.id]
    assert scheduler.bin.table.holds(dataset.id)
    scheduler.restore_job(dataset.id)
    assert scheduler.missing(back) == []


# Parts --------------------------------------------------------------------------------------------


def test_parts_go_and_come_with_the_whole(scheduler: Scheduler) -> None:
    whole = done(scheduler)
    part = part_of(scheduler, whole)
    scheduler.delete_job(whole.id, "otto")
    assert scheduler.jobs == []
    assert in_bin(scheduler) == [whole.id]
    scheduler.restore_job(whole.id)
    assert {job.id for job in scheduler.jobs} == {whole.id, part.id}
    scheduler.delete_job(whole.id)
    scheduler.bin.discard(scheduler.bin.table.find(whole.id))
    assert len(scheduler.bin.table) == 0


def test_a_part_does_not_come_back_before_the_whole(scheduler: Scheduler) -> None:
    whole = done(scheduler)
    part = part_of(scheduler, whole)
    scheduler.delete_job(part.id)
    deleted_s = time.time()
    wait_until(lambda: time.time() > deleted_s + 0.002)  # the bin tells milliseconds apart
    scheduler.delete_job(whole.id)
    assert set(in_bin(scheduler)) == {whole.id, part.id}  # it was deleted by itself
    with pytest.raises(JobRefused, match="in the bin: restore that first"):
        scheduler.restore_job(part.id)
    scheduler.restore_job(whole.id)
    scheduler.restore_job(part.id)
    assert {job.id for job in scheduler.jobs} == {whole.id, part.id}


def test_parts_that_a_killed_server_left_follow_the_whole(
    scheduler: Scheduler, make_scheduler: SchedulerMaker
) -> None:
    whole = done(scheduler)
    part = part_of(scheduler, whole)
    scheduler.store.bin.put(whole, "otto", NOW_S)  # and the server is killed
    scheduler.stop(keep_tasks=True)
    later = make_scheduler(job_types=TYPES, keep_deleted_days=36500)
    assert later.jobs == []
    assert in_bin(later) == [whole.id]
    later.restore_job(whole.id)
    assert {job.id for job in later.jobs} == {whole.id, part.id}


# Trouble ------------------------------------------------------------------------------------------


def test_a_job_is_not_restored_over_another_one(scheduler: Scheduler) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id)
    job.dir.mkdir()
    with pytest.raises(JobRefused, match="There is a job or folder"):
        scheduler.restore_job(job.id)
    job.dir.rmdir()
    scheduler.restore_job(job.id)


def test_the_same_id_may_be_in_the_bin_twice(scheduler: Scheduler) -> None:
    job = done(scheduler, "first")
    scheduler.delete_job(job.id)
    (first,) = scheduler.bin.table.all()
    subprocess.run(["cp", "-r", first.folder, job.dir], check=True)
    scheduler.rescan()
    scheduler.rename_job(job.id, "second")
    scheduler.delete_job(job.id)
    assert scheduler.bin.table.find(job.id).name == "second"
    assert scheduler.restore_job(first.key).name == "first"
    with pytest.raises(JobRefused):
        scheduler.restore_job(job.id)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"id": 3}', '{"format": 99, "id": "x"}'])
def test_what_cannot_be_read_any_more_stays_in_the_bin(scheduler: Scheduler, text: str) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id)
    (entry,) = scheduler.bin.table.all()
    (entry.folder / JOB_FILE).write_text(text)
    with pytest.raises(JobRefused, match="stays in the bin"):
        scheduler.restore_job(job.id)
    assert not job.dir.exists()
    assert scheduler.bin.table.find(job.id).folder.exists()
    found = Bin(scheduler.store.jobs_dir, scheduler.store._read, 7)
    found.load()
    (named,) = found.table.all()
    assert (named.name, named.owner) == (job.id, "")
    scheduler.bin.discard(named)
    assert not entry.folder.exists()


def test_of_many_who_restore_and_remove_at_once_one_wins(scheduler: Scheduler) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id)
    (entry,) = scheduler.bin.table.all()
    outcomes: list[str] = []

    def try_it(work: Callable[[], object], name: str) -> None:
        try:
            work()
        except NotInBin:
            outcomes.append("not there")
        else:
            outcomes.append(name)

    restore = (lambda: scheduler.restore_job(entry.key), "restored")
    remove = (lambda: scheduler.bin.discard(entry), "removed")
    threads = [threading.Thread(target=try_it, args=each) for each in [restore, remove] * 4]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes)[:7] == ["not there"] * 7
    assert job.dir.exists() is ("restored" in outcomes)
    assert len(scheduler.bin.table) == 0


def test_what_somebody_has_moved_by_hand_is_not_in_the_bin(scheduler: Scheduler) -> None:
    job = done(scheduler)
    scheduler.delete_job(job.id)
    (entry,) = scheduler.bin.table.all()
    entry.folder.rename(job.dir)
    with pytest.raises(NotInBin):
        scheduler.restore_job(job.id)
    assert scheduler.rescan() == [job.id]
    assert len(scheduler.bin.table) == 0


def test_a_job_whose_folder_is_gone_is_deleted_and_leaves_nothing(scheduler: Scheduler) -> None:
    job = done(scheduler)
    job.dir.rename(job.dir.parent.with_name("elsewhere"))
    scheduler.delete_job(job.id)
    assert scheduler.jobs == []
    assert len(scheduler.bin.table) == 0


def test_while_the_jobs_directory_is_away_nothing_is_moved_or_made(
    scheduler: Scheduler, jobs_dir: Path
) -> None:
    job, deleted = done(scheduler), done(scheduler)
    scheduler.delete_job(deleted.id)
    jobs_dir.rename(jobs_dir.with_name("away"))
    jobs_dir.mkdir()
    for change in (scheduler.delete_job, scheduler.restore_job):
        with pytest.raises(StorageError, match="gone away"):
            change(job.id)
    assert scheduler.bin.problem == "the jobs directory has gone away"
    scheduler._keeper.step()
    assert list(jobs_dir.iterdir()) == []
    jobs_dir.rmdir()
    jobs_dir.with_name("away").rename(jobs_dir)
    assert scheduler.restore_job(deleted.id).status is Status.DONE


@pytest.mark.parametrize("what", ["file", "link", "other disk"])
def test_a_bin_that_cannot_be_used_is_said_before_anything_is_done(
    make_scheduler: SchedulerMaker, jobs_dir: Path, tmp_path: Path, what: str, request: Any
) -> None:
    jobs_dir.mkdir()
    bin_folder = jobs_dir / BIN_FOLDER
    if what == "file":
        bin_folder.touch()
    elif what == "link":
        (tmp_path / "elsewhere").mkdir()
        bin_folder.symlink_to(tmp_path / "elsewhere")
    else:
        bin_folder.symlink_to(tmp_path / "elsewhere")
        bin_folder.unlink()
        request.getfixturevalue("small_disk")
        bin_folder.symlink_to(request.getfixturevalue("small_disk").path)
    scheduler = make_scheduler(keep_deleted_days=7)
    job = scheduler.add_job(ProgramJob, "one", program("sleep 600"))  # type: ignore[arg-type]
    wait_for_status(scheduler, job.id, Status.RUNNING)
    with pytest.raises(BinUnusable, match="cannot be used.*for_good=yes"):
        scheduler.delete_job(job.id)
    assert job.status is Status.RUNNING
    scheduler.delete_job(job.id, for_good=True)
    assert not job.dir.exists()
    assert list((tmp_path / "elsewhere").glob("*")) == []


def test_links_out_of_a_job_are_never_followed(scheduler: Scheduler, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "large").write_bytes(os.urandom(300_000))
    outside.chmod(0o555)
    job = done(scheduler)
    (job.dir / "folder").symlink_to(outside)
    (job.dir / "file").symlink_to(outside / "large")
    os.mkfifo(job.dir / "pipe")
    scheduler.delete_job(job.id)
    (entry,) = scheduler.bin.table.all()
    wait_until(lambda: scheduler.bin.table.contents(entry))
    contents = scheduler.bin.table.contents(entry)
    assert contents is not None
    assert contents.size_bytes < 300_000
    scheduler.bin.discard(entry)
    assert (outside / "large").stat().st_size == 300_000
    assert outside.stat().st_mode & 0o777 == 0o555


def test_a_job_that_is_a_link_comes_back_as_one(scheduler: Scheduler, tmp_path: Path) -> None:
    job = done(scheduler)
    job.dir.rename(tmp_path / job.id)
    job.dir.symlink_to(tmp_path / job.id)
    scheduler.delete_job(job.id)
    assert (tmp_path / job.id / JOB_FILE).exists()
    scheduler.rescan()
    scheduler.restore_job(job.id)
    assert job.dir.is_symlink()
    scheduler.delete_job(job.id)
    scheduler.bin.discard(scheduler.bin.table.find(job.id))
    assert (tmp_path / job.id / JOB_FILE).exists()


AS_NOBODY = """
import os, sys
from pathlib import Path
from digits.jobs.store import JobStore
from tests.program_jobs import ProgramJob, program
os.setuid(65534)
store = JobStore(Path(sys.argv[1]), [ProgramJob], keep_deleted_days=7)
store.open()
job = store.create(ProgramJob, "one", program("true"))
job.tasks = job.create_tasks()
store.save(job)
inner = job.dir / "locked"
inner.mkdir()
(inner / "file").touch()
inner.chmod(0o555)
job.dir.chmod(0o555)
store.bin.put(job, "", 1777371300.0)
entry = store.bin.table.find(job.id)
assert entry.folder.stat().st_mode & 0o777 == 0o555
back = store.bring_back(entry)
assert back.dir.stat().st_mode & 0o777 == 0o555
store.bin.put(job, "", 1777371300.0)
store.bin.discard(entry)
assert list((store.jobs_dir / ".bin").iterdir()) == []
store.bin.folder.chmod(0o555)
print(store.bin.problem)
"""


TO_AND_FRO = """
import sys
from pathlib import Path
from digits.jobs.store import JobStore
from tests.program_jobs import ProgramJob, program
store = JobStore(Path(sys.argv[1]), [ProgramJob], keep_deleted_days=7)
store.open()
(job,) = store.load_all(())
while True:
    store.bin.put(job, "ada", 1777371300.0)
    job = store.bring_back(store.bin.table.find(job.id))
    print(job.id, flush=True)
"""


def test_a_server_that_is_killed_leaves_a_job_here_or_there(kept: Kept) -> None:
    job = kept.delete("one")
    kept.store.bring_back(kept.bin.table.find(job.id))
    kept.store.close()
    command = [sys.executable, "-c", TO_AND_FRO, str(kept.store.jobs_dir)]
    for rounds in (1, 2, 5):
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            for _ in range(rounds):
                assert process.stdout.readline()
            process.kill()
        places = [path.parent for path in kept.store.jobs_dir.rglob(JOB_FILE)]
        assert len(places) == 1
        found = JobStore(kept.store.jobs_dir, [ProgramJob], keep_deleted_days=7)
        found.bin.load()
        for entry in found.bin.table.all():
            found.bring_back(entry)
        assert [one.name for one in found.load_all(())] == ["one"]


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_folders_that_may_not_be_written_go_come_back_and_are_removed(tmp_path: Path) -> None:
    top = tmp_path / "open"
    top.mkdir()
    os.chown(top, NOBODY, NOBODY)
    for parent in (tmp_path, *tmp_path.parents):
        if parent.stat().st_uid == 0 and not parent.stat().st_mode & 0o001:
            parent.chmod(parent.stat().st_mode | 0o011)
    command = [sys.executable, "-c", AS_NOBODY, str(top)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.stdout == "this user may not write there\n", ended.stderr


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["", "ada", "a.b@c-d_e", "x" * 64])
@pytest.mark.parametrize("job_id", ["20260421-140640-d697a1", "copy.of_a-job", "a" * 100])
def test_a_name_says_everything(job_id: str, by: str) -> None:
    name = entry_name(job_id, NOW_S, by)
    assert len(name) <= 255
    entry = read_name(Path("/jobs/.bin") / name)
    assert entry is not None
    assert (entry.id, entry.deleted_s, entry.deleted_by) == (job_id, NOW_S, by)
    assert entry.key == entry_name(job_id, NOW_S, "")


@pytest.mark.parametrize(
    "name",
    ["", "job", "job~", "job~20260421", "job~20269921-101010-123", ".x~20260421-101010-123",
     "job~20260421-101010-123~a b", ".going-123", "job~20260421-101010-123~ada~bob"],
)  # fmt: skip
def test_other_names_are_none_of_the_bins_and_stay(name: str, tmp_path: Path) -> None:
    assert read_name(tmp_path / name) is None


# The keeper ---------------------------------------------------------------------------------------


@dataclass
class Clock:
    now_s: float = NOW_S

    def __call__(self) -> float:
        return self.now_s


@dataclass
class Kept:
    """A bin, its clock, and a keeper that is stepped by hand."""

    bin: Bin
    clock: Clock
    keeper: BinKeeper
    store: JobStore
    is_short: bool = False

    def delete(self, name: str, days_ago: float = 0.0) -> Job:
        job = self.store.create(
            ProgramJob, name, ProgramJob(Path("x"), "", program("true")).settings
        )
        self.store.save(job)
        self.bin.put(job, "ada", self.clock() - days_ago * DAY_S)
        return job

    @property
    def names(self) -> list[str]:
        found = sorted(self.bin.table.all(), key=lambda entry: entry.deleted_s)
        assert {entry.folder for entry in found} == set(self.bin.folder.iterdir())
        return [entry.name for entry in found]


@pytest.fixture
def kept(jobs_dir: Path) -> Iterator[Kept]:
    clock = Clock()
    store = JobStore(jobs_dir, [ProgramJob], keep_deleted_days=7)
    store.bin.clock = clock
    store.open()
    keeper = BinKeeper(store.bin, lambda: result.is_short)
    result = Kept(store.bin, clock, keeper, store)
    yield result
    store.close()


def test_what_was_kept_for_long_enough_goes(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.delete("old", 7)
    kept.delete("young", 6.99)
    kept.keeper.step()
    assert kept.names == ["young"]
    assert "'old' has left the bin for good: it was kept for long enough" in caplog.text
    kept.clock.now_s += 0.01 * DAY_S
    kept.keeper.step()
    assert kept.names == []


def test_the_oldest_go_while_the_disk_is_short(
    kept: Kept, caplog: pytest.LogCaptureFixture
) -> None:
    for days_ago, name in enumerate(["newest", "second", "third", "oldest"]):
        kept.delete(name, days_ago)
    answers = iter([True, True, True, False])
    kept.keeper._is_short = lambda: next(answers)
    kept.keeper.step()
    assert kept.names == ["second", "newest"]
    assert "'oldest' has left the bin for good: the disk is short of room" in caplog.text


def test_jobs_deleted_in_one_millisecond_keep_their_order(kept: Kept) -> None:
    moments = [kept.bin.next_moment_s() for _ in range(3)]
    assert moments == sorted(set(moments))
    kept.clock.now_s -= 60
    assert kept.bin.next_moment_s() == pytest.approx(kept.clock.now_s, abs=0.001)


def test_a_clock_that_was_set_back_keeps_nothing_for_longer(kept: Kept) -> None:
    kept.delete("one", days_ago=-365)
    kept.delete("two", days_ago=-365)
    kept.keeper.step()
    assert kept.names == ["one", "two"]
    kept.clock.now_s += 6.9 * DAY_S
    kept.keeper.step()
    assert kept.names == ["one", "two"]
    kept.clock.now_s += 0.2 * DAY_S
    kept.keeper.step()
    assert kept.names == []


def test_files_of_others_in_the_bin_stay(kept: Kept) -> None:
    for name in ("notes", ".hidden", "job~20269921-101010-123"):
        (kept.bin.folder / name).mkdir()
    kept.clock.now_s += 365 * DAY_S
    kept.bin.load()
    kept.keeper.end_removals()
    kept.keeper.step()
    assert len(list(kept.bin.folder.iterdir())) == 3


def test_a_removal_that_was_cut_off_is_ended(kept: Kept) -> None:
    (kept.bin.folder / f"{GOING}123" / "half").mkdir(parents=True)
    kept.keeper.end_removals()
    assert list(kept.bin.folder.iterdir()) == []


def test_what_the_folders_hold_is_counted(kept: Kept) -> None:
    job = kept.delete("one")
    entry = kept.bin.table.find(job.id)
    assert kept.bin.table.contents(entry) is None
    (entry.folder / "snapshot_iter_1.caffemodel").write_bytes(os.urandom(100_000))
    kept.keeper.step()
    contents = kept.bin.table.contents_of(kept.bin.table.all())
    assert contents is not None
    assert contents.size_bytes >= 100_000
    assert (contents.files, contents.snapshots) == (2, 1)


def test_thousands_are_found_again(tmp_path: Path) -> None:
    (tmp_path / BIN_FOLDER).mkdir()
    for number in range(2_000):
        (tmp_path / BIN_FOLDER / entry_name(f"job-{number}", NOW_S + number, "ada")).mkdir()
    store = JobStore(tmp_path, [ProgramJob], keep_deleted_days=7)
    store.bin.load()
    assert len(store.bin.table.wholes()) == 2_000
    assert store.bin.table.find("job-1999").deleted_s == pytest.approx(NOW_S + 1999)


# A full disk --------------------------------------------------------------------------------------


def test_on_a_full_disk_a_deleted_job_makes_room(small_disk: Disk) -> None:
    store = JobStore(small_disk.path, [ProgramJob], keep_deleted_days=7)
    store.open()
    job = store.create(ProgramJob, "one", ProgramJob(Path("x"), "", program("true")).settings)
    (job.dir / "data").write_bytes(bytes(3_000_000))
    small_disk.fill()
    assert store.is_short_of_room
    store.bin.put(job, "", NOW_S)
    assert len(store.bin.table) == 1
    store.require_room()  # for the next job
    assert len(store.bin.table) == 0
    assert not store.is_short_of_room
    store.close()


def test_a_running_server_gives_the_room_of_the_bin(
    make_scheduler: SchedulerMaker, small_disk: Disk, caplog: pytest.LogCaptureFixture
) -> None:
    store = JobStore(small_disk.path, [ProgramJob], keep_deleted_days=7)
    assert not store.is_short_of_room
    caplog.set_level(logging.WARNING)
    store.open()
    job = store.create(ProgramJob, "one", ProgramJob(Path("x"), "", program("true")).settings)
    store.bin.put(job, "", NOW_S)
    keeper = BinKeeper(store.bin, lambda: store.is_short_of_room)
    store.bin.clock = lambda: NOW_S
    keeper.start()
    try:
        small_disk.fill()
        keeper.look_now()
        wait_until(lambda: len(store.bin.table) == 0)
    finally:
        keeper.stop()
        store.close()


def test_a_read_only_disk_refuses_and_keeps_the_job(small_disk: Disk) -> None:
    store = JobStore(small_disk.path, [ProgramJob], keep_deleted_days=7)
    store.open()
    job = store.create(ProgramJob, "one", ProgramJob(Path("x"), "", program("true")).settings)
    store.close()
    small_disk.make_read_only()
    with pytest.raises(StorageError, match="the disk is read-only"):
        store.bin.put(job, "", NOW_S)
    assert job.dir.is_dir()
