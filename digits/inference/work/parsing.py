"""The `parse` operation: a net as text to its binary form, which the server reads at once.

A text of a megabyte takes seconds to parse, in which the server would answer nobody else.
"""

from __future__ import annotations

from digits.inference.protocol import Message
from digits.inference.work.requested import parse


def parse_net(request: Message) -> Message:
    """Header: name (for messages); part: the text.  Answers the serialized NetParameter.

    Raises PrototxtError and NetError.
    """
    return Message({}, [parse(request.parts[0], request.header["name"]).SerializeToString()])
