"""Weights that a training starts from: kept while a form is checked, and what becomes of them.

In: an upload, or a check of the network with its weights.  Out: a file that is there as long as it
is needed; which layers take weights and which do not, as plain JSON and in words.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from werkzeug.datastructures import FileStorage
from werkzeug.utils import secure_filename

from digits.errors import StorageError
from digits.inference.operations import NetCheck
from digits.jobs.store import UPLOAD_PREFIX
from digits.web.uploads import keep

MOST_NAMED = 20
Report = dict[str, Any]


@contextlib.contextmanager
def kept_upload(upload: FileStorage | None, jobs_dir: Path) -> Iterator[Path | None]:
    """The uploaded file on disk, under its own name, until the block ends; None without one.

    It lies beside the jobs, so that a job can take it by a second name instead of a copy.  Raises
    StorageError when it cannot be written.
    """
    if upload is None:
        yield None
        return
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(
                tempfile.TemporaryDirectory(dir=jobs_dir, prefix=UPLOAD_PREFIX)
            )
            path = Path(folder) / (secure_filename(upload.filename or "") or "weights.caffemodel")
            keep(upload, path)
        except OSError as error:
            raise StorageError(f"The upload cannot be kept: {error.strerror}.") from error
        yield path


def weights_report(check: NetCheck) -> Report:
    """Which layers take weights, and (layer, reason) of what is left aside, as plain JSON."""
    return {
        "loaded": list(check.loaded_layers),
        "skipped": [[each.layer, each.reason] for each in check.skipped_weights],
    }


def report_in_words(report: Mapping[str, Any]) -> str:
    """The same as a sentence or two, for a form's message."""
    loaded = _listed(report["loaded"]) or "none"
    skipped = _listed([f"{layer} ({reason})" for layer, reason in report["skipped"]])
    return f"Layers that fit: {loaded}." + (f" Left aside: {skipped}." if skipped else "")


def _listed(names: Sequence[str]) -> str:
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
