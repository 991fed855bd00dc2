"""Unpack an uploaded archive in a program of its own, which what strangers send may bring down.

In: the archive's file.  Out: a folder beside it with the files of a model, or FormError at the
archive's field.  Elsewhere: the program (`digits/tools/unpack_model.py`).
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from digits.jobs.store import JobStore
from digits.model.images.classification.upload.info import refused

# A gigabyte is unpacked in ten seconds.
UNPACK_S = 600.0
_ERROR = re.compile(r"\[ERROR\] Error: (.*)")


def unpacked(archive: Path, name: str, store: JobStore) -> Path:
    """The folder that the archive, which messages call `name`, is unpacked into.

    Raises FormError for what is no archive of a model, StorageError when the disk is to blame.
    """
    with store.writing():
        folder = Path(tempfile.mkdtemp(dir=archive.parent))
    command = [sys.executable, "-m", "digits.tools.unpack_model", str(archive), str(folder)]
    try:
        finished = subprocess.run(
            [*command, f"--name={name}", f"--parent={os.getpid()}"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=UNPACK_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise refused(f"{name} could not be unpacked within {UNPACK_S:g} s.") from None
    if finished.returncode:
        store.require_room()
        told = _ERROR.findall(finished.stderr.decode("utf-8", "replace"))
        reason = told[-1] if told else "the program that does it was ended; try again"
        raise refused(reason.replace(str(folder), name) if told else f"{name}: {reason}.")
    return folder
