"""Unpack an uploaded archive of class folders: `digits.tools.extract_archive`."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.jobs.resources import PARSE_FOLDER, Need
from digits.tools.building import partial_folder


class ExtractArchiveTask(ProgramTask):
    """Unpacks `archive` into `folder`, both in the job's folder; the archive is then removed.

    `uploaded_name` is what the archive was called where it comes from.
    """

    type_name = "extract-archive"

    def __init__(
        self,
        job_dir: Path,
        task_id: str,
        depends_on: Sequence[str] = (),
        *,
        archive: str,
        folder: str,
        uploaded_name: str,
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.archive = archive
        self.folder = folder
        self.uploaded_name = uploaded_name

    @property
    def name(self) -> str:
        return "Extract Archive"

    @property
    def title(self) -> str:
        return "Unpacking the archive"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    def need(self) -> Need:
        return Need(PARSE_FOLDER)

    def arguments(self) -> list[str]:
        return self.command(
            "extract_archive", self.archive, self.folder,
            f"--name={self.uploaded_name}", "--remove",
        )  # fmt: skip

    def clean_up(self) -> None:
        """A program that was killed could not remove what it had unpacked so far."""
        # In a process of its own: there may be a hundred thousand files.
        partial = partial_folder(self.path(self.folder))
        subprocess.run(["rm", "-rf", "--", str(partial)], check=False, capture_output=True)

    def asked(self) -> list[tuple[str, Any]]:
        return [("Archive", self.uploaded_name), ("Unpacked into", self.folder)]

    def settings(self) -> dict[str, Any]:
        return {
            "archive": self.archive,
            "folder": self.folder,
            "uploaded_name": self.uploaded_name,
        }
