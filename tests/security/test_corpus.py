"""The hostile requests of `corpus.py`, sent to a server with something to steal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.security.corpus import GROUPS, Hostile
from tests.security.world import CANARY, World

FEWEST = 500


def send(client: FlaskClient, world: World, hostile: Hostile) -> TestResponse:
    options: dict[str, Any] = {}
    data = hostile.data
    if isinstance(data, dict):
        data = {name: world.fill_in(value) for name, value in data.items()}
    if hostile.upload is not None:
        data = {hostile.upload_field: hostile.upload()}
        # The text of a list names this world's places.
        file, name = data[hostile.upload_field]
        if name.endswith(".txt"):
            file.getbuffer()  # it is a BytesIO
            text = world.fill_in(file.getvalue().decode("utf-8", "replace"))
            file.seek(0)
            file.truncate()
            file.write(text.encode())
            file.seek(0)
    if hostile.content_type is not None:
        options["content_type"] = hostile.content_type
    return client.open(
        world.fill_in(hostile.path),
        method=hostile.method,
        query_string={name: world.fill_in(value) for name, value in hostile.query.items()} or None,
        headers=hostile.headers,
        data=data,
        **options,
    )


def test_the_corpus_is_large() -> None:
    assert sum(len(list(group())) for group in GROUPS.values()) >= FEWEST


@pytest.mark.parametrize("group", GROUPS)
def test_every_hostile_request_gets_the_right_answer(world: World, group: str) -> None:
    client = world.app.test_client()
    secret_key = (world.jobs_dir / ".secret_key").read_text()
    wrong = []
    for number, hostile in enumerate(GROUPS[group]()):
        with send(client, world, hostile) as answer:
            text = answer.get_data().decode("utf-8", "replace")
            headers = str(answer.headers)
        problems = []
        if answer.status_code not in hostile.codes:
            problems.append(f"answers {answer.status_code}: {text[:300]}")
        if hostile.says and hostile.says not in text:
            problems.append(f"does not say {hostile.says!r}: {text[:300]}")
        for leak in (CANARY, secret_key, "root:x:0", "Traceback (most recent"):
            if leak in text or leak in headers:
                problems.append(f"leaks {leak!r}")
        if "X-Evil" in headers or "evil.example" in headers:
            problems.append(f"has a foreign header: {headers}")
        if "<script>alert(1)</script>" in text and "text/html" in headers:
            problems.append("has a script in its page")
        wrong += [(number, str(hostile)[:300], problem) for problem in problems]
    assert wrong == []


def test_nothing_has_come_of_it(world: World) -> None:
    """After all of them the jobs that were there are there, and nothing beside them."""
    index = world.app.test_client().get("/index.json").get_json()
    assert world.dataset in [job["id"] for job in index["datasets"]]
    assert world.model in [job["id"] for job in index["models"]]
    assert {path.name for path in world.outside.iterdir()} == {"secret.txt", "secret.caffemodel"}
    assert not (Path(world.jobs_dir).parent / "x").exists()
