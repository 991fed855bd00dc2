"""Networks and datasets whose sizes do not fit: one sentence with both and the cure, and early."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.dataset.images.classification.settings import ImageClassificationDatasetSettings
from digits.inference.operations import CheckNets, NetSource
from digits.inference.work.checking import check_nets
from digits.inference.work.state import State
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.fitting import first_that_fits, standard_notes
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.network.fit import Pictures, cannot_be_trained, size_warning
from digits.model.network.text import (
    STANDARD_NETWORKS,
    network_to_text,
    parse_network,
    standard_network_text,
)
from digits.model.network.training import NetworkOptions, make_networks
from tests.model.cases import facts
from tests.model.copies import copied_model
from tests.model.requests import TINY, create, errors

COPY = "20260101-000000-00f17e"


def dataset_of(width: int, height: int, channels: int) -> ImageClassificationDatasetJob:
    """A dataset that is not made."""
    settings = ImageClassificationDatasetSettings(
        resize_width=width, resize_height=height, resize_channels=str(channels)
    )
    return ImageClassificationDatasetJob(Path("/nowhere"), "D", settings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["lenet", "alexnet"])
def test_the_smallest_pictures_of_a_standard_network_are_those_that_can_be_built(name: str) -> None:
    smallest = STANDARD_NETWORKS[name].made_for.smallest

    def is_built(side: int) -> bool:
        given = parse_network(standard_network_text(name))
        deploy = make_networks(given, facts(labels=3, side=side), NetworkOptions()).deploy
        net = NetSource(network_to_text(deploy), "deploy")
        return check_nets(State(), CheckNets((net,))).ok

    assert is_built(smallest)
    assert not is_built(smallest - 1)


LITE0 = "efficientnet-lite0"
# Which of the standard networks are marked, by the dataset's width, height and channels.
MARKED = {
    (28, 28, 1): {"alexnet": "too small", "googlenet": "too small"},
    (32, 32, 3): {"alexnet": "too small", "googlenet": "too small"},
    (64, 64, 3): {"alexnet": "sees less", "googlenet": "too small", "lenet": "much larger"},
    (256, 256, 3): {"lenet": "much larger"},
    (300, 200, 3): {"alexnet": "sees less", "googlenet": "too small", "lenet": "much larger"},
    (16, 16, 1): {"alexnet": "too small", "googlenet": "too small"},
    (12, 12, 1): {"alexnet": "too small", "googlenet": "too small", "lenet": "too small"},
}


@pytest.mark.parametrize("size", MARKED)
def test_standard_networks_that_do_not_fit_are_marked_with_both_sizes(
    size: tuple[int, int, int],
) -> None:
    notes = standard_notes(dataset_of(*size))
    notes.pop(LITE0, None)
    assert notes.keys() == MARKED[size].keys()
    for name, words in MARKED[size].items():
        made_for = STANDARD_NETWORKS[name].made_for
        assert words in notes[name]
        assert f"{size[0]} x {size[1]}" in notes[name]
        assert f"{made_for.image_side} x {made_for.image_side}" in notes[name]
        assert f"Make a dataset of {made_for.image_side} x {made_for.image_side}" in notes[name]
        # They stand beside the network's name, on a phone, too.
        assert made_for.title not in notes[name]
        assert len(notes[name]) < 150


# The first that fits; where none does, the default unless it cannot be built.
PRESELECTED = {
    (28, 28, 1): "lenet",
    (32, 32, 3): "lenet",
    (64, 64, 3): "alexnet",
    (256, 256, 3): "alexnet",
    (300, 200, 3): "alexnet",
    (16, 16, 1): "lenet",
    (12, 12, 1): "alexnet",  # none can be built
    (1000, 36, 3): "lenet",  # AlexNet cannot be built
}


@pytest.mark.parametrize("size", PRESELECTED)
def test_the_form_selects_the_first_standard_network_that_fits(size: tuple[int, int, int]) -> None:
    assert first_that_fits(dataset_of(*size)) == PRESELECTED[size]


@pytest.mark.parametrize(
    ("size", "words"),
    [
        ((256, 256, 3), ""),
        ((300, 200, 3), ""),
        ((128, 128, 3), ""),
        (
            (100, 100, 3),
            "Made for pictures of 128 x 128; the dataset's are 100 x 100, so that it sees",
        ),
        ((31, 31, 3), "too small"),
        ((256, 256, 1), "Has weights for pictures in color; the dataset's are in grayscale"),
    ],
)
def test_a_network_of_two_sizes_with_weights_is_marked_where_neither_fits(
    size: tuple[int, int, int], words: str
) -> None:
    note = standard_notes(dataset_of(*size)).get(LITE0, "")
    assert words in note
    assert bool(words) == bool(note)


def test_a_crop_that_was_chosen_is_nothing_to_wonder_at_but_may_be_too_small() -> None:
    made_for = STANDARD_NETWORKS["alexnet"].made_for
    pictures = Pictures(256, 256, 3)
    assert size_warning(made_for, pictures, 100) == ""
    assert "a crop size of 20" in cannot_be_trained(made_for, pictures, 20)


@pytest.mark.parametrize("network", ["alexnet", "googlenet"])
def test_a_standard_network_that_is_too_large_is_refused_by_one_sentence(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, network: str
) -> None:
    answer = create(client, dataset.id, standard_networks=network)
    found: Any = answer.json["errors"]
    [message] = found.pop("standard_networks")
    assert not found
    assert "Line" not in message
    assert "16 x 16, which is too small" in message
    assert "Make a dataset of 256 x 256, or choose a network for small pictures" in message


INPUT = 'input: "data" input_shape { dim: 1 dim: 1 dim: 24 dim: 24 }\n'


@pytest.mark.parametrize("is_wrong_anyway", [False, True])
def test_a_custom_network_that_needs_larger_pictures_says_so_once(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, is_wrong_anyway: bool
) -> None:
    text = INPUT + TINY.replace("kernel_size: 4", "kernel_size: 20")
    if is_wrong_anyway:
        text = text.replace('"ReLU" bottom: "conv"', '"ReLU" bottom: "cnov"')
    answer = create(client, dataset.id, method="custom", custom_network=text)
    [message] = answer.json["errors"]["custom_network"][:1]
    if is_wrong_anyway:
        assert message.startswith("Line ")
    else:
        assert len(answer.json["errors"]["custom_network"]) == 1
        assert message.startswith(
            "The network is made for pictures of 24 x 24; the dataset's are 16 x 16, which "
            "is too small for its layers. Make a dataset of 24 x 24"
        )


def test_what_is_wrong_with_a_layer_is_said_once_and_not_for_each_phase(
    client: FlaskClient, dataset: ImageClassificationDatasetJob
) -> None:
    text = TINY.replace("kernel_size: 4", "kernel_size: 20")
    answer = create(client, dataset.id, method="custom", custom_network=text)
    [message] = answer.json["errors"]["custom_network"]
    assert message.startswith("Line 2: ")


def test_a_network_that_sees_less_than_it_could_is_made_with_a_warning(
    client: FlaskClient, models: Scheduler, dataset: ImageClassificationDatasetJob
) -> None:
    data = (
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        "transform_param { crop_size: 24 } }\n"
    )
    answer: Any = create(client, dataset.id, method="custom", custom_network=data + TINY)
    assert answer.status_code == 200, answer.text
    models.abort_job(answer.json["id"])
    [warning] = answer.json["warnings"]
    assert "made for pictures of 24 x 24; the dataset's are 16 x 16" in warning
    assert "so that it sees less than it could" in client.get(f"/models/{answer.json['id']}").text


CROPPED = """
layer { name: "d" type: "Data" top: "data" top: "label" transform_param { crop_size: 8 } }
layer { name: "hidden" type: "InnerProduct" bottom: "data" top: "hidden"
        inner_product_param { num_output: 6 weight_filler { type: "xavier" } } }
