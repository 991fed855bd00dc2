"""The form of a new classification dataset: its fields, and which of them matter when.

Field names and defaults are a public interface; the defaults stand in `settings.py`.  A box
that is absent from a browser's POST is off; a script that leaves it out gets the default.
"""

from __future__ import annotations

from typing import Any

from flask_wtf.file import FileField
from werkzeug.datastructures import FileStorage
from wtforms import HiddenField, StringField, ValidationError

from digits.base.progress import printable
from digits.dataset.images.classification.choosing.uploads import find_upload, why_no_dataset
from digits.dataset.images.classification.creation import LARGEST_SEED
from digits.dataset.images.classification.job import ARCHIVE_FILE
from digits.dataset.images.classification.settings import (
    ImageClassificationDatasetSettings as Settings,
)
from digits.dataset.images.forms import (
    BACKEND_CHOICES,
    CHANNEL_CHOICES,
    ENCODING_CHOICES,
    MODE_CHOICES,
)
from digits.errors import UploadNotFound
from digits.images import MAX_SIDE
from digits.sources.archives import ARCHIVE_EXTENSIONS, is_archive_name
from digits.sources.picture_list import LABELS_FILE, is_url
from digits.web.cloning import KeptFile
from digits.web.forms import (
    ChoiceField,
    JobForm,
    NumberField,
    WholeNumberField,
    YesNoField,
    required_name,
    server_path,
)
from digits.web.words import shown

MOST_PER_CLASS = 100_000_000
LONGEST_FILE_NAME = 200


def _folder_fields(which: str, title: str) -> dict[str, Any]:
    """The three fields of one of the folders train, val and test."""
    return {
        f"folder_{which}": StringField(
            f"{title} pictures",
            description="A folder on the server with one sub-folder per category, or the address "
            "of a web page that lists such folders.",
        ),
        f"folder_{which}_min_per_class": WholeNumberField(
            "Minimum per category",
            low=1,
            high=MOST_PER_CLASS,
            optional=True,
            default=Settings().source(which).min_per_class,
            description="Categories with fewer pictures are left out. Two by default: one to "
            "train with and one to validate with.",
        ),
        f"folder_{which}_max_per_class": WholeNumberField(
            "Maximum per category",
            low=1,
            high=MOST_PER_CLASS,
            optional=True,
            description="From larger categories this many are taken at random. Empty, the "
            "default: no limit, because a network learns more from more pictures.",
        ),
    }


def _list_fields(which: str, title: str) -> dict[str, Any]:
    """The fields of one of the text files, uploaded or on the server."""
    return {
        f"textfile_{which}_images": FileField(
            f"{title} pictures",
            description="A text file with a path or address and a label number on each line.",
        ),
        f"textfile_{which}_folder": StringField(
            "Folder of the pictures",
            description="Relative paths in the text file start here. Empty: they are absolute.",
        ),
        f"textfile_local_{which}_images": StringField(
            f"{title} pictures", description="The text file's path on the server."
        ),
    }


