"""A task's process: how it ended is known, all of it can be ended, nothing else is touched."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from digits.base.warm.client import WarmProcess, WarmStarts
from digits.dataset.tasks.create_db import CreateDbTask
from digits.dataset.tasks.extract_archive import ExtractArchiveTask
from digits.jobs.process import MARK, RUN_FOLDER, TaskProcess, describe_exit, what_to_try
from digits.model.training.failure import explain
from digits.model.training.history import History
from tests.conftest import kill_task_processes, task_processes, wait_until


@pytest.fixture
def job_dir(jobs_dir: Path) -> Iterator[Path]:
    folder = jobs_dir / "20150421-140640-d697a3"
    folder.mkdir(parents=True)
    yield folder
    kill_task_processes(jobs_dir)


@pytest.fixture(scope="module")
def warm_starts() -> Iterator[WarmStarts]:
    with WarmStarts(modules=["tests.jobs.as_sh"]) as warm:
        yield warm


@pytest.fixture(autouse=True, params=["cold", "warm"])
def how(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything here holds for both ways to start a process."""
    if request.param == "warm":
        warm = request.getfixturevalue("warm_starts")
        cold_start = TaskProcess.start

        def start_warm(command: Sequence[str], **options: Any) -> TaskProcess:
            if command[0] == "sh":
                command = [sys.executable, "-m", "tests.jobs.as_sh", command[2]]
            process = cold_start(command, **options, warm=warm)
            assert isinstance(process._child, WarmProcess)
            return process

        monkeypatch.setattr(TaskProcess, "start", start_warm)


def start(job_dir: Path, script: str, attempt: int = 1, **more: str) -> TaskProcess:
    return TaskProcess.start(
        ["sh", "-c", script],
        job_dir=job_dir,
        task_id="main",
        attempt=attempt,
        log_path=job_dir / "main.log",
        environment={**os.environ, **more},
    )


def found(job_dir: Path, attempt: int = 1) -> TaskProcess:
    process = TaskProcess.find(job_dir, "main", attempt)
    assert process is not None
    return process


def wait_for_end(process: TaskProcess) -> None:
    wait_until(lambda: not process.is_alive())


def run_files(job_dir: Path) -> list[str]:
    return sorted(path.name for path in (job_dir / RUN_FOLDER).iterdir())


@pytest.mark.parametrize(
    ("script", "status"),
    [
        ("true", 0),
        ("exit 7", 7),
        ("exit 255", 255),
        ("kill -9 $$", 128 + 9),
        ("kill -SEGV $$", 128 + 11),
        ("exec /no/such/program", 127),
    ],
)
def test_the_exit_status_is_on_disk_for_a_later_server(
    job_dir: Path, script: str, status: int
) -> None:
    process = start(job_dir, script)
    wait_for_end(process)
    assert process.exit_status() == status
    assert found(job_dir).exit_status() == status
    assert not found(job_dir).is_alive()


def test_output_is_appended_to_the_log(job_dir: Path) -> None:
    (job_dir / "main.log").write_text("before\n")
    wait_for_end(start(job_dir, "echo out; echo err >&2"))
    assert (job_dir / "main.log").read_text() == "before\nout\nerr\n"


def test_the_command_runs_in_the_folder_with_its_environment(job_dir: Path) -> None:
    wait_for_end(start(job_dir, 'pwd; echo "$COLOUR"', COLOUR="red"))
    assert (job_dir / "main.log").read_text() == f"{job_dir.resolve()}\nred\n"


def test_arguments_reach_the_command_as_they_are(job_dir: Path) -> None:
    words = ["a b", "'", '"', "$HOME", "*", "", "-n", "\\", "ü\n"]
    (job_dir / "said.py").write_text("import sys; print(sys.argv[1:])")
    process = TaskProcess.start(
        [sys.executable, "-m", "said", *words],
        job_dir=job_dir,
        task_id="main",
        attempt=1,
        log_path=job_dir / "main.log",
        environment=os.environ,
    )
    wait_for_end(process)
    assert (job_dir / "main.log").read_text() == f"{words}\n"


def test_a_running_process_is_found_and_followed_to_its_end(job_dir: Path) -> None:
    process = start(job_dir, "echo on; while [ ! -e go ]; do sleep 0.01; done; exit 3")
    wait_until(lambda: "main.1.pid" in run_files(job_dir))
    later = found(job_dir)
    assert later.is_alive()
    assert later.exit_status() is None
    (job_dir / "go").touch()
    wait_for_end(later)
    wait_for_end(process)
    assert later.exit_status() == 3


