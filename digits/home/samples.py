"""The samples: pictures that come without a network, and what learns them well.

Each is made by a program of its own (`digits/tools/download_data.py`), as a dataset and the form of
a model that learns it with all defaults.  Elsewhere: making them (`demo.py`), how the home page
leads through one (`first_steps.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.jobs.job import Job
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.sources.paths import SAMPLE_DIGITS, SAMPLE_EMOJI
from digits.tools.emoji_font import INSTALL_COMMAND, find_font


@dataclass(frozen=True)
class Sample:
    """A dataset and a model of it; `model` lacks the dataset's id, which is not known yet.

    The pictures lie in `folder`, beside the jobs.
    """

    key: str
    button: str  # of the home page
    dataset_name: str
    model_name: str
    folder: str
    dataset: ImageClassificationDatasetSettings
    model: ImageClassificationModelSettings
    network: str  # as pages call it
    promise: str  # what the network will learn, in a sentence
    # What must be done before it can be made; empty: nothing.
    missing: Callable[[], str] = lambda: ""


def _missing_font() -> str:
    return "" if find_font() else INSTALL_COMMAND


DIGITS = Sample(
    key="digits",
    button="Make the sample dataset",
    dataset_name="Handwritten digits (sample)",
    model_name="LeNet on handwritten digits (sample)",
    folder=SAMPLE_DIGITS,
    dataset=ImageClassificationDatasetSettings(
        resize_channels="1", resize_width=28, resize_height=28, seed=1
    ),
    model=ImageClassificationModelSettings(
        dataset="", standard_networks="lenet", train_epochs=15, random_seed=1
    ),
    network="LeNet",
    promise="LeNet learns to read the digits in about a minute.",
)
EMOJI = Sample(
    key="emoji",
    button="Make one in color",
    dataset_name="Emoji (sample)",
    model_name="EfficientNet-Lite0 on emoji (sample)",
    folder=SAMPLE_EMOJI,
    dataset=ImageClassificationDatasetSettings(resize_width=128, resize_height=128, seed=1),
    model=ImageClassificationModelSettings(
        dataset="", standard_networks="efficientnet-lite0", random_seed=1
    ),
    network="EfficientNet-Lite0",
    promise="EfficientNet-Lite0 has learned from photographs already; it takes a minute to tell "
    "the kinds of emoji apart.",
    missing=_missing_font,
)
SAMPLES = {sample.key: sample for sample in (DIGITS, EMOJI)}


def sample_of(dataset: Job | None) -> Sample | None:
    """The sample that a dataset was made as; None for another one."""
    if dataset is None:
        return None
    return next((each for each in SAMPLES.values() if each.dataset_name == dataset.name), None)
