"""What is known of a pretrained model besides what an uploaded one says."""

from __future__ import annotations

from dataclasses import dataclass

from digits.model.images.classification.upload.settings import UploadedModelSettings


@dataclass(frozen=True, kw_only=True)
class PretrainedModelSettings(UploadedModelSettings):
    """A network, weights, and their card (`card`, which every model has that began from it)."""

    torchvision_network: str = ""  # by its name there; empty: weights of Caffe
    # Whether there were names of the categories; without, they are called by their numbers.
    has_labels: bool = True
