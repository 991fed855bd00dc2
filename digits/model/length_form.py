"""When a training is looked at, when it stops early, and which snapshots it keeps.

Elsewhere: its epochs (`forms.py`), early stopping itself (`model/training/early_stopping.py`).
"""

from __future__ import annotations

from typing import Any

from digits.model.forms import MOST_EPOCHS
from digits.model.settings import ModelSettings
from digits.web.forms import DigitsForm, NumberField, WholeNumberField

# Of an accuracy 1 is all there is; losses are larger than that only where nothing is learned.
LARGEST_THRESHOLD = 1000
MOST_SNAPSHOTS = 1_000_000


class TrainingLengthForm(DigitsForm):
    """Intervals, early stopping, and snapshots."""

    snapshot_interval = NumberField(
        "Snapshot interval (in epochs)", low=0, high=MOST_EPOCHS,
        default=ModelSettings.snapshot_interval,
        description="Epochs between snapshots of the weights; fractions are allowed. 1 by default: "
        "little is lost if something fails. 0: only one, at the end.",
    )  # fmt: skip
    val_interval = NumberField(
        "Validation interval (in epochs)", low=0, high=MOST_EPOCHS,
        default=ModelSettings.val_interval,
        description="Epochs between passes over the validation set; fractions are allowed. 1 by "
        "default: a point of the graph for each snapshot. 0: never.",
    )  # fmt: skip
    snapshots_kept = WholeNumberField(
        "Snapshots kept", low=1, high=MOST_SNAPSHOTS, optional=True,
        description="How many of the last snapshots stay on the disk. The best one stays as well. "
        "Empty: all of them.",
    )  # fmt: skip
    early_stopping_patience = NumberField(
        "Stop early after (epochs)", low=0, high=MOST_EPOCHS,
        default=ModelSettings.early_stopping_patience,
        description="The training ends when its validation accuracy (without one: its validation "
        "loss) has not become better for so many epochs. 0, the default: it never ends early.",
    )  # fmt: skip
    early_stopping_threshold = NumberField(
        "Better means by more than", low=0, high=LARGEST_THRESHOLD,
        default=ModelSettings.early_stopping_threshold,
        description="What counts as better for that: 0.01 of an accuracy is one percent. 0, the "
        "default: anything does.",
    )  # fmt: skip

    # What the page shows when it is asked for more.
    MORE: tuple[str, ...] = (
        *("snapshot_interval", "val_interval", "snapshots_kept"),
        *("early_stopping_patience", "early_stopping_threshold"),
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Check every field, and that early stopping has something to go by."""
        super().validate(extra_validators)
        if self.early_stopping_patience.data and self.val_interval.data == 0:
            self.add_error(
                "early_stopping_patience",
                "Early stopping goes by the validation set, and the validation interval is 0. "
                "Choose an interval, such as 1, or 0 here.",
            )
        return not self.all_errors
