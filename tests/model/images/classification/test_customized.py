"""A standard network with weights that somebody has changed: its weights are offered, too."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.network.text import standard_network_text
from tests.model.requests import create, errors

NAME = "efficientnet-lite0"


def test_customize_names_the_weights_of_a_network_that_has_some(client: FlaskClient) -> None:
    answer = client.post(f"/models/customize?network={NAME}").json
    assert answer == {"network": standard_network_text(NAME), "snapshot": NAME}
    assert client.post("/models/customize?network=lenet").json["snapshot"] is None


def test_its_settings_are_those_of_the_network_with_weights() -> None:
    settings = ImageClassificationModelSettings(
        dataset="", method="custom", custom_network_snapshot=NAME
    )
    assert settings.begins_pretrained
    assert settings.what_learns == "head"
    other = ImageClassificationModelSettings(
        dataset="", method="custom", custom_network_snapshot="/weights/lenet.caffemodel"
    )
    assert not other.begins_pretrained
    assert other.what_learns == ""


@pytest.mark.parametrize(
    ("fields", "field", "words"),
    [
        ({"use_mean": "image"}, "use_mean", "EfficientNet-Lite0"),
        ({"scale": "2"}, "scale", "EfficientNet-Lite0"),
        ({"custom_network_snapshot": "alexnet"}, "custom_network_snapshot", ""),
        ({"custom_network_snapshot": "../efficientnet-lite0"}, "custom_network_snapshot", ""),
    ],
)
def test_another_mean_or_scale_and_names_without_weights_are_refused(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    fields: dict[str, str],
    field: str,
    words: str,
) -> None:
    form = {
        "method": "custom",
        "custom_network": standard_network_text(NAME),
        "custom_network_snapshot": NAME,
        **fields,
    }
    assert words in errors(create(client, dataset.id, **form))[field]
