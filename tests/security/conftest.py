"""A server with users, for the tests of who may do what."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from flask import Flask

from tests.apps import running_app
from tests.security.people import add_people
from tests.security.world import World, a_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server with something to steal; it is made once, since it trains a model."""
    with a_world(tmp_path_factory.mktemp("world")) as world:
        yield world


@pytest.fixture
def tokens(jobs_dir: Path) -> dict[str, str]:
    """A token of each of `people.EVERYBODY`, who are users from now on."""
    return add_people(jobs_dir)


@pytest.fixture
def app(jobs_dir: Path, tokens: dict[str, str]) -> Iterator[Flask]:
    """An application with users."""
    with running_app(jobs_dir) as app:
        yield app
