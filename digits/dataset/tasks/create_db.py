"""Write a database from a list of pictures: `digits.tools.create_db`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from digits.dataset.tasks.program_task import ProgramTask
from digits.dataset.titles import set_title
from digits.jobs.resources import CREATE_DB, Need
from digits.sources.picture_list import LABELS_FILE, SetName

MEAN_FILES = ("mean.binaryproto", "mean.jpg")
# Beyond this share of broken pictures a dataset is most likely not what its maker thinks it is.
MAX_SKIPPED_SHARE = 0.5


class CreateDbTask(ProgramTask):
    """Makes `<split>_db` from `<split>.txt`, and of the training pictures their mean, too."""

    type_name = "create-db"
    less_memory = "smaller pictures, fewer databases at a time"

    def __init__(
        self,
        job_dir: Path,
        task_id: str,
        depends_on: Sequence[str] = (),
        *,
        split: SetName,
        width: int,
        height: int,
        channels: int,
        resize_mode: str,
        encoding: str,
        backend: str,
        shuffle: bool,
        seed: int,
        picture_folder: str = "",
        max_skipped_share: float = MAX_SKIPPED_SHARE,
        data_roots: Sequence[str] = (),
        value_range: str = "full",
        if_listed: bool = False,
    ) -> None:
        super().__init__(job_dir, task_id, depends_on)
        self.split = split
        self.width, self.height, self.channels = width, height, channels
        self.resize_mode, self.encoding, self.backend = resize_mode, encoding, backend
        self.shuffle, self.seed = shuffle, seed
        # Where relative paths of the list begin; empty: they are absolute.
        self.picture_folder = picture_folder
        # Of the pictures, 0 to 1; the task fails when more cannot be read.
        self.max_skipped_share = max_skipped_share
        self.data_roots = list(data_roots)
        # Which 16-bit values become black and white: "full", all, or "seen", the training's.
        self.value_range = value_range
        # Nothing is made where the task before it has found no pictures for the set.
        self.if_listed = if_listed

    @property
    def name(self) -> str:
        return f"Create DB ({self.split})"

    @property
    def title(self) -> str:
        return set_title(self.split)

    @property
    def activity(self) -> str:
        return f"Writing the {self.title.lower()}"

    @property
    def log_name(self) -> str:
        return f"{self.id}.log"

    @property
    def database(self) -> str:
        """The database's folder, in the job's."""
        return f"{self.split}_db"

    @property
    def is_wanted(self) -> bool:
        """Whether there are pictures for the set, as far as is known."""
        return not self.if_listed or self.path(f"{self.split}.txt").exists()

    @property
    def written(self) -> int:
        """Pictures in the database so far."""
        counts = self.distributions.get(self.database)
        if counts is not None:
            return sum(counts.values())
        # What was left out is told at once, what was written now and then.
        return max(0, self.done_count - self.skipped_count)

    def need(self) -> Need:
        return Need(CREATE_DB)

    def arguments(self) -> list[str]:
        size: list[object] = [
            "--width",
            self.width,
            "--height",
            self.height,
            "--channels",
            self.channels,
        ]
        stored: list[object] = ["--mode", self.resize_mode, "--encoding", self.encoding]
        stored += ["--backend", self.backend, "--seed", self.seed, "--labels", LABELS_FILE]
        more: list[object] = ["--max-skipped-share", f"{self.max_skipped_share:g}"]
        more += ["--shuffle"] if self.shuffle else []
        if self.value_range != "full":
            more += ["--value-range", self.value_range]
            more += ["--find-range"] if self.split == "train" else []
        more += ["--if-listed"] if self.if_listed else []
        if self.picture_folder:
            more += ["--folder", self.picture_folder]
        if self.split == "train":
            more += [word for name in MEAN_FILES for word in ("--mean", name)]
        more += self.root_options(self.data_roots)
        return self.command("create_db", f"{self.split}.txt", self.database, *size, *stored, *more)

    def settings(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "width": self.width,
            "height": self.height,
            "channels": self.channels,
            "resize_mode": self.resize_mode,
            "encoding": self.encoding,
            "backend": self.backend,
            "shuffle": self.shuffle,
            "seed": self.seed,
            "picture_folder": self.picture_folder,
            "max_skipped_share": self.max_skipped_share,
            "data_roots": self.data_roots,
            "value_range": self.value_range,
            "if_listed": self.if_listed,
        }

    def facts(self) -> dict[str, Any]:
        """What pages and scripts are told about the database."""
        return {
            "pictures": self.written,
            "skipped": self.skipped_count,
            "categories": dict(self.distributions.get(self.database, {})),
            "size_bytes": self.size_on_disk(),
        }

    def files(self) -> list[str]:
        """The names of the database's files, but for locks that LMDB leaves."""
        files = self.path(self.database).glob("*")
        return sorted(file.name for file in files if file.name != "lock.mdb")

    def size_on_disk(self) -> int:
        """Bytes that the database takes on the disk; 0 before it is there."""
        files = self.path(self.database).glob("*")
        # Blocks, not lengths: an LMDB file has holes.
        return sum(file.stat().st_blocks * 512 for file in files if file.is_file())
