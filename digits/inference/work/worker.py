"""A worker process: answers requests about one network until its socket closes.

Started by the pool (`inference/process.py`) as `python -m digits.inference.work.worker --socket
FD`.  The main thread serves one request after another; a second thread reads the socket, so that
the end of the server is noticed in the middle of a long request too: then this process ends, and
with it whatever it has started.

In: requests of `inference/operations/` as messages.  Out: for each {"taken": true} at once, then an
answer, or {"error": {"kind", "message"}} with a class name of `inference/errors.py`.
Elsewhere: what the operations do (`work/operations.py`).
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import socket
import sys
import threading
from collections.abc import Callable, Sequence

from digits.base.priority import lower_priority
from digits.caffe.machine.process import settle_threads
from digits.errors import DigitsError, ImageError
from digits.inference import protocol
from digits.inference.errors import BY_NAME, BadPicture, BadRequest, WorkerDied
from digits.inference.work.limits import MemoryExhausted, limit_memory

log = logging.getLogger(__name__)

Answer = Callable[[protocol.Message], protocol.Message]
# What a memory error leaves behind cannot be relied upon, so the process ends after saying so.
_EXIT_OUT_OF_MEMORY = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Serve requests until the server is gone."""
    options = _parse(arguments)
    settle_threads()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    limit_memory(options.memory_mb)
    sock = socket.socket(fileno=options.socket)
    # The server's event loop may have made the pair non-blocking.
    sock.setblocking(True)
    answer = _load_service(options.memory_mb, options.python_layers)
    # After the imports: somebody waits for them, and beside a training they would take ten times as
    # long.
    lower_priority(options.nice)
    serve(sock, answer)


def serve(sock: socket.socket, answer: Answer) -> None:
    """Answer what arrives on the socket; ends the process when it closes."""
    requests: queue.SimpleQueue[protocol.Message] = queue.SimpleQueue()
    threading.Thread(target=_read_requests, args=(sock, requests), daemon=True).start()
    while True:
        request = requests.get()
        try:
            reply = answer(request)
        except MemoryExhausted as error:
            _send_error(sock, WorkerDied(str(error)))
            os._exit(_EXIT_OUT_OF_MEMORY)
        except Exception as error:  # noqa: BLE001  whatever a network does, the server hears of it
            _send_error(sock, error)
        else:
            protocol.send(sock, reply.header, reply.parts)


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m digits.inference.work.worker",
        description="Answers requests about one network; started by the DIGITS server.",
    )
    parser.add_argument("--socket", type=int, required=True, help="descriptor of the socket")
    parser.add_argument("--memory-mb", type=int, default=4096, help="memory it may take")
    parser.add_argument("--nice", type=int, default=10, help="lowers its priority by so much")
    parser.add_argument(
        "--python-layers", action="store_true", help="let networks run Python code of the server"
    )
    return parser.parse_args(arguments)


def _load_service(memory_mb: int, python_layers: bool) -> Answer:
    # Here, not above: --help and the memory limit come before the imports.
    from digits.inference.work.operations import Service  # noqa: PLC0415

    return Service(memory_mb, python_layers=python_layers).answer


def _read_requests(sock: socket.socket, requests: queue.SimpleQueue[protocol.Message]) -> None:
    try:
        while True:
            request = protocol.receive(sock)
            # From now on, a death of this process is the request's own.  Nobody else sends now:
            # the server asks one thing at a time.
            protocol.send(sock, {"taken": True})
            requests.put(request)
    except (protocol.ConnectionLost, protocol.ProtocolError) as error:
        log.info("the server is gone: %s", error)
    if os.getpgrp() == os.getpid():
        # Graphviz goes with us.
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _send_error(sock: socket.socket, error: Exception) -> None:
    kind, message = _described(error)
    protocol.send(sock, {"error": {"kind": kind, "message": message}})


def _described(error: Exception) -> tuple[str, str]:
    if type(error).__name__ in BY_NAME and isinstance(error, DigitsError):
        return type(error).__name__, str(error)
    if isinstance(error, ImageError):
        return BadPicture.__name__, str(error)
    if isinstance(error, DigitsError):
        return BadRequest.__name__, str(error)
    log.error("a request failed", exc_info=error)
    return "InferenceError", f"The network failed unexpectedly ({type(error).__name__}: {error})."


if __name__ == "__main__":
    main()
