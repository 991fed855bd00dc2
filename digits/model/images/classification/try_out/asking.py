"""Use a trained model: which network a snapshot is, what a request wants to know of a picture."""

from __future__ import annotations

import base64
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from digits.inference import (
    BadRequest,
    Classification,
    ClassifyOne,
    DescribeLayers,
    DrawActivations,
    DrawWeights,
    LayerFacts,
    Network,
    Pool,
    Source,
    classify_many,
    top_n,
)
from digits.inference.best import BestOfClasses, Ranked
from digits.inference.evaluation import THUMBNAIL_SIDE
from digits.inference.opening import Opener
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out.results import (
    Accuracy,
    Row,
    rows_of,
    shown_score,
    unit,
)
from digits.model.job import DEPLOY_FILE
from digits.sources.picture_list import Entry

# A page with more pictures than this is of no use, and each of them costs a pass of the network.
MOST_GRID_PICTURES = 500
# Of the picture as it was sent, beside the one that the network saw.
ORIGINAL_SIDE = 480


def network_of(job: ImageClassificationModelJob, weights: Path) -> Network:
    """The network of a snapshot, and how its pictures are made.  Raises BadNetwork, TaskFailed."""
    pictures = job.pictures
    transform, output = job.transformation(), job.output()
    return Network(
        deploy=job.dir / DEPLOY_FILE,
        weights=weights,
        height=pictures.height,
        width=pictures.width,
        channels=pictures.channels,
        labels=pictures.labels_path,
        mean=pictures.mean_path if transform.HasField("mean_file") else None,
        mean_values=tuple(transform.mean_value),
        scale=transform.scale,
        resize_mode=pictures.resize_mode,
        levels=pictures.value_range,
        output=output.name,
        is_probability=output.is_probability,
    )


