"""gunicorn as `./digits-server` starts it: one server a folder, its log, and reloads."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests
import websocket

from digits.jobs.folder_lock import FolderLock
from tests.conftest import kill_task_processes, wait_until
from tests.pictures import make_class_folders
from tests.server_process import TOP, ProductionServer

EPOCHS = 25
PICTURES = 40


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    # One thread: the training leaves room for a server that is loaded anew beside it.
    jobs_dir = tmp_path_factory.mktemp("production") / "jobs"
    running = ProductionServer(jobs_dir, {"OMP_NUM_THREADS": "1"})
    running.start()
    yield running
    running.stop()
    kill_task_processes(jobs_dir)


@pytest.fixture(scope="module")
def dataset_id(server: ProductionServer, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_class_folders(tmp_path_factory.mktemp("pictures"), pictures=PICTURES)
    form = {
        "dataset_name": "Colours", "folder_train": str(folder),
        "resize_width": "28", "resize_height": "28",
    }  # fmt: skip
    made = server.post("/datasets/images/classification.json", data=form).json()
    server.wait_for_status(made["id"], "Done")
    return str(made["id"])


def reload(server: ProductionServer) -> None:
    """Send SIGHUP and wait until another worker serves."""
    before = server.worker_pid()
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: server.worker_pid() != before)
    assert server.get("/index.json").status_code == 200


def test_a_second_server_on_the_same_folder_refuses_and_says_who_holds_it(
    server: ProductionServer,
) -> None:
    server.get("/")
    second = ProductionServer(server.jobs_dir)
    result = subprocess.run(
        second.command(),
        env={**os.environ, **second.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert f"in use by another DIGITS server (process {server.worker_pid()} on " in result.stderr
    assert ", since 20" in result.stderr
    assert "Listening" not in result.stderr


def test_the_access_log_tells_no_secrets(server: ProductionServer) -> None:
    server.get("/index.json?search=flowers&api_token=hush1&%74oken=hush2&access_key=hush3")
    wait_until(lambda: any("search=flowers" in line for line in server.log))
    assert not any("hush" in line for line in server.log)


def test_other_accounts_of_the_machine_cannot_read_jobs(
    server: ProductionServer, dataset_id: str
) -> None:
    modes = {}
    for path in [server.jobs_dir, *(server.jobs_dir / dataset_id).rglob("*")]:
        # What is being written just now, and what says that a process runs, comes and goes.
        with contextlib.suppress(FileNotFoundError):
            modes[path] = path.stat().st_mode
    settled = {path: mode for path, mode in modes.items() if path.suffix != ".part"}
    assert len(settled) > 8
    assert [path for path, mode in settled.items() if mode & 0o007] == []
    assert server.jobs_dir.stat().st_mode & 0o777 == 0o750


@pytest.mark.slow
def test_a_training_goes_on_through_reloads_and_nobody_is_turned_away(
    server: ProductionServer, dataset_id: str
) -> None:
    form = {
        "model_name": "through", "dataset": dataset_id, "standard_networks": "lenet",
        "train_epochs": str(EPOCHS), "batch_size": "8", "random_seed": "1",
        "learning_rate": "0.0001", "use_mean": "y",
    }  # fmt: skip
    answer = server.post("/models/images/classification.json", data=form)
    assert answer.status_code == 200, answer.text
    model_id = answer.json()["id"]
    wait_until(lambda: server.get(f"/models/{model_id}.json").json()["snapshots"])
    with asking_all_the_time(server) as refusals:
        reload(server)
        reload(server)
    assert refusals == []
    server.wait_for_status(model_id, "Done")
    facts = server.get(f"/models/{model_id}.json").json()
    assert facts["snapshots"] == list(range(1, EPOCHS + 1))
    history = server.get(f"/models/{model_id}/history.json").json()
    validated = [point for point in points(history) if point >= EPOCHS]
    assert validated, history
    log = (server.jobs_dir / model_id / "caffe_output.log").read_text()
    assert "=== Attempt" not in log  # it was never started again


def points(history: dict[str, Any]) -> list[float]:
    """Every number of a history, whatever curve it belongs to."""
    found: list[float] = []
    stack: list[Any] = [history]
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            stack += item.values()
        elif isinstance(item, list):
            stack += item
        elif isinstance(item, int | float):
            found.append(item)
    return found


@contextlib.contextmanager
def asking_all_the_time(server: ProductionServer) -> Iterator[list[str]]:
    """Ask for pages until the block ends; gives what went wrong."""
    refusals: list[str] = []
    enough = threading.Event()

    def ask() -> None:
        while not enough.is_set():
            try:
                answer = server.get("/index.json")
                if answer.status_code != 200:
                    refusals.append(answer.text)
            except requests.RequestException as error:
                refusals.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield refusals
    finally:
        enough.set()
        for thread in threads:
            thread.join()


def test_an_open_page_does_not_hold_up_a_reload_and_is_cut_off_to_come_back(
    server: ProductionServer,
) -> None:
    """Cut off without a farewell, after which Socket.IO's clients would stay away."""
    address = server.url.replace("http", "ws", 1)
    page = websocket.create_connection(
        f"{address}/socket.io/?EIO=4&transport=websocket", timeout=60
    )
    try:
        assert page.recv().startswith("0{")  # engine.io's greeting
        reload(server)
        assert page.recv() == ""  # engine.io's farewell would be "1"
    finally:
        page.shutdown()
    assert not any("graceful timeout" in line for line in server.log)


