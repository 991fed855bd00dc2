"""The pool with real workers, killed for real."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import psutil
import pytest

from digits.inference import NetSource, Network, Pool, PoolSettings, draw_network
from digits.inference.errors import (
    BadRequest,
    PoolBusy,
    PoolClosed,
    WorkerDied,
    WorkerNotStarted,
    WorkerTimeout,
)
from tests.conftest import wait_until

NET = NetSource('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }')
# Graphviz would draw it for minutes.
ENDLESS = NetSource(
    "".join(
        f'layer {{ name: "l{i}" type: "Eltwise" bottom: "b{i // 2}" bottom: "b{i // 3}" '
        f'bottom: "b{i * 7 % 1200}" top: "b{i}" }}'
        for i in range(1, 2400)
    )
)


@pytest.fixture
def pool() -> Iterator[Pool]:
    with Pool(PoolSettings(timeout_s=60)) as pool:
        yield pool


def draw(pool: Pool, net: NetSource = NET, timeout_s: float = 60) -> bytes:
    return draw_network(pool, net, "svg", all_states=True, timeout_s=timeout_s).png


def pid_of(pool: Pool) -> int:
    (state,) = pool.states()
    return state.pid


def in_thread(call: Callable[[], object]) -> tuple[threading.Thread, list[object]]:
    """Run `call` beside the test; its result or its exception is put into the list."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(call())
        except Exception as error:  # noqa: BLE001  handed to the test
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