def test_a_process_whose_shell_wrote_nothing_yet_is_found_by_its_mark(job_dir: Path) -> None:
    process = start(job_dir, "sleep 600")
    wait_until(lambda: "main.1.pid" in run_files(job_dir))
    (job_dir / RUN_FOLDER / "main.1.pid").unlink()
    later = found(job_dir)
    assert later.pid == process.pid
    later.terminate(5)
    assert not process.is_alive()


def test_an_attempt_that_never_started_is_not_found(job_dir: Path) -> None:
    assert TaskProcess.find(job_dir, "main", 1) is None
    wait_for_end(start(job_dir, "true", attempt=1))
    assert TaskProcess.find(job_dir, "main", 2) is None


def test_a_new_attempt_leaves_nothing_of_the_last_one(job_dir: Path) -> None:
    wait_for_end(start(job_dir, "exit 1", attempt=1))
    wait_for_end(start(job_dir, "true", attempt=2))
    assert run_files(job_dir) == ["main.2.exit", "main.2.pid"]
    found(job_dir, 2).forget()
    assert run_files(job_dir) == []


def test_a_process_id_used_again_by_another_program_is_not_ours(job_dir: Path) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        (job_dir / RUN_FOLDER).mkdir()
        (job_dir / RUN_FOLDER / "main.1.pid").write_text(str(stranger.pid))
        process = found(job_dir)
        assert not process.is_alive()
        assert process.members() == {}
        process.terminate(1)
        assert stranger.poll() is None
        stranger.kill()


@pytest.mark.parametrize("content", ["-1", "0", "99999999999999999999", "4194305", "x", "", "1e3"])
@pytest.mark.parametrize("suffix", ["pid", "exit"])
def test_a_file_of_the_run_that_holds_no_number_of_a_process_is_none(
    job_dir: Path, suffix: str, content: str
) -> None:
    """What used to happen: -1 for a process id was a traceback."""
    (job_dir / RUN_FOLDER).mkdir()
    (job_dir / RUN_FOLDER / "main.1.pid").write_text("4194304")
    (job_dir / RUN_FOLDER / f"main.1.{suffix}").write_text(content)
    process = TaskProcess.find(job_dir, "main", 1)
    if process is not None:
        assert not process.is_alive()
        assert process.members() == {}
        assert process.exit_status() in (None, 0)
        process.terminate(0.1)


def copied(job_dir: Path, tmp_path: Path, how: str = "-a") -> Path:
    """A copy of the jobs directory, as a backup takes it; answers the job's folder in it."""
    copy = tmp_path / "copy" / job_dir.name
    subprocess.run(["cp", how, str(job_dir.parent), str(copy.parent)], check=True)
    return copy


@pytest.mark.parametrize("keeps_files", [True, False])
@pytest.mark.parametrize("how", ["-a", "-al", "-r"])
def test_a_copy_of_the_folder_neither_claims_nor_ends_the_process(
    job_dir: Path, tmp_path: Path, how: str, keeps_files: bool
) -> None:
    """What used to happen: a server on a copy ended the training of the original."""
    process = start(job_dir, "setsid sleep 600 & echo on; sleep 600")
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    copy = copied(job_dir, tmp_path, how)
    if not keeps_files:
        (copy / RUN_FOLDER / "main.1.pid").unlink()
        assert TaskProcess.find(copy, "main", 1) is None
    else:
        of_copy = found(copy)
        assert not of_copy.is_alive()
        assert of_copy.members() == {}
        assert of_copy.memory_bytes() == 0
        of_copy.send_signal(signal.SIGKILL)
        of_copy.terminate(0.1)
    assert len(process.members()) >= 3
    assert found(job_dir).is_alive()
    process.terminate(5)


def test_a_copy_of_what_an_earlier_version_started_is_told_by_where_it_works(
    job_dir: Path, tmp_path: Path
) -> None:
    (job_dir / RUN_FOLDER).mkdir()
    environment = {**os.environ, MARK: f"{job_dir.name}/main.1"}
    with subprocess.Popen(
        ["sleep", "600"], cwd=job_dir, env=environment, start_new_session=True
    ) as old:
        (job_dir / RUN_FOLDER / "main.1.pid").write_text(str(old.pid))
        copy = copied(job_dir, tmp_path)
        assert not found(copy).is_alive()
        found(copy).terminate(0.1)
        assert old.poll() is None
        assert found(job_dir).is_alive()
        found(job_dir).terminate(5)
        assert old.wait(10) == -signal.SIGTERM


def test_a_folder_that_is_gone_has_no_process(job_dir: Path, tmp_path: Path) -> None:
    process = start(job_dir, "echo on; sleep 600")
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    away = job_dir.rename(tmp_path / job_dir.name)
    assert TaskProcess.find(job_dir, "main", 1) is None
    job_dir.mkdir()  # another folder in its place
    assert TaskProcess.find(job_dir, "main", 1) is None
    assert process.pid in process.members()  # who has started it knows it still
    assert found(away).is_alive()
    process.terminate(5)


