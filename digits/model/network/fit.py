"""Whether a dataset's pictures have the size that a network is made for, in words for people.

In: what a network is made for, and the pictures that it is to learn from.  Out: one sentence with
both sizes and what to do; empty where they fit.  Nothing is built for it.
Elsewhere: what is wrong with a network as such (`inference/work/checking.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

# Of a network without a crop: pictures with sides of so many times the meant ones make it another.
MOST_LARGER = 2
TOO_SMALL = "which is too small for its layers"


@dataclass(frozen=True)
class Pictures:
    """Pictures of a size in pixels, with 1 or 3 channels."""

    width: int
    height: int
    channels: int

    @property
    def side(self) -> int:
        """Of the largest square in them."""
        return min(self.width, self.height)

    @property
    def words(self) -> str:
        return f"{self.size} {self.colors}"

    @property
    def colors(self) -> str:
        return "in color" if self.channels == 3 else "in grayscale"

    @property
    def size(self) -> str:
        return f"{self.width} x {self.height}"


@dataclass(frozen=True)
class MadeFor:
    """What a network is made for.

    `title` begins a sentence.  It sees squares of `side` pixels; with `is_cropped` these are cut
    out of larger pictures, such as those of `image_side`.  Below `smallest` it cannot be built (0:
    not known).  `instead` is what to choose for other pictures.
    """

    title: str
    side: int
    image_side: int
    is_cropped: bool
    smallest: int = 0
    instead: str = ""
    channels: int = 0  # of its weights; 0: it takes any

    @property
    def words(self) -> str:
        pictures = f"pictures of {self.image_side} x {self.image_side}"
        if self.side == self.image_side:
            return pictures
        return f"{pictures}, of which it sees {self.side} x {self.side}"


def is_too_small(made_for: MadeFor, dataset: Pictures, crop_size: int | None = None) -> bool:
    """Whether the network sees less than it is made for."""
    return (crop_size or dataset.side) < made_for.side


def wrong_colors(made_for: MadeFor, dataset: Pictures) -> str:
    """Why the network cannot take pictures of so many channels; empty when it can."""
    if made_for.channels in (0, dataset.channels):
        return ""
    made, received = (Pictures(0, 0, made_for.channels), dataset)
    return (
        f"{made_for.title} has weights for pictures {made.colors}; the dataset's are "
        f"{received.colors}. Make a dataset {made.colors}, or choose another network."
    )


def cannot_be_trained(made_for: MadeFor, dataset: Pictures, crop_size: int | None = None) -> str:
    """Why the network cannot be built for pictures that are too small."""
    if crop_size and crop_size < dataset.side:
        return (
            f"{made_for.title} is made for {made_for.words}; a crop size of {crop_size} is too "
            "small for it. Leave the crop size empty, or choose a larger one."
        )
    return _sentences(made_for, dataset, TOO_SMALL)


def size_warning(made_for: MadeFor, dataset: Pictures, crop_size: int | None = None) -> str:
    """What is unusual about these pictures for the network; empty when they fit.

    A crop that the user has chosen is nothing to wonder at.
    """
    if crop_size:
        return ""
    unusual = _unusual(made_for, dataset)
    return _sentences(made_for, dataset, unusual) if unusual else ""


def list_note(made_for: MadeFor, dataset: Pictures) -> str:
    """The same as short as it stands beside a network in a list; empty when the pictures fit."""
    if wrong_colors(made_for, dataset):
        made = Pictures(0, 0, made_for.channels)
        return (
            f"Has weights for pictures {made.colors}; the dataset's are {dataset.colors}. "
            f"Make a dataset {made.colors}."
        )
    is_possible = dataset.side >= made_for.smallest
    problem = _unusual(made_for, dataset) if is_possible else TOO_SMALL
    if not problem:
        return ""
    size = f"{made_for.image_side} x {made_for.image_side}"
    return (
        f"Made for pictures of {size}; the dataset's are {dataset.size}, {problem}. "
        f"Make a dataset of {size}."
    )


def _unusual(made_for: MadeFor, dataset: Pictures) -> str:
    """What becomes of a network that can be built for pictures of another size."""
    if made_for.is_cropped and is_too_small(made_for, dataset):
        return "so that it sees less than it could"
    largest = max(dataset.width, dataset.height)
    if not made_for.is_cropped and largest > MOST_LARGER * made_for.side:
        return "so that it becomes much larger and slower"
    return ""


def _sentences(made_for: MadeFor, dataset: Pictures, problem: str) -> str:
    side = made_for.image_side
    return (
        f"{made_for.title} is made for {made_for.words}; the dataset's are {dataset.size}, "
        f"{problem}. Make a dataset of {side} x {side}{made_for.instead}."
    )


def other_pictures(title: str, seen: Pictures, given: Pictures) -> str:
    """Why the weights of a trained network do not fit other pictures than it learned from."""
    return (
        f"The weights of {title} are for pictures of {seen.words}, as the network sees them; the "
        f"dataset gives it {given.words}. Make a dataset with pictures like those that it "
        "learned from, or choose no weights (None) to take the network alone."
    )
