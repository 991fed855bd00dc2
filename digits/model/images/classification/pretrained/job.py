"""A pretrained model: a network with weights that trainings begin from, and its card.

It is an uploaded model that stands in a list of its own: it classifies, its archive can be
downloaded, and forms offer it by `method=pretrained`.
Elsewhere: how such a job comes about (`creation.py`, `from_model.py`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digits.errors import FormError
from digits.model.card import Card
from digits.model.images.classification.pretrained.settings import PretrainedModelSettings
from digits.model.images.classification.upload.job import UploadedClassificationModelJob


class PretrainedModelJob(UploadedClassificationModelJob):
    """Weights of a network that learned elsewhere, or here, for others to begin from."""

    type_name = "pretrained-model"
    title = "Pretrained Model"
    category = "pretrained"
    settings_type = PretrainedModelSettings
    settings: PretrainedModelSettings

    @property
    def card(self) -> Card:
        """Where it is from, by the name that it has now."""
        card = Card.from_json(self.settings.card) or Card()
        return Card(self.name, card.source, card.licence, card.data, card.limits)

    def weights(self) -> Path:
        """The file of its weights; FormError at `pretrained_networks` when it is gone."""
        snapshots = list(self.snapshots().values())
        if not snapshots:
            message = f"The weights of {self.name} are gone from its folder {self.dir}."
            raise FormError({"pretrained_networks": [message]})
        return snapshots[-1]

    def customized(self, epoch: str) -> tuple[str, Path | None]:
        return self.network_text(), self.weights()

    def facts(self) -> dict[str, Any]:
        return {
            **super().facts(),
            "card": self.card.to_json(),
            "has_labels": self.settings.has_labels,
            "network": self.network_name,
        }

    def table_facts(self) -> dict[str, Any]:
        return {**super().table_facts(), "has_labels": self.settings.has_labels}
