"""Networks as people paste and send them: marks that nobody sees, names that stand twice."""

from __future__ import annotations

import io
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.inference.operations import CheckNets, NetSource
from digits.inference.work.checking import check_nets
from digits.inference.work.state import State
from digits.model.network.errors import NetworkError
from digits.model.network.parsing import message_with_line
from digits.model.network.text import clean_text, parse_network
from tests.model.requests import TINY, create, errors

BOM = "\ufeff"


@pytest.mark.parametrize(
    "text",
    [
        BOM + TINY,
        BOM + BOM + TINY,
        TINY.replace(" ", "\xa0"),
        TINY.replace("type:", "\u200btype:"),
        TINY.replace("\n", "\r\n"),
    ],
)
def test_marks_that_nobody_sees_are_passed_over(text: str) -> None:
    assert parse_network(text) == parse_network(TINY)
    assert clean_text(text) == TINY


def test_lines_are_counted_as_they_were_pasted() -> None:
    text = BOM + TINY.replace("num_output: 4", "num_outputs: 4").replace("\n", "\r\n")
    with pytest.raises(NetworkError, match="Line 7"):
        parse_network(text)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_network_that_is_sent_as_a_file_is_its_text(
    client: FlaskClient, dataset: ImageClassificationDatasetJob, encoding: str
) -> None:
    text = TINY.replace("num_output: 4", "num_outputs: 4")
    file = (io.BytesIO(text.encode(encoding)), "net.prototxt")
    answer = create(client, dataset.id, method="custom", custom_network=file)
    assert errors(answer)["custom_network"].startswith("Line 7, column")


def test_a_mark_before_any_text_of_a_form_is_passed_over(client: FlaskClient) -> None:
    fields = {"train_epochs": f"{BOM}0", "model_name": f"{BOM}A name"}
    for found in (
        errors(create(client, "nothing", **fields)),
        errors(
            client.post("/models/images/classification.json", json={"dataset": "nothing", **fields})
        ),
    ):
        assert found["train_epochs"] == "0 is too small: at least 1."
        assert "model_name" not in found


TWINS = """layer { name: "ip" type: "InnerProduct" bottom: "data" top: "h" }
layer { name: "%s" type: "%s" bottom: "h" top: "ip" %s }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }
"""


@pytest.mark.parametrize("kind", ["InnerProduct", "ReLU"])
def test_two_layers_of_one_name_are_refused_where_weights_go_by_it(kind: str) -> None:
    text = TWINS % ("ip", kind, "")
    with pytest.raises(NetworkError, match=r"Two layers are called 'ip'.* 1 .* and 2 ") as caught:
        parse_network(text)
    assert message_with_line(caught.value, text).startswith("Line 1: ")


@pytest.mark.parametrize(
    "twins",
    [
        ("other", "InnerProduct", ""),
        ("ip", "InnerProduct", 'include { stage: "never" }'),
        ("loss", "ReLU", ""),  # neither has weights
    ],
)
def test_names_may_stand_twice_where_that_makes_no_difference(twins: tuple[str, str, str]) -> None:
    assert len(parse_network(TWINS % twins).layer) == 3


def test_layers_of_one_name_in_different_phases_are_taken() -> None:
    text = TWINS % ("ip", "InnerProduct", "include { phase: TRAIN }")
    assert parse_network(text.replace('top: "h"', 'top: "h" include { phase: TEST }', 1))


def test_weights_that_are_none_are_refused_without_their_place_on_the_server(
    tmp_path: Any,
) -> None:
    path = tmp_path / "mine.caffemodel"
    path.write_bytes(b"junk" * 50)
    state: State = State()
    net = NetSource('layer { name: "d" type: "DummyData" top: "d" dummy_data_param { '
                    "shape { dim: 1 } } }")  # fmt: skip
    [problem] = check_nets(state, CheckNets((net,), path)).problems
    assert problem.message.startswith("mine.caffemodel")
    assert str(tmp_path) not in problem.message
