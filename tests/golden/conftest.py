"""Fixtures of the comparisons with recorded Caffe runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.golden.cases import Case


@pytest.fixture
def enter(monkeypatch: pytest.MonkeyPatch) -> Callable[[Case], None]:
    """Make a case's folder the current one, where its relative paths and Python modules are."""

    def go(case: Case) -> None:
        monkeypatch.chdir(case.folder)
        monkeypatch.syspath_prepend(str(case.folder))

    return go