@pytest.mark.slow
def test_idle_connections_leave_no_traceback_when_the_server_stops(tmp_path: Path) -> None:
    """What used to happen: each of them left one (EBADF) at every stop and reload."""
    server = ProductionServer(tmp_path / "jobs")
    server.start()
    server.get("/healthz")
    parts = urlsplit(server.url)
    with contextlib.ExitStack() as stack:
        for number in range(20):
            idle = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
            if number % 2:
                idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert idle.recv(65536).startswith(b"HTTP/1.1 200")
        server.get("/healthz")
        server.stop()
    assert not any("Traceback" in line or "Errno" in line for line in server.log)


@pytest.mark.slow
def test_a_slip_in_the_settings_leaves_a_running_server_as_it_is(tmp_path: Path) -> None:
    before, after = tmp_path / "before", tmp_path / "after"
    settings = tmp_path / "digits.cfg"
    server = ProductionServer(tmp_path / "jobs")
    server.folder = tmp_path

    def roots() -> list[str]:
        return list(server.get("/autocomplete/path?query=").json())

    for folder in (before, after):
        folder.mkdir()
    settings.write_text(f'data_roots = ["{before}"]\n')
    server.start()
    try:
        assert roots() == [f"{before}/"]
        settings.write_text("no_such_setting = 1\n")
        reload(server)
        assert roots() == [f"{before}/"]
        assert any("there is no setting 'no_such_setting'" in line for line in server.log)
        settings.write_text(f'data_roots = ["{after}"]\n')
        reload(server)
        assert roots() == [f"{after}/"]
    finally:
        server.stop()


