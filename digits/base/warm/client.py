"""Asks for warm starts: `WarmStarts` keeps a fork server, `WarmProcess` is what it has started.

    warm = WarmStarts(idle_s=900)
    process = warm.start("digits.caffe", ["train", ...], folder=..., environment=..., ...)
    if process is None: ...     # start it as ever

Used from threads, or from greenlets after gevent's monkey-patching.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

from digits.base.warm.appearance import ARGUMENT_ROOM_BYTES, ROOM, ROOM_BYTES
from digits.base.warm.order import Order

log = logging.getLogger(__name__)

# What libraries read when they are loaded: a program that is to have another value starts cold.
_READ_AT_LOADING = (
    *("ATEN_", "BLIS_", "DNNL_", "GLIBC_", "GOMP_", "KMP_", "LANG", "LC_", "LD_", "MALLOC_"),
    *("MKL_", "NPY_", "NUMBA_", "OMP_", "ONEDNN_", "OPENBLAS_", "OPENCV_", "PYTORCH_", "TORCH_"),
    *("PYTHONDONT", "PYTHONHASH", "PYTHONPYCACHE", "PYTHONWARN", "PYTHONIO", "PYTHONUTF8"),
    *("PYTHONUNBUFFERED", "PYTHONSAFEPATH", "PYTHONMALLOC", "PYTHONFAULT", "PYTHONHOME"),
)
# What programs find loaded: PyTorch, and the most of what they import themselves.  Names alone: the
# web process loads none of it.
MODULES = (
    "digits.caffe.commands.train",
    "digits.inference.work.operations",
    "digits.tools.create_db",
)
# A fork server that is not ready by then is given up.
READY_S = 60.0
# Its libraries may not be there, or another one may have taken its socket.
MOST_LAUNCHES = 3
LOOK_S = 0.02
# After that many failures in a row nobody is asked any more.
MOST_FAILURES = 3
# The killed one's status, which nobody could tell.
_KILLED = -9


class WarmProcess:
    """A program that was started warm, with the methods of `subprocess.Popen` that are used."""

    def __init__(self, connection: socket.socket, keeper: int, program: int) -> None:
        self.pid = program
        # Leads the session of the program, and its process group where a record is written.
        self.keeper = keeper
        self.returncode: int | None = None
        self._connection = connection
        self._lock = threading.Lock()

    def poll(self) -> int | None:
        """How it ended, -n by signal n; None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end; raises subprocess.TimeoutExpired."""
        with self._lock:
            if self.returncode is None:
                self.returncode = self._status(timeout)
                self._connection.close()
            return self.returncode

    def _status(self, timeout: float | None) -> int:
        self._connection.settimeout(timeout)
        try:
            news = self._connection.recv(1024)
        except (TimeoutError, BlockingIOError):
            raise subprocess.TimeoutExpired(str(self.pid), timeout or 0) from None
        except OSError:
            news = b""
        return int(json.loads(news)["status"]) if news else _KILLED


class WarmStarts:
    """Starts programs as forks of a process in which `modules` are loaded.

    That process is started when it is first needed (`prepare`: ahead of that), and ends by itself
    after `idle_s` seconds without use; 0: every start is a cold one.  Servers that are given one
    `shared` folder use one process, which ends when the folder goes.
    """

    def __init__(
        self,
        modules: Sequence[str] = MODULES,
        *,
        idle_s: float = 900.0,
        shared: str | Path | None = None,
    ) -> None:
        self.modules = tuple(modules)
        self.idle_s = idle_s
        self._lock = threading.Lock()
        self._server: subprocess.Popen[bytes] | None = None
        self._shared = Path(shared) if shared else None
        self._folder = self._shared
        self._failures = 0
        self._closed = False

    def __enter__(self) -> WarmStarts:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def is_on(self) -> bool:
        """Whether there are warm starts at all."""
        return self.idle_s > 0 and self._failures < MOST_FAILURES and not self._closed

    def memory_bytes(self) -> int:
        """The memory that the process with the libraries holds; 0 where there is none."""
        server = self._server
        if server is None or server.poll() is not None:
            return 0
        try:
            return int(psutil.Process(server.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def prepare(self) -> None:
        """Have the libraries loaded soon; returns at once."""
        with self._lock, contextlib.suppress(OSError):
            if self.is_on and not self._is_up():
                self._launch()

    def start(
        self,
        module: str,
        arguments: Sequence[str],
        *,
        folder: str | Path | None = None,
        environment: Mapping[str, str],
        descriptors: Mapping[int, int],
        mark: str = "",
        record: str = "",
    ) -> WarmProcess | None:
        """Start `python -m module arguments...`; None when it is to be started cold.

        `descriptors`: the number that the program finds each under, and what it is here; where
        it names no standard input, there is nothing to read.
        `environment` is the whole one.  `mark` and `record`: as in `Order`.
        """
        if not self.is_on or not self._suits(environment):
            return None
        try:
            with open(os.devnull, "rb") as nothing:
                given = {0: nothing.fileno(), **descriptors}
                order = Order(
                    module=module,
                    arguments=list(arguments),
                    folder=str(folder or os.getcwd()),
                    environment=dict(environment),
                    descriptors=list(given),
                    umask=_umask(),
                    mark=mark,
                    record=record,
                )
                process = self._ask(order, list(given.values()))
        except (OSError, ValueError, LookupError) as error:
            self._failures += 1
            log.warning("%s is started without a warm start: %s", module, error)
            return None
        self._failures = 0
        return process

    def close(self) -> None:
        """End the process with the libraries, unless others share it.

        What it has started goes on.
        """
        with self._lock:
            self._closed = True
            if self._shared is not None:
                return
            self._close_server()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _ask(self, order: Order, descriptors: list[int]) -> WarmProcess:
        connection = self._connected()
        try:
            connection.settimeout(READY_S)
            order.send(connection, descriptors)
            news = connection.recv(1024)
            if not news:
                raise OSError("the process with the libraries has gone")
            said = json.loads(news)
            if "refused" in said:
                raise OSError(said["refused"])
            return WarmProcess(connection, int(said["keeper"]), int(said["program"]))
        except BaseException:
            connection.close()
            raise

    def _connected(self) -> socket.socket:
        """A connection to the fork server, which is started when there is none."""
        path = self._path()
        deadline, launched = time.monotonic() + READY_S, 0
        while True:
            try:
                return _connection_to(path)
            except OSError as error:
                # A socket that refuses belongs to one that was killed.
                if isinstance(error, ConnectionRefusedError):
                    path.unlink(missing_ok=True)
                if time.monotonic() > deadline or launched == MOST_LAUNCHES:
                    raise
            with self._lock:
                if not self._is_up():
                    self._launch()
                    launched += 1
            time.sleep(LOOK_S)

    def _is_up(self) -> bool:
        """Whether a fork server listens, or will."""
        if self._server is not None and self._server.poll() is None:
            return True
        return self._shared is not None and self._path().exists()

    def _launch(self) -> None:
        """Start a fork server, after one that has gone; raises OSError."""
        self._close_server()
        path = self._path()
        path.parent.mkdir(mode=0o700, exist_ok=True)  # the one before has taken it along
        path.unlink(missing_ok=True)
        environment = {ROOM: "x" * ROOM_BYTES, **os.environ}
        environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
        alone = ["--alone"] if self._shared is not None else []
        self._server = subprocess.Popen(
            [
                *(sys.executable, "-P", "-m", "digits.base.warm.fork_server"),
                *("--socket", str(path), "--idle-s", str(self.idle_s), *alone),
                *("--room", "x" * ARGUMENT_ROOM_BYTES, "--load", *self.modules),
            ],
            cwd="/",  # it keeps no disk busy
            env=environment,
            stdin=subprocess.DEVNULL if alone else subprocess.PIPE,
            # Whoever reads what this server prints must not wait for one that outlives it.
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if alone else None,
            start_new_session=True,
        )

    def _close_server(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            if server.stdin is not None:
                server.stdin.close()
            server.kill()
            server.wait()

    def _path(self) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="digits-warm-"))
        kind = hashlib.sha256(json.dumps([_loading(os.environ), self.modules]).encode())
        return self._folder / f"{kind.hexdigest()[:16]}.sock"

    def _suits(self, environment: Mapping[str, str]) -> bool:
        return _loading(environment) == _loading(os.environ)


def _connection_to(path: Path) -> socket.socket:
    """A connection to a socket, however long its path is; an address has room for a hundred
    characters."""
    folder = os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        connection.connect(f"/proc/self/fd/{folder}/{path.name}")
        return connection
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(folder)


def _loading(environment: Mapping[str, str]) -> dict[str, str]:
    """What libraries read of an environment when they are loaded."""
    names = sorted(name for name in environment if name.startswith(_READ_AT_LOADING))
    return {name: environment[name] for name in names}


def _umask() -> int:
    """This process's; Python has no way to ask without changing it for a moment."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        text = Path("/proc/self/status").read_text()
        return int(text.partition("Umask:")[2].split()[0], 8)
    return 0o022
