"""Archives of models as tests send them: taken apart, changed, and put together again."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flask.testing import FlaskClient

from digits.jobs.job import Job

ROUTE = "/models/upload_archive.json"
Files = dict[str, bytes]


def downloaded(client: FlaskClient, job_id: str, extension: str = "tar.gz") -> bytes:
    """The archive of a model's last snapshot."""
    answer = client.get(f"/models/{job_id}/download.{extension}")
    assert answer.status_code == 200, answer.text
    return answer.data


def files_of(archive: bytes) -> Files:
    """The files of a tar or a zip."""
    if archive.startswith(b"PK"):
        with zipfile.ZipFile(io.BytesIO(archive)) as opened:
            return {name: opened.read(name) for name in opened.namelist()}
    found = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            file = tar.extractfile(member)
            assert file is not None
            found[member.name] = file.read()
    return found


def zipped(files: Mapping[str, bytes]) -> bytes:
    """A zip of files."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return data.getvalue()


def tarred(files: Mapping[str, bytes], mode: str = "w:gz") -> bytes:
    """A tar of files."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode=mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def with_info(files: Mapping[str, bytes], **changes: Any) -> Files:
    """The files with keys of info.json changed; None takes one out."""
    info = {**json.loads(files["info.json"]), **changes}
    kept = {key: value for key, value in info.items() if value is not None}
    return {**files, "info.json": json.dumps(kept).encode()}


def send(
    client: FlaskClient, archive: bytes, name: str = "model.tar.gz", route: str = ROUTE, **form: Any
) -> Any:
    """Upload an archive."""
    return client.post(route, data={"archive": (io.BytesIO(archive), name), **form})


def classified(client: FlaskClient, job_id: str, picture: Path) -> list[Any]:
    """What a model says of a picture."""
    answer = client.post(
        f"/models/images/classification/classify_one.json?job_id={job_id}",
        data={"image_path": str(picture)},
    )
    assert answer.status_code == 200, answer.text
    predictions: list[Any] = answer.json["predictions"]
    return predictions


def leftovers(job: Job) -> list[str]:
    """What lies in the jobs directory beside jobs and the server's own files."""
    return [path.name for path in job.dir.parent.iterdir() if path.name.startswith(".upload")]
