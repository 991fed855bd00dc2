"""The settings of an imported job: what its files tell, and the defaults for the rest."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import asdict

from digits.caffe.proto.caffe_pb2 import SolverParameter
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.training.solver_read import learning_rate, options_of

__all__ = ["dataset_settings", "learning_rate", "model_settings"]


def dataset_settings(
    *,
    channels: int,
    height: int,
    width: int,
    resize_mode: str,
    encoding: str,
    splits: Collection[str],
    imported_from: str,
) -> ImageClassificationDatasetSettings:
    """The settings of a dataset whose databases hold pictures of height x width pixels."""
    return ImageClassificationDatasetSettings(
        # Its databases are there already; a text file for each is the nearest to how they were
        # made.
        method="textfile",
        seed=0,
        resize_channels="3" if channels == 3 else "1",
        resize_height=height,
        resize_width=width,
        resize_mode=resize_mode,
        encoding=encoding,
        textfile_use_val="val" in splits,
        textfile_use_test="test" in splits,
        imported_from=imported_from,
    )


def model_settings(
    solver: SolverParameter,
    epoch_iterations: int,
    *,
    dataset: str,
    batch_size: int,
    crop_size: int | None,
    use_mean: bool,
    use_gpu: bool,
    imported_from: str,
) -> ImageClassificationModelSettings:
    """The settings that would have made `solver`, whose type is in the current form."""
    return ImageClassificationModelSettings(
        **asdict(options_of(solver, epoch_iterations)),
        method="custom",
        dataset=dataset,
        batch_size=batch_size,
        crop_size=crop_size,
        use_mean=use_mean,
        use_gpu=use_gpu,
        imported_from=imported_from,
    )
