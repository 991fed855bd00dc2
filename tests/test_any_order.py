"""Create, abort, pause, resume, delete, kill, restart in any order, against a real server.

After each step the invariants hold, at the latest as soon as what was begun has ended:

- every history moves along allowed edges, in memory and on disk;
- each process belongs to a job that is Running, and each job that is Running has a process;
- what a Done job promised is there and whole;
- nothing is left of a deleted job, and no job vanishes that was not deleted.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from digits.jobs.process import MARK
from digits.jobs.status import ALLOWED_STEPS, Status
from tests.conftest import kill_task_processes, task_processes, wait_until
from tests.jobs.scheduler_process import Refused, SchedulerProcess
from tests.selection import examples

RESULT = "result " * 1000
MAKE_RESULT = f"printf '{RESULT}' > .part && mv .part result"
UNTIL_GO = "while [ ! -e go ]; do sleep 0.02; done"
SCRIPTS = {
    "quick": MAKE_RESULT,
    "long": f"{UNTIL_GO}; {MAKE_RESULT}",
    "saves": f"trap 'exit 0' INT; {UNTIL_GO}; {MAKE_RESULT}",
    "stubborn": f"trap '' TERM INT; {UNTIL_GO}; {MAKE_RESULT}",
    "family": f"sleep 600 & (trap '' TERM; sleep 600) & {UNTIL_GO}; kill $!; {MAKE_RESULT}",
    "failing": "echo 'Error: nothing works'; exit 1",
    "crashing": f"{UNTIL_GO}; kill -SEGV $$",
}
EXPECTED = {"JobNotFound", "JobNotRunning", "JobRefused", "JobInUse"}


class AnyOrder(RuleBasedStateMachine):
    """A jobs directory, its server, and what the user knows of its jobs."""

    jobs = Bundle("jobs")

    def __init__(self) -> None:
        super().__init__()
        self.top = Path(tempfile.mkdtemp(prefix="any-order-"))
        self.server = SchedulerProcess(self.top / "jobs", "--grace-s", "0.5")
        self.server.start()
        self.known: set[str] = set()

    def teardown(self) -> None:
        try:
            if self.server.runs:
                for job_id in self.known:
                    self._ask("abort", job_id)
                assert task_processes(self.top) == []
        finally:
            if self.server.runs:
                self.server.kill()
            kill_task_processes(self.top)
            shutil.rmtree(self.top, ignore_errors=True)

    # What users and the world do -----------------------------------------------------------------

    @rule(target=jobs, kinds=st.lists(st.sampled_from(sorted(SCRIPTS)), min_size=1, max_size=3))
    def create(self, kinds: list[str]) -> str:
        tasks = [
            {
                "task_id": f"task{number}",
                "script": f"cd . && mkdir -p {number} && cd {number} && {SCRIPTS[kind]}",
                "depends_on": [f"task{number - 1}"] if number % 2 else [],
                "must_exist": f"{number}/result",
            }
            for number, kind in enumerate(kinds)
        ]
        return self._add({"tasks": tasks})

    @rule(target=jobs, needed=jobs)
    def create_dependent(self, needed: str) -> str:
        task = {"task_id": "task0", "script": f"mkdir -p 0 && cd 0 && {MAKE_RESULT}"}
        return self._add({"tasks": [task], "requires": [needed]})

    @rule(job=jobs)
    def abort(self, job: str) -> None:
        if self._ask("abort", job):
            assert self._job(job)["status"] in ("Aborted", "Done", "Error")

    @rule(job=jobs)
    def pause(self, job: str) -> None:
        self._ask("pause", job)

    @rule(job=jobs)
    def resume(self, job: str) -> None:
        self._ask("resume", job)

    @rule(job=consumes(jobs))
    def delete(self, job: str) -> None:
        if self._ask("delete", job):
            self.known.discard(job)
            assert not (self.server.jobs_dir / job).exists()

    @rule(job=jobs)
    def let_go(self, job: str) -> None:
        """Let its scripts come to their end."""
        for number in range(3):
            with contextlib.suppress(FileNotFoundError):
                (self.server.jobs_dir / job / str(number) / "go").touch()

    @rule(job=jobs)
    def kill_processes(self, job: str) -> None:
        """As the kernel does when memory runs out."""
        for process in self._processes_of(job):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

    @rule()
    def kill_server(self) -> None:
        self.server.kill()
        self.server.start()

    @rule(keep=st.booleans(), number=st.sampled_from([signal.SIGTERM, signal.SIGINT]))
    def restart_server(self, keep: bool, number: signal.Signals) -> None:
        # Its way to stop is chosen at its start, so: kill this one, and stop the next one.
        self.server.kill()
        self.server.start(*(["--keep-tasks"] if keep else []))
        self.server.stop(number)
        if not keep:
            assert task_processes(self.top) == []
        self.server.start()

    @rule()
    def machine_goes_down(self) -> None:
        self.server.kill()
        kill_task_processes(self.top)
        self.server.start()

    # What always holds ---------------------------------------------------------------------------

    @invariant()
    def no_job_is_lost(self) -> None:
        answered = self.server.ask("jobs")
        on_disk = {path.name for path in self.server.jobs_dir.iterdir()}
        assert set(answered) == self.known
        assert {name for name in on_disk if not name.startswith(".")} == self.known

    @invariant()
    def histories_move_along_allowed_edges(self) -> None:
        for job in self.server.ask("jobs").values():
            for history in (job["history"], *(task["history"] for task in job["tasks"])):
                check_history(history)
        for job_id in self.known:
            data = json.loads((self.server.jobs_dir / job_id / "job.json").read_text())
            for past in (data["history"], *(task["history"] for task in data["tasks"])):
                check_history([status for status, _ in past])

    @invariant()
    def processes_and_running_jobs_belong_together(self) -> None:
        def owners() -> set[str]:
            return {_owner(process) for process in task_processes(self.top)} - {""}

        def running() -> set[str]:
            jobs = self.server.ask("jobs").items()
            return {job_id for job_id, job in jobs if job["status"] == "Running"}

        wait_until(lambda: owners() == running())

    @invariant()
    def results_of_done_jobs_are_whole(self) -> None:
        for job_id, job in self.server.ask("jobs").items():
            if job["status"] == "Done":
                for number in range(len(job["tasks"])):
                    result = self.server.jobs_dir / job_id / str(number) / "result"
                    assert result.read_text() == RESULT

    @invariant()
    def failures_are_explained(self) -> None:
        for job in self.server.ask("jobs").values():
            assert (job["status"] == "Error") <= bool(job["error"]), job

    # Helpers -------------------------------------------------------------------------------------

    def _add(self, job_settings: dict[str, Any]) -> str:
        job_id = str(self.server.ask("add", name="any", settings=job_settings))
        self.known.add(job_id)
        return job_id

    def _ask(self, method: str, job_id: str) -> bool:
        """Whether the wish was granted; no other refusal than the expected ones is allowed."""
        try:
            self.server.ask(method, job_id=job_id)
        except Refused as refused:
            if refused.kind not in EXPECTED:
                raise
            return False
        return True

    def _job(self, job_id: str) -> dict[str, Any]:
        return self.server.job(job_id)

    def _processes_of(self, job_id: str) -> list[psutil.Process]:
        return [process for process in task_processes(self.top) if _owner(process) == job_id]


def check_history(history: list[str]) -> None:
    assert history[0] == Status.INITIALIZED
    for before, after in itertools.pairwise(history):
        assert Status(after) in ALLOWED_STEPS[Status(before)], history


def _owner(process: psutil.Process) -> str:
    """The id of the job that a task's process belongs to; empty when it has just ended."""
    try:
        return process.environ()[MARK].partition("/")[0]
    except (psutil.Error, KeyError, OSError):
        return ""


TestAnyOrder = pytest.mark.slow(pytest.mark.timeout(1200)(AnyOrder.TestCase))
AnyOrder.TestCase.settings = settings(
    max_examples=examples(15),
    stateful_step_count=20,
    deadline=None,
    database=None,
    # Making a failing order shorter would take an hour: each try starts servers.
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
