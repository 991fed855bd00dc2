"""Where lines go, and in what form: flags of glog at work."""

from __future__ import annotations

import getpass
import io
import logging
import os
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from digits.caffe.machine.glog import LogSettings
from digits.caffe.machine.log import at, start_logging

log = logging.getLogger("digits.caffe.tests")
LINE = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d{6} +\d+ [\w.]+:\d+\] ")


def logged(settings: LogSettings, say: Callable[[], None] | None = None) -> list[str]:
    """What four messages, one of each severity, leave on stderr; without their prefix."""
    stream = io.StringIO()
    handler = start_logging(settings, stream)
    if say is None:
        log.info("info", extra=at("net.cpp:1"))
        log.warning("warning")
        log.error("error")
        log.critical("fatal")
    else:
        say()
    handler.close()
    return [LINE.sub("", line, count=1) for line in stream.getvalue().splitlines()]


ALL = ["info", "warning", "error", "fatal"]


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (LogSettings(logtostderr=True), ALL),
        (LogSettings(alsologtostderr=True), ALL),
        (LogSettings(alsologtostderr=True, minloglevel=1), ALL[1:]),
        (LogSettings(logtostderr=True, minloglevel=9), []),
        (LogSettings(logtostderr=True, minloglevel=-1), ALL),
    ],
)
def test_levels(settings: LogSettings, lines: list[str]) -> None:
    assert logged(settings) == lines


def test_without_prefix() -> None:
    stream = io.StringIO()
    start_logging(LogSettings(logtostderr=True, log_prefix=False), stream)
    log.info("as it is", extra=at("net.cpp:1"))
    assert stream.getvalue() == "as it is\n"


@pytest.mark.parametrize(("terminal", "colored"), [("xterm", True), ("dumb", False)])
def test_colors(terminal: str, colored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", terminal)
    stream = io.StringIO()
    start_logging(LogSettings(logtostderr=True, colorlogtostderr=True), stream)
    log.info("plain")
    log.warning("yellow")
    log.error("red")
    lines = stream.getvalue().removesuffix("\033[m").splitlines()
    starts = [line.removeprefix("\033[m")[:6] for line in lines]
    assert [start.startswith("\033[0;3") for start in starts] == [False, colored, colored]


def verbose() -> None:
    log.debug("one", extra=at("net.cpp:1"))
    log.log(logging.DEBUG - 1, "two", extra=at("solver.cpp:1"))
    log.info("info")


@pytest.mark.parametrize(
    ("more", "lines"),
    [
        ({}, ["info"]),
        ({"v": 1}, ["one", "info"]),
        ({"v": 2}, ["one", "two", "info"]),
        ({"vmodule": "solver=2"}, ["two", "info"]),
        ({"v": 2, "vmodule": "net=0"}, ["two", "info"]),
    ],
)
def test_verbose_messages(more: dict[str, object], lines: list[str]) -> None:
    settings = LogSettings(logtostderr=True, **more)  # type: ignore[arg-type]
    assert logged(settings, verbose) == lines


def test_a_backtrace_at_a_place() -> None:
    def inner() -> None:
        log.info("here", extra=at("net.cpp:86"))

    lines = logged(LogSettings(logtostderr=True, log_backtrace_at="net.cpp:86"), inner)
    assert lines[0] == " (stacktrace:"
    assert "inner()" in lines[1]
    assert lines[-1] == ") here"


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if not path.is_symlink()}


def test_each_severity_has_a_file_with_all_that_is_more_severe(tmp_path: Path) -> None:
    settings = LogSettings(log_dir=str(tmp_path), program="caffe")
    assert logged(settings) == ["error", "fatal"]
    name = rf"caffe\.{re.escape(socket.gethostname())}\.{getpass.getuser()}\.log\.([A-Z]+)"
    found = {}
    for path, text in files(tmp_path).items():
        match = re.fullmatch(rf"{name}\.\d{{8}}-\d{{6}}\.{os.getpid()}", path)
        assert match, path
        head, lines = text.splitlines()[:3], text.splitlines()[3:]
        assert re.fullmatch(r"Log file created at: \d{4}/\d\d/\d\d \d\d:\d\d:\d\d", head[0])
        assert head[1] == f"Running on machine: {socket.gethostname()}"
        assert head[2].startswith("Log line format: [IWEF]mmdd")
        found[match[1]] = [LINE.sub("", line) for line in lines]
        assert (tmp_path / f"caffe.{match[1]}").read_text() == text
    assert found == {"INFO": ALL, "WARNING": ALL[1:], "ERROR": ALL[2:], "FATAL": ALL[3:]}


def test_links_in_another_folder(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "links").mkdir()
    logged(LogSettings(log_dir=f"{tmp_path}/logs", log_link=f"{tmp_path}/links"))
    assert "warning" in (tmp_path / "links" / "caffe.WARNING").read_text()


def test_files_go_to_the_temporary_folder_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_TMPDIR", str(tmp_path))
    logged(LogSettings())
    assert (tmp_path / "caffe.INFO").exists()


def test_files_have_the_mode_that_was_asked_for(tmp_path: Path) -> None:
    logged(LogSettings(log_dir=str(tmp_path), logfile_mode=0o600))
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


