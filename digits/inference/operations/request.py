"""What every request is: a dataclass that a worker is sent, and that says what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Generic, TypeVar, get_args

from digits.inference.errors import BadRequest
from digits.inference.operations.messages import from_message, to_message
from digits.inference.protocol import Message

Answer = TypeVar("Answer")


class Request(Generic[Answer]):
    """What a worker is asked; subclasses name the class of its answer: `Request[Picture]`.

    The operation that it asks for is called as its class is.
    """

    def to_message(self) -> Message:
        return to_message(self, op=type(self).__name__)

    @classmethod
    def answer_class(cls) -> type[Answer]:
        answer: type[Answer] = get_args(vars(cls)["__orig_bases__"][0])[0]
        return answer

    def read_answer(self, message: Message) -> Answer:
        """What a worker answered to this request.  Raises ProtocolError."""
        return from_message(self.answer_class(), message)


def read_request(message: Message, known: Mapping[str, type[Request[Any]]]) -> Request[Any]:
    """The request that a message holds; `known` are all by name.  Raises BadRequest."""
    name = str(message.header.get("op"))
    if name not in known:
        raise BadRequest(f"There is no operation {name!r}.")
    return from_message(known[name], message)
