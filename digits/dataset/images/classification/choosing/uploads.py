"""Uploads as views and forms need them: found for whoever asks, and fit for a dataset or not."""

from __future__ import annotations

from collections.abc import Collection

from digits.errors import UploadNotFound
from digits.jobs.upload import Upload
from digits.jobs.uploads import Uploads
from digits.web.answers import scheduler
from digits.web.logins import may_change

MIN_FOLDERS = 2


def uploads() -> Uploads:
    """Those of the server that answers this request."""
    return scheduler().store.uploads


def find_upload(upload_id: str) -> Upload:
    """The upload with this id that whoever asks may use.  Raises UploadNotFound."""
    upload = uploads().get(upload_id)
    if not may_change(upload):
        raise UploadNotFound()
    return upload


def why_no_dataset(paths: Collection[str]) -> str:
    """Why no dataset can be made of files at these paths; empty when it can."""
    if not paths:
        return "No picture of it has arrived. Choose a folder, and wait until it is uploaded."
    folders = {path.split("/", 1)[0] for path in paths if "/" in path}
    while len(folders) == 1 and all("/" in path for path in paths):
        # A folder around all others does not count.
        paths = [path.split("/", 1)[1] for path in paths]
        folders = {path.split("/", 1)[0] for path in paths if "/" in path}
    if len(folders) >= MIN_FOLDERS:
        return ""
    return (
        "It has no two folders with pictures in them. Make a folder for each category, put them "
        "into one folder, and upload that."
    )
