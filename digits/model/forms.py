"""What the form of any training has: fields of its own, and how the learning rate changes.

The form of a new model has the rate's fields among its own; the preview of the curve needs no
others.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from flask_wtf.file import FileField
from wtforms import StringField

from digits.model.training.solver import POLICY_TITLES, LearningRate, SolverOptions, preview
from digits.web.forms import (
    ChoiceField,
    DigitsForm,
    NumberField,
    TakesSeveral,
    WholeNumberField,
    number_text,
)
from digits.web.words import shown

LARGEST_RATE = 1000.0
LARGEST_GAMMA = 100.0
LARGEST_POWER = 100.0
MOST_STEPS = 100
MOST_EPOCHS = 1_000_000

# The fields that a policy reads; those of other policies are not looked at.
POLICY_FIELDS = {
    "fixed": (),
    "step": ("lr_step_size", "lr_step_gamma"),
    "multistep": ("lr_multistep_values", "lr_multistep_gamma"),
    "exp": ("lr_exp_gamma",),
    "inv": ("lr_inv_gamma", "lr_inv_power"),
    "poly": ("lr_poly_power",),
    "cosine": (),
    "sigmoid": ("lr_sigmoid_step", "lr_sigmoid_gamma"),
}


def _gamma(label: str, default: float, description: str) -> NumberField:
    return NumberField(label, above=0, high=LARGEST_GAMMA, default=default, description=description)


def _step(label: str, default: float, description: str) -> NumberField:
    return NumberField(label, above=0, high=100, default=default, description=description)


def _power(label: str, default: float, description: str) -> NumberField:
    return NumberField(label, low=0, high=LARGEST_POWER, default=default, description=description)


class PercentListField(TakesSeveral, StringField):  # type: ignore[misc]
    """Growing numbers above 0 and up to 100 with commas between them; its data is a tuple."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the text; raises ValueError, which WTForms puts at the field."""
        if valuelist:
            self.data = None
            self.data = parse_percents(",".join(str(value) for value in valuelist))

    def _value(self) -> str:
        if self.raw_data:
            return ",".join(str(value) for value in self.raw_data)
        return ",".join(number_text(value) for value in self.data or ())


