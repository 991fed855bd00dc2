"""Every kind of job: the built-in ones, and those that installed packages add.

In: the `KIND` of each built-in kind, and the packages' entry points of the group `digits.kinds`,
each a JobKind or a sequence of them.  Out: the table `Kinds`, which is handed down to whoever
lists kinds.  A package whose kinds cannot be used is named in the log and left out.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from functools import cache
from importlib.metadata import EntryPoint, entry_points

from digits.dataset.images.classification.kind import KIND as CLASSIFICATION_DATASET
from digits.dataset.job import DatasetJob
from digits.errors import KindRefused
from digits.model.images.classification.evaluation.kind import KIND as CLASSIFICATION_EVALUATION
from digits.model.images.classification.export.kind import KIND as CLASSIFICATION_EXPORT
from digits.model.images.classification.features.kind import KIND as CLASSIFICATION_FEATURES
from digits.model.images.classification.kind import KIND as CLASSIFICATION_MODEL
from digits.model.images.classification.pretrained.kind import KIND as PRETRAINED_MODEL
from digits.model.images.classification.upload.kind import KIND as UPLOADED_CLASSIFICATION_MODEL
from digits.model.job import ModelJob
from digits.web.kind import JobKind, Kinds
from digits.web.kind_checks import check_kinds

log = logging.getLogger(__name__)

GROUP = "digits.kinds"
BUILT_IN = (
    CLASSIFICATION_DATASET,
    CLASSIFICATION_MODEL,
    UPLOADED_CLASSIFICATION_MODEL,
    PRETRAINED_MODEL,
    CLASSIFICATION_EVALUATION,
    CLASSIFICATION_EXPORT,
    CLASSIFICATION_FEATURES,
)
# Their jobs' classes, for programs that need no others.
JOB_TYPES = tuple(kind.job_type for kind in BUILT_IN)
# The pages that show jobs of any kind, if they are such jobs.
SHARED_PAGES = {"datasets.show": DatasetJob, "models.show": ModelJob}


@cache
def installed() -> Kinds:
    """The kinds of this installation; packages are looked for once."""
    return with_packages(entry_points(group=GROUP))


def with_packages(found: Iterable[EntryPoint]) -> Kinds:
    """The built-in kinds, and after them those of the packages, in the order of their names."""
    kinds: tuple[JobKind, ...] = BUILT_IN
    for entry in sorted(found, key=lambda entry: (entry.name, entry.value)):
        try:
            kinds += tuple(_loaded(entry, kinds))
        except KindRefused as error:
            package = entry.dist.name if entry.dist else "an unknown package"
            words = "the kinds of jobs that %s adds (%s) are left out: %s"
            log.error(words, package, entry.value, error)
    return Kinds(kinds)


def _loaded(entry: EntryPoint, known: Sequence[JobKind]) -> Sequence[JobKind]:
    try:
        loaded = entry.load()
        kinds = [loaded] if isinstance(loaded, JobKind) else loaded
        check_kinds(kinds, known, SHARED_PAGES)
    except KindRefused:
        raise
    # A package of somebody else's may do anything while it is imported, even end the program.
    except (Exception, SystemExit) as error:
        log.debug("%s cannot be used", entry.value, exc_info=error)
        line = f"{type(error).__name__}: {error}".splitlines()[0]
        raise KindRefused(f"they cannot be used ({line}).") from error
    checked: Sequence[JobKind] = kinds
    return checked
