"""Read a network that a user wrote, without holding up everybody else.

Parsing a megabyte of prototxt takes seconds.  Short texts are parsed here; long ones by a worker
process, which answers with the network in binary form, or is ended when it takes too long.
"""

from __future__ import annotations

from google.protobuf.message import DecodeError

from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.inference import BadRequest, InferenceError, Pool, parse_net
from digits.inference.nets import LOAD_TIMEOUT_S
from digits.inference.work.layer_lines import layer_lines
from digits.model.network.errors import NetworkError
from digits.model.network.text import (
    SOURCE,
    check_layers,
    check_size,
    clean_text,
    located,
    parse_network,
)

# GoogLeNet's text, at 40 kB, is parsed in a tenth of a second.
PARSED_HERE_BYTES = 64 * 1024
PARSE_S = 7.0  # a megabyte takes half a second on a machine with nothing else to do


def parse_given(pool: Pool, text: str) -> NetParameter:
    """The network that a text describes; NetworkError as from `parse_network`.

    Raises NetworkError too when the worker does not answer in time, or dies.
    """
    if len(text) <= PARSED_HERE_BYTES:
        return parse_network(text)
    check_size(text)
    text = clean_text(text)
    try:
        net = NetParameter.FromString(parse_net(pool, text, SOURCE, PARSE_S, LOAD_TIMEOUT_S))
    except BadRequest as error:
        raise located(str(error)) from error
    except (InferenceError, DecodeError) as error:
        raise NetworkError(f"The network could not be read: {error}") from error
    check_layers(net)
    return net


def message_with_line(error: NetworkError, text: str) -> str:
    """The message, with the line of the layer that it is about."""
    if error.line is None and error.layer is not None:
        line = layer_lines(text).get(error.layer)
        if line is not None:
            return f"Line {line}: {error}"
    return str(error)
