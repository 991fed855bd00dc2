"""Whether an augmentation can be had: with a dataset, a trainer, and the rest of the settings.

In: settings that a form has checked, the dataset, done or not.  Out: FormError at the fields that
cannot be, in words for the user.  Elsewhere: each field by itself (`model/augmentation_form.py`).
"""

from __future__ import annotations

from digits.caffe.data.augmentation import Augmentation
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.errors import FormError
from digits.model.images.classification.solver_fit import NOT_BY_CAFFE
from digits.model.network.hdf5 import BACKEND

NOT_FROM_HDF5 = (
    "The dataset is stored as HDF5, and pictures are changed only where they come from a database "
    "of the kind LMDB. Turn augmentation off, or make the dataset with LMDB."
)
NOT_SQUARE = (
    "Pictures of {} x {} (width x height) cannot be turned by 90 degrees. Choose “0 or 180 "
    "degrees” (rot180), or a dataset of square pictures."
)


def check_augmentation(
    augmentation: Augmentation, caffe_root: str, dataset: ImageClassificationDatasetJob
) -> None:
    """Raise FormError where pictures cannot be changed so."""
    if not augmentation.is_on:
        return
    if caffe_root:
        message = NOT_BY_CAFFE.format("cannot change pictures", "Turn augmentation off")
        raise FormError(dict.fromkeys(augmentation.changed_fields, [message]))
    if dataset.backend == BACKEND:
        raise FormError(dict.fromkeys(augmentation.changed_fields, [NOT_FROM_HDF5]))
    if augmentation.turns_squares and dataset.width != dataset.height:
        message = NOT_SQUARE.format(dataset.width, dataset.height)
        raise FormError({"aug_quad_rot": [message]})
