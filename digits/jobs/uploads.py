"""All folders that are being uploaded, in the folder `.uploads` of the jobs directory.

In: what browsers and scripts send of a folder, in many requests.  Out: `Upload`s that survive a
restart, until a dataset is made of them or nobody has gone on with them for a day.
Elsewhere: what one of them holds (`upload.py`), what may be sent (the kinds' views).
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from digits.base.aside import Aside, here
from digits.errors import JobUnreadable, StorageError, UploadInUse, UploadNotFound
from digits.jobs import disk
from digits.jobs.bin import folders_in
from digits.jobs.bin_entry import DAY_S
from digits.jobs.removal import erase
from digits.jobs.upload import Upload, UploadRecord, make_upload, read_upload

log = logging.getLogger(__name__)

UPLOADS_FOLDER = ".uploads"
KEEP_S = DAY_S
# What a clock may be set back by without anybody caring.
CLOCK_SLACK_S = 60.0
LOOK_S = 300.0
STOP_S = 5.0
_ID = re.compile(r"[0-9a-f]{16}")
_GOING = ".going-"


class Uploads:
    """The uploads of a jobs directory; `aside` runs what takes long beside the event loop."""

    def __init__(
        self, jobs_dir: Path, *, aside: Aside = here, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = jobs_dir / UPLOADS_FOLDER
        self.aside = aside
        self.clock = clock
        self._known: dict[str, Upload] = {}
        self._reading = threading.Lock()  # so that nobody reads the same one twice

    # What is there ------------------------------------------------------------------------------

    def load(self) -> None:
        """Read what is on the disk and not known yet; removals that were cut off are ended."""
        for folder in folders_in(self.folder):
            if folder.name.startswith(_GOING):
                erase(folder)
            elif _ID.fullmatch(folder.name) and not folder.is_symlink():
                self._read(folder)

    def all(self) -> list[Upload]:
        """All of them, the oldest first."""
        return sorted(self._known.values(), key=lambda upload: upload.record.made_s)

    def get(self, upload_id: str) -> Upload:
        """The one with this id.  Raises UploadNotFound."""
        if not _ID.fullmatch(upload_id):
            raise UploadNotFound()
        found = self._known.get(upload_id) or self._read(self.folder / upload_id)
        if found is None:
            raise UploadNotFound()
        return found

    @property
    def size_bytes(self) -> int:
        """What has arrived of all of them."""
        return sum(upload.size_bytes for upload in self._known.values())

    def _read(self, folder: Path) -> Upload | None:
        with self._reading:
            if folder.name in self._known:
                return self._known[folder.name]
            try:
                upload: Upload = self.aside(read_upload, folder)
            except FileNotFoundError:
                return None
            except (OSError, JobUnreadable) as error:
                log.warning("%s is ignored: %s", folder, error)
                return None
            self._known[upload.id] = upload
            return upload

    # Begin, go on, end --------------------------------------------------------------------------

    def make(
        self, name: str, owner: str, files: int = 0, size_bytes: int = 0, fingerprint: str = ""
    ) -> Upload:
        """A new one.  Raises StorageError."""
        record = UploadRecord(name, owner, self.clock(), files, size_bytes, fingerprint)
        try:
            with contextlib.suppress(FileExistsError):
                self.folder.mkdir(mode=0o700)
            upload = make_upload(self.folder / secrets.token_hex(8), record)
        except OSError as error:
            raise StorageError(disk.explain(self.folder, error)) from error
        self._known[upload.id] = upload
        return upload

    @contextlib.contextmanager
    def used(self, upload: Upload) -> Iterator[None]:
        """It is not removed in this block.  Raises UploadNotFound, UploadInUse while somebody takes
        it, and StorageError for OSError."""
        if upload.is_gone:
            raise UploadNotFound()
        if upload.is_taken:
            raise UploadInUse()
        upload.users += 1
        try:
            yield
        except OSError as error:
            if not upload.folder.is_dir():
                self._known.pop(upload.id, None)
                raise UploadNotFound() from error
            raise StorageError(disk.explain(self.folder, error)) from error
        finally:
            upload.users -= 1
            if upload.is_gone and not upload.users:
                self._remove(upload)

    @contextlib.contextmanager
    def taken(self, upload: Upload) -> Iterator[None]:
        """Nobody else takes it in this block, at whose good end it is removed.

        Raises UploadInUse, or UploadNotFound.
        """
        if upload.is_gone:
            raise UploadNotFound()
        if upload.users:
            raise UploadInUse()
        with self.used(upload):
            upload.is_taken = True
            try:
                yield
            finally:
                upload.is_taken = False
            self.discard(upload)

    def discard(self, upload: Upload) -> None:
        """Remove it, as soon as nobody uses it."""
        self._known.pop(upload.id, None)
        upload.is_gone = True
        if not upload.users:
            self._remove(upload)

    def _remove(self, upload: Upload) -> None:
        # Renamed first: what is half removed must not be read as an upload.
        going = self.folder / f"{_GOING}{secrets.token_hex(6)}"
        try:
            os.rename(upload.folder, going)
        except FileNotFoundError:
            return
        except OSError as error:
            log.error("%s cannot be removed: %s", upload.folder, error)
            return
        erase(going)

    def discard_expired(self) -> None:
        """Remove those that nobody has gone on with for a day."""
        now_s = self.clock()
        for upload in self.all():
            if upload.touched_s > now_s + CLOCK_SLACK_S:
                upload.touch(now_s)  # the clock was set back
            elif upload.touched_s <= now_s - KEEP_S and not upload.users:
                log.info("%s: what was uploaded is removed: nobody went on for a day", upload.id)
                self.discard(upload)


class UploadKeeper:
    """Reads the uploads once and removes the old ones, from `start` to `stop`.

    `is_there` says whether the jobs directory can be reached.
    """

    def __init__(self, uploads: Uploads, is_there: Callable[[], bool]) -> None:
        self.uploads = uploads
        self._is_there = is_there
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="scheduler uploads", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(STOP_S)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                self.step()
            except Exception:
                # The loop must survive a failing pass; the next one tries again.
                log.exception("the uploads could not be looked after")
            self._stop.wait(LOOK_S)

    def step(self) -> None:
        """One pass."""
        if self._is_there():
            self.uploads.load()
            self.uploads.discard_expired()
