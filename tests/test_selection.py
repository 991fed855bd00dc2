"""What a run leaves out, and how the rest is spread over processes."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.selection import NOT_FAST, QUICK_IN_BROWSER, TOGETHER, unit_of

TOP = Path(__file__).parent.parent
SUITE = """
import os
import pytest
from hypothesis import given, settings, strategies as st
from tests.selection import examples

def test_quick(): pass

@pytest.mark.slow
@pytest.mark.parametrize("case", ["one", "two"])
def test_slow(case): pass

tried = 0

@settings(max_examples=examples(200))
@given(st.integers())
def test_property(number):
    global tried
    tried += 1

def test_tried():
    print(f"tried {tried} examples")
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A suite of four quick tests and two slow ones."""
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.delenv("CI", raising=False)
    pytester.makeini(
        "[pytest]\naddopts = -p xdist -p tests.selection -s\n"
        "markers =\n  slow: long\n  apart: alone\n"
    )
    pytester.makepyfile(test_parts=SUITE)
    return pytester


def run(suite: pytest.Pytester, *options: str) -> tuple[set[str], int]:
    """The tests that ran without mark, by name, and how many examples were tried."""
    result = suite.runpytest_subprocess("-v", *options)
    assert result.ret == 0
    text = result.stdout.str()
    tried = re.search(r"tried (\d+) examples", text)
    passed = set(re.findall(r"test_parts\.py::(\S+)", text))
    return passed, int(tried[1]) if tried else 0


QUICK = {"test_quick", "test_property", "test_tried"}
SLOW = {"test_slow[one]", "test_slow[two]"}


def test_slow_tests_and_most_examples_are_left_out(suite: pytest.Pytester) -> None:
    assert run(suite) == (QUICK, 20)


def test_all_runs_everything_in_full(suite: pytest.Pytester) -> None:
    assert run(suite, "--all") == (QUICK | SLOW, 200)


def test_in_ci_nothing_is_left_out(suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert run(suite) == (QUICK | SLOW, 200)


def test_who_names_a_slow_test_or_chooses_by_marks_gets_it(suite: pytest.Pytester) -> None:
    named = run(suite, "test_parts.py::test_slow[two]", "test_parts.py::test_quick")[0]
    assert named == {"test_slow[two]", "test_quick"}
    assert run(suite, "-m", "slow")[0] == SLOW
    assert run(suite, "test_parts.py")[0] == QUICK | SLOW


@pytest.mark.slow
def test_a_file_stays_in_one_process(suite: pytest.Pytester) -> None:
    names = [f"test_{number}" for number in range(4)]
    test = "def {0}(): open('{1}-{0}', 'w').write(os.environ['PYTEST_XDIST_WORKER'])\n"
    for module in ("one", "other"):
        source = "import os\n" + "".join(test.format(name, module) for name in names)
        suite.makepyfile(**{module: source})
    options = ("--dist=loadfile", "one.py", "other.py")
    suite.runpytest_subprocess("-n2", *options).assert_outcomes(passed=8)
    for module in ("one", "other"):
        assert len({(suite.path / f"{module}-{name}").read_text() for name in names}) == 1


def test_the_tests_of_a_file_that_is_marked_apart_go_to_whoever_is_free(tmp_path: Path) -> None:
    (tmp_path / "apart.py").write_text("pytestmark = pytest.mark.apart\n")
    (tmp_path / "file.py").write_text("")
    assert unit_of("apart.py::test_one[a::b]", tmp_path) == "apart.py::test_one[a::b]"
    assert unit_of("file.py::test_one[a::b]", tmp_path) == "file.py"


def test_what_the_fast_run_leaves_out_is_there() -> None:
    assert [name for name in NOT_FAST if not (TOP / "tests" / name).exists()] == []


def test_what_the_quick_run_keeps_of_the_tests_in_the_browser_is_there() -> None:
    kept = [TOP / "tests" / "browser" / name for name in QUICK_IN_BROWSER]
    assert kept
    assert all(path.is_file() for path in kept)


def test_folders_that_share_what_is_made_once_a_process_stay_together() -> None:
    assert all((TOP / folder).is_dir() for folder in TOGETHER)
    units = {
        unit_of(f"{TOGETHER[0]}/{name}::test_one", TOP) for name in ("test_a.py", "b/test_b.py")
    }
    assert units == {TOGETHER[0]}


def test_properties_say_how_many_examples_they_need_in_full() -> None:
    numbers = re.compile(r"max_examples=(?!examples\(|EXAMPLES)")
    bare = [
        str(path.relative_to(TOP))
        for path in (TOP / "tests").rglob("test_*.py")
        if path != Path(__file__) and numbers.search(path.read_text())
    ]
    assert bare == []
