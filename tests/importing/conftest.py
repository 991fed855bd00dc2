"""One jobs directory of the original for all tests here; they copy what they change."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.importing.old_jobs import make_jobs


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_jobs(tmp_path_factory.mktemp("original"))


@pytest.fixture
def old_jobs(pristine: Path, tmp_path: Path) -> Path:
    """A copy that a test may change; its networks still name the pristine dataset."""
    return Path(shutil.copytree(pristine, tmp_path / "old-jobs"))
