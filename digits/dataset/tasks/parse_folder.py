"""Find the categories and pictures of a folder and split them: `digits.tools.parse_folder`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.dataset.titles import set_word
from digits.errors import TaskFailed
from digits.jobs.resources import PARSE_FOLDER, Need
from digits.sources.picture_list import SetName, is_url
from digits.sources.split_folders import SPLIT_ALREADY


class ParseFolderTask(ProgramTask):
    """Writes the list of each set in `shares` (set -> percent of each category)."""

    type_name = "parse-folder"

    def __init__(
        self,
        job_dir: Path,
        task_id: str,
        depends_on: Sequence[str] = (),
        *,
        folder: str,
        shares: Mapping[SetName, float],
        min_per_class: int | None,
        max_per_class: int | None,
        seed: int,
        data_roots: Sequence[str] = (),
        own_sets: Sequence[SetName] = (),
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        # A path, relative to the job's folder where pictures were unpacked there, or a URL.
        self.folder = folder
        self.shares = dict(shares)
        self.min_per_class = min_per_class
        self.max_per_class = max_per_class
        self.seed = seed
        self.data_roots = list(data_roots)
        # Which sets may have a folder of their own in it, as train/CLASS and val/CLASS.
        self.own_sets = list(own_sets)

    @property
    def name(self) -> str:
        return f"Parse Folder ({'/'.join(self.splits)})"

    @property
    def title(self) -> str:
        """Named after its set, where each set has a folder of its own."""
        has_one = len(self.splits) == 1
        return f"Reading the {set_word(self.splits[0])} folder" if has_one else "Reading the folder"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    @property
    def splits(self) -> list[SetName]:
        """Which of train, val and test it makes lists for."""
        return list(self.shares)

    @property
    def label_count(self) -> int:
        """The categories that it has found so far."""
        return len({label for counts in self.distributions.values() for label in counts})

    def count_of(self, split: str) -> int:
        """The pictures that it has found for a set."""
        return sum(self.distributions.get(split, {}).values())

    def need(self) -> Need:
        return Need(PARSE_FOLDER)

    def arguments(self) -> list[str]:
        folder = self.folder if is_url(self.folder) else self.path(self.folder)
        command = self.command("parse_folder", folder, self.job_dir, "--seed", self.seed)
        if "train" in self.shares:
            val, test = self.shares.get("val", 0), self.shares.get("test", 0)
            command += ["--pct-val", str(val), "--pct-test", str(test)]
            command += ["--split-folders", ",".join(self.own_sets) or "none"]
        else:
            command += ["--set", self.splits[0]]
        if self.min_per_class is not None:
            command += ["--min", str(self.min_per_class)]
        if self.max_per_class is not None:
            command += ["--max", str(self.max_per_class)]
        return command + self.root_options(self.data_roots)

    def asked(self) -> list[tuple[str, Any]]:
        # What the folder itself says of the split stands in a warning.
        is_split = any(text.startswith(SPLIT_ALREADY) for text in self.warnings)
        asked_for = {} if is_split else self.shares
        shares = ", ".join(f"{share:g}% {set_word(split)}" for split, share in asked_for.items())
        return [
            ("Folder", self.folder),
            ("Split", shares if len(asked_for) > 1 else ""),
            ("Minimum per category", self.min_per_class),
            ("Maximum per category", self.max_per_class),
        ]

    def finish(self) -> None:
        """A set that got no picture has no list: a share of a few percent of few pictures."""
        missing = [split for split in self.splits if not self.path(f"{split}.txt").exists()]
        if missing:
            raise TaskFailed(
                f"No category has enough pictures to give one to {' and '.join(missing)}. "
                "Add pictures, or raise the percentage."
            )

    def settings(self) -> dict[str, Any]:
        return {
            "folder": self.folder,
            "shares": self.shares,
            "min_per_class": self.min_per_class,
            "max_per_class": self.max_per_class,
            "seed": self.seed,
            "data_roots": self.data_roots,
            "own_sets": self.own_sets,
        }