class UploadField(FileField):  # type: ignore[misc]
    """A file from the user's computer; its data is a FileStorage, None without one."""

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Take the file; ValueError when something else was sent, WTForms puts it at the field."""
        super().process_formdata(valuelist)
        if self.data is None and any(isinstance(value, str) and value for value in valuelist):
            raise ValueError("This is not a file. Send it as an upload (multipart/form-data).")


class NumberListField(TakesSeveral, StringField):  # type: ignore[misc]
    """Up to `most` finite numbers with commas between them; its data is a tuple."""

    def __init__(self, label: str, *, most: int, low: float, high: float, **options: Any) -> None:
        super().__init__(label, **options)
        self.most, self.low, self.high = most, low, high

    def process_formdata(self, valuelist: list[Any]) -> None:
        """Read the text; raises ValueError, which WTForms puts at the field."""
        if valuelist:
            self.data = None
            self.data = self._parsed(",".join(str(value) for value in valuelist))

    def _parsed(self, text: str) -> tuple[float, ...]:
        if not text.strip():
            return ()
        parts = [part.strip() for part in text.split(",")]
        if len(parts) > self.most:
            raise ValueError(f"{len(parts)} numbers are too many: at most {self.most}.")
        return tuple(self._number(part) for part in parts)

    def _number(self, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise ValueError(f"{shown(text)} is not a number. Write 128 or 104,117,123.") from None
        if not math.isfinite(value) or not self.low <= value <= self.high:
            raise ValueError(f"{shown(text)} is not between {self.low} and {self.high}.")
        return value

    def _value(self) -> str:
        if self.raw_data:
            return ",".join(str(value) for value in self.raw_data)
        return ",".join(number_text(value) for value in self.data or ())


class LearningRateForm(DigitsForm):
    """The fields of a learning rate; steps are percent of the training, its warm-up is epochs."""

    # The preview changes nothing.
    needs_token = False

    train_epochs = WholeNumberField(
        "Training epochs", low=1, high=MOST_EPOCHS, default=SolverOptions.train_epochs,
        description="How many times each training picture is seen. 30, the default, is enough to "
        "see how well a network does.",
    )  # fmt: skip
    learning_rate = NumberField(
        "Base learning rate", above=0, high=LARGEST_RATE, default=LearningRate.learning_rate,
        description="How far weights move at each iteration, at the start. 0.01 suits SGD; Adam "
        "and RMSProp need about 0.001, AdaDelta about 1.",
    )  # fmt: skip
    lr_policy = ChoiceField(
        "Policy",
        choices=list(POLICY_TITLES.items()),
        default=LearningRate.lr_policy,
        description="How the rate changes while the network learns. Step down, the default, lets "
        "it settle in three stages.",
    )
    lr_warmup = NumberField(
        "Warm-up (in epochs)", low=0, high=MOST_EPOCHS, default=SolverOptions.lr_warmup,
        description="Epochs in which the rate grows from near 0 to what the policy says, so that "
        "the first steps of an untrained network do not throw it off; fractions are allowed. 0, "
        "the default: none.",
    )  # fmt: skip
    lr_step_size = _step(
        "Step size (%)", LearningRate.lr_step_size,
        "The share of the training after which the rate falls, again and again. 33, the default, "
        "gives three stages.",
    )  # fmt: skip
    lr_step_gamma = _gamma(
        "Gamma", LearningRate.lr_step_gamma,
        "What the rate is multiplied by at each step. A tenth, the default, is the usual step.",
    )  # fmt: skip
    lr_multistep_values = PercentListField(
        "Steps (%)", default=LearningRate.lr_multistep_values,
        description="The shares of the training after which the rate falls, with commas between "
        "them. 50,85 by default: half of the training at full speed, two short stages to settle.",
    )  # fmt: skip
    lr_multistep_gamma = _gamma(
        "Gamma", LearningRate.lr_multistep_gamma,
        "What the rate is multiplied by at each step. Half by default.",
    )  # fmt: skip
    lr_exp_gamma = _gamma(
        "Gamma",
        LearningRate.lr_exp_gamma,
        "What the rate is multiplied by at each percent of the training. 0.95, the default, ends "
        "below a hundredth of the base.",
    )
    lr_inv_gamma = _gamma(
        "Gamma", LearningRate.lr_inv_gamma,
        "How soon the rate falls: base * (1 + gamma * t) ^ -power, t in percent of the training. "
        "With 0.1, the default, it has fallen to a third at the end.",
    )  # fmt: skip
    lr_inv_power = _power(
        "Power", LearningRate.lr_inv_power,
        "How steeply the rate falls. 0.5, the default, is the root of the time.",
    )  # fmt: skip
    lr_poly_power = _power(
        "Power", LearningRate.lr_poly_power,
        "1 is a straight line down to zero; above, the rate falls sooner. 3, the default, leaves a "
        "long quiet end.",
    )  # fmt: skip
    lr_sigmoid_step = _step(
        "Step (%)", LearningRate.lr_sigmoid_step,
        "The share of the training at which the rate is half its base. 50, the default: in the "
        "middle.",
    )  # fmt: skip
    lr_sigmoid_gamma = _gamma(
        "Gamma",
        LearningRate.lr_sigmoid_gamma,
        "How steeply the rate falls there. 0.1, the default, spreads it over half of the training.",
    )

    def validate(self, extra_validators: Any = None) -> bool:
        """Check the fields that apply, then the curve as a whole."""
        self._forget_other_policies()
        super().validate(extra_validators)
        if not self.all_errors:
            self._check_curve()
            self._check_warmup()
        return not self.all_errors

    def curve(self) -> list[float]:
        """The rate that a valid form describes, at 0 to 100 percent of the training."""
        warmup, epochs = self._warmup_and_length()
        return preview(self.rate(), warmup / epochs)

    def rate(self) -> LearningRate:
        """The learning rate that a valid form describes."""
        return LearningRate(**self.values_of(LearningRate))

    def _forget_other_policies(self) -> None:
        """What stands in a field that does not apply must not keep the form from being sent."""
        for name in fields_of_others(POLICY_FIELDS, self.lr_policy.data):
            if self[name].process_errors or not self[name].validate(self):
                self[name].process_errors = []
                self[name].data = self[name].default

    def _check_warmup(self) -> None:
        warmup, epochs = self._warmup_and_length()
        if warmup > epochs:
            self.add_error(
                "lr_warmup",
                f"A warm-up of {warmup:g} epochs is longer than the training of {epochs}. Enter 0 "
                f"to {epochs}.",
            )

    def _warmup_and_length(self) -> tuple[float, int]:
        """Both in epochs."""
        return self.lr_warmup.data or 0, self.train_epochs.data or 1

    def _check_curve(self) -> None:
        names = POLICY_FIELDS[self.lr_policy.data]
        if names and not all(math.isfinite(rate) for rate in preview(self.rate())):
            self.add_error(
                names[-1],
                "With this value the learning rate becomes infinite. Enter a smaller one.",
            )


def fields_of_others(fields: Mapping[str, Sequence[str]], choice: str | None) -> set[str]:
    """The fields that other choices read and this one does not; `fields` are those of each."""
    everything = {name for names in fields.values() for name in names}
    return everything - set(fields.get(choice or "", ()))


def parse_percents(text: str) -> tuple[float, ...]:
    """`50,85` as numbers; ValueError says what is wrong."""
    parts = [part.strip() for part in text.split(",")]
    if parts == [""]:
        raise ValueError("Give at least one step, such as 50,85.")
    if len(parts) > MOST_STEPS:
        raise ValueError(f"{len(parts)} steps are too many: at most {MOST_STEPS}.")
    values: list[float] = []
    for part in parts:
        values.append(_percent(part))
        if len(values) > 1 and not values[-1] > values[-2]:
            raise ValueError(f"The steps must increase: {values[-1]:g} comes after {values[-2]:g}.")
    return tuple(values)


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{shown(text)} is not a number. Write steps like 50,85.") from None
    if not math.isfinite(value) or not 0 < value <= 100:
        raise ValueError(f"{shown(text)} is not a percentage above 0 and up to 100.")
    return value