def test_a_folder_that_was_moved_still_has_its_process(job_dir: Path, tmp_path: Path) -> None:
    process = start(job_dir, "while [ ! -e go ]; do sleep 0.01; done; exit 4")
    wait_until(lambda: "main.1.pid" in run_files(job_dir))
    moved = job_dir.rename(tmp_path / job_dir.name)
    later = found(moved)
    assert later.is_alive()
    (moved / "go").touch()
    wait_for_end(process)
    assert later.exit_status() == 4


@pytest.mark.parametrize(
    "script",
    [
        "echo on; sleep 600",
        "sleep 600 & sleep 600 & echo on; wait",
        "trap '' TERM; echo on; sleep 600",
        "trap '' TERM INT HUP; echo on; while :; do sleep 1; done",
        "setsid sleep 600 & echo on; sleep 600",
        "setsid sh -c 'trap \"\" TERM; echo on; sleep 600' & sleep 600",
    ],
)
def test_terminate_ends_the_whole_tree(job_dir: Path, jobs_dir: Path, script: str) -> None:
    process = start(job_dir, script)
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    process.terminate(0.3)
    assert task_processes(jobs_dir) == []
    assert not process.is_alive()


def test_terminate_lets_a_program_clean_up_and_keeps_its_status(job_dir: Path) -> None:
    process = start(job_dir, "trap 'echo bye; exit 5' TERM; echo on; while :; do sleep 0.01; done")
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    process.terminate(10)
    assert "bye\n" in (job_dir / "main.log").read_text()
    assert process.exit_status() == 5


def test_terminate_may_begin_with_another_signal(job_dir: Path) -> None:
    script = "trap 'echo saving; exit 0' INT; echo on; while :; do sleep 0.01; done"
    process = start(job_dir, script)
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    process.terminate(10, first=signal.SIGINT)
    assert "saving\n" in (job_dir / "main.log").read_text()


def test_a_command_left_behind_by_its_shell_is_still_a_member(job_dir: Path) -> None:
    process = start(job_dir, "echo on; exec sleep 600")
    wait_until(lambda: "on" in (job_dir / "main.log").read_text())
    os.kill(process.pid, signal.SIGKILL)
    wait_for_end(process)
    assert len(process.members()) == 1
    assert process.exit_status() == 128 + 9
    assert found(job_dir).exit_status() is None
    process.terminate(5)
    assert process.members() == {}


def test_ending_what_has_ended_does_nothing(job_dir: Path) -> None:
    process = start(job_dir, "true")
    wait_for_end(process)
    process.send_signal(signal.SIGTERM)
    process.terminate(1)
    assert process.exit_status() == 0


def test_every_process_carries_the_mark(job_dir: Path, jobs_dir: Path) -> None:
    process = start(job_dir, "sleep 600 & wait")
    wait_until(lambda: len(task_processes(jobs_dir)) == 3)
    marks = {one.environ()[MARK] for one in task_processes(jobs_dir)}
    state = job_dir.stat()
    assert marks == {f"{job_dir.name}/main.1@{state.st_dev:x}:{state.st_ino:x}"}
    process.terminate(5)


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "vanished"),
        (1, "exit status 1"),
        (127, "not found"),
        (128 + 9, "out of memory"),
        (128 + 15, "SIGTERM"),
        (128 + 11, "SIGSEGV"),
        (255, "exit status 255"),
    ],
)
def test_an_exit_status_in_words(status: int | None, words: str) -> None:
    assert words in describe_exit(status)


def test_a_task_is_advised_what_it_can_do_with_less_memory(job_dir: Path) -> None:
    """What used to happen: a dataset killed for memory was advised a smaller batch size."""
    killed = 128 + signal.SIGKILL
    task = ExtractArchiveTask(job_dir, "x", archive="a", folder="b", uploaded_name="c")
    assert "(fewer tasks at a time)" in task.explain_failure(killed)
    assert "smaller pictures" in what_to_try(killed, CreateDbTask.less_memory)
    assert "batch" not in task.explain_failure(killed) + CreateDbTask.less_memory
    assert "a smaller batch size" in explain(History(), job_dir / "log", killed)
    assert "cut off" in what_to_try(128 + signal.SIGBUS)


@pytest.mark.parametrize(
    ("status", "words"),
    [(128 + 9, "less memory"), (None, "Resume"), (128 + 11, "Resume"), (127, "installed"), (1, "")],
)
def test_what_may_help_after_an_end(status: int | None, words: str) -> None:
    assert words in what_to_try(status)
    assert bool(what_to_try(status)) == bool(words)
