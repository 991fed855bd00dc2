"""The pool of workers: one process a network, the last few kept warm.

    pool = Pool(PoolSettings(workers=2, idle_s=600))
    answer = pool.ask(ClassifyOne(picture), network=network)    # a Classification
    pool.close()

A request for a network waits until that network's worker is free, or starts one.  At the limit, the
worker that has been idle longest is given the new network: that saves the seconds in which a
process starts.  Requests are served in the order of their arrival.  Whatever happens to a worker is
an error for its present request alone.

Used from threads, or from greenlets after gevent's monkey-patching.
Elsewhere: what can be asked (`operations/`); one process (`process.py`).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar, cast

from digits.base.warm.client import WarmStarts
from digits.inference.errors import (
    PoolBusy,
    PoolClosed,
    WorkerDied,
    WorkerError,
    WorkerNotStarted,
    WorkerTimeout,
)
from digits.inference.operations import Load, Network, NetworkFacts, Request, Start
from digits.inference.process import WorkerProcess

Answer = TypeVar("Answer")
log = logging.getLogger(__name__)

# The worker without a network, which checks and draws nets; it has a place of its own, so that a
# form can be checked while all networks are in use.
_NO_NETWORK = ""
# A process that holds none yet, or none any more: its network was refused.
_VACANT = "vacant"
# One that has grown beyond this share of its memory is replaced rather than used again: what it has
# freed need not be in one piece.
_REUSED_BELOW = 0.5


@dataclass(frozen=True)
class PoolSettings:
    """Limits of a pool; times in seconds."""

    workers: int = 2
    idle_s: float = 600.0
    # From the request to its answer, a start that may be needed not counted.
    timeout_s: float = 120.0
    # From the start of a process until its network is loaded.
    start_timeout_s: float = 120.0
    memory_mb: int = 4096
    # Added to the server's own; 10 leaves a training on the same cores nine tenths of them.
    niceness: int = 10
    # The same for the worker that checks and draws nets: somebody waits at a form, for seconds.
    check_niceness: int = 0
    # Whether networks may have layers that run Python code of the server.
    python_layers: bool = False
    # Added to the environment of the processes.
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class WorkerState:
    """A worker as a status page shows it."""

    pid: int
    network: Network | None
    busy: bool
    idle_s: float
    rss_bytes: int


@dataclass(eq=False)
class _Slot:
    """A place in the pool.  `process` is None while it is being started.

    `loaded`: its process holds its network.
    """

    key: str
    network: Network | None
    process: WorkerProcess | None = None
    loaded: bool = False
    busy: bool = True
    last_used: float = 0.0
    facts: NetworkFacts | None = None


@dataclass(eq=False)
class _Ticket:
    """A request that waits for a slot."""

    key: str


class Pool:
    """Keeps workers, and lends each to one request at a time."""

    def __init__(
        self,
        settings: PoolSettings | None = None,
        clock: Callable[[], float] = time.monotonic,
        warm: WarmStarts | None = None,
    ) -> None:
        self.settings = settings or PoolSettings()
        self._warm = warm
        self._clock = clock
        # Guards everything below; notified whenever a slot becomes free or goes.
        self._changed = threading.Condition()
        self._slots: list[_Slot] = []
        self._waiting: list[_Ticket] = []
        self._reaper: threading.Thread | None = None
        self._closed = False

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def ask(
        self,
        request: Request[Answer],
        *,
        network: Network | None = None,
        timeout_s: float | None = None,
        wait_s: float | None = None,
    ) -> Answer:
        """Send a request to the worker of `network` (None: the one without); its answer.

        Raises any InferenceError.  `timeout_s` stands for the pool's own limit; a process may take
        `wait_s` to become free [as long as for the answer].
        """
        limit_s = self.settings.timeout_s if timeout_s is None else timeout_s
        wait_s = limit_s if wait_s is None else wait_s
        try:
            return self._ask_once(request, network, limit_s, wait_s)
        except WorkerDied as error:
            if error.begun:
                raise
        # It had been killed while it was idle, as when the kernel needs memory: nothing is lost.
        return self._ask_once(request, network, limit_s, wait_s)

    def _ask_once(
        self, request: Request[Answer], network: Network | None, limit_s: float, wait_s: float
    ) -> Answer:
        slot = self._borrow(network, wait_s)
        try:
            return self._started(slot).ask(request, limit_s)
        except WorkerError as error:
            self._remove(slot)
            if self._closed:
                raise PoolClosed("The server is stopping.") from error
            if isinstance(error, WorkerDied):
                log.warning("worker of %s died: %s\n%s", _name(network), error, error.log)
            raise
        finally:
            self._give_back(slot)

    def facts(self, network: Network) -> NetworkFacts:
        """What a worker said of this network when it was loaded; loads it where it is not."""
        slot = self._borrow(network, self.settings.timeout_s)
        try:
            self._started(slot)
            return cast(NetworkFacts, slot.facts)  # it has a network
        except WorkerError:
            self._remove(slot)
            raise
        finally:
            self._give_back(slot)

    def prepare(self) -> None:
        """Somebody will soon classify or train: have the libraries loaded by then."""
        if self._warm is not None:
            self._warm.prepare()

    def prepared_bytes(self) -> int:
        """The memory that the process with the libraries holds; 0 where there is none."""
        return self._warm.memory_bytes() if self._warm is not None else 0

    def states(self) -> list[WorkerState]:
        """The workers that are up, for a status page."""
        with self._changed:
            slots = [(slot, slot.process) for slot in self._slots]
        now = self._clock()
        return [
            WorkerState(
                pid=process.pid,
                network=slot.network,
                busy=slot.busy,
                idle_s=0.0 if slot.busy else now - slot.last_used,
                rss_bytes=process.rss_bytes(),
            )
            for slot, process in slots
            if process is not None
        ]

    def end_idle(self, now: float) -> float | None:
        """End the workers that have been idle for too long; seconds until the next one will be."""
        with self._changed:
            expired = [slot for slot in self._slots if self._expires_in(slot, now) <= 0]
            for slot in expired:
                self._slots.remove(slot)
            left = [self._expires_in(slot, now) for slot in self._slots if not slot.busy]
        for slot in expired:
            log.info("worker of %s ends after %.0f s idle", slot.key, self.settings.idle_s)
            _kill(slot)
        return min(left, default=None)

    def close(self) -> None:
        """End all workers, in the middle of requests too, which then raise PoolClosed or died."""
        with self._changed:
            self._closed = True
            slots = list(self._slots)
            self._slots.clear()
            self._changed.notify_all()
        for slot in slots:
            _kill(slot)
        if self._reaper is not None:
            self._reaper.join()

    # Borrowing

    def _borrow(self, network: Network | None, limit_s: float) -> _Slot:
        """A slot for this network, marked busy; its process may have to be started yet."""
        ticket = _Ticket(network.key() if network is not None else _NO_NETWORK)
        deadline = self._clock() + limit_s
        with self._changed:
            self._waiting.append(ticket)
            try:
                while not self._is_served_next(ticket):
                    if not self._changed.wait(deadline - self._clock()):
                        raise PoolBusy(
                            f"All networks are busy; no process became free within {limit_s:g} s."
                            " Try again later."
                        )
                return self._take(ticket, network)
            finally:
                self._waiting.remove(ticket)
                self._changed.notify_all()

    def _is_served_next(self, ticket: _Ticket) -> bool:
        """Whether a slot is free for this ticket that no earlier ticket could take."""
        if self._closed:
            raise PoolClosed("The server is stopping.")
        for waiting in self._waiting:
            if self._is_servable(waiting.key):
                return waiting is ticket
            if waiting is ticket:
                return False
        return False

    def _is_servable(self, key: str) -> bool:
        own = self._slot_of(key)
        if own is not None:
            return not own.busy
        return self._has_room(key) or self._longest_idle() is not None

    def _take(self, ticket: _Ticket, network: Network | None) -> _Slot:
        slot = self._slot_of(ticket.key)
        if slot is None and ticket.key != _NO_NETWORK:
            slot = self._slot_of(_VACANT)
            if slot is None and not self._has_room(ticket.key):
                slot = self._longest_idle()
        if slot is None:
            slot = _Slot(ticket.key, network)
            self._slots.append(slot)
        elif slot.key != ticket.key:
            slot.key, slot.network, slot.loaded = ticket.key, network, False
        slot.busy = True
        return slot

    def _slot_of(self, key: str) -> _Slot | None:
        slots = [slot for slot in self._slots if slot.key == key]
        return min(slots, key=lambda slot: slot.busy, default=None)

    def _has_room(self, key: str) -> bool:
        return key == _NO_NETWORK or len(self._networks()) < self.settings.workers

    def _longest_idle(self) -> _Slot | None:
        idle = [slot for slot in self._networks() if not slot.busy]
        return min(idle, key=lambda slot: slot.last_used, default=None)

    def _networks(self) -> list[_Slot]:
        return [slot for slot in self._slots if slot.key != _NO_NETWORK]

    def _started(self, slot: _Slot) -> WorkerProcess:
        """The slot's process, with its network loaded."""
        process = self._running(slot)
        if slot.loaded:
            return process
        limit_s = self.settings.start_timeout_s
        try:
            if slot.network is None:
                process.ask(Start(), limit_s)
            else:
                slot.facts = process.ask(Load(slot.network), limit_s)
        except WorkerTimeout:
            message = f"{_name(slot.network)} was not ready within {limit_s:g} s."
            raise WorkerNotStarted(message) from None
        slot.loaded = True
        return process

    def _running(self, slot: _Slot) -> WorkerProcess:
        """The slot's process; a fresh one where it has none, or none that is of use."""
        if slot.process is not None:
            if slot.process.is_alive and (slot.loaded or self._is_reusable(slot.process)):
                return slot.process
            # Killed while it was idle (nobody's request was lost), or grown too large.
            slot.process.kill()
        is_check = slot.key == _NO_NETWORK
        process = WorkerProcess(
            memory_mb=self.settings.memory_mb,
            niceness=self.settings.check_niceness if is_check else self.settings.niceness,
            python_layers=self.settings.python_layers,
            environment=self.settings.environment,
            warm=self._warm,
        )
        with self._changed:
            slot.process, slot.loaded = process, False
            if self._closed:
                process.kill()
                raise PoolClosed("The server is stopping.")
            self._start_reaper()
        return process

    def _is_reusable(self, process: WorkerProcess) -> bool:
        return process.rss_bytes() < _REUSED_BELOW * self.settings.memory_mb * (1 << 20)

    def _give_back(self, slot: _Slot) -> None:
        with self._changed:
            if not slot.loaded and slot.key != _NO_NETWORK:
                # Refused; the process is sound, but must not be taken for that network's.
                slot.key, slot.network = _VACANT, None
            slot.busy = False
            slot.last_used = self._clock()
            self._changed.notify_all()

    def _remove(self, slot: _Slot) -> None:
        with self._changed:
            if slot in self._slots:
                self._slots.remove(slot)
            self._changed.notify_all()
        _kill(slot)

    # Idle workers

    def _expires_in(self, slot: _Slot, now: float) -> float:
        if slot.busy:
            return self.settings.idle_s
        return slot.last_used + self.settings.idle_s - now

    def _start_reaper(self) -> None:
        if self._reaper is None:
            self._reaper = threading.Thread(target=self._reap, name="inference reaper", daemon=True)
            self._reaper.start()

    def _reap(self) -> None:
        while True:
            wait_s = self.end_idle(self._clock())
            with self._changed:
                if self._closed:
                    return
                self._changed.wait(wait_s)


def _kill(slot: _Slot) -> None:
    if slot.process is not None:
        slot.process.kill()


def _name(network: Network | None) -> str:
    return "the net checks" if network is None else f"{network.weights.name}"
