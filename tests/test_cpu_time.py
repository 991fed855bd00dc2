"""What tests take of the processor is told, also when several processes share them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
# Counts processor time, so that a busy machine changes nothing.
HELPERS = """
import subprocess, sys, time
import pytest

def work(seconds):
    ends = time.process_time() + seconds
    while time.process_time() < ends:
        pass

def let_a_child_work(seconds):
    code = f"import time\\nwhile time.process_time() < {seconds}: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """An empty suite whose tests are told of over 0.3 s, and fail over 1 s."""
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini(
        "[pytest]\naddopts = -p xdist -p tests.cpu_time\nmarkers = slow: long\n"
        "cpu_told_s = 0.3\ncpu_most_s = 1\n"
    )
    return pytester


BOTH_WAYS = pytest.mark.parametrize("processes", ["0", "2"])


@pytest.mark.slow
@BOTH_WAYS
def test_unmarked_tests_that_take_long_are_told_of_and_those_that_take_far_too_much_fail(
    suite: pytest.Pytester, processes: str
) -> None:
    suite.makepyfile(
        f"{HELPERS}\n"
        "def test_busy(): work(0.4)\n"
        "def test_busy_child(): let_a_child_work(0.4)\n"
        "def test_far_too_busy(): work(1.1)\n"
        "def test_waiting(): time.sleep(1.1)\n"
        "@pytest.mark.slow\n"
        "def test_marked(): work(1.1)\n"
    )
    result = suite.runpytest_subprocess("-n", processes)
    result.assert_outcomes(passed=5, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*test_far_too_busy took 1.* s of processor time.*"])
    told = {line.rpartition("::")[2] for line in result.outlines if " s  " in line}
    assert told == {"test_busy", "test_busy_child", "test_far_too_busy"}


@pytest.mark.slow
def test_what_a_shared_fixture_takes_is_not_its_first_tests_fault(
    suite: pytest.Pytester,
) -> None:
    suite.makepyfile(
        f"{HELPERS}\n"
        "@pytest.fixture(scope='module')\n"
        "def lower():\n    work(0.5)\n    yield\n    work(0.7)\n"
        "@pytest.fixture(scope='module')\n"
        "def upper(lower, request):\n    work(0.1)\n    request.getfixturevalue('inner')\n"
        "@pytest.fixture(scope='module')\n"
        "def inner():\n    work(0.4)\n"
        "@pytest.fixture\n"
        "def own():\n    work(0.35)\n"
        "def test_first(upper): pass\n"
        "def test_second(upper, own): pass\n"
    )
    result = suite.runpytest_subprocess("-n1", "--cpu-times=told.json")
    result.assert_outcomes(passed=2)
    spent = json.loads((suite.path / "told.json").read_text())
    by_name = {name.rpartition(" ")[2].rpartition("::")[2]: s for name, s in spent.items()}
    assert by_name["lower"] > 1.1
    assert by_name["upper"] < 0.3 < by_name["inner"]
    assert by_name.get("test_first", 0) < 0.3 < by_name["test_second"]
