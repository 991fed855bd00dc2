"""Which network a request is for: the files of a trained model, and how its pictures were made.

In: paths that the web layer has checked.  Out: values that go to a worker as JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from digits.inference.errors import BadNetwork

RESIZE_MODES = ("squash", "crop", "fill", "half_crop")


@dataclass(frozen=True)
class Network:
    """A trained network and the pictures that it learned from.

    `height`, `width`, `channels` and `resize_mode` are the dataset's; the crop is what the deploy
    file's input asks for.  Of `mean` (a mean.binaryproto of the dataset's size) and `mean_values`
    (one, or one a channel in B,G,R order) at most one is given; after it is subtracted, pixels are
    multiplied by `scale`.
    """

    deploy: Path
    weights: Path
    height: int
    width: int
    channels: int
    labels: Path | None = None
    mean: Path | None = None
    mean_values: tuple[float, ...] = ()
    scale: float = 1.0
    resize_mode: str = "squash"

    def __post_init__(self) -> None:
        if self.resize_mode not in RESIZE_MODES:
            raise BadNetwork(
                f"The resize mode is one of {', '.join(RESIZE_MODES)}. "
                f"Received: {self.resize_mode!r}."
            )
        if self.channels not in (1, 3) or self.height < 1 or self.width < 1:
            raise BadNetwork(
                "Pictures have 1 or 3 channels and at least one pixel. "
                f"Received: {self.width}x{self.height}, {self.channels} channels."
            )
        if self.mean is not None and self.mean_values:
            raise BadNetwork("A network has a mean file or mean values, not both.")

    def key(self) -> str:
        """What a worker that holds this network is known by: the files as they are now.

        Raises BadNetwork when one of them is missing.
        """
        parts = [repr(self)]
        for path in (self.deploy, self.weights, self.labels, self.mean):
            if path is not None:
                parts.append(_stamp(path))
        return "|".join(parts)

    def to_json(self) -> dict[str, Any]:
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Network:
        given = {field.name: values[field.name] for field in fields(cls)}
        for name in ("deploy", "weights", "labels", "mean"):
            given[name] = None if given[name] is None else Path(given[name])
        given["mean_values"] = tuple(given["mean_values"])
        return cls(**given)


def _stamp(path: Path) -> str:
    """Changes when the file does: a worker must not answer for weights that were replaced."""
    try:
        status = path.stat()
    except OSError as error:
        raise BadNetwork(f"{path.name} cannot be read: {error.strerror}.") from error
    return f"{status.st_mtime_ns}.{status.st_size}"
