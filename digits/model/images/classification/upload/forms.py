"""The form for an archive of a model: the file, and what archives may leave unsaid.

Field names are a public interface; those that DIGITS 5 has, too, are called as there.
"""

from __future__ import annotations

from typing import Any

from werkzeug.datastructures import FileStorage
from wtforms import StringField

from digits.dataset.images.forms import MODE_CHOICES
from digits.images import MAX_SIDE
from digits.model.forms import NumberListField, UploadField
from digits.model.images.classification.forms import LARGEST_MEAN, MOST_CHANNELS
from digits.model.images.classification.upload.reading import MOST_LABEL_BYTES, Given
from digits.sources.archives import ARCHIVE_EXTENSIONS
from digits.web.forms import ChoiceField, DigitsForm, JobForm, WholeNumberField, one_line
from digits.web.submitted import text_of

AS_TOLD = "From the archive"


class ArchiveForm(DigitsForm):
    """An archive alone, as scripts of DIGITS 5 send it."""

    needs_token = False

    archive = UploadField(
        "Archive",
        description="What Download model gives, on this or another server or in DIGITS 1 to 6: a "
        "zip or tar with deploy.prototxt and a .caffemodel in it.",
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, and that an archive was sent."""
        good = super().validate(extra_validators)
        if not self.archive.data and not self.archive.errors:
            self.add_error("archive", "Choose an archive.")
        return good and not self.all_errors


class ArchiveUploadForm(ArchiveForm, JobForm):
    """An archive, what the model shall be called, and what stands above what the archive says."""

    needs_token = True
    # An archive is no other job's.
    also_known = ()

    model_name = StringField(
        "Model name",
        [one_line],
        description="A name to find the model by. Empty: the one that the archive gives.",
    )
    group_name = StringField(
        "Group",
        [one_line],
        description="A name that is shared by jobs which belong together. Empty: the one that the "
        "archive gives.",
    )
    labels_file = UploadField(
        "Labels",
        description="A text file with the name of one category on each line, in the order in which "
        "the network learned them. Without one, and without labels.txt in the archive, categories "
        "are called by their numbers.",
    )
    width = WholeNumberField(
        "Width", low=1, high=MAX_SIDE, optional=True,
        description="Pixels of the pictures that the network learned from, before it cuts out its "
        "part. Empty: as the archive says, else the size of the network's input.",
    )  # fmt: skip
    height = WholeNumberField(
        "Height", low=1, high=MAX_SIDE, optional=True, description="Pixels, as the width."
    )  # fmt: skip
    resize_mode = ChoiceField(
        "Resize transformation",
        choices=[("", AS_TOLD), *MODE_CHOICES],
        default="",
        description="What happened to pictures of another shape. Where the archive does not say "
        "it, squash.",
    )
    mean_value = NumberListField(
        "Mean values", most=MOST_CHANNELS, low=0, high=LARGEST_MEAN,
        description="What is subtracted from each channel, in the order blue, green, red, such as "
        "104,117,123, or one value for all. Empty: the mean that the archive has, if any.",
    )  # fmt: skip

    # What a browser's file dialog offers.
    archive_extensions = ",".join([*ARCHIVE_EXTENSIONS, ".gz", ".bz2", ".xz"])

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, and the size of the labels."""
        good = super().validate(extra_validators)
        labels: FileStorage | None = self.labels_file.data
        if labels is not None and _size(labels) > MOST_LABEL_BYTES:
            self.add_error("labels_file", f"The file has more than {MOST_LABEL_BYTES:,} bytes.")
        return good and not self.all_errors

    def given(self) -> Given:
        """What the form says besides the archive."""
        labels: FileStorage | None = self.labels_file.data
        return Given(
            labels=text_of(labels) if labels is not None else None,
            width=self.width.data,
            height=self.height.data,
            resize_mode=self.resize_mode.data,
            mean_value=self.mean_value.data or (),
        )


def _size(upload: FileStorage) -> int:
    size = upload.stream.seek(0, 2)
    upload.stream.seek(0)
    return size
