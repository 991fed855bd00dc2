"""A plugin of pytest: what a run leaves out unless it is told `--all`, and what comes first.

Without `--all` (and outside of CI) tests with the mark `slow` and most of those in the browser are
left out, unless the command line names one by its id or its file, or chooses by marks itself
(`-m`); and Hypothesis tries a share of its examples.
Tests say how many they need in full by `examples(400)`.

With `--dist loadfile` a file of tests stays in one process, as its fixtures (servers, datasets)
are made once; so do some folders, while the tests of a file that is marked `apart` go to whoever
is free.  There is one process more than there are cores, since tests wait for the programs that
they have started.
"""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler.loadfile import LoadFileScheduling  # type: ignore[import-untyped]

TESTS = Path(__file__).parent
# What takes long begins: one file that came last would keep a single process busy while the others
# have nothing left to do.
FIRST = ("browser", "test_end_to_end.py", "serving", "security", "model", "importing", "inference")
# Folders whose files share what is made once a process: a trained model, a server with users.
TOGETHER = (
    "tests/importing",
    "tests/inference",
    "tests/model/images",
    "tests/model/compare",
    "tests/security",
)
# What starts programs, servers or browsers, or computes much, and is left out by --fast: by folder
# or file, by mark and by fixture.
NOT_FAST = (
    "base/test_program.py",
    "browser",
    "caffe/test_edited_blobs.py",
    "caffe/test_shell.py",
    "caffe/tools",
    "golden/test_nets.py",
    "golden/test_solvers.py",
    "importing",
    "inference",
    "jobs/test_process.py",
    "load",
    "model/training/test_digest.py",
    "security",
    "serving",
    "sources/test_listing.py",
    "sources/test_names.py",
    "test_end_to_end.py",
    "test_layers.py",
    "test_locked_installation.py",
    "test_names.py",
    "test_release.py",
    "test_selection.py",
    "test_set_up.py",
    "tools",
)
NOT_FAST_MARKS = ("slow", "browser", "gpu", "apart")
NOT_FAST_FIXTURES = {"app", "client", "make_scheduler", "make_server", "server", "site"}
# Tests in the browser take a third of a whole run: the quick one keeps the way to a first model.
QUICK_IN_BROWSER = ("test_first_model.py",)
# The share of its examples that Hypothesis tries without --all, and how many it tries at least.
QUICK_SHARE, QUICK_LEAST = 0.1, 10

settings.register_profile("dev", max_examples=QUICK_LEAST, deadline=None)
settings.register_profile("ci", max_examples=100, deadline=None)


def pytest_addoption(parser: pytest.Parser) -> None:
    help_ = "run what is marked slow as well, and all of Hypothesis's examples"
    parser.addoption("--all", action="store_true", help=help_, default=bool(os.environ.get("CI")))
    help_ = "run only what neither starts a program nor needs a server: a minute"
    parser.addoption("--fast", action="store_true", help=help_)


def pytest_configure(config: pytest.Config) -> None:
    # Before the tests are imported: a test's own settings begin from the profile.
    settings.load_profile("ci" if config.getoption("--all") else "dev")


def examples(in_full: int) -> int:
    """How many examples a property is tried with, of those that `--all` takes."""
    if settings.get_current_profile_name() == "ci":
        return in_full
    return min(in_full, max(QUICK_LEAST, round(in_full * QUICK_SHARE)))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import what is left out whole: each process of tests would."""
    if not collection_path.is_relative_to(TESTS):
        return None
    if config.getoption("--fast") and str(collection_path.relative_to(TESTS)) in NOT_FAST:
        return True
    everything = config.getoption("--all") or config.getoption("markexpr")
    if everything or str(collection_path) in named_files(config):
        return None
    return True if is_slow_file(collection_path) else None


def named_files(config: pytest.Config) -> set[str]:
    """The files that the command line names, or whose tests it names."""
    return {str(config.invocation_params.dir / arg.partition("::")[0]) for arg in config.args}


def is_slow_file(path: Path) -> bool:
    """Whether all of a file's tests are left to `--all`, as far as it says so at its top."""
    if not path.name.startswith("test_"):
        return False
    if path.parent == TESTS / "browser":
        return path.name not in QUICK_IN_BROWSER
    return path.suffix == ".py" and "\npytestmark = pytest.mark.slow\n" in path.read_text()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is slow, unless it was asked for, and let what takes long begin."""
    if not (config.getoption("--all") or config.getoption("markexpr")):
        left_out = {item for item in items if is_slow(item) and not is_named(config, item)}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    if config.getoption("--fast"):
        left_out = {item for item in items if not is_fast(item)}
        config.hook.pytest_deselected(items=list(left_out))
        items[:] = [item for item in items if item not in left_out]
    slow = {item.path for item in items if is_slow(item)}
    items.sort(key=lambda item: (item.path not in slow, place(item.path)))


def place(path: Path) -> int:
    """Whose turn a file is, beginning with 0."""
    room = path.relative_to(TESTS).parts[0] if path.is_relative_to(TESTS) else ""
    return FIRST.index(room) if room in FIRST else len(FIRST)


def is_slow(item: pytest.Item) -> bool:
    """Whether only `--all` runs a test, unless it is named or chosen by its marks."""
    if item.get_closest_marker("slow") is not None:
        return True
    return item.path.parent == TESTS / "browser" and item.path.name not in QUICK_IN_BROWSER


def is_fast(item: pytest.Item) -> bool:
    """Whether a test starts nothing, as far as its marks and fixtures tell."""
    fixtures = set(getattr(item, "fixturenames", ()))
    marks = [item.get_closest_marker(mark) for mark in NOT_FAST_MARKS]
    return not any(marks) and fixtures.isdisjoint(NOT_FAST_FIXTURES)


def is_named(config: pytest.Config, item: pytest.Item) -> bool:
    """Whether the command line names this very test, all cases of it, or its file."""
    test = item.nodeid.partition("[")[0]
    return not {test, test.partition("::")[0]}.isdisjoint(
        arg.partition("[")[0] for arg in config.args
    )


def pytest_xdist_auto_num_workers() -> int:
    return len(os.sched_getaffinity(0)) + 1


class FilesOrApart(LoadFileScheduling):  # type: ignore[misc]
    """Hands out tests by `unit_of`."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid, self.config.rootpath)


def unit_of(nodeid: str, root: Path) -> str:
    """Tests of the same unit run in the same process: those of a file, or of a folder."""
    file = nodeid.partition("::")[0]
    folders = [folder for folder in TOGETHER if file.startswith(f"{folder}/")]
    if folders:
        return folders[0]
    # The process that hands out tests has not imported them: it cannot ask for their marks.
    return nodeid if is_apart(root / file) else file


@functools.cache
def is_apart(path: Path) -> bool:
    return "pytest.mark.apart" in path.read_text()


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    return FilesOrApart(config, log) if config.getoption("dist") == "loadfile" else None
