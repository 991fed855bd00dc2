"""A classification dataset: reads folders or lists, writes a database for each of train, val, test.

The folder holds `train.txt val.txt test.txt labels.txt`, `train_db/ val_db/ test_db/`,
`mean.binaryproto`, `mean.jpg` and each task's log; `skipped.txt` if a picture was left out; and
`pictures/` with what an uploaded folder or archive held.
Elsewhere: what was asked for (`settings.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from digits.base.job_files import read_text
from digits.base.progress import counted
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.dataset.job import DatasetJob
from digits.dataset.tasks.create_db import CreateDbTask
from digits.dataset.tasks.extract_archive import ExtractArchiveTask
from digits.dataset.tasks.parse_folder import ParseFolderTask
from digits.dataset.tasks.parse_textfile import ParseTextfileTask
from digits.dataset.tasks.program_task import ProgramTask
from digits.dataset.titles import BACKENDS, ENCODINGS, RESIZE_MODES
from digits.errors import NotPossible, ToolError
from digits.jobs.task import Task
from digits.sources.picture_list import LABELS_FILE, SPLITS, SetName, told_apart
from digits.tools.skipped import SKIPPED_FILE
from digits.tools.value_range import WHOLE, read_range

MEAN_FILE = "mean.binaryproto"
# An uploaded archive, until it is unpacked, and the folder that it is unpacked into; that of an
# uploaded folder is there from the beginning.
ARCHIVE_FILE = "archive"
PICTURES_FOLDER = "pictures"


class ImageClassificationDatasetJob(DatasetJob):
    """Pictures by category."""

    type_name = "image-classification-dataset"
    title = "Image Classification Dataset"
    settings_type = ImageClassificationDatasetSettings
    settings: ImageClassificationDatasetSettings
    task_types = (ExtractArchiveTask, ParseFolderTask, ParseTextfileTask, CreateDbTask)

    # What others need to know of it -------------------------------------------------------------

    @property
    def width(self) -> int:
        """Pixels of a stored picture."""
        return self.settings.resize_width

    @property
    def height(self) -> int:
        """Pixels of a stored picture."""
        return self.settings.resize_height

    @property
    def channels(self) -> int:
        """3 for colour, 1 for grey."""
        return int(self.settings.resize_channels)

    @property
    def _image_type(self) -> str:
        return "COLOR" if self.channels == 3 else "GRAYSCALE"

    @property
    def resize_mode(self) -> str:
        return self.settings.resize_mode

    @property
    def encoding(self) -> str:
        """png, jpg or none."""
        return self.settings.encoding

    @property
    def value_range(self) -> tuple[int, int]:
        """The 16-bit values that are stored as black and white."""
        try:
            return read_range(self.dir)
        except ToolError:  # a folder that somebody has changed; its databases are what they are
            return WHOLE

    @property
    def backend(self) -> str:
        """lmdb or hdf5."""
        return self.settings.backend

    @property
    def shuffled(self) -> bool:
        """Whether the pictures are stored in random order; those of folders always are."""
        return self.settings.method != "textfile" or self.settings.textfile_shuffle

    @property
    def max_skipped_share(self) -> float:
        """Which share of a set, 0 to 1, may be left out before the job fails."""
        return self.settings.max_skipped_pct / 100

    @property
    def labels_path(self) -> Path:
        return self.dir / LABELS_FILE

    @property
    def mean_path(self) -> Path:
        return self.dir / MEAN_FILE

    def labels(self) -> list[str]:
        """The category names, by class number; empty before the folder has been read.

        Raises NotPossible when their file cannot be read.
        """
        try:
            return told_apart(read_text(self.labels_path).splitlines())
        except FileNotFoundError:
            return []
        except (OSError, UnicodeDecodeError) as error:
            raise NotPossible(f"The labels of {self.name!r} cannot be read: {error}.") from error

    def database_path(self, split: str) -> Path:
        """The database of `train`, `val` or `test`; it may not exist."""
        return self.dir / f"{split}_db"

    def splits(self) -> list[str]:
        """Which of train, val and test are made."""
        return [task.split for task in self.database_tasks()]

    def database_tasks(self) -> list[CreateDbTask]:
        return [task for task in self.tasks if isinstance(task, CreateDbTask) and task.is_wanted]

    def source_tasks(self) -> list[ProgramTask]:
        """The tasks that find the pictures; the others write the databases."""
        return [
            task
            for task in self.tasks
            if isinstance(task, ProgramTask) and not isinstance(task, CreateDbTask)
        ]

    @property
    def skipped_path(self) -> Path:
        """Lists the pictures that were left out; not there when none was."""
        return self.dir / SKIPPED_FILE

    @property
    def skipped_count(self) -> int:
        """Pictures that were left out, by all tasks."""
        return sum(task.skipped_count for task in self._programs())

    def _programs(self) -> list[ProgramTask]:
        return [task for task in self.tasks if isinstance(task, ProgramTask)]

    def picture_count(self, split: str) -> int:
        """Pictures in a database; 0 before it is there."""
        for task in self.database_tasks():
            if task.split == split:
                self.recent_logs.read(task, whole=True)
                return task.written
        return 0

    def category_counts(self, split: str) -> list[int] | None:
        """Pictures of each category in a database, by class number; None where nobody knows."""
        for task in self.database_tasks():
            if task.split == split:
                self.recent_logs.read(task, whole=True)
                counts = task.distributions.get(task.database, {})
                labels = self.labels()
                # Categories of one name are counted as one.
                known = len(counts) == len(labels) and all(label in counts for label in labels)
                return [counts[label] for label in labels] if known else None
        return None

    def count_records(self) -> int | None:
        return sum(self.picture_count(split) for split in self.splits()) or None

    def count_categories(self) -> int | None:
        return len(self.labels()) or None

    def facts(self) -> dict[str, Any]:
        """Sizes, labels and what each task has found."""
        return {
            "image_size": [self.width, self.height],
            "image_type": self._image_type,
            "resize_mode": self.resize_mode,
            "encoding": self.encoding,
            "value_range": list(self.value_range),
            "backend": self.backend,
            "labels": self.labels(),
            "skipped": self.skipped_count,
            "warnings": [text for task in self._programs() for text in task.warnings],
            "databases": {task.split: task.facts() for task in self.database_tasks()},
            **self._later_facts(),
        }

    def _later_facts(self) -> dict[str, Any]:
        """The same under the keys that scripts of DIGITS 2 to 6 read."""
        return {
            "ParseFolderTasks": [
                {"name": task.name, "label_count": task.label_count}
                | {f"{split}_count": task.count_of(split) for split in SPLITS}
                for task in self.tasks
                if isinstance(task, ParseFolderTask)
            ],
            "CreateDbTasks": [
                {
                    "name": task.name,
                    "entries": task.written,
                    "image_width": task.width,
                    "image_height": task.height,
                    "image_channels": task.channels,
                    "backend": task.backend,
                    "encoding": task.encoding,
                    "compression": "none",
                }
                for task in self.database_tasks()
            ],
        }

    def table_facts(self) -> dict[str, Any]:
        return {"backend": self.backend}

    def in_words(self) -> list[tuple[str, str]]:
        counts = [
            (task.title, counted(self.picture_count(task.split), "picture"))
            for task in self.database_tasks()
        ]
        return [
            ("Picture size", f"{self.width} × {self.height}"),
            ("Picture type", "Color" if self.channels == 3 else "Grayscale"),
            *counts,
            ("Picture encoding", ENCODINGS.get(self.encoding, self.encoding)),
            *([("Database", BACKENDS[self.backend])] if self.backend != "lmdb" else []),
        ]

    def stored_in_words(self) -> list[tuple[str, str]]:
        """How pictures are resized and stored, by the titles of the form's fields."""
        return [
            ("Resize transformation", RESIZE_MODES.get(self.resize_mode, self.resize_mode)),
            ("Picture encoding", ENCODINGS.get(self.encoding, self.encoding)),
            ("Database", BACKENDS.get(self.backend, self.backend)),
        ]

    def in_original_words(self) -> list[tuple[str, str]]:
        counts = [
            (task.name, f"{self.picture_count(task.split)} images")
            for task in self.database_tasks()
        ]
        return [
            ("Image Size", f"{self.width}x{self.height}"),
            ("Image Type", self._image_type),
            *counts,
            ("Encoding", self.encoding),
            *([("DB backend", self.backend)] if self.backend != "lmdb" else []),
        ]

    # Tasks --------------------------------------------------------------------------------------

    def create_tasks(self) -> list[Task]:
        method = self.settings.method
        if method == "textfile":
            splits = self.settings.list_splits
            lists = self._lists_task(splits)
            return [lists, *(self.database_task(split, [lists.id]) for split in splits)]
        archive = [self._archive_task()] if method == "archive" else []
        parse = self._parse_tasks(after=archive)
        databases = [
            self.database_task(split, [task.id]) for task in parse for split in task.splits
        ]
        planned = [task.split for task in databases]
        possible = [split for split in self.settings.possible_sets if split not in planned]
        databases += [self.database_task(s, [parse[0].id], if_listed=True) for s in possible]
        return [*archive, *parse, *databases]

    def database_task(
        self, split: SetName, depends_on: Sequence[str], *, if_listed: bool = False
    ) -> CreateDbTask:
        """The task that writes the database of train, val or test."""
        if split != "train" and self.settings.value_range != "full":
            # It is the training pictures' range.
            depends_on = [*depends_on, "create_db_train"]
        return CreateDbTask(
            self.dir,
            f"create_db_{split}",
            depends_on,
            split=split,
            width=self.width,
            height=self.height,
            channels=self.channels,
            resize_mode=self.resize_mode,
            encoding=self.encoding,
            backend=self.backend,
            shuffle=self.shuffled,
            seed=self._seed,
            max_skipped_share=self.max_skipped_share,
            data_roots=self.settings.data_roots,
            value_range=self.settings.value_range,
            if_listed=if_listed,
        )

    @property
    def _seed(self) -> int:
        return self.settings.seed or 0  # drawn where none was asked for (`creation.py`)

    def _archive_task(self) -> ExtractArchiveTask:
        return ExtractArchiveTask(
            self.dir,
            "extract_archive",
            archive=ARCHIVE_FILE,
            folder=PICTURES_FOLDER,
            uploaded_name=self.settings.archive_name or "",
        )

    def _lists_task(self, splits: Sequence[SetName]) -> ParseTextfileTask:
        return ParseTextfileTask(
            self.dir,
            "parse_textfile",
            folders={split: self.settings.source(split).list_folder for split in splits},
            data_roots=self.settings.data_roots,
        )

    def _parse_tasks(self, after: Sequence[Task]) -> list[ParseFolderTask]:
        settings = self.settings
        val = 0 if settings.has_val_folder else settings.folder_pct_val
        test = 0 if settings.has_test_folder else settings.folder_pct_test
        shares: dict[SetName, float] = {"train": 100 - val - test, "val": val, "test": test}
        tasks = [self._parse_task("train", {k: v for k, v in shares.items() if v > 0}, after)]
        for split in settings.folder_splits[1:]:
            # Its categories must be those of the training folder.
            tasks.append(self._parse_task(split, {split: 100}, after=tasks[:1]))
        return tasks

    def _parse_task(
        self, split: SetName, shares: Mapping[SetName, float], after: Sequence[Task]
    ) -> ParseFolderTask:
        source = self.settings.source(split)
        in_job = split == "train" and self.settings.method in ("archive", "upload")
        return ParseFolderTask(
            self.dir,
            f"parse_folder_{split}",
            [task.id for task in after],
            folder=PICTURES_FOLDER if in_job else source.folder,
            shares=shares,
            min_per_class=source.min_per_class,
            max_per_class=source.max_per_class,
            seed=self._seed,
            data_roots=self.settings.data_roots,
            own_sets=self.settings.own_sets if split == "train" else (),
        )
