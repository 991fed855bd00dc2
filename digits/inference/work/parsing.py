"""The operation `ParseNet`: a net as text to its binary form, which the server reads at once.

A text of a megabyte takes seconds to parse, in which the server would answer nobody else.
"""

from __future__ import annotations

from digits.inference.operations import ParsedNet, ParseNet
from digits.inference.work.net_texts import parse
from digits.inference.work.state import State


def parse_net(state: State, request: ParseNet) -> ParsedNet:
    """The net as a serialized NetParameter.  Raises PrototxtError and NetError."""
    return ParsedNet(parse(request.text, request.name).SerializeToString())
