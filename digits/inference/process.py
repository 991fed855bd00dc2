"""One worker process as the server sees it: start it, ask it, end it.

The process is `python -m digits.inference.work.worker` at the other end of a socket pair, in a
process group of its own, and has a warm start (`base/warm/`) where there is one.  When the server
dies, the socket closes and the worker ends itself.

Elsewhere: what the worker does (`work/worker.py`); which worker is asked (`pool.py`).
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil

from digits.base.warm.client import WarmProcess, WarmStarts
from digits.inference import protocol
from digits.inference.errors import (
    BY_NAME,
    InferenceError,
    WorkerDied,
    WorkerNotStarted,
    WorkerTimeout,
)
from digits.inference.operations.request import Request

Answer = TypeVar("Answer")

_MODULE = "digits.inference.work.worker"
_STDERR_TAIL_BYTES = 4000
_PACKAGE_ROOT = str(Path(__file__).parents[2])


class WorkerProcess:
    """A running worker.  Used by one thread at a time; `kill` may come from any."""

    def __init__(
        self,
        *,
        memory_mb: int,
        niceness: int,
        python_layers: bool = False,
        environment: Mapping[str, str] | None = None,
        warm: WarmStarts | None = None,
    ) -> None:
        """Start the process, by `warm` where that is given; returns before it is ready.

        Raises WorkerNotStarted.
        """
        ours, theirs = socket.socketpair()
        self._socket = ours
        # A file, not a pipe: nobody reads it unless the worker dies.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115  closed by kill()
        options = [
            *("--memory-mb", str(memory_mb), "--nice", str(niceness)),
            *(["--python-layers"] if python_layers else []),
        ]
        try:
            self._process = self._start(theirs, options, environment or {}, warm)
        except OSError as error:
            self._socket.close()
            self._stderr.close()
            raise WorkerNotStarted(f"A worker process cannot be started: {error}.") from error
        finally:
            theirs.close()

    def _start(
        self,
        theirs: socket.socket,
        options: list[str],
        environment: Mapping[str, str],
        warm: WarmStarts | None,
    ) -> subprocess.Popen[bytes] | WarmProcess:
        arguments = ["--socket", str(theirs.fileno()), *options]
        whole = {**_environment(), **environment}
        errors = self._stderr.fileno()
        if warm is not None:
            files = {1: errors, 2: errors, theirs.fileno(): theirs.fileno()}
            process = warm.start(_MODULE, arguments, environment=whole, descriptors=files)
            if process is not None:
                return process
        return subprocess.Popen(
            [sys.executable, "-m", _MODULE, *arguments],
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
            env=whole,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def rss_bytes(self) -> int:
        """The memory it holds; 0 when it is gone."""
        try:
            return int(psutil.Process(self.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def ask(self, request: Request[Answer], timeout_s: float) -> Answer:
        """Send a request and wait for its answer.

        Raises the error that the worker answers; WorkerDied or WorkerTimeout, after which the
        process is gone.
        """
        deadline = time.monotonic() + timeout_s
        begun = False
        try:
            self._socket.settimeout(timeout_s)
            message = request.to_message()
            protocol.send(self._socket, message.header, message.parts)
            protocol.receive(self._socket, deadline)  # it says that it has taken the request
            begun = True
            answer = protocol.receive(self._socket, deadline)
            if "error" not in answer.header:
                return request.read_answer(answer)
        except TimeoutError:
            self.kill()
            raise WorkerTimeout(
                f"The network did not answer within {timeout_s:g} s, so the request was ended."
            ) from None
        except (protocol.ConnectionLost, protocol.ProtocolError) as error:
            raise self._died(error, begun) from error
        raise _error_of(answer.header["error"])

    def kill(self) -> None:
        """End the process and what it has started, at once.  May be called twice."""
        if self._process.poll() is None:
            self._kill_group()
            self._process.wait()
        self._socket.close()
        self._stderr.close()

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)

    def _died(self, error: Exception, begun: bool) -> WorkerDied:
        """What is known of a process that stopped answering; it is ended for good."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=1)
        status = self._process.poll()
        if begun and status is not None:
            # It ended just now, so the number is still its group's: what it had started goes on.
            self._kill_group()
        tail = self._stderr_tail()
        self.kill()
        return WorkerDied(
            f"The process that ran the network {_ending(status, error)}.", tail, begun
        )

    def _stderr_tail(self) -> str:
        try:
            file = self._stderr.fileno()
            size = os.fstat(file).st_size
            data = os.pread(file, _STDERR_TAIL_BYTES, max(0, size - _STDERR_TAIL_BYTES))
        except ValueError:  # closed by kill() from another thread
            return ""
        return data.decode(errors="replace")


def _environment() -> dict[str, str]:
    environment = dict(os.environ)
    # Importable wherever the server was started from.
    paths = [_PACKAGE_ROOT, *environment.get("PYTHONPATH", "").split(os.pathsep)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    # The GPUs are left to training; a CUDA context would cost each worker 500 MB of one.
    environment["CUDA_VISIBLE_DEVICES"] = ""
    return environment


def _ending(status: int | None, error: Exception) -> str:
    if status is None:
        return f"sent no proper answer ({error}) and was ended"
    if status < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-status).name}"
        return f"was killed by signal {-status}"
    return f"ended with exit status {status}"


def _error_of(sent: Mapping[str, Any]) -> InferenceError:
    return BY_NAME.get(str(sent.get("kind")), InferenceError)(str(sent.get("message")))
