"""Read and write prototxt: the text form of Caffe's messages.

In: text or a file.  Out: a message (`NetParameter`, `SolverParameter`), or a PrototxtError that
starts with `file:line:column` and names the nearest field or value that exists.
Written text is letter for letter what Caffe's own printer writes.
Elsewhere: old formats (`upgrade.py`), binary weights (`nets/weights.py`).
"""

from __future__ import annotations

import codecs
import difflib
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import text_encoding, text_format
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from digits.caffe.errors import PrototxtError
from digits.caffe.formats import raw_text, text_tokens
from digits.caffe.proto import caffe_pb2

# Text is parsed at over a megabyte a second; the largest nets known have a third of a megabyte.
MAX_BYTES = 32 * 2**20
_LONGEST_QUOTE = 120  # characters of the input that an error message may repeat

PathLike = str | os.PathLike[str]
AnyMessage = TypeVar("AnyMessage", bound=Message)


def read_text(path: PathLike, message: AnyMessage) -> AnyMessage:
    """Fill `message` from a prototxt file.

    Raises PrototxtError if the file cannot be read, is binary or too large, or does not parse.
    """
    try:
        with open(path, "rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as err:
        raise PrototxtError(f"{path}: cannot be read: {err.strerror}. Check the path.") from err
    return parse_text(raw, message, str(path))


def parse_text(text: str | bytes, message: AnyMessage, source: str = "<text>") -> AnyMessage:
    """Fill `message` from prototxt; `source` is the name that error messages give it."""
    if len(text) > MAX_BYTES:
        raise PrototxtError(f"{source}: over {MAX_BYTES >> 20} MiB is too large for a prototxt.")
    decoded = _decode(text, source) if isinstance(text, bytes) else text
    try:
        return text_format.Parse(text_tokens.for_parser(decoded), message)
    except text_tokens.TokenError as err:
        line = decoded.count("\n", 0, err.offset) + 1
        column = err.offset - decoded.rfind("\n", 0, err.offset)
        raise PrototxtError(f"{source}:{line}:{column}: {err.problem}.") from err
    except text_format.ParseError as err:
        raise _located(err, decoded, source) from err
    except (RecursionError, ValueError, OverflowError) as err:
        raise PrototxtError(f"{source}:1:1: cannot be parsed: {_shorten(str(err))}") from err


def read_net(path: PathLike) -> caffe_pb2.NetParameter:
    """The net in a prototxt file as it stands there, old formats not upgraded."""
    return read_text(path, caffe_pb2.NetParameter())


def read_solver(path: PathLike) -> caffe_pb2.SolverParameter:
    """The solver in a prototxt file as it stands there, an old solver_type not upgraded."""
    return read_text(path, caffe_pb2.SolverParameter())


def to_text(message: Message) -> str:
    """The message as Caffe prints it, numbers in their shortest form (`lr_mult: 1`)."""
    return "".join(f"{line}\n" for line in _lines(message, ""))


def write_text(path: PathLike, message: Message) -> None:
    """Write the message to a prototxt file; PrototxtError if the file cannot be written."""
    try:
        Path(path).write_text(to_text(message), encoding="ascii")
    except OSError as err:
        raise PrototxtError(f"{path}: cannot be written: {err.strerror}.") from err


def nearest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'a' or 'b'?` for the known names nearest to `name`, or nothing."""
    folded = {candidate.lower(): candidate for candidate in known}
    wanted = name.lower()[:100]
    # `kernel` for kernel_size and `CONV` for CONVOLUTION are no near misses to difflib.
    longer = [candidate for candidate in folded if len(wanted) > 2 and candidate.startswith(wanted)]
    near = longer[:2] or difflib.get_close_matches(wanted, folded, n=2, cutoff=0.6)
    return " Did you mean " + " or ".join(repr(folded[n]) for n in near) + "?" if near else ""


def _decode(raw: bytes, source: str) -> str:
    if b"\0" in raw:
        raise PrototxtError(
            f"{source}: is a binary file, not a prototxt. Weights (.caffemodel) go where weights "
            "are asked for."
        )
    return raw_text.decode(raw.removeprefix(codecs.BOM_UTF8))


def _located(err: text_format.ParseError, text: str, source: str) -> PrototxtError:
    line, column = err.GetLine() or 1, err.GetColumn() or 1
    lines = text.split("\n")
    quoted = f"'{lines[line - 1]}': " if line <= len(lines) else ""
    problem = str(err).removeprefix(f"{line}:{column} : ").removeprefix(quoted)
    problem = _shorten(problem.rstrip(". ")) + "."
    if problem.startswith("Expected") and text.rstrip().endswith(_rest(lines, line, column)):
        problem += _unclosed(text)
    return PrototxtError(f"{source}:{line}:{column}: {problem}{_hint(problem)}")


def _rest(lines: list[str], line: int, column: int) -> str:
    return "\n".join(lines[line - 1 :])[column - 1 :].strip() or "\0"


def _unclosed(text: str) -> str:
    bare = re.sub(r"#.*|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'", "", text)
    missing = bare.count("{") - bare.count("}")
    return f" The text ends with {missing} '{{' unclosed." if missing > 0 else ""


def _shorten(problem: str) -> str:
    if len(problem) <= 2 * _LONGEST_QUOTE:
        return problem
    return f"{problem[:_LONGEST_QUOTE]}...{problem[-_LONGEST_QUOTE:]}"


def _hint(problem: str) -> str:
    """What exists instead of an unknown field or value."""
    field = re.match(r'Message type "caffe\.([\w.]+)" has no field named "(.*)"', problem)
    if field:
        message = caffe_pb2.DESCRIPTOR.message_types_by_name.get(field[1].split(".")[0])
        return nearest(field[2], message.fields_by_name) if message else ""
    value = re.match(
        r'Enum type "caffe\.([\w.]+)" has no value (?:named|with number) (.*)', problem
    )
    if value:
        names = _enum_names(value[1].split("."))
        near = nearest(value[2].strip("\"'."), names)
        return near or f" Its values are {', '.join(names)}."
    if "Expected string but found" in problem:
        return " Texts are written in quotes."
    return ""


def _enum_names(path: list[str]) -> list[str]:
    if len(path) == 1:
        return list(caffe_pb2.DESCRIPTOR.enum_types_by_name[path[0]].values_by_name)
    message = caffe_pb2.DESCRIPTOR.message_types_by_name[path[0]]
    return list(message.enum_types_by_name[path[1]].values_by_name)


def _lines(message: Message, indent: str) -> Iterator[str]:
    for field, value in message.ListFields():
        for item in value if _is_repeated(field) else (value,):
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                yield f"{indent}{field.name} {{"
                yield from _lines(item, indent + "  ")
                yield f"{indent}}}"
            else:
                yield f"{indent}{field.name}: {_scalar(field, item)}"


def _is_repeated(field: Any) -> bool:
    return bool(field.is_repeated)


def _scalar(field: Any, value: Any) -> str:
    if field.type == FieldDescriptor.TYPE_BOOL:
        return "true" if value else "false"
    if field.type == FieldDescriptor.TYPE_ENUM:
        named = field.enum_type.values_by_number.get(value)
        return named.name if named else str(value)
    if field.type in (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES):
        raw = raw_text.encode(value) if isinstance(value, str) else value
        return f'"{text_encoding.CEscape(raw, as_utf8=False)}"'
    if field.type == FieldDescriptor.TYPE_FLOAT:
        return _shortest(value, 6, 9)
    if field.type == FieldDescriptor.TYPE_DOUBLE:
        return _shortest(value, 15, 17)
    return str(value)


def _shortest(value: float, digits: int, exact_digits: int) -> str:
    """A number as C++ protobuf prints it: few digits if they tell it apart, else enough."""
    short = f"{value:.{digits}g}"
    # A float32 field answers the double next to it, so compare after rounding to float32.
    rounded = float(short) if digits > 6 else caffe_pb2.FillerParameter(value=float(short)).value
    return short if rounded == value or value != value else f"{value:.{exact_digits}g}"
