"""The part of a model's form that chooses a pretrained model to begin from."""

from __future__ import annotations

from collections.abc import Iterable

from digits.web.forms import ChoiceField, DigitsForm, choice_list


class BeginsFromPretrained(DigitsForm):
    """Forms of models that can begin from the store's."""

    pretrained_networks = ChoiceField(
        "Pretrained network",
        validate_choice=False,
        choices=[],
        description="A network of the store with its weights. Where the dataset has other "
        "categories, its classifier starts from scratch.",
    )

    def offer_pretrained(self, job_ids: Iterable[str]) -> None:
        """Say which pretrained models there are, by their ids."""
        self.pretrained_networks.choices = choice_list((each, each) for each in job_ids)
