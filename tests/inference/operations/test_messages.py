"""Requests and answers as messages: what one side sends is what the other reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.inference.errors import BadRequest
from digits.inference.operations import (
    AllLayers,
    BlobFacts,
    CheckNets,
    CheckResult,
    Chunk,
    ClassifyOne,
    ClassifyPictures,
    ClassifyRecords,
    Database,
    ExplainClass,
    LayerFacts,
    Load,
    NetCheck,
    NetProblem,
    NetSource,
    Network,
    NetworkFacts,
    Page,
    Picture,
    Records,
    SkippedWeights,
    Start,
    Statistics,
    Thumbnail,
    Wanted,
)
from digits.inference.operations.messages import from_json, from_message, to_json, to_message
from digits.inference.operations.request import read_request
from digits.inference.protocol import MAX_HEADER_BYTES, Message, ProtocolError

NETWORK = Network(
    deploy=Path("/jobs/1/deploy.prototxt"),
    weights=Path("/jobs/1/w.caffemodel"),
    height=32,
    width=48,
    channels=3,
    mean_values=(104, 117.5),
    scale=1 / 256,
)
STATISTICS = Statistics(0.5, 0.1, 0, float("inf"), (3, 1), (0.0, 0.5, 1.0), not_finite=2)
BLOB = BlobFacts("conv1", (1, 20, 24, 24), STATISTICS)
REQUESTS = [
    Start(),
    Load(NETWORK),
    ClassifyOne(Path("/data/cat.jpg"), top=3),
    ClassifyOne(b"\x89PNG\0", prepared=True, original_side=480),
    ClassifyPictures((Path("/a.png"), b"one", Path("/ü b.png"), b""), Wanted(5, 9, 96)),
    ClassifyPictures((), Wanted()),
    ClassifyRecords(Database(Path("/db"), "hdf5"), "17", 100, Wanted()),
    ExplainClass(b"x", 0, "conv"),
    CheckNets((NetSource('layer { name: "ä\0\ud800" }', data_shapes={"data": (1, 3)}),), None),
    CheckNets((NetSource("", "val", "TRAIN", ("a", "b")),), Path("/w.caffemodel")),
]
ANSWERS = [
    NetworkFacts(("cat", "dog"), (3, 28, 28), 64),
    AllLayers((LayerFacts(0, "conv", "Convolution", (BLOB,), (BLOB, BLOB)),)),
    Picture(b"<svg/>", "1 of 2 rows"),
    CheckResult(
        {"train": NetCheck({"data": (4,), "loss": ()}, ("loss",), 7, ("a",))},
        (NetProblem("broken", "conv", 3), NetProblem("no such file", net="weights")),
    ),
    NetCheck({}, (), 0, skipped_weights=(SkippedWeights("ip", "it has another shape"),)),
    Page(8, 2, {0: 4, -1: 4}, (Thumbnail(3, 0, "png", b"p"), Thumbnail(4, 0, "", b"", "torn"))),
    Records(("00000001_2",), (2,), None),
]


def sent(message: Message) -> Message:
    """What arrives on the other side."""
    return Message(json.loads(json.dumps(message.header)), [bytes(part) for part in message.parts])


@pytest.mark.parametrize("request_", REQUESTS, ids=lambda each: type(each).__name__)
def test_a_request_arrives_as_it_was_sent(request_: Any) -> None:
    arrived = sent(request_.to_message())
    assert read_request(arrived, {type(request_).__name__: type(request_)}) == request_


@pytest.mark.parametrize("answer", ANSWERS, ids=lambda each: type(each).__name__)
def test_an_answer_arrives_as_it_was_sent(answer: Any) -> None:
    assert from_message(type(answer), sent(to_message(answer))) == answer


@pytest.mark.parametrize("pictures", [0, 3])
def test_the_arrays_of_a_chunk_arrive_with_their_types_and_shapes(pictures: int) -> None:
    chunk = Chunk(
        indices=np.arange(2 * pictures, dtype=np.int32).reshape(pictures, 2),
        confidences=np.full((pictures, 2), 0.25, np.float32),
        reasons={7: "there is no such file"},
        best_places=np.full((2, 0), -1, np.int64),
        best_confidences=np.array([[np.nan], [-np.inf]], np.float32),
        thumbnails=(b"one", b"", b"three")[:pictures],
    )
    arrived = from_message(Chunk, sent(to_message(chunk)))
    for name in ("indices", "confidences", "best_places", "best_confidences"):
        expected = getattr(chunk, name)
        assert getattr(arrived, name).dtype == expected.dtype
        np.testing.assert_array_equal(getattr(arrived, name), expected)
    assert (arrived.reasons, arrived.thumbnails) == (chunk.reasons, chunk.thumbnails)


def test_what_may_be_large_is_not_in_the_header() -> None:
    text = "layer { }\n" * MAX_HEADER_BYTES
    layers = AllLayers((LayerFacts(0, "x" * MAX_HEADER_BYTES, "ReLU", (), ()),))
    pictures = ClassifyPictures((b"p" * MAX_HEADER_BYTES,), Wanted())
    for value in (CheckNets((NetSource(text),)), layers, pictures):
        assert len(json.dumps(to_message(value).header)) < 1000


def test_many_thumbnails_take_one_part() -> None:
    empty = np.empty((0, 1), np.int32)
    chunk = Chunk(empty, np.empty((0, 1), np.float32), {}, empty, empty, (b"x",) * 20_000)
    assert len(to_message(chunk).parts) == 5


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"png": 0, "note": 3},
        {"png": 5},
        {"png": "text"},
        {"png": 0, "unknown": 1},
        None,
        ["png"],
    ],
)
def test_what_is_no_answer_is_refused(values: Any) -> None:
    with pytest.raises(ProtocolError, match="a message is no Picture"):
        from_message(Picture, Message({"values": values}, [b"png"]))


def test_a_message_without_values_is_refused() -> None:
    with pytest.raises(ProtocolError, match="a message is no NetworkFacts"):
        Load(NETWORK).read_answer(Message({"answer": 1}))


def test_a_request_that_breaks_its_own_rules_is_refused_on_arrival() -> None:
    message = ClassifyRecords(Database(Path("/db")), "", 1, Wanted()).to_message()
    message.header["values"]["database"]["backend"] = "sqlite"
    with pytest.raises(BadRequest, match="The backend is one of"):
        read_request(message, {"ClassifyRecords": ClassifyRecords})


def test_a_network_goes_into_a_file_and_comes_back() -> None:
    assert from_json(Network, json.loads(json.dumps(to_json(NETWORK)))) == NETWORK
    with pytest.raises(TypeError, match="Picture has more than JSON holds"):
        to_json(Picture(b"png"))


def test_what_an_older_file_lacks_is_as_by_default() -> None:
    values = to_json(NETWORK)
    del values["scale"], values["resize_mode"]
    assert from_json(Network, values).resize_mode == "squash"