class ImageClassificationDatasetForm(JobForm):
    """What a new dataset is made from, and how its pictures are stored."""

    dataset_name = StringField(
        "Dataset name", [required_name], description="A name to find the dataset by."
    )
    method = ChoiceField(
        "Source",
        choices=[
            ("folder", "Use a folder"),
            ("upload", "Upload a folder"),
            ("archive", "Upload an archive"),
            ("textfile", "Use text files"),
        ],
        default=Settings.method,
        description="Where the pictures come from. A folder on the server, the default, is read "
        "where it is; a folder or an archive comes from your computer; text files list each "
        "picture with its label.",
    )

    resize_channels = ChoiceField(
        "Picture type",
        choices=CHANNEL_CHOICES,
        default=Settings.resize_channels,
        description="Color, the default, suits photographs. Grayscale has one channel: right for "
        "scans and handwriting, and three times smaller.",
    )
    resize_width = WholeNumberField(
        "Width", low=1, high=MAX_SIDE, default=Settings.resize_width,
        description="Pixels. 256 suits AlexNet and GoogLeNet, which look at a part of it; LeNet "
        "wants 28.",
    )  # fmt: skip
    resize_height = WholeNumberField(
        "Height", low=1, high=MAX_SIDE, default=Settings.resize_height,
        description="Pixels. 256 by default, as the width: the standard networks look at squares.",
    )  # fmt: skip
    resize_mode = ChoiceField(
        "Resize transformation",
        choices=MODE_CHOICES,
        default=Settings.resize_mode,
        description="What happens to pictures of another shape. Squash, the default, keeps all of "
        "the picture and distorts it.",
    )
    encoding = ChoiceField(
        "Picture encoding",
        choices=ENCODING_CHOICES,
        default=Settings.encoding,
        description="How pictures are stored. PNG, the default, is exact; JPEG is several times "
        "smaller; none is the largest and the fastest to read.",
    )
    value_range = ChoiceField(
        "Values of 16-bit pictures",
        choices=[("full", "All that 16 bits hold"), ("seen", "The range seen")],
        default=Settings.value_range,
        description="By default 0 becomes black and 65535 white. Cameras and microscopes often use "
        "12 of 16 bits, which comes out nearly black: then the smallest and the largest value of "
        "the training pictures should be black and white.",
    )
    backend = ChoiceField(
        "Database",
        choices=BACKEND_CHOICES,
        default=Settings.backend,
        description="LMDB, the default, suits every network. HDF5 is for other programs; networks "
        "that are trained from it can neither crop nor mirror.",
    )
    seed = WholeNumberField(
        "Random seed", low=0, high=LARGEST_SEED, optional=True,
        description="The same seed splits and shuffles the same pictures in the same way. Empty: "
        "a new one is drawn and shown on the dataset's page.",
    )  # fmt: skip

    max_skipped_pct = NumberField(
        "% of broken pictures allowed", low=0, high=100, default=Settings.max_skipped_pct,
        description="Pictures that cannot be read are left out and listed. When more than this "
        "share of a set is broken, the dataset fails: something else must be wrong. 50 by default; "
        "0: every picture must be readable.",
    )  # fmt: skip

    upload = HiddenField(
        "Uploaded folder",
        description="The id of an upload: a folder with one sub-folder per category, sent file by "
        "file.",
    )

    archive_file = FileField(
        "Archive",
        description="A zip, or a tar (plain, gzip, bzip2, xz), with one folder per category in it.",
    )

    split_folders = ChoiceField(
        "Folders train, val, test",
        choices=[("auto", "Use them as the split"), ("off", "They are categories")],
        default=Settings.split_folders,
        description="Many datasets come as train/CATEGORY and val/CATEGORY (or test). By default "
        "such folders are the sets; otherwise they are categories as any other folder.",
    )
    folder_pct_val = NumberField(
        "% for validation", low=0, high=100, default=Settings.folder_pct_val,
        description="The share of each category that is kept to validate the network with while it "
        "learns. 25 by default: three quarters are left to learn from.",
    )  # fmt: skip
    folder_pct_test = NumberField(
        "% for testing", low=0, high=100, default=Settings.folder_pct_test,
        description="The share of each category that training never sees. 0 by default: keep some "
        "when you choose between models by their validation.",
    )  # fmt: skip
    has_val_folder = YesNoField(
        "Separate folder of validation pictures",
        description="Select it if the validation pictures are in a folder of their own. Off by "
        "default: they are taken from the training folder.",
    )
    has_test_folder = YesNoField(
        "Separate folder of test pictures",
        description="Select it if the test pictures are in a folder of their own. Off by default: "
        "they are taken from the training folder.",
    )

    textfile_use_local_files = YesNoField(
        "Use local paths on the server",
        description="Select it if the text files are on the server. Off by default: they are "
        "uploaded from your computer.",
    )
    textfile_use_val = YesNoField(
        "Validation set", default=Settings.textfile_use_val,
        description="A second text file, to validate the network with while it learns. On by "
        "default: without it there is no accuracy.",
    )  # fmt: skip
    textfile_use_test = YesNoField(
        "Test set",
        description="A third text file, of pictures that training never sees. Off by default.",
    )
    textfile_labels_file = FileField(
        "Labels", description="A text file with the name of one category on each line."
    )
    textfile_local_labels_file = StringField("Labels", description="The file's path on the server.")
    textfile_shuffle = YesNoField(
        "Shuffle lines", default=Settings.textfile_shuffle,
        description="On by default: networks learn badly from pictures that come category by "
        "category.",
    )  # fmt: skip

    # What the page shows when it is asked for more.
    MORE = (
        *("folder_pct_val", "folder_pct_test", "split_folders", "has_val_folder"),
        *("has_test_folder", "folder_val", "folder_test"),
        *(f"folder_{w}_{m}_per_class" for w in ("train", "val", "test") for m in ("min", "max")),
        *("textfile_use_test", "textfile_shuffle", "textfile_test_images"),
        *("textfile_local_test_images", "textfile_test_folder"),
        *("resize_mode", "encoding", "value_range", "backend", "seed", "max_skipped_pct"),
        "group_name",
    )

    # What a browser's file dialog offers for the archive.
    archive_extensions = ",".join([*ARCHIVE_EXTENSIONS, ".gz", ".bz2", ".xz"])

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, then those that the chosen method needs."""
        good = super().validate(extra_validators)
        self._look_for_upload()
        if self.method.data in ("folder", "upload", "archive"):
            self._check_folders()
        elif self.method.data == "textfile":
            self._look_for_val()
            self._check_lists()
        return good and not self.all_errors

    def settings(self) -> Settings:
        """What was asked for; uploads are left out."""
        method = self.method.data
        return Settings(
            **self.values_of(Settings),
            archive_name=_shown_name(self.archive_file.data) if method == "archive" else None,
            upload_name=find_upload(self.upload.data).record.name if method == "upload" else None,
        )

    def given_files(self) -> dict[str, Any]:
        """The files that the dataset is made from, by the names they get in its folder.

        Each is an upload, or the path of a file on the server; none for the method `folder`.
        """
        if self.method.data == "archive":
            return {ARCHIVE_FILE: self.archive_file.data}
        if self.method.data != "textfile":
            return {}
        local = "local_" if self.textfile_use_local_files.data else ""
        files = {f"{which}.txt": self[f"textfile_{local}{which}_images"] for which in self.lists()}
        files[LABELS_FILE] = self[f"textfile_{local}labels_file"]
        return {name: field.data for name, field in files.items()}

    def folders(self) -> list[str]:
        """Which folders are given, of train, val and test."""
        chosen = {"val": self.has_val_folder.data, "test": self.has_test_folder.data}
        return ["train", *(which for which, ticked in chosen.items() if ticked)]

    def lists(self) -> list[str]:
        """Which text files are given, of train, val and test."""
        chosen = {"val": self.textfile_use_val.data, "test": self.textfile_use_test.data}
        return ["train", *(which for which, ticked in chosen.items() if ticked)]

    def _check_folders(self) -> None:
        for which in self.folders():
            if which == "train" and self.method.data == "archive":
                self._check_archive()
            elif which == "train" and self.method.data == "upload":
                self._check_upload()
            else:
                self._check_server_path(f"folder_{which}", folder=True, allow_url=True)
            low = self[f"folder_{which}_min_per_class"].data
            high = self[f"folder_{which}_max_per_class"].data
            if low is not None and high is not None and low > high:
                self.add_error(
                    f"folder_{which}_max_per_class", f"{high} is less than the minimum, {low}."
                )
        val = 0 if self.has_val_folder.data else self.folder_pct_val.data or 0
        test = 0 if self.has_test_folder.data else self.folder_pct_test.data or 0
        if val + test >= 100:
            self.add_error(
                "folder_pct_test" if test else "folder_pct_val",
                f"{val:g}% for validation and {test:g}% for testing leave nothing to train with.",
            )

    def _check_archive(self) -> None:
        upload = self.archive_file.data
        if not _has_upload(upload):
            self.add_error("archive_file", "Choose an archive.")
        elif not is_archive_name(upload.filename):
            self.add_error(
                "archive_file",
                f"{shown(upload.filename)} is not a supported archive. Use one of these: "
                f"{', '.join(ARCHIVE_EXTENSIONS)}.",
            )

    def _look_for_upload(self) -> None:
        """A script may send the id of an upload in place of a folder."""
        has_folder = bool((self.folder_train.data or "").strip())
        if self.method.data == "folder" and self.upload.data and not has_folder:
            self.method.data = "upload"

    def _check_upload(self) -> None:
        if isinstance(self.upload.data, KeptFile):
            return
        try:
            upload = find_upload((self.upload.data or "").strip())
        except UploadNotFound as error:
            text = str(error) if self.upload.data else "Choose a folder of your computer first."
            self.add_error("upload", text)
            return
        self.upload.data = upload.id
        if problem := why_no_dataset(upload.arrived):
            self.add_error("upload", problem)

    def _look_for_val(self) -> None:
        """A script that says nothing of a validation set has one when it sends its list."""
        local = (self.textfile_local_val_images.data or "").strip()
        if self.textfile_use_val.is_left_to_us:
            self.textfile_use_val.data = bool(local) or _has_upload(self.textfile_val_images.data)

    def _check_lists(self) -> None:
        local = self.textfile_use_local_files.data
        names = {which: f"textfile_{'local_' if local else ''}{which}_images" for which in
                 self.lists()}  # fmt: skip
        for name in [*names.values(), f"textfile_{'local_' if local else ''}labels_file"]:
            if local:
                self._check_server_path(name, folder=False)
            elif not _has_upload(self[name].data):
                self.add_error(name, "Choose a text file.")
        for which in names:
            if (self[f"textfile_{which}_folder"].data or "").strip():
                self._check_server_path(f"textfile_{which}_folder", folder=True, allow_url=True)

    def _check_server_path(self, name: str, *, folder: bool, allow_url: bool = False) -> None:
        text = (self[name].data or "").strip()
        if not text:
            self.add_error(
                name, f"Enter the path of a {'folder' if folder else 'file'} on the server."
            )
            return
        if allow_url and is_url(text):
            self[name].data = text
            return
        try:
            self[name].data = str(server_path(text, folder=folder))
        except ValidationError as error:
            self.add_error(name, str(error))


def _shown_name(upload: FileStorage) -> str:
    """What an upload is called, fit for a page and a command line."""
    return printable(upload.filename or "")[-LONGEST_FILE_NAME:]


def _has_upload(data: Any) -> bool:
    return bool(getattr(data, "filename", ""))


for _which, _title in (("train", "Training"), ("val", "Validation"), ("test", "Test")):
    for _name, _field in {
        **_folder_fields(_which, _title),
        **_list_fields(_which, _title),
    }.items():
        setattr(ImageClassificationDatasetForm, _name, _field)