def graphviz_of(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


def test_a_worker_stays_warm_between_requests(pool: Pool) -> None:
    assert b"<svg" in draw(pool)
    first = pid_of(pool)
    draw(pool)
    assert pid_of(pool) == first


@pytest.mark.slow
def test_workers_run_at_low_priority_but_for_the_one_that_forms_wait_for(
    pool: Pool, network: Network
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    draw(pool)
    assert os.getpriority(os.PRIO_PROCESS, pid_of(pool)) == own
    pool.facts(network)
    [pid] = [state.pid for state in pool.states() if state.network is not None]
    assert os.getpriority(os.PRIO_PROCESS, pid) == min(19, own + pool.settings.niceness)


def test_a_refused_request_leaves_the_worker_alive(pool: Pool) -> None:
    draw(pool)
    first = pid_of(pool)
    with pytest.raises(BadRequest, match='network:1:7: Expected "}"'):
        draw(pool, NetSource("layer {"))
    assert pid_of(pool) == first


def test_a_worker_killed_while_idle_is_replaced_unnoticed(pool: Pool) -> None:
    draw(pool)
    first = pid_of(pool)
    os.kill(first, signal.SIGKILL)
    # At once: the server may not have heard of its end yet.
    assert b"<svg" in draw(pool)
    assert pid_of(pool) != first


def test_a_worker_killed_in_a_request_fails_that_request_alone(pool: Pool) -> None:
    draw(pool)
    pid = pid_of(pool)
    thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
    wait_until(lambda: graphviz_of(pid))
    (graphviz,) = graphviz_of(pid)
    os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert isinstance(outcome[0], WorkerDied)
    assert "was killed by SIGKILL" in str(outcome[0])
    # What it had started is gone as well.
    wait_until(lambda: not graphviz.is_running())
    assert b"<svg" in draw(pool)


def test_what_a_killed_worker_had_started_ends_when_it_had_all_its_input_as_well(
    pool: Pool,
) -> None:
    draw(pool)
    pid = pid_of(pool)
    thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
    wait_until(lambda: graphviz_of(pid))
    (graphviz,) = graphviz_of(pid)
    # It has read the graph by then, and would not notice before it has a picture to write.
    wait_until(lambda: graphviz.cpu_times().user > 1)
    os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert isinstance(outcome[0], WorkerDied)
    wait_until(lambda: not graphviz.is_running())


def test_a_stuck_worker_is_ended_in_time(pool: Pool) -> None:
    draw(pool)
    pid = pid_of(pool)
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(WorkerTimeout, match=r"did not answer within 1 s"):
        draw(pool, timeout_s=1)
    assert not psutil.pid_exists(pid)
    assert b"<svg" in draw(pool)


def test_a_crash_tells_the_log_what_was_printed(
    pool: Pool, caplog: pytest.LogCaptureFixture
) -> None:
    draw(pool)
    pid = pid_of(pool)
    thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
    wait_until(lambda: graphviz_of(pid))
    os.kill(pid, signal.SIGSEGV)
    thread.join(60)
    assert "killed by SIGSEGV" in str(outcome[0])
    assert "worker of the net checks died" in caplog.text


def test_a_second_request_waits_its_turn_and_gives_up_in_time(pool: Pool) -> None:
    draw(pool)
    pid = pid_of(pool)
    thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
    wait_until(lambda: graphviz_of(pid))
    with pytest.raises(PoolBusy, match="no process became free within 0.3 s"):
        draw(pool, timeout_s=0.3)
    os.kill(pid, signal.SIGKILL)
    thread.join(60)
    assert isinstance(outcome[0], WorkerDied)


def test_requests_of_many_threads_are_all_answered(pool: Pool) -> None:
    running = [in_thread(lambda: draw(pool)) for _ in range(12)]
    for thread, _ in running:
        thread.join(60)
    assert all(isinstance(outcome[0], bytes) for _, outcome in running)
    assert len(pool.states()) == 1


def test_an_idle_worker_is_let_go() -> None:
    with Pool(PoolSettings(idle_s=0.2)) as pool:
        draw(pool)
        pid = pid_of(pool)
        wait_until(lambda: not pool.states())
        wait_until(lambda: not psutil.pid_exists(pid))


def test_a_busy_worker_is_not_let_go() -> None:
    with Pool(PoolSettings(idle_s=0.1)) as pool:
        thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
        wait_until(lambda: pool.states() and graphviz_of(pid_of(pool)))
        assert pool.end_idle(time.monotonic() + 1000) is None
        assert pool.states()[0].busy
        os.kill(pid_of(pool), signal.SIGKILL)
        thread.join(60)
    assert isinstance(outcome[0], WorkerDied)


def test_closing_ends_workers_and_requests() -> None:
    pool = Pool()
    thread, outcome = in_thread(lambda: draw(pool, ENDLESS))
    wait_until(lambda: pool.states() and graphviz_of(pid_of(pool)))
    pid = pid_of(pool)
    pool.close()
    thread.join(60)
    assert isinstance(outcome[0], PoolClosed)
    assert not psutil.pid_exists(pid)
    with pytest.raises(PoolClosed):
        draw(pool)


def test_a_worker_that_does_not_come_up_in_time_is_reported() -> None:
    with (
        Pool(PoolSettings(start_timeout_s=0.001)) as pool,
        pytest.raises(WorkerNotStarted, match="was not ready within"),
    ):
        draw(pool)


SERVER = """
import sys, threading, time
if sys.argv[1] == "gevent":
    from gevent import monkey; monkey.patch_all()
from digits.inference import NetSource, Pool, draw_network
pool = Pool()
net = NetSource('layer { name: "r" type: "ReLU" bottom: "x" top: "y" }')
ticks = []
def tick():
    while not done.wait(0.01):
        ticks.append(time.monotonic())
done = threading.Event()
ticker = threading.Thread(target=tick); ticker.start()
began = time.monotonic()
picture = draw_network(pool, net, "svg", all_states=True)
took = time.monotonic() - began
done.set(); ticker.join()
# The longest time in which nobody else got a turn: nearly all of it, were others blocked.
gap = max(b - a for a, b in zip(ticks, ticks[1:]))
assert picture.png and len(ticks) > 3 and gap < took / 4, (len(ticks), gap, took)
print(pool.states()[0].pid, flush=True)
sys.stdin.readline()
pool.close()
"""


def start_server(kind: str) -> tuple[subprocess.Popen[str], int]:
    server = subprocess.Popen(
        [sys.executable, "-c", SERVER, kind],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout
    return server, int(server.stdout.readline())


@pytest.mark.parametrize("kind", ["threads", "gevent"])
def test_workers_end_when_the_server_is_killed(kind: str) -> None:
    server, worker = start_server(kind)
    with server:
        assert psutil.pid_exists(worker)
        server.kill()
        server.wait(60)
        wait_until(lambda: not psutil.pid_exists(worker))


def test_a_pool_under_gevent_waits_without_blocking_others_and_closes() -> None:
    server, worker = start_server("gevent")
    with server:
        server.communicate("close\n", timeout=60)
        assert server.returncode == 0
    assert not psutil.pid_exists(worker)


def test_the_servers_side_loads_nothing_heavy() -> None:
    code = (
        "import sys, digits.inference; "
        "sys.exit(any(m in sys.modules for m in ('torch', 'cv2', 'matplotlib', 'lmdb')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
