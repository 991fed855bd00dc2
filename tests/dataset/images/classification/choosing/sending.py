"""Send a folder file by file, as a browser or a script does."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import EnvironBuilder

UPLOADS = "/datasets/images/classification/uploads.json"


def address(upload_id: str, what: str = "") -> str:
    return f"/datasets/images/classification/uploads/{upload_id}{what}.json"


def begin(client: FlaskClient, **fields: Any) -> str:
    answer = client.post(UPLOADS, json={"name": "flowers", **fields})
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    return str(answer.json["id"])


def send(client: FlaskClient, upload_id: str, files: Mapping[str, bytes]) -> Any:
    """The answer to one request with these files."""
    data = {
        "paths": json.dumps(list(files)),
        "file": [(io.BytesIO(content), "file") for content in files.values()],
    }
    builder = EnvironBuilder(address(upload_id, "/files"), method="POST", data=data)
    environ = builder.get_environ()
    # The test's client keeps a large body in a file, and leaves that open.
    with contextlib.closing(environ["wsgi.input"]):
        answer = client.open(environ)
    builder.close()
    return answer


def files_of(folder: Path, below: str = "") -> dict[str, bytes]:
    """The files of a folder by their paths."""
    return {
        below + path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def uploaded(client: FlaskClient, folder: Path, below: str = "") -> str:
    """The id of an upload with all of a folder."""
    upload_id = begin(client)
    answer = send(client, upload_id, files_of(folder, below))
    assert answer.status_code == 200, answer.text
    return upload_id
