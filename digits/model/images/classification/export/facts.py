"""What an exported file says of its model: where it is from, how it was trained, who may use it.

In: a model and a snapshot.  Out: metadata, texts of JSON by key.  The exporter adds what it knows
of pictures, labels and the network (`digits/caffe/export/classifier.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import digits
from digits.model.card import INFO_KEY, Card
from digits.model.images.classification.export.settings import ExportSettings
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.training.snapshot_table import SnapshotFacts

# Where models and their archives say under which terms they may be used.
_LICENCE_KEYS = ("licence", "license", "card")


def metadata_of(
    job: ImageClassificationModelJob,
    weights: Path,
    settings: ExportSettings,
    names: Mapping[str, str],
) -> dict[str, str]:
    """The metadata; `names` are those of all jobs by id.  Raises TaskFailed."""
    info = job.archive_info(settings.epoch, weights)
    licence = licence_of(info)
    table = job.train_task.snapshot_table()
    snapshot = next((row for row in table if row.epoch == settings.epoch), None)
    facts: dict[str, Any] = {
        "info": info,
        "training": training_of(job, snapshot, names),
        "numbers": settings.quantize,
        "about": about(job, settings.epoch, snapshot, licence),
        "made_by": f"DIGITS {digits.__version__}",
    }
    if licence:
        facts["licence"] = licence
    return {key: _as_json(value) for key, value in facts.items()}


def _as_json(value: Any) -> str:
    # JSON of an archive can hold half characters, which no file can.
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "replace").decode()


def training_of(
    job: ImageClassificationModelJob, snapshot: SnapshotFacts | None, names: Mapping[str, str]
) -> dict[str, Any]:
    """The training's summary: what was asked for, in words, and what the snapshot came to."""
    return {
        "settings": dict(job.settings_in_words(names)),
        "accuracy": snapshot.accuracy if snapshot else None,
        "loss": snapshot.loss if snapshot else None,
    }


def licence_of(info: Mapping[str, Any]) -> Any:
    """What a model's facts say of its licence; None where they say nothing.

    A model that says nothing itself is under the terms of the weights that it began from.
    """
    said = next((info[key] for key in _LICENCE_KEYS if info.get(key)), None)
    if said is not None:
        return said
    card = Card.from_json(info.get(INFO_KEY))
    return (card.licence or None) if card else None


def about(
    job: ImageClassificationModelJob, epoch: float, snapshot: SnapshotFacts | None, licence: Any
) -> dict[str, str]:
    """The model in a few lines for people."""
    pictures = job.pictures
    lines = {
        "Model": job.name,
        "Epoch": f"{epoch:g}",
        "Accuracy": f"{100 * snapshot.accuracy:.2f} % of the validation pictures"
        if snapshot and snapshot.accuracy is not None
        else "",
        "Dataset": job.dataset.name if job.dataset else "",
        "Categories": str(len(pictures.labels())),
        "Pictures": f"{pictures.width} × {pictures.height}, resized by {pictures.resize_mode}",
        "Licence": _in_words(licence),
        "Pretrained model": _card_in_words(job.card),
        "Made by": f"DIGITS {digits.__version__}",
    }
    return {title: words for title, words in lines.items() if words}


def _in_words(licence: Any) -> str:
    if isinstance(licence, Mapping):
        return "; ".join(f"{key}: {value}" for key, value in licence.items() if value)
    return str(licence) if licence else ""


def _card_in_words(card: Card | None) -> str:
    """Where the weights are from that the model is, or began from."""
    return "; ".join(f"{title}: {_one_line(text)}" for title, text in card.pairs()) if card else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
