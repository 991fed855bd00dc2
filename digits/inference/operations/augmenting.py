"""Show pictures of a dataset as a training would see them, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass

from digits.caffe.data.augmentation import Augmentation
from digits.inference.operations.databases import Database, Samples
from digits.inference.operations.request import Request


@dataclass(frozen=True)
class Treatment:
    """What training does to a picture after it is read.

    `crop_size` 0: nothing is cropped.  `whitening` is shown around a middle grey.
    """

    augmentation: Augmentation
    whitening: bool = False
    crop_size: int = 0
    mirror: bool = False


@dataclass(frozen=True)
class AugmentRecords(Request[Samples]):
    """`count` records from all over the database, each changed by chance.

    Another `turn` (from 0) takes other records and other chance; the same one gives the same
    pictures, so that they change as the treatment does.  Raises BadRequest when the database cannot
    be read, or its pictures not be changed so.
    """

    database: Database
    treatment: Treatment
    count: int
    turn: int