@pytest.mark.slow
def test_settings_that_no_server_could_start_with_leave_a_running_one_as_it_is(
    tmp_path: Path,
) -> None:
    """What used to happen: an address that is taken, or another server's folder, ended it."""
    settings, options = tmp_path / "digits.cfg", tmp_path / "options.py"
    server = ProductionServer(tmp_path / "jobs", {"GUNICORN_CMD_ARGS": f"--config {options}"})
    server.folder = tmp_path
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1]
    # What is given by the environment wins, so these two are left out here.
    server.environment.pop("DIGITS_PORT")
    server.environment.pop("DIGITS_JOBS_DIR")
    good = f'jobs_dir = "{server.jobs_dir}"\nport = 0\n'
    settings.write_text(good)
    options.write_text("")
    (tmp_path / "file").write_text("")
    other = FolderLock(tmp_path / "other")
    other.make_folder()
    other.take()
    server.start()
    server.get("/healthz")
    wrong = {
        f"cannot listen on 127.0.0.1 port {port}": good.replace("port = 0", f"port = {port}"),
        "cannot listen on 192.0.2.7 port 0": good + 'host = "192.0.2.7"\n',
        "cannot be made (": f'jobs_dir = "{tmp_path / "file" / "jobs"}"\nport = 0\n',
        "is in use by another DIGITS": f'jobs_dir = "{tmp_path / "other"}"\nport = 0\n',
        "cannot be written (Is a directory)": f'{good}logfile_filename = "{tmp_path}"\n',
        "jobs_dir must be a path": 'jobs_dir = "~nobody-of-this-name/jobs"\nport = 0\n',
        "digits.cfg is nested too deeply": good + "gpu_list = " + "[" * 100_000,
        "Failed to read config file": good,
    }
    try:
        for said, text in wrong.items():
            settings.write_text(text)
            options.write_text("1 / 0" if text == good else "")
            server.log.clear()
            reload(server)
            assert any(said in line for line in server.log), (said, server.log)
            assert any("the settings stay as they were" in line for line in server.log)
    finally:
        other.release()
        taken.close()
        server.stop()


@pytest.mark.slow
def test_the_former_command_leads_to_the_same_server(tmp_path: Path) -> None:
    """Units of systemd that were installed earlier name it."""
    server = ProductionServer(tmp_path / "jobs", {"PYTHONPATH": ""})
    own = server.command
    server.command = lambda: [  # type: ignore[method-assign]
        sys.executable, "-m", "gunicorn", "--config", str(TOP / "gunicorn_config.py"),
        "digits.wsgi:app",
    ]  # fmt: skip
    server.start()
    try:
        assert server.get("/healthz").status_code == 200
        assert psutil.Process(server.process.pid).cmdline()[:4] == own()[:4]
    finally:
        server.stop()


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (["--check-config"], 0, ""),
        (["flask:app"], 2, "DIGITS itself is what is served: leave 'flask:app' out"),
    ],
)
def test_options_of_gunicorn_are_taken_and_other_applications_are_not(
    tmp_path: Path, arguments: list[str], status: int, said: str
) -> None:
    server = ProductionServer(tmp_path / "jobs")
    result = subprocess.run(
        [*server.command(), *arguments],
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == status, result.stderr
    assert said in result.stderr


# Prints what the modules that gunicorn's own process has loaded hold of what gevent replaces.
UNPATCHED = """
import sys
import digits.production
mine = {name: module for name, module in sys.modules.items() if name.split(".")[0] == "digits"}
from gevent import monkey
monkey.patch_all()
replaced = {}
for module, names in monkey.saved.items():
    for name, original in names.items():
        if original is not getattr(sys.modules.get(module), name, None):
            replaced[id(original)] = f"{module}.{name}"
for name, module in mine.items():
    for attribute, value in vars(module).items():
        for one in value.__mro__ if isinstance(value, type) else (value,):
            if id(one) in replaced:
                print(f"{name}.{attribute} is, or is made of, {replaced[id(one)]}")
print(len(mine), len(replaced))
"""


def test_what_is_loaded_before_gevents_patches_holds_nothing_that_they_replace() -> None:
    """What used to happen: what ran the tasks was made of the Popen before, and none started."""
    result = subprocess.run(
        [sys.executable, "-c", UNPATCHED], capture_output=True, text=True, timeout=60
    )
    *held, counts = result.stdout.splitlines()
    loaded, replaced = map(int, counts.split())
    assert held == []
    assert loaded > 5
    assert replaced > 50


def test_wrong_settings_end_a_start_with_one_line_each(tmp_path: Path) -> None:
    server = ProductionServer(tmp_path / "jobs", {"DIGITS_TRAIN_SLOTS": "none"})
    result = subprocess.run(
        server.command(),
        env={**os.environ, **server.environment},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 2
    assert "train_slots must be a whole number" in result.stderr
    assert "Traceback" not in result.stderr
