"""Warm starts: whoever looks sees a program that was started alone, and nobody depends on it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import psutil
import pytest

from digits.base.warm.client import WarmProcess, WarmStarts
from digits.base.warm.order import MOST_BYTES
from tests.conftest import wait_until

SAYING = "tests.base.warm.saying"


@dataclass
class Said:
    """A program that was started, its output, and the end of its input."""

    process: WarmProcess
    output: BinaryIO
    input: BinaryIO

    @property
    def words(self) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.output.readline())
        return answer


OPENED: list[Said] = []


@pytest.fixture(autouse=True)
def no_file_left() -> Iterator[None]:
    yield
    while OPENED:
        said = OPENED.pop()
        said.input.close()
        said.process.wait(60)
        said.output.close()


@pytest.fixture(scope="module")
def warm() -> Iterator[WarmStarts]:
    with WarmStarts([SAYING]) as starts:
        yield starts


def start(warm: WarmStarts, *words: str, folder: Path | None = None, **variables: str) -> Said:
    said = attempt(warm, *words, folder=folder, **variables)
    assert said is not None
    return said


def attempt(
    warm: WarmStarts, *words: str, folder: Path | None = None, **variables: str
) -> Said | None:
    reading, writing = os.pipe()
    given, giving = os.pipe()
    process = warm.start(
        SAYING,
        words,
        folder=folder,
        environment={**os.environ, **variables},
        descriptors={0: given, 1: writing, 2: 2},
        mark="COLOUR" if "COLOUR" in variables else "",
    )
    os.close(writing)
    os.close(given)
    if process is None:
        os.close(reading)
        os.close(giving)
        return None
    OPENED.append(Said(process, os.fdopen(reading, "rb"), os.fdopen(giving, "wb")))
    return OPENED[-1]


def test_a_program_sees_what_it_was_given(warm: WarmStarts, tmp_path: Path) -> None:
    words = ["a b", "", "*", "ü\n", "\\"]
    said = start(warm, *words, folder=tmp_path, COLOUR="red")
    assert said.words == {
        "words": words,
        "name": "__main__",
        "folder": str(tmp_path),
        "colour": "red",
        "room": False,
        "first_path": str(tmp_path),
        "umask": os.umask(os.umask(0o022)),
        "session": True,
        "threads": 1,
    }
    said.input.close()
    assert said.process.wait(60) == 0


def test_others_see_its_command_line_and_environment(warm: WarmStarts) -> None:
    said = start(warm, "--some", "words", COLOUR="red", OTHER="x" * 300)
    seen = psutil.Process(said.process.pid)
    assert seen.cmdline() == ["python", "-m", SAYING, "--some", "words"]
    assert seen.environ()["COLOUR"] == "red"
    assert seen.environ()["OTHER"] == "x" * 300
    assert "DIGITS_ROOM" not in seen.environ()
    said.input.close()


def test_a_long_command_line_is_cut_and_the_mark_kept(warm: WarmStarts) -> None:
    much = {f"MUCH_{number}": "x" * 5_000 for number in range(15)}
    said = start(warm, "y" * 20_000, COLOUR="red", **much)
    seen = psutil.Process(said.process.pid)
    assert " ".join(seen.cmdline()).startswith(f"python -m {SAYING} yyy")
    assert seen.environ()["COLOUR"] == "red"
    assert said.words["words"] == ["y" * 20_000]
    said.input.close()


def test_how_it_ended_is_known(warm: WarmStarts) -> None:
    said = start(warm, STATUS="7")
    assert said.process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        said.process.wait(0.01)
    said.input.close()
    assert said.process.wait(60) == 7
    assert said.process.poll() == 7


def test_signals_end_the_program_and_not_its_keeper(warm: WarmStarts) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        said = start(warm)
        assert said.words
        os.killpg(said.process.pid, number)
        assert said.process.wait(60) == -number


def test_a_killed_group_leaves_nothing_behind(warm: WarmStarts) -> None:
    said = start(warm)
    os.killpg(said.process.pid, signal.SIGKILL)
    assert said.process.wait(60) == -signal.SIGKILL
    assert not psutil.pid_exists(said.process.pid)


def test_a_killed_keeper_counts_as_killed(warm: WarmStarts) -> None:
    said = start(warm)
    os.kill(said.process.keeper, signal.SIGKILL)
    assert said.process.wait(60) == -signal.SIGKILL


def test_descriptors_keep_their_numbers(warm: WarmStarts, tmp_path: Path) -> None:
    (tmp_path / "writing.py").write_text("import os; os.write(77, b'here')")
    with (tmp_path / "out").open("wb") as file:
        process = warm.start(
            "writing",
            [],
            folder=tmp_path,
            environment=dict(os.environ),
            descriptors={77: file.fileno()},
        )
    assert process is not None
    assert process.wait(60) == 0
    assert (tmp_path / "out").read_text() == "here"


def test_the_record_says_who_it_was_and_how_it_ended(warm: WarmStarts, tmp_path: Path) -> None:
    with open(os.devnull, "r+b") as nothing:
        process = warm.start(
            SAYING,
            [],
            folder=tmp_path,
            environment={**os.environ, "STATUS": "3"},
            descriptors={0: nothing.fileno(), 1: nothing.fileno(), 2: nothing.fileno()},
            record="run",
        )
    assert process is not None
    assert process.wait(60) == 3
    assert (tmp_path / "run.pid").read_text() == str(process.keeper)
    assert (tmp_path / "run.exit").read_text().strip() == "3"


def test_a_crash_of_the_process_with_the_libraries_harms_no_program(warm: WarmStarts) -> None:
    said = start(warm, STATUS="5")
    assert warm._server is not None
    warm._server.kill()
    warm._server.wait()
    assert said.process.poll() is None
    later = start(warm)
    assert later.words["name"] == "__main__"
    later.input.close()
    said.input.close()
    assert said.process.wait(60) == 5


@pytest.mark.parametrize(
    "variables",
    [
        pytest.param({"OMP_NUM_THREADS": "1234"}, id="read when libraries are loaded"),
        pytest.param({"MUCH": "x" * MOST_BYTES}, id="too long"),
    ],
)
def test_what_cannot_start_warm_is_left_to_the_caller(
    warm: WarmStarts, variables: dict[str, str]
) -> None:
    assert attempt(warm, **variables) is None
    said = start(warm)
    said.input.close()


def test_a_folder_that_is_gone_is_left_to_the_caller(
    warm: WarmStarts, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert attempt(warm, folder=tmp_path / "gone") is None
    assert "cannot be entered" in caplog.text


def test_what_never_comes_up_is_not_waited_for_again(caplog: pytest.LogCaptureFixture) -> None:
    with WarmStarts(["no.such.module"]) as broken:
        for _ in range(3):
            assert attempt(broken) is None
        assert not broken.is_on
        assert attempt(broken) is None


def test_it_ends_when_nobody_asks() -> None:
    with WarmStarts([SAYING], idle_s=2) as short:
        start(short).input.close()
        server = short._server
        assert server is not None
        server.wait(60)
        assert short.memory_bytes() == 0
        start(short).input.close()  # and comes back


def test_none_is_started_where_it_is_switched_off() -> None:
    with WarmStarts([SAYING], idle_s=0) as off:
        off.prepare()
        assert attempt(off) is None
        assert off._server is None


def test_it_ends_with_its_server_and_leaves_no_folder(tmp_path: Path) -> None:
    script = (
        "import time\n"
        "from digits.base.warm.client import WarmStarts\n"
        "warm = WarmStarts(['json'])\n"
        "warm.prepare()\n"
        "print(warm._path(), flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    ) as starter:
        assert starter.stdout is not None
        path = Path(starter.stdout.readline().strip())
        try:
            wait_until(path.exists)
        finally:
            starter.kill()
    wait_until(lambda: list(tmp_path.iterdir()) == [])


def test_a_long_path_is_no_trouble(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 120)
    folder.mkdir()
    with WarmStarts([SAYING], shared=folder) as warm:
        start(warm).input.close()


def test_servers_with_one_folder_share_the_process(tmp_path: Path) -> None:
    with WarmStarts([SAYING], shared=tmp_path) as one, WarmStarts([SAYING], shared=tmp_path) as two:
        start(one).input.close()
        start(two).input.close()
        assert two._server is None
        server = one._server
        assert server is not None
    assert server.poll() is None  # others may still use it
    with WarmStarts([SAYING], shared=tmp_path) as three:
        start(three).input.close()
        assert three._server is None
    (path,) = tmp_path.iterdir()
    path.unlink()
    server.wait(60)


def test_a_shared_one_keeps_nobody_waiting_for_the_output_of_its_starter(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from digits.base.warm.client import WarmStarts\n"
        "warm = WarmStarts(['json'], shared=sys.argv[1])\n"
        "warm.prepare()\n"
        "print(warm._path(), flush=True)\n"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    # Returns at the end of the pipes.
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    path = Path(done.stdout.strip())
    wait_until(path.exists)
    path.unlink()


def test_a_killed_one_is_followed_by_another_for_all_that_share_it(tmp_path: Path) -> None:
    with WarmStarts([SAYING], shared=tmp_path) as one, WarmStarts([SAYING], shared=tmp_path) as two:
        start(one).input.close()
        assert one._server is not None
        one._server.kill()
        one._server.wait()
        start(two).input.close()
        start(one).input.close()
        (path,) = tmp_path.iterdir()
        path.unlink()
        assert two._server is not None
        two._server.wait(60)
