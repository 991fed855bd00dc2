"""Whether what the solver is to do can be had of the program that trains.

In: settings that a form has checked.  Out: FormError at the fields that a real Caffe knows nothing
of: its parser would end the training with the name of a field, or later.  Elsewhere: each field by
itself (`model/solver_form.py`, `model/forms.py`), what a training says all the same
(`model/training/failure.py`).
"""

from __future__ import annotations

from digits.errors import FormError
from digits.model.images.classification.settings import ImageClassificationModelSettings as Settings

NOT_BY_CAFFE = (
    "This server trains by a real Caffe (CAFFE_ROOT), which knows no {}. {}, or have whoever runs "
    "the server unset CAFFE_ROOT to train with DIGITS' own engine."
)
# What a real Caffe does not have, and what to do without it.
OUR_OWN = {
    "lr_policy": ("cosine decay", "Choose another policy"),
    "lr_warmup": ("warm-up of the learning rate", "Enter 0"),
}


def check_solver(settings: Settings, caffe_root: str) -> None:
    """Raise FormError at each field that asks a real Caffe for what it does not have."""
    if not caffe_root:
        return
    asked = {
        "lr_policy": settings.lr_policy == "cosine",
        "lr_warmup": settings.lr_warmup > 0,
    }
    wrong = {name: [NOT_BY_CAFFE.format(*OUR_OWN[name])] for name in asked if asked[name]}
    if wrong:
        raise FormError(wrong)
