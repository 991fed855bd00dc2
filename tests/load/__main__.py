"""Load a server as a class of students does, and say how it bears it.

    .venv/bin/python -m tests.load [--minutes 10] [--browsers 50] [--rate 20] [--json]

A LeNet trains on all cores meanwhile.  `--joins 100000` sends a flood of Socket.IO joins instead,
and says what became of the server's memory.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from tests.load.measuring import MEGABYTE, Figures, measure, training_server

# More than any of these trainings gets through.
EPOCHS = 20_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--browsers", type=int, default=50)
    parser.add_argument("--rate", type=float, default=20.0, help="requests a second")
    parser.add_argument("--json", action="store_true", help="print figures for programs")
    parser.add_argument("--joins", type=int, default=0, help="a flood of joins instead")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, training_server(Path(folder), EPOCHS) as made:
        server, model = made
        if options.joins:
            flood(server.url, server.worker_pid(), options.joins)
            return 0
        figures = measure(
            server,
            model,
            seconds=60 * options.minutes,
            browsers=options.browsers,
            rate=options.rate,
        )
    print(json.dumps(figures.to_json()) if options.json else shown(figures))
    return 0


def shown(figures: Figures) -> str:
    """The figures for people."""
    lines = [
        f"{figures.seconds / 60:.1f} minutes, {figures.browsers} browsers, "
        f"{figures.requests} requests on {os.cpu_count()} cores; training: {figures.training}",
        f"errors {len(figures.errors)}, lost connections {len(figures.lost_connections)}, "
        f"messages {figures.messages}",
        *figures.errors[:10],
        *figures.lost_connections[:10],
    ]
    for path, (median, most, slowest) in figures.answers_ms.items():
        lines.append(
            f"GET {path:<20} median {median:6.0f} ms  95 % {most:6.0f} ms  "
            f"slowest {slowest:6.0f} ms"
        )
    median, most, slowest = figures.told_ms
    lines.append(
        f"a new name is told in  median {median:6.0f} ms  95 % {most:6.0f} ms  "
        f"slowest {slowest:6.0f} ms; not told: {figures.untold}"
    )
    memory = figures.memory_mb
    lines.append(
        f"memory {memory[0]:.0f} MB at first, {memory[-1]:.0f} MB at last, most {max(memory):.0f} "
        f"MB; warm growth {figures.growth_mb:+.1f} MB"
    )
    return "\n".join(lines)


def flood(url: str, worker_pid: int, joins: int) -> None:
    """Send joins of as many rooms over one connection, as fast as it takes them."""
    import websocket  # noqa: PLC0415 - the other load needs it not

    from tests.serving.test_abuse import frame  # noqa: PLC0415

    worker = psutil.Process(worker_pid)
    address = url.replace("http", "ws", 1) + "/socket.io/?EIO=4&transport=websocket"
    client = websocket.create_connection(address, timeout=600)
    client.recv()
    client.send("40/jobs,")
    client.recv()
    before = worker.memory_info().rss
    data = b"".join(frame(b'42/jobs,["join",{"room":"%d"}]' % n) for n in range(joins))
    began_s = time.perf_counter()
    sending = threading.Thread(target=client.sock.sendall, args=(data,))
    sending.start()
    most = before
    while sending.is_alive():
        most = max(most, worker.memory_info().rss)
        time.sleep(0.1)
    print(
        f"{joins} joins in {time.perf_counter() - began_s:.1f} s; memory "
        f"{before / MEGABYTE:.0f} MB before, at most {most / MEGABYTE:.0f} MB meanwhile"
    )
    client.shutdown()


if __name__ == "__main__":
    sys.exit(main())