@pytest.mark.parametrize(
    ("more", "at_once"),
    [({}, False), ({"logbufsecs": 0}, True), ({"logbuflevel": -1}, True)],
)
def test_messages_are_held_back_for_files(
    tmp_path: Path, more: dict[str, int], at_once: bool
) -> None:
    handler = start_logging(LogSettings(log_dir=str(tmp_path), **more))  # type: ignore[arg-type]
    log.info("first")
    assert ("first" in (tmp_path / "caffe.INFO").read_text()) is at_once
    log.warning("second")  # above the level up to which lines are held
    assert "first" in (tmp_path / "caffe.INFO").read_text()
    handler.close()


def test_a_file_that_has_grown_too_large_is_followed_by_another(tmp_path: Path) -> None:
    settings = LogSettings(log_dir=str(tmp_path), max_log_size=0, stderrthreshold=3)

    def say() -> None:
        log.info("x" * (1 << 20))
        # The next file has the time in its name, and a second may pass until it is another one.
        while len(files(tmp_path)) == 1:
            log.info("y")

    logged(settings, say)
    sizes = sorted(len(text) for text in files(tmp_path).values())
    assert len(sizes) == 2
    assert sizes[1] >= 1 << 20


def test_a_folder_that_takes_no_files_is_named_for_each_of_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = LogSettings(alsologtostderr=True, log_dir=f"{tmp_path}/nowhere")
    assert logged(settings) == ALL
    assert capsys.readouterr().err.count("Could not create log file") == 4  # one a severity


def test_severe_messages_are_mailed(tmp_path: Path) -> None:
    mailer = tmp_path / "mail"
    mailer.write_text(f'#!/bin/sh\nprintf "%s|" "$@" > {tmp_path}/sent; cat >> {tmp_path}/sent\n')
    mailer.chmod(0o755)
    settings = LogSettings(
        logtostderr=True, alsologtoemail="me@here", logemaillevel=2, logmailer=str(mailer)
    )
    logged(settings, lambda: log.warning("nothing to write home about"))
    assert not (tmp_path / "sent").exists()
    logged(settings, lambda: log.error("disk on fire"))
    sent = (tmp_path / "sent").read_text()
    assert sent.startswith("-s|[LOG] ERROR: caffe|me@here|")
    assert sent.endswith("disk on fire\n\n") or sent.endswith("disk on fire\n")


def test_lines_of_several_threads_stay_whole(tmp_path: Path) -> None:
    def say() -> None:
        threads = [
            threading.Thread(target=lambda: [log.info("word " * 20) for _ in range(200)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    lines = logged(LogSettings(alsologtostderr=True, log_dir=str(tmp_path)), say)
    assert set(lines) == {"word " * 20}
    assert len((tmp_path / "caffe.INFO").read_text().splitlines()) == 803


def script(code: str, **environment: str) -> str:
    """The stderr of a script that uses pycaffe."""
    lines = f"from digits import caffe\n{code}"
    command = [sys.executable, "-c", lines]
    done = subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, check=True
    )
    return LINE.sub("", done.stderr)


@pytest.mark.parametrize(
    ("variables", "printed"),
    [
        ({}, "hello\n"),
        ({"GLOG_minloglevel": "1"}, ""),
        ({"GLOG_stderrthreshold": "3"}, "hello\n"),
        ({"GLOG_alsologtostderr": "0", "GLOG_logtostderr": "0"}, "hello\n"),
    ],
)
def test_scripts_log_to_stderr_as_the_variables_say(
    variables: dict[str, str], printed: str
) -> None:
    assert script("caffe.log('hello')", **variables) == printed


@pytest.mark.parametrize(
    ("call", "printed"),
    [
        ("init_log()", "hello\n"),
        ("init_log(0)", "hello\n"),
        ("init_log(0, True)", "hello\n"),
        ("init_log(1, True)", ""),
        ("init_log(2); caffe.init_log(0)", "hello\n"),
    ],
)
def test_init_log_chooses_the_level(call: str, printed: str) -> None:
    assert script(f"caffe.{call}; caffe.log('hello')") == printed


def test_init_log_without_stderr_writes_files(tmp_path: Path) -> None:
    assert script("caffe.init_log(0, False); caffe.log('hello')", GLOG_log_dir=str(tmp_path)) == ""
    assert (tmp_path / "python.INFO").read_text().endswith("] hello\n")


def test_a_logger_that_the_script_has_set_up_stays_its_own() -> None:
    code = "import logging; logging.getLogger('digits.caffe').setLevel('ERROR'); caffe.log('x')"
    assert script(code) == ""


def test_lines_come_once_where_python_logs_to_stderr_too() -> None:
    code = "import logging; logging.basicConfig(level='INFO'); caffe.log('hello')"
    assert script(code) == "hello\n"


@pytest.mark.slow
def test_a_script_sees_what_its_net_says(tmp_path: Path) -> None:
    (tmp_path / "net.prototxt").write_text(
        'layer { name: "in" type: "Input" top: "x" input_param { shape { dim: 1 dim: 2 } } }'
    )
    printed = script(f"caffe.Net('{tmp_path}/net.prototxt', caffe.TEST)")
    assert "Initializing net from parameters:" in printed
    assert "Network initialization done." in printed
