"""What of an uploaded folder is kept: pictures, under names that a folder here can have.

In: paths and files as a browser or a script sends them.  Out: what the upload holds then, and the
reason for each file that it does not.
Elsewhere: how they lie on the disk (`jobs/upload.py`), the routes (`upload_views.py`).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from werkzeug.datastructures import FileStorage

from digits.base.formatting import file_size
from digits.base.relative_paths import problem_of
from digits.errors import FormError, StorageError
from digits.jobs import disk
from digits.jobs.store import JobStore
from digits.jobs.upload import Incoming, Upload
from digits.sources.downloads import MAX_PICTURE_BYTES
from digits.sources.folders import has_picture_extension, is_ignored, starts_like_a_picture
from digits.sources.picture_list import cannot_be_listed
from digits.web.uploads import write_stream

MOST_FILES = 200_000
LARGEST_FILE_BYTES = MAX_PICTURE_BYTES
_FIRST_BYTES = 16


def take_files(
    store: JobStore, upload: Upload, paths: Sequence[str], files: Sequence[FileStorage], most: int
) -> None:
    """Keep what is a picture and has a name that can be; `most` bytes in all.

    Raises StorageError when there is no room, FormError beyond the limits of an upload; what has
    arrived before is kept.
    """
    kept, left_out = [], {}
    for path, file in zip(paths, files, strict=True):
        size = _size(file)
        if problem := why_left_out(path, size, file):
            left_out[path] = problem
        else:
            kept.append(Incoming(path, size, partial(write_stream, file.stream)))
    _require_limits(upload, kept, most)
    _require_room(store)
    upload.leave_out(left_out)
    with store.writing():
        upload.put(kept, store.uploads.clock(), store.aside)


def why_left_out(path: str, size_bytes: int, file: FileStorage) -> str | None:
    """Why a file does not become part of a dataset; None for a picture."""
    if problem := problem_of(path) or cannot_be_listed(path):
        return problem
    if any(is_ignored(part) for part in path.split("/")):
        return "hidden files are passed over"
    if size_bytes > LARGEST_FILE_BYTES:
        return f"a file of {file_size(size_bytes)} is too large for a picture"
    if not size_bytes:
        return "the file is empty"
    if os.path.splitext(path)[1] and not has_picture_extension(path):
        # A web page called a picture by its first bytes would be served as a web page.
        return "not a picture, by its name"
    first = file.stream.read(_FIRST_BYTES)
    file.stream.seek(0)
    return None if starts_like_a_picture(first) else "not a picture, by its first bytes"


def require_room_for(store: JobStore, size_bytes: int, most: int) -> None:
    """Raise FormError or StorageError for a folder that is larger than may be, or than the room."""
    if size_bytes > most:
        raise FormError({"bytes": [_too_large(size_bytes, most)]})
    _require_room(store)
    free = disk.free_bytes(store.jobs_dir)
    if free is not None and size_bytes > free:
        raise StorageError(
            f"The folder has {file_size(size_bytes)}, and the disk of the jobs has "
            f"{file_size(free)} left. Delete jobs that are no longer needed, or upload less."
        )


def _require_room(store: JobStore) -> None:
    store.require_there()
    if store.problem is not None:
        store.require_room()
    if disk.is_short(store.jobs_dir):
        raise StorageError(
            "The disk of the jobs has little room left, which trainings need for their snapshots. "
            "What has arrived is kept for a day: delete jobs that are no longer needed, then go on."
        )


def _require_limits(upload: Upload, kept: Sequence[Incoming], most: int) -> None:
    new = [file for file in kept if file.path not in upload.arrived]
    if len(upload.arrived) + len(new) > MOST_FILES:
        raise FormError(
            {
                "file": [
                    f"An upload has at most {MOST_FILES:,} pictures. Copy larger folders to the "
                    "server, and use them there."
                ]
            }
        )
    size = upload.size_bytes + sum(file.size_bytes for file in new)
    if size > most:
        raise FormError({"file": [_too_large(size, most)]})


def _too_large(size_bytes: int, most: int) -> str:
    return (
        f"The folder has {file_size(size_bytes)}; at most {file_size(most)} can be uploaded "
        "(setting max_folder_upload_mb). Copy larger ones to the server, and use them there."
    )


def _size(file: FileStorage) -> int:
    stream = file.stream
    stream.seek(0, os.SEEK_END)
    size = stream.tell()
    stream.seek(0)
    return size
