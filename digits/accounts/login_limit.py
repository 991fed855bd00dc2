"""How often a password may be guessed: by one address, for one name, and for both together.

In: failures.  Out: how long the next try must wait.  A bounded number of them is remembered, so
that guessing from many addresses costs no memory.
"""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from collections.abc import Callable

WINDOW_S = 15 * 60.0
# Failures within the window, after which the next try has to wait.
MOST_FOR_BOTH = 5
MOST_FOR_ADDRESS = 30
# Much higher: else anybody could lock out somebody else.
MOST_FOR_NAME = 100
MOST_REMEMBERED = 20_000


class LoginLimit:
    """Counts failed logins."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        # Key -> times of failures, oldest first; the key that failed last stands last.
        self._failures: OrderedDict[tuple[str, str], list[float]] = OrderedDict()

    def wait_s(self, address: str, name: str, browser: str = "") -> int:
        """Whole seconds until this address may try this name; 0: now.

        `browser` is the id of one in which this name has been logged in before: it waits for its
        own failures alone, so that strangers cannot lock its owner out.
        """
        return max(self._wait_s(key, most) for key, most in _keys(address, name, browser).items())

    def failed(self, address: str, name: str, browser: str = "") -> None:
        """A password was wrong."""
        now = self.clock()
        for key, most in _keys(address, name, browser).items():
            times = self._recent(key)
            self._failures[key] = [*times, now][-most:]
            self._failures.move_to_end(key)
        while len(self._failures) > MOST_REMEMBERED:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str, browser: str = "") -> None:
        """It was right after all: this try was no failure, and the user's earlier ones are over."""
        keys = _keys(address, name, browser)
        for key in keys:
            if times := self._failures.get(key):
                times.pop()
        self._failures.pop(next(iter(keys)), None)

    def _wait_s(self, key: tuple[str, str], most: int) -> int:
        times = self._recent(key)
        if len(times) < most:
            return 0
        return max(1, math.ceil(times[-most] + WINDOW_S - self.clock()))

    def _recent(self, key: tuple[str, str]) -> list[float]:
        since = self.clock() - WINDOW_S
        return [moment for moment in self._failures.get(key, ()) if moment > since]


def network_of(address: str) -> str:
    """What counts as one address: of IPv6 the /64 network, all of which one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        mapped = parsed.ipv4_mapped
        return str(mapped or ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def _keys(address: str, name: str, browser: str) -> dict[tuple[str, str], int]:
    """What a failure counts for, with how many are allowed; whoever tries and the name first."""
    if browser:
        return {(f"browser {browser}", name): MOST_FOR_BOTH}
    place = network_of(address)
    return {
        (place, name): MOST_FOR_BOTH,
        (place, ""): MOST_FOR_ADDRESS,
        ("", name): MOST_FOR_NAME,
    }
