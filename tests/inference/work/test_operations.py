"""The table of a worker's operations, and the service that looks things up in it."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_type_hints

import pytest

from digits.inference import operations
from digits.inference.errors import BadRequest
from digits.inference.operations import CheckNets, ClassifyOne, NetSource, ParseNet, Request
from digits.inference.operations.messages import to_message
from digits.inference.protocol import Message
from digits.inference.work.operations import OPERATIONS, Service, operation
from digits.inference.work.state import State

PYTHON_NET = """
layer { name: "data" type: "Input" top: "data" input_param { shape { dim: 1 dim: 3 } } }
layer { name: "p" type: "Python" bottom: "data" top: "p"
  python_param { module: "tests.security.a_python_layer" layer: "Missing" } }
"""


def test_every_request_is_in_the_table() -> None:
    known = [value for value in vars(operations).values() if isinstance(value, type)]
    requests = {each for each in known if issubclass(each, Request)} - {Request}
    assert set(OPERATIONS) == requests


@pytest.mark.parametrize("request_", OPERATIONS, ids=lambda each: each.__name__)
def test_an_operation_takes_its_request_and_gives_its_answer(request_: type[Request[Any]]) -> None:
    hints = get_type_hints(operation(request_))
    assert hints == {"state": State, "request": request_, "return": request_.answer_class()}


def test_an_unknown_operation_is_refused() -> None:
    with pytest.raises(BadRequest, match="There is no operation 'nonsense'"):
        Service(4096).answer(Message({"op": "nonsense"}))
    with pytest.raises(BadRequest, match="There is no operation 'None'"):
        Service(4096).answer(Message({}))


def test_a_question_about_a_network_needs_one() -> None:
    with pytest.raises(BadRequest, match="no network loaded"):
        Service(4096).answer(ClassifyOne(b"").to_message())


def test_python_layers_are_allowed_to_one_service_and_not_to_another() -> None:
    allowed, refused = Service(4096, python_layers=True), Service(4096)
    request = CheckNets((NetSource(PYTHON_NET),))

    def problem(service: Service) -> str:
        return request.read_answer(service.answer(request.to_message())).problems[0].message

    assert "a_python_layer" in problem(allowed)
    assert "not allowed here" in problem(refused)
    assert "a_python_layer" in problem(allowed)


def test_parsing_a_net_loads_neither_pytorch_nor_databases() -> None:
    code = """
import sys
from digits.inference.operations import ParseNet
from digits.inference.work.operations import Service
request = ParseNet("layers { type: RELU }")
assert request.read_answer(Service(4096).answer(request.to_message())).binary
sys.exit(any(module in sys.modules for module in ("torch", "cv2", "h5py", "lmdb")))
"""
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_answer_of_a_service_is_a_message() -> None:
    request = ParseNet("layers { type: RELU }")
    answer = Service(4096).answer(request.to_message())
    assert answer == to_message(request.read_answer(answer))