layer { name: "ip" type: "InnerProduct" bottom: "hidden" top: "ip"
        inner_product_param { num_output: 3 weight_filler { type: "xavier" } } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.fixture(scope="module")
def cropped(models: Scheduler, trained: ImageClassificationModelJob) -> ImageClassificationModelJob:
    """A model whose network was trained on squares of 8 pixels, and has two layers of weights."""
    return copied_model(models, trained, COPY, CROPPED)


def test_weights_for_pictures_of_another_size_are_refused_by_one_sentence(
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    cropped: ImageClassificationModelJob,
) -> None:
    form = {"method": "previous", "previous_networks": cropped.id, f"{cropped.id}-snapshot": "4"}
    answer = create(client, dataset.id, **form, crop_size="16")
    [message] = errors(answer).values()
    assert "are for pictures of 8 x 8 in grayscale" in message
    assert "the dataset gives it 16 x 16 in grayscale" in message


def test_the_form_marks_what_does_not_fit_the_chosen_dataset(
    app: Flask,
    client: FlaskClient,
    dataset: ImageClassificationDatasetJob,
    trained: ImageClassificationModelJob,
    cropped: ImageClassificationModelJob,
) -> None:
    answer: Any = client.get(f"/models/images/classification/fit?dataset={dataset.id}").json
    assert set(answer["standard_networks"]) == {"alexnet", "googlenet", LITE0}
    assert answer["reason"] == ""
    assert trained.id not in answer["previous_networks"]
    assert cropped.id not in answer["previous_networks"]
    assert answer["preselected"] == "lenet"
    page = client.get("/models/images/classification/new").text
    assert 'data-fit="standard_networks:alexnet"' in page
    assert f'data-fit="previous_networks:{trained.id}"' in page
    assert selected(page) == "lenet"
    linked = client.get("/models/images/classification/new?standard_networks=googlenet").text
    assert selected(linked) == "googlenet"
    assert client.get("/models/images/classification/fit?dataset=nothing").status_code == 404
    assert client.get(f"/models/images/classification/fit?dataset={trained.id}").status_code == 404


def selected(page: str) -> str:
    """The standard network that the form's page has selected."""
    [box] = [
        box
        for box in re.findall(r"<input[^>]*>", page)
        if '"standard_networks"' in box and " checked" in box
    ]
    return re.findall(r'value="(.+?)"', box)[0]
