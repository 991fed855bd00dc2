"""A plugin of pytest: how much processor time each test takes, and which ones lack the mark `slow`.

Counted is the time of this process and of its children, as far as they were waited for; never the
time on the wall, which tells more of the machine than of the test.  What a fixture of several tests
takes is charged to the fixture.  Each report carries its share (`report.cpu_time`), so that the
process which collects the reports can add them up, under pytest-xdist too.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

Running = Generator[None, object, object]


def cpu_s() -> float:
    """Seconds of processor time of this process and of the children that it has waited for."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


class Meter:
    """Charges what is spent to whoever is at work: a test, or a fixture of several tests."""

    def __init__(self, clock: Callable[[], float] = cpu_s) -> None:
        self.spent: defaultdict[str, float] = defaultdict(float)  # seconds by name
        self._clock = clock
        self._last = clock()
        self._at_work: list[str] = []

    @contextmanager
    def charging(self, name: str) -> Iterator[None]:
        """Charge what is spent meanwhile to `name`, and not to who waits for it."""
        if self._at_work:
            self.charge(self._at_work[-1])
        self._last = self._clock()
        self._at_work.append(name)
        try:
            yield
        finally:
            self.charge(self._at_work.pop())

    def charge(self, name: str) -> None:
        """Charge what was spent since the last charge to `name`."""
        now = self._clock()
        self.spent[name] += now - self._last
        self._last = now

    def take(self) -> dict[str, float]:
        """What was charged since the last call, in seconds by name."""
        taken = {name: seconds for name, seconds in self.spent.items() if seconds > 0}
        self.spent.clear()
        return taken


def fixture_name(fixture: pytest.FixtureDef[Any]) -> str:
    """A fixture with the file or folder that it belongs to."""
    return f"{fixture.baseid or '.'}: fixture {fixture.argname}"


class Measuring:
    """Runs where the tests run: measures them, and fails the one that takes far too much."""

    def __init__(self, most_s: float) -> None:
        self.most_s = most_s
        self.meter = Meter()
        self._test_s = 0.0  # of the test that runs

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Running:
        self._test_s = 0.0
        with self.meter.charging(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Running:
        with self.meter.charging(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Running:
        with self.meter.charging(item.nodeid):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Running:
        if fixturedef.scope == "function":
            return (yield)
        with self.meter.charging(fixture_name(fixturedef)):
            return (yield)

    def pytest_fixture_post_finalizer(self, fixturedef: pytest.FixtureDef[Any]) -> None:
        if fixturedef.scope != "function":
            self.meter.charge(fixture_name(fixturedef))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        spent = self.meter.take()
        self._test_s += spent.get(item.nodeid, 0.0)
        marked = item.get_closest_marker("slow") is not None
        report.cpu_time = {"spent": spent, "marked": marked}
        if report.when == "teardown" and not marked and self._test_s > self.most_s:
            report.outcome = "failed"
            report.longrepr = (
                f"{item.nodeid} took {self._test_s:.1f} s of processor time. Make it quicker, or "
                f"mark it with pytest.mark.slow: no other test may take over {self.most_s:g} s."
            )
        return report


class Telling:
    """Runs where reports are collected: adds them up, and tells who lacks the mark."""

    def __init__(self, told_s: float, path: str | None) -> None:
        self.told_s = told_s
        self.path = path
        self.spent: Counter[str] = Counter()
        self.marked: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        measured = getattr(report, "cpu_time", None)
        if measured is None:  # the process of the test died
            return
        self.spent.update(measured["spent"])
        if measured["marked"]:
            self.marked.add(report.nodeid)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        long = [name for name, seconds in self.spent.most_common() if seconds > self.told_s]
        if unmarked := [name for name in long if name not in self.marked]:
            terminalreporter.section(f"over {self.told_s:g} s of processor time, not marked slow")
            for name in unmarked:
                terminalreporter.line(f"{self.spent[name]:7.1f} s  {name}")
        if self.path:
            told = {name: round(seconds, 2) for name, seconds in self.spent.most_common()}
            Path(self.path).write_text(json.dumps(told, indent=1))


def pytest_addoption(parser: pytest.Parser) -> None:
    help_ = "write the processor time of every test and shared fixture into this file, as JSON"
    parser.addoption("--cpu-times", metavar="FILE", help=help_)
    parser.addini("cpu_told_s", "unmarked tests over so many seconds are told of", default="5")
    parser.addini("cpu_most_s", "unmarked tests over so many seconds fail", default="15")


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(Measuring(float(config.getini("cpu_most_s"))))
    if not hasattr(config, "workerinput"):
        telling = Telling(float(config.getini("cpu_told_s")), config.getoption("--cpu-times"))
        config.pluginmanager.register(telling)
