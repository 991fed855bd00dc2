"""Which network a worker holds: the files of a trained model, and how its pictures were made.

Paths were checked by the web layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from digits.inference.errors import BadNetwork
from digits.inference.operations.request import Request

RESIZE_MODES = ("squash", "crop", "fill", "half_crop")


@dataclass(frozen=True)
class Network:
    """A trained network and the pictures that it learned from.

    `height`, `width`, `channels` and `resize_mode` are the dataset's; the crop is what the deploy
    file's input asks for.  Of `mean` (a mean.binaryproto of the dataset's size) and `mean_values`
    (one, or one a channel in B,G,R order) at most one is given; after it is subtracted, pixels are
    multiplied by `scale`.  `levels` are the 16-bit values that become black and white.  `output` is
    the blob with the scores of the classes; empty: that of a Softmax, or the last.  Whether its
    values are probabilities says `is_probability`.
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
    levels: tuple[int, int] = (0, 65535)
    output: str = ""
    is_probability: bool = True

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


@dataclass(frozen=True)
class NetworkFacts:
    """What a worker says of a network that it has loaded.

    `input_shape` is that of one picture, (channels, height, width); `batch_size` is the number of
    pictures that it computes at a time.
    """

    labels: tuple[str, ...]
    input_shape: tuple[int, int, int]
    batch_size: int


@dataclass(frozen=True)
class Load(Request[NetworkFacts]):
    """Hold this network from now on, and no other.  Raises BadNetwork."""

    network: Network


@dataclass(frozen=True)
class Started:
    """A worker is there."""


@dataclass(frozen=True)
class Start(Request[Started]):
    """Be there: asks for nothing, and is answered once the process has started."""


def _stamp(path: Path) -> str:
    """Changes when the file does: a worker must not answer for weights that were replaced."""
    try:
        status = path.stat()
    except OSError as error:
        raise BadNetwork(f"{path.name} cannot be read: {error.strerror}.") from error
    return f"{status.st_mtime_ns}.{status.st_size}"
