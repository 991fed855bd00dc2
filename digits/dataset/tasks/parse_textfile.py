"""Check the lists that a user wrote before a database is made: `digits.tools.parse_textfile`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.jobs.resources import PARSE_FOLDER, Need
from digits.sources.picture_list import LABELS_FILE, SetName


class ParseTextfileTask(ProgramTask):
    """Checks labels.txt and the list of each set in `folders`, and makes their paths absolute.

    `folders` has the folder (or URL) of a set's relative paths, empty where they are absolute.
    The lists lie in the job's folder and are replaced by their checked form.
    """

    type_name = "parse-textfile"

    def __init__(
        self,
        job_dir: Path,
        task_id: str,
        depends_on: Sequence[str] = (),
        *,
        folders: Mapping[SetName, str],
        data_roots: Sequence[str] = (),
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.folders = dict(folders)
        self.data_roots = list(data_roots)

    @property
    def name(self) -> str:
        return f"Parse Text Files ({'/'.join(self.splits)})"

    @property
    def title(self) -> str:
        return "Reading the text files"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    @property
    def splits(self) -> list[SetName]:
        """For which of train, val and test there is a list."""
        return list(self.folders)

    def need(self) -> Need:
        return Need(PARSE_FOLDER)

    def arguments(self) -> list[str]:
        command = self.command("parse_textfile", ".", "--labels", LABELS_FILE)
        for split, folder in self.folders.items():
            command += [f"--{split}", f"{split}.txt"]
            command += [f"--{split}-folder", folder] if folder else []
        return command + self.root_options(self.data_roots)

    def asked(self) -> list[tuple[str, Any]]:
        return [
            (f"Paths ({split})", f"below {folder}" if folder else "absolute, or addresses")
            for split, folder in self.folders.items()
        ]

    def settings(self) -> dict[str, Any]:
        return {"folders": self.folders, "data_roots": self.data_roots}
