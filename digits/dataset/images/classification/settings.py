"""What a classification dataset was asked for, under the field names of its form."""

from __future__ import annotations

from dataclasses import dataclass

from digits.dataset.images.settings import ImageDatasetSettings
from digits.dataset.tasks.create_db import MAX_SKIPPED_SHARE
from digits.jobs.settings import optional
from digits.sources.picture_list import SPLITS, SetName, is_url


@dataclass(frozen=True)
class SplitSource:
    """Where the pictures of train, val or test come from; `list_folder`: relative paths' start."""

    folder: str
    min_per_class: int | None
    max_per_class: int | None
    list_folder: str


@dataclass(frozen=True, kw_only=True)
class ImageClassificationDatasetSettings(ImageDatasetSettings):
    """Where the pictures come from and how they are divided; only what `method` reads counts."""

    method: str = "folder"  # or "upload", "archive", "textfile"
    backend: str = "lmdb"  # or "hdf5"
    seed: int | None = None  # drawn when the job is made
    max_skipped_pct: float = round(100 * MAX_SKIPPED_SHARE)

    split_folders: str = "auto"  # or "off": folders train and val are categories like any other
    folder_pct_val: float = 25
    folder_pct_test: float = 0
    has_val_folder: bool = False
    has_test_folder: bool = False
    folder_train: str | None = None
    folder_train_min_per_class: int | None = 2
    folder_train_max_per_class: int | None = None
    folder_val: str | None = None
    folder_val_min_per_class: int | None = 2
    folder_val_max_per_class: int | None = None
    folder_test: str | None = None
    folder_test_min_per_class: int | None = 2
    folder_test_max_per_class: int | None = None

    textfile_use_local_files: bool = False
    textfile_use_val: bool = True
    textfile_use_test: bool = False
    textfile_shuffle: bool = True
    textfile_local_labels_file: str | None = None
    textfile_train_folder: str | None = None
    textfile_local_train_images: str | None = None
    textfile_val_folder: str | None = None
    textfile_local_val_images: str | None = None
    textfile_test_folder: str | None = None
    textfile_local_test_images: str | None = None

    # The folders that could be read when the job was made; none: all.
    data_roots: tuple[str, ...] = ()
    # Of train, val and test, those that the training folder seemed to have as folders then.
    seen_sets: tuple[str, ...] = ()
    archive_name: str | None = optional()  # what an uploaded archive was called
    upload_name: str | None = optional()  # what an uploaded folder was called
    imported_from: str | None = optional()  # the folder of a job of the original DIGITS

    @property
    def folder_splits(self) -> list[SetName]:
        """Which of train, val and test have a folder of their own."""
        return _with_train(val=self.has_val_folder, test=self.has_test_folder)

    @property
    def own_sets(self) -> list[SetName]:
        """Which of train, val and test may be folders in the training folder."""
        given = self.folder_splits[1:]
        return [s for s in SPLITS if s not in given] if self.split_folders == "auto" else []

    @property
    def possible_sets(self) -> list[SetName]:
        """Those of them that there may be: of an archive or a web page nobody knows before."""
        is_page = self.method == "folder" and is_url(self.folder_train or "")
        if self.method == "archive" or is_page:
            return self.own_sets
        return [name for name in self.own_sets if name in self.seen_sets]

    @property
    def list_splits(self) -> list[SetName]:
        """Which of train, val and test have a text file."""
        return _with_train(val=self.textfile_use_val, test=self.textfile_use_test)

    def source(self, split: str) -> SplitSource:
        """What was asked for of train, val or test."""
        match split:
            case "train":
                return SplitSource(
                    self.folder_train or "",
                    self.folder_train_min_per_class,
                    self.folder_train_max_per_class,
                    self.textfile_train_folder or "",
                )
            case "val":
                return SplitSource(
                    self.folder_val or "",
                    self.folder_val_min_per_class,
                    self.folder_val_max_per_class,
                    self.textfile_val_folder or "",
                )
            case "test":
                return SplitSource(
                    self.folder_test or "",
                    self.folder_test_min_per_class,
                    self.folder_test_max_per_class,
                    self.textfile_test_folder or "",
                )
        raise ValueError(f"there is no split {split!r}, but train, val and test")


def _with_train(*, val: bool, test: bool) -> list[SetName]:
    wanted: dict[SetName, bool] = {"train": True, "val": val, "test": test}
    return [name for name, is_wanted in wanted.items() if is_wanted]
