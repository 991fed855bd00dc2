"""Servers that are stopped, killed and started again while tasks run, in processes of their own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import kill_task_processes, task_processes, wait_until
from tests.jobs.scheduler_process import Refused, SchedulerProcess

pytestmark = pytest.mark.apart

# Runs until the file `go` appears in the job's folder, and says so line by line.
UNTIL_GO = "echo started; while [ ! -e go ]; do sleep 0.02; done; echo finished"
ServerMaker = Callable[..., SchedulerProcess]


BOTH_MODES = pytest.mark.parametrize(
    "mode", ["threads", pytest.param("gevent", marks=pytest.mark.slow)]
)


@pytest.fixture
def mode() -> str:
    """How the server runs its threads: as greenlets, unless a test asks for both."""
    return "gevent"


@pytest.fixture
def make_server(mode: str, jobs_dir: Path) -> Iterator[ServerMaker]:
    """Starts servers on the same jobs directory; whatever is left in the end is killed."""
    made: list[SchedulerProcess] = []

    def make(*flags: str) -> SchedulerProcess:
        server = SchedulerProcess(jobs_dir, *(["--gevent"] if mode == "gevent" else []), *flags)
        made.append(server)
        return server.start()

    yield make
    for server in made:
        if server.runs:
            server.kill()
    kill_task_processes(jobs_dir)


def go(server: SchedulerProcess, *job_ids: str) -> None:
    for job_id in job_ids:
        (server.jobs_dir / job_id / "go").touch()


@BOTH_MODES
def test_tasks_go_on_while_there_is_no_server_and_their_logs_are_complete(
    make_server: ServerMaker,
) -> None:
    server = make_server()
    count = "n=0; while [ ! -e go ]; do n=$((n+1)); echo line $n; sleep 0.01; done; echo end"
    job_id = server.add("counting", count)
    server.wait_for_line(job_id, "line 3")
    for _ in range(3):
        server.kill()
        seen = (server.jobs_dir / job_id / "main.log").stat().st_size
        log = server.jobs_dir / job_id / "main.log"
        wait_until(lambda log=log, seen=seen: log.stat().st_size > seen + 50)
        server.start()
        assert server.job(job_id)["status"] == "Running"
    go(server, job_id)
    job = server.wait_for_status(job_id, "Done")
    *lines, end = job["tasks"][0]["lines"]
    assert lines == [f"line {number + 1}" for number in range(len(lines))]
    assert end == "end"
    assert job["history"] == ["Initialized", "Waiting", "Running", "Done"]
    assert job["tasks"][0]["attempts"] == 1


def test_what_ended_while_there_was_no_server_is_settled_by_its_exit_status(
    make_server: ServerMaker,
) -> None:
    server = make_server("--create-db-slots", "4")
    scripts = {
        "Done": UNTIL_GO,
        "exit status 7": UNTIL_GO + "; exit 7",
        "SIGSEGV": UNTIL_GO + "; kill -SEGV $$",
        "the disk is sad": UNTIL_GO + "; echo 'Error: the disk is sad'; exit 1",
    }
    jobs = {words: server.add(words, script) for words, script in scripts.items()}
    for job_id in jobs.values():
        server.wait_for_line(job_id, "started")
    server.kill()
    go(server, *jobs.values())
    wait_until(lambda: not task_processes(server.jobs_dir))
    server.start()
    for words, job_id in jobs.items():
        job = server.wait_for_status(job_id, "Done" if words == "Done" else "Error")
        assert words in (job["error"] or "Done")
        assert job["tasks"][0]["lines"][:2] == ["started", "finished"]


@pytest.mark.parametrize("how", ["kill", "stop", pytest.param("keep", marks=pytest.mark.slow)])
def test_waiting_jobs_keep_their_order(make_server: ServerMaker, how: str) -> None:
    flags = ["--create-db-slots", "1", *(["--keep-tasks"] if how == "keep" else [])]
    server = make_server(*flags)
    script = f"echo $(basename $PWD) >> ../order; {UNTIL_GO}"
    first, *others = [server.add(f"job {number}", script) for number in range(4)]
    server.wait_for_line(first, "started")
    server.ask("abort", job_id=others[0])
    server.ask("resume", job_id=others[0])  # it joins the queue anew, at its end
    expected = [*others[1:], others[0]]
    assert server.ask("queue") == expected
    server.kill() if how == "kill" else server.stop()
    server.start()
    server.wait_for_line(first, "started")
    assert server.ask("queue") == expected
    go(server, first, *others)
    for job_id in [first, *others]:
        server.wait_for_status(job_id, "Done")
    order = (server.jobs_dir / "order").read_text().split()
    assert list(dict.fromkeys(order)) == [first, *expected]


def test_a_graceful_stop_that_keeps_tasks_leaves_them_running(make_server: ServerMaker) -> None:
    server = make_server("--keep-tasks")
    job_id = server.add("kept", UNTIL_GO)
    server.wait_for_line(job_id, "started")
    before = {process.pid for process in task_processes(server.jobs_dir)}
    server.stop()
    assert before & {process.pid for process in task_processes(server.jobs_dir)}
    server.start()
    assert server.job(job_id)["status"] == "Running"
    go(server, job_id)
    assert server.wait_for_status(job_id, "Done")["tasks"][0]["attempts"] == 1


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_graceful_stop_lets_tasks_save_their_state_and_the_next_start_resumes_them(
    make_server: ServerMaker, number: signal.Signals
) -> None:
    server = make_server()
    saving = (
        "trap 'touch saved; exit 0' INT; echo started; while [ ! -e saved ]; do sleep 0.02; done"
    )
    job_id = server.add("stopped", f"{saving}; echo resumed")
    server.wait_for_line(job_id, "started")
    server.stop(number)
    assert task_processes(server.jobs_dir) == []
    assert (server.jobs_dir / job_id / "saved").exists()
    server.start()
    job = server.wait_for_status(job_id, "Done")
    assert job["tasks"][0]["lines"] == ["started", "started", "resumed"]  # its log is continued
    assert job["history"][2:] == ["Running", "Waiting", "Running", "Done"]


def test_a_job_that_an_earlier_server_started_can_be_aborted(make_server: ServerMaker) -> None:
    server = make_server()
    job_id = server.add("stubborn", f"trap '' TERM INT; {UNTIL_GO}")
    server.wait_for_line(job_id, "started")
    server.kill()
    server.start()
    server.ask("abort", job_id=job_id)
    assert server.job(job_id)["status"] == "Aborted"
    assert task_processes(server.jobs_dir) == []


def test_a_pause_survives_the_server_that_was_asked_for_it(make_server: ServerMaker) -> None:
    server = make_server()
    script = f"trap 'sleep 0.3; exit 0' INT; {UNTIL_GO}"
    job_id = server.add("paused", script)
    server.wait_for_line(job_id, "started")
    server.ask("pause", job_id=job_id)
    server.kill()
    server.start()
    job = server.wait_for_status(job_id, "Aborted")
    assert "Paused" in job["tasks"][0]["message"]
    go(server, job_id)
    server.ask("resume", job_id=job_id)
    server.wait_for_status(job_id, "Done")


def test_stop_and_keep_survives_the_server_that_was_asked_for_it(make_server: ServerMaker) -> None:
    server = make_server()
    job_id = server.add("kept", f"trap 'sleep 0.3; exit 130' INT; {UNTIL_GO}")
    server.wait_for_line(job_id, "started")
    server.ask("stop_and_keep", job_id=job_id)
    server.kill()
    server.start()
    server.wait_for_status(job_id, "Done")


def test_a_machine_that_went_down_is_an_error_and_the_job_can_be_resumed(
    make_server: ServerMaker,
) -> None:
    server = make_server()
    job_id = server.add("unlucky", "echo started; [ -e go ] || sleep 600")
    server.wait_for_line(job_id, "started")
    server.kill()
    kill_task_processes(server.jobs_dir)
    server.start()
    job = server.wait_for_status(job_id, "Error")
    assert "vanished" in job["error"]
    go(server, job_id)
    server.ask("resume", job_id=job_id)
    assert server.wait_for_status(job_id, "Done")["error"] is None


@BOTH_MODES
def test_a_second_server_on_the_same_directory_is_refused(make_server: ServerMaker) -> None:
    server = make_server()
    with pytest.raises(RuntimeError, match=rf"in use by another .*process {server.pid} on"):
        make_server()
    server.add("still served", "true")


@BOTH_MODES
def test_people_pressing_at_the_same_time_do_no_harm(make_server: ServerMaker) -> None:
    server = make_server("--create-db-slots", "4")
    random_ = random.Random(1)
    job_ids = [server.add(str(number), UNTIL_GO) for number in range(6)]
    answers: Counter[str] = Counter()

    def press() -> None:
        for _ in range(12):
            method = random_.choice(["abort", "resume", "pause", "delete", "rename", "rescan"])
            arguments = {} if method == "rescan" else {"job_id": random_.choice(job_ids)}
            if method == "rename":
                arguments["name"] = "other"
            if method == "delete" and random_.random() < 0.7:
                continue
            try:
                server.ask(method, **arguments)
                answers["done"] += 1
            except Refused as refused:
                answers[refused.kind] += 1

    people = [threading.Thread(target=press) for _ in range(8)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert set(answers) <= {"done", "JobNotFound", "JobNotRunning", "JobRefused"}
    for job_id in server.ask("jobs"):
        go(server, job_id)
        with contextlib.suppress(Refused):
            server.ask("resume", job_id=job_id)
    for job_id in server.ask("jobs"):
        server.wait_for_status(job_id, "Done", "Aborted", "Error")
    assert task_processes(server.jobs_dir) == []
    kept = {path.name for path in server.jobs_dir.iterdir() if not path.name.startswith(".")}
    assert kept == set(server.ask("jobs"))


KILLS = 60


@BOTH_MODES
@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_server_killed_again_and_again_loses_no_job_and_runs_none_twice(
    make_server: ServerMaker,
) -> None:
    """Each job appends to `runs` once; the server dies at random moments while jobs come and go."""
    random_ = random.Random(os.urandom(8))
    server = make_server("--create-db-slots", "3")
    promised: list[str] = []
    script = "echo run >> runs; echo started; sleep 0.0$(($$ % 9))5; echo finished"
    for _ in range(KILLS):
        killer = threading.Timer(random_.uniform(0.0, 0.5), os.kill, [server.pid, signal.SIGKILL])
        killer.start()
        with contextlib.suppress(OSError):
            while True:
                promised.append(server.add("one", script))
                time.sleep(random_.uniform(0.0, 0.15))
        killer.join()
        server.kill()
        server.start()
    for job_id in promised:
        server.wait_for_status(job_id, "Done")
    jobs = server.ask("jobs")
    assert set(promised) <= set(jobs)
    for job_id, job in jobs.items():  # also those whose id never reached the client
        server.wait_for_status(job_id, "Done")
        assert (server.jobs_dir / job_id / "runs").read_text() == "run\n", job
        assert server.lines(job_id) == ["started", "finished"]
    assert len(promised) >= KILLS / 2


def test_a_task_holds_what_it_began_with_whatever_it_would_ask_for_now(
    make_server: ServerMaker,
) -> None:
    server = make_server("--create-db-slots", "1")
    first = server.add("first", UNTIL_GO)
    server.wait_for_line(first, "started")
    second = server.add("second", UNTIL_GO)
    server.kill()
    file = server.jobs_dir / first / "job.json"
    record = json.loads(file.read_text())
    assert record["tasks"][0]["slot_kind"] == "create_db"
    record["tasks"][0]["settings"]["kind"] = "train"  # as when what it depends on has changed
    file.write_text(json.dumps(record))
    server.start()
    assert server.ask("queue") == [second]
    go(server, first, second)
    for job_id in (first, second):
        server.wait_for_status(job_id, "Done")
