"""Which trainings are light: those of a last layer, on features of so many pictures at most.

They hold a light slot (`jobs/resources.py`) in the place of a training slot or a GPU, so that a
head does not wait for a night's training to end.
Elsewhere: what of a network learns (`model/network/fine_tune.py`), its features
(`dataset/features.py`).
"""

from __future__ import annotations

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings
from digits.model.network.fine_tune import HEAD
from digits.model.network.hdf5 import BACKEND

# Pictures whose features two cores compute in some minutes; a GPU is worth waiting for with more.
MOST_PICTURES = 20_000


def keeps_features(settings: Settings, dataset: ImageClassificationDatasetJob) -> bool:
    """Whether a training reads features of all but its last layer: not one by another Caffe."""
    is_ours = not settings.caffe_root and dataset.backend != BACKEND
    return settings.what_learns == HEAD and is_ours


def is_light(settings: Settings, dataset: ImageClassificationDatasetJob) -> bool:
    """Whether a training on a dataset that is Done is light; never one that asks for its GPUs."""
    is_one = settings.select_gpu in (None, "next")
    any_will_do = is_one and not settings.select_gpus and not settings.select_gpu_count
    if not keeps_features(settings, dataset) or (settings.use_gpu and not any_will_do):
        return False
    pictures = sum(dataset.picture_count(split) for split in ("train", "val"))
    return pictures * (settings.feature_variants or 1) <= MOST_PICTURES
