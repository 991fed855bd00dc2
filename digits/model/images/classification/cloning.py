"""A copy of a classification model: the same settings, network and weights to begin from.

In: a model, whatever became of it, and the form that was sent.  Out: what makes the copy.  Network
and weights lie in the model's folder, so nothing else is needed that may have gone meanwhile.
Elsewhere: the form with a model's settings, to be changed and sent (`views.py`).
"""

from __future__ import annotations

from dataclasses import replace

from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.settings import ImageClassificationModelSettings


def form_of_copy(
    sent: ImageClassificationModelForm, original: ImageClassificationModelJob
) -> ImageClassificationModelForm:
    """The form with the original's settings in place of those that were sent.

    A name and a group that were sent are the copy's; without them it has the original's.
    """
    settings = original.settings
    values = {
        **settings.to_json(),
        "model_name": sent.model_name.data or original.name,
        "group_name": sent.group_name.data or original.group,
        "custom_network": original.network_text(),
    }
    form = sent.with_other_values(values)
    form.cloned_snapshot = settings.previous_snapshot or 0
    return form


def offer_previous_again(
    form: ImageClassificationModelForm, original: ImageClassificationModelJob
) -> None:
    """Let the form choose the original's previous network, though it may be gone."""
    settings = original.settings
    if settings.method == "previous" and settings.previous_networks:
        form.offer_previous(settings.previous_networks, settings.previous_snapshot or 0)


def offer_pretrained_again(
    form: ImageClassificationModelForm, original: ImageClassificationModelJob
) -> None:
    """The same for its pretrained model; its network's mean and scale come with it."""
    settings = original.settings
    job_id = settings.pretrained_networks
    if settings.method != "pretrained" or not job_id:
        return
    known = [choice.value for choice in form.pretrained_networks.choices]
    form.offer_pretrained(dict.fromkeys([*known, job_id]))
    if settings.has_own_input:
        form.own_input = {**form.own_input, job_id: original.network_name}


def settings_of_copy(original: ImageClassificationModelJob) -> ImageClassificationModelSettings:
    """What the copy is asked for: the same, but for what belongs to the original alone."""
    return replace(original.settings, imported_from=None, caffe_version=None)
