"""Make a model of an archive: unpacked, read and tried out first, and a job only then.

In: an uploaded archive and what the form says besides.  Out: a job that is Done; or FormError,
StorageError or InferenceError, and nothing is left over.  While it is looked at, the archive lies
in a folder beside the jobs, which goes when the request has ended, or at the server's next start.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from werkzeug.datastructures import FileStorage

from digits.base.progress import printable
from digits.inference import Pool
from digits.jobs.job import Job
from digits.jobs.scheduler import Scheduler
from digits.jobs.store import JobStore
from digits.model.images.classification.upload.checking import check_built, check_classifies
from digits.model.images.classification.upload.contents import find_contents
from digits.model.images.classification.upload.info import Info, read_info, refused
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from digits.model.images.classification.upload.reading import Given, read_model
from digits.model.images.classification.upload.staged import StagedModel
from digits.model.images.classification.upload.unpacking import unpacked
from digits.model.training.given_weights import kept_upload
from digits.tools.unpack_model import INFO_FILE

LONGEST_FILE_NAME = 200
DIGITS_5_KEYS = ("snapshot file", "framework", "name")
DIGITS_5_NETWORKS = ("model file", "network file")


@dataclass(frozen=True)
class Wanted:
    """What the job shall be called, and whose it is; an empty name or group: the archive's."""

    name: str = ""
    group: str = ""
    owner: str = ""


def create_uploaded_model(
    scheduler: Scheduler,
    pool: Pool,
    upload: FileStorage,
    wanted: Wanted,
    given: Given,
    *,
    python_layers: bool = False,
) -> Job:
    """The model that an archive holds, Done.

    Raises what `staged_archive` raises.
    """
    with staged_archive(
        scheduler.store, pool, upload, given, python_layers=python_layers
    ) as staged:
        return scheduler.add_job(
            UploadedClassificationModelJob,
            wanted.name or staged.name,
            staged.settings(),
            staged.move_to,
            owner=wanted.owner,
            group=wanted.group or staged.group,
            is_done=True,
        )


@contextmanager
def staged_archive(
    store: JobStore,
    pool: Pool,
    upload: FileStorage,
    given: Given,
    *,
    python_layers: bool = False,
    as_digits_5: bool = False,
) -> Iterator[StagedModel]:
    """The model that an archive holds, checked and tried out, beside the jobs until the block ends.

    `as_digits_5`: its info.json must have what DIGITS 5 asks of one.  Raises FormError with what
    is wrong with the archive, StorageError, and InferenceError when no worker could look at it.
    """
    store.require_room()
    file_name = _shown_name(upload)
    with kept_upload(upload, store.jobs_dir) as archive:
        if archive is None:
            raise refused("Choose an archive.")
        folder = unpacked(archive, file_name, store)
        with store.writing():
            staged = stage(
                pool,
                folder,
                file_name,
                given,
                python_layers=python_layers,
                as_digits_5=as_digits_5,
            )
        check_classifies(pool, staged.network())
        yield staged


def stage(
    pool: Pool,
    folder: Path,
    file_name: str,
    given: Given,
    *,
    python_layers: bool = False,
    as_digits_5: bool = False,
) -> StagedModel:
    """The model in a folder that an archive was unpacked into: read, checked, and made whole.

    Raises FormError, InferenceError or OSError.
    """
    info = read_info(folder)
    if as_digits_5:
        _require_keys(info)
    contents = find_contents(folder, info)
    model = read_model(pool, contents, info, given, python_layers=python_layers)
    are_given = given.labels is not None
    checked = check_built(pool, model, contents.weights, info.output, are_given=are_given)
    staged = StagedModel(folder, contents, info, model, checked, file_name)
    staged.make()
    return staged


def _require_keys(info: Info) -> None:
    """FormError for an info.json that DIGITS 5 would refuse."""
    if not info.given:
        raise refused(f"Missing or Incorrect json file: the archive needs an {INFO_FILE}.")
    for key in DIGITS_5_KEYS:
        if key not in info.given:
            raise refused(f"Missing Key '{key}' in info.json")
    if not any(key in info.given for key in DIGITS_5_NETWORKS):
        raise refused("Missing model definition in info.json: 'model file' or 'network file'.")


def _shown_name(upload: FileStorage) -> str:
    """What the archive is called, fit for messages and a command line."""
    name = PurePosixPath((upload.filename or "").replace("\\", "/")).name
    return printable(name)[-LONGEST_FILE_NAME:].strip() or "archive"