# One picture --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Classified:
    """One picture: its best classes, itself as the network saw it, and the layers if asked for."""

    result: Classification
    layers: tuple[LayerFacts, ...] = ()
    output: str = ""
    is_probability: bool = True

    @property
    def predictions(self) -> list[tuple[str, float]]:
        """(label, percent), the best first; scores as they are where they are no probabilities."""
        return [
            (each.label, shown_score(each.confidence, self.is_probability))
            for each in self.result.predictions
        ]

    @property
    def picture(self) -> str:
        """The picture as the network saw it, as base64 PNG."""
        return _base64(self.result.picture)

    @property
    def original(self) -> str:
        """The picture as it was sent, as an address; empty when it was not asked for."""
        return _address(self.result.original) if self.result.original else ""

    @property
    def param_count(self) -> int:
        """How many learned values all layers have together."""
        return sum(layer.param_count for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        answer: dict[str, Any] = {"predictions": [list(pair) for pair in self.predictions]}
        answer |= unit(self.is_probability)
        if self.layers:
            answer["visualizations"] = [layer.summary() for layer in self.layers]
            answer["param_count"] = self.param_count
        return answer


def try_picture(
    pool: Pool, network: Network, source: Source, *, look_inside: bool, with_original: bool
) -> Classified:
    """Classify one picture; with `look_inside`, say also what each layer made of it."""
    original_side = ORIGINAL_SIDE if with_original else 0
    result = pool.ask(ClassifyOne(source, original_side=original_side), network=network)
    layers: tuple[LayerFacts, ...] = ()
    if look_inside:
        layers = pool.ask(DescribeLayers(result.picture, prepared=True), network=network).layers
    return Classified(result, layers, network.output, network.is_probability)


def layer_pictures(
    pool: Pool, network: Network, picture: bytes, layer: int, tops: int, params: int
) -> dict[str, Any]:
    """Pictures of a layer's activations and parameters, as plain JSON.

    `picture` is the one that the network saw; `tops` and `params` say how many there are.
    """
    weights = [_drawn(pool, network, DrawWeights(layer, number)) for number in range(params)]
    activations = [
        _drawn(pool, network, DrawActivations(picture, layer, number, prepared=True))
        for number in range(tops)
    ]
    return {"params": weights, "tops": activations}


def _drawn(pool: Pool, network: Network, request: DrawWeights | DrawActivations) -> dict[str, str]:
    try:
        drawn = pool.ask(request, network=network)
    except BadRequest as error:
        return {"picture": "", "note": str(error)}
    return {"picture": _base64(drawn.png), "note": drawn.note}


# Many pictures ------------------------------------------------------------------------------------


def classified_rows(
    pool: Pool,
    network: Network,
    entries: tuple[Iterator[Entry], Iterator[Entry]],
    opener: Opener,
    accuracy: Accuracy,
    best: BestOfClasses | None = None,
    *,
    drawn: bool,
) -> Generator[Row]:
    """The pictures of a list one by one; `accuracy` counts them; `drawn`: with thumbnails.

    `best` is told of each.

    `entries` is the list twice: nothing of it is held but what is being classified.
    """
    side = THUMBNAIL_SIDE if drawn else 0
    pictures = opener.open_all(entries[0])
    classified = classify_many(pool, network, pictures, thumbnail_side=side, best=best)
    percent = network.is_probability
    for row, thumbnail in rows_of(classified, entries[1], opener.reasons, accuracy, percent):
        yield replace(row, thumbnail=_address(thumbnail)) if thumbnail else row


@dataclass(frozen=True)
class GridPicture:
    """One of the best pictures of a class; `picture` is its address, confidence as on pages.

    `page` is the address of its own page, where it has one.
    """

    name: str
    confidence: float
    picture: str
    page: str = ""


@dataclass(frozen=True)
class Grids:
    """For each class its best pictures, as grids."""

    rows: list[tuple[str, list[GridPicture]]]
    unreadable: list[tuple[str, str]]  # names and reasons
    count: int
    left_out: int  # classes that are not drawn, because there are too many
    is_probability: bool = True

    def to_json(self) -> dict[str, Any]:
        return {
            "top_n": {
                label: [[picture.name, picture.confidence] for picture in pictures]
                for label, pictures in self.rows
            },
            "count": self.count,
            "unreadable": dict(self.unreadable),
            **unit(self.is_probability),
        }


def grids_of(
    labels: Sequence[str],
    best: Sequence[Sequence[Ranked]],
    rows: Sequence[Row],
    is_probability: bool,
    n: int,
) -> Grids:
    """The best of each class among pictures that have just been classified, with thumbnails."""
    shown = list(zip(labels, best, strict=True))[: max(1, MOST_GRID_PICTURES // n)]
    grids = [
        (
            label,
            [
                GridPicture(
                    rows[ranked.number].name,
                    shown_score(ranked.confidence, is_probability),
                    rows[ranked.number].thumbnail,
                )
                for ranked in ranking
            ],
        )
        for label, ranking in shown
    ]
    return Grids(grids, [], len(rows), len(labels) - len(grids), is_probability)


def best_of_each_class(
    pool: Pool,
    network: Network,
    entries: Sequence[Entry],
    opener: Opener,
    n: int,
    *,
    drawn: bool,
) -> Grids:
    """The `n` pictures with the highest confidence in each class; `drawn`: with pictures."""
    found = top_n(pool, network, opener.open_all(entries), n)
    # Drawing looks for the pictures again.
    reasons = dict(opener.reasons)
    classes = list(zip(found.labels, found.best, strict=True))
    shown = classes[: max(1, MOST_GRID_PICTURES // n)] if drawn else classes

    def picture(number: int) -> str:
        if not drawn:
            return ""
        source = opener.open(number, entries[number])
        result = pool.ask(ClassifyOne(source, top=1), network=network)
        return _address(result.picture)

    rows = [
        (
            label,
            [
                GridPicture(
                    entries[ranked.number].path,
                    shown_score(ranked.confidence, network.is_probability),
                    picture(ranked.number),
                )
                for ranked in best
            ],
        )
        for label, best in shown
    ]
    unreadable = [
        (entries[number].path, reasons.get(number) or reason)
        for number, reason in sorted(found.unreadable.items())
    ]
    left_out = len(classes) - len(shown)
    return Grids(rows, unreadable, found.count, left_out, network.is_probability)


def _address(picture: bytes) -> str:
    """A PNG or JPEG as the address of an `<img>`."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{_base64(picture)}"


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
