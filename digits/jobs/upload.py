"""A folder that is being uploaded: what has arrived of it, on the disk and in memory.

Its folder holds `upload.json` (what was said when it began), `files/` with the files at their
paths, `parts/` with what is being written now, and `left_out.jsonl`.  The disk is the truth: after
a restart the same is there.  A file is there whole or not at all.
Elsewhere: all uploads, and how long they are kept (`uploads.py`).
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from digits.base.aside import Aside, here
from digits.base.atomic import write_text
from digits.base.job_files import read_bytes
from digits.base.relative_paths import problem_of
from digits.jobs import disk
from digits.jobs.record import read_record, require_arguments

RECORD_FILE = "upload.json"
FILES_FOLDER = "files"
PARTS_FOLDER = "parts"
LEFT_OUT_FILE = "left_out.jsonl"
# A folder of a million files that are no pictures must not fill memory.
MOST_LEFT_OUT = 10_000

# Makes the file at a path.
Writer = Callable[[Path], object]


@dataclass(frozen=True)
class UploadRecord:
    """What was said when an upload began; `files` and `bytes` are 0 where that was not said.

    The `fingerprint` is the sender's own: by it, it knows the folder again.
    """

    name: str
    owner: str
    made_s: float  # since 1970
    files: int = 0
    bytes: int = 0
    fingerprint: str = ""


@dataclass(frozen=True)
class Incoming:
    """A file that has come: its path from the folder, its size, and what writes it."""

    path: str
    size_bytes: int
    write: Writer


class Upload:
    """One upload.  `arrived` has the bytes of each file, `left_out` why others are not there."""

    def __init__(
        self,
        folder: Path,
        record: UploadRecord,
        arrived: Mapping[str, int] | None = None,
        left_out: Mapping[str, str] | None = None,
        touched_s: float = 0.0,
    ) -> None:
        self.folder = folder
        self.record = record
        self.arrived = dict(arrived or {})
        self.left_out = dict(left_out or {})
        self.touched_s = touched_s or record.made_s
        self.size_bytes = sum(self.arrived.values())
        # Who writes to it or reads it now; it is removed when nobody does.
        self.users = 0
        self.is_gone = False
        self.is_taken = False  # a dataset is being made of it

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def owner(self) -> str:
        """The name of a user; empty: it is the admins'."""
        return self.record.owner

    @property
    def files(self) -> Path:
        """The folder with the files."""
        return self.folder / FILES_FOLDER

    def put(self, incoming: Sequence[Incoming], now_s: float, aside: Aside = here) -> list[str]:
        """Write files; the paths of those that are there now.

        What cannot stand where its path says is left out.  Raises OSError when the disk is to
        blame; what was written before that counts.
        """
        outcomes, error = aside(_write_all, self.folder, incoming)
        written = []
        for file, problem in zip(incoming, outcomes, strict=False):
            if problem:
                self.leave_out({file.path: problem})
            else:
                self._note(file.path, file.size_bytes)
                written.append(file.path)
        self.touch(now_s)
        if error is not None:
            raise error
        return written

    def _note(self, path: str, size_bytes: int) -> None:
        self.size_bytes += size_bytes - self.arrived.get(path, 0)
        self.arrived[path] = size_bytes
        self.left_out.pop(path, None)

    def leave_out(self, reasons: Mapping[str, str]) -> None:
        """Note files that are not kept, each with its reason."""
        new = {
            path: reason
            for path, reason in reasons.items()
            if path not in self.arrived and self.left_out.get(path) != reason
        }
        room = MOST_LEFT_OUT - len(self.left_out)
        new = dict(list(new.items())[: max(0, room)])
        self.left_out.update(new)
        lines = "".join(json.dumps([path, reason]) + "\n" for path, reason in new.items())
        with contextlib.suppress(OSError), (self.folder / LEFT_OUT_FILE).open("a") as file:
            file.write(lines)

    def touch(self, now_s: float) -> None:
        """Somebody goes on with it."""
        self.touched_s = now_s
        with contextlib.suppress(OSError):  # somebody has removed it by hand
            os.utime(self.folder, (now_s, now_s))


def make_upload(folder: Path, record: UploadRecord) -> Upload:
    """A new one in `folder`, which is made; OSError when that fails."""
    folder.mkdir(mode=0o700)
    for name in (FILES_FOLDER, PARTS_FOLDER):
        (folder / name).mkdir()
    write_text(folder / RECORD_FILE, json.dumps({"format": 1, **asdict(record)}, indent=1) + "\n")
    return Upload(folder, record)


def read_upload(folder: Path) -> Upload:
    """The upload in a folder; OSError, or JobUnreadable when its record is none."""
    data = read_record(folder / RECORD_FILE)
    data.pop("format", None)
    require_arguments(data, UploadRecord, RECORD_FILE)
    record = UploadRecord(**data)
    touched_s = folder.stat().st_mtime
    _end_parts(folder)
    os.utime(folder, (touched_s, touched_s))  # a look is no sign of life
    arrived = _arrived(folder)
    return Upload(folder, record, arrived, _left_out(folder, arrived), touched_s)


def _end_parts(folder: Path) -> None:
    """Remove what a server that was killed was writing."""
    shutil.rmtree(folder / PARTS_FOLDER, ignore_errors=True)
    (folder / PARTS_FOLDER).mkdir(exist_ok=True)


def _arrived(folder: Path) -> dict[str, int]:
    top = str(folder / FILES_FOLDER)
    found = {}
    for place, _, names in os.walk(top):
        for name in names:
            path = os.path.join(place, name)
            with contextlib.suppress(OSError):
                found[os.path.relpath(path, top)] = os.lstat(path).st_size
    return found


def _left_out(folder: Path, arrived: Mapping[str, int]) -> dict[str, str]:
    found: dict[str, str] = {}
    try:
        lines = read_bytes(folder / LEFT_OUT_FILE).decode("utf-8", "replace").splitlines()
    except OSError:
        return found
    for line in lines[:MOST_LEFT_OUT]:
        try:
            path, reason = json.loads(line)
        except (ValueError, TypeError, RecursionError):
            continue  # the server was killed in the middle of it
        if path not in arrived:
            found[str(path)] = str(reason)
    return found


def _write_all(
    folder: Path, incoming: Sequence[Incoming]
) -> tuple[list[str | None], OSError | None]:
    """Write files until the disk is to blame: why each is left out or None, and the disk's error.

    Runs beside the event loop.
    """
    outcomes: list[str | None] = []
    for file in incoming:
        time.sleep(0)
        try:
            outcomes.append(_write(folder, file))
        except OSError as error:
            return outcomes, error
    return outcomes, None


def _write(folder: Path, file: Incoming) -> str | None:
    if problem := problem_of(file.path):
        return problem
    part = folder / PARTS_FOLDER / secrets.token_hex(8)
    target = folder / FILES_FOLDER / file.path
    try:
        file.write(part)
        target.parent.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    except (FileExistsError, NotADirectoryError, IsADirectoryError):
        return "a file and a folder have the same name"
    except OSError as error:
        if disk.is_storage_error(error) or not (folder / FILES_FOLDER).is_dir():
            raise
        return f"it cannot be written: {error.strerror}"
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return None
