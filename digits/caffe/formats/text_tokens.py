"""The tokens of prototxt as C++ protobuf reads them, for the parser of protobuf's Python package.

The two differ in details.  C++ takes `- 1`, and `0x1` or `00` where a field is yes or no, and knows
other escapes in texts.  It takes no `+1`, no `1_000`, no unknown escape, no blank but ASCII's.
`for_parser` says no where C++ does, and writes what only C++ takes in a way that both take, at the
same place.  Source: tokenizer.cc and text_format.cc of protobuf 3.12.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from itertools import pairwise

from google.protobuf import text_encoding
from google.protobuf.descriptor import FieldDescriptor

from digits.caffe.formats import raw_text
from digits.caffe.proto import caffe_pb2

_TOKEN = re.compile(
    r"""(?P<blank>[ \n\t\r\v\f]+|\#[^\n]*)
    |(?P<name>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<number>(?:[0-9]|\.[0-9])(?:[eE][+-]|[A-Za-z0-9_.])*)
    |(?P<text>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')
    |(?P<sign>-)
    |(?P<symbol>[^+"'\x00-\x20\x7f-\U0010ffff])
    """,
    re.VERBOSE,
)
_WHOLE = r"0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*"
_NUMBER = re.compile(
    rf"{_WHOLE}|(?:[0-9]+\.[0-9]*|\.[0-9]+|[1-9][0-9]*|0)(?:[eE][+-]?[0-9]+)?[fF]?"
)
_NO_NUMBER = re.compile("(?:inf|infinity|nan)f", re.IGNORECASE)
_SMALL = re.compile(r"0[xX]0*[01]|0+[01]?")
# What both read alike, at the speed of the regular expression: nearly every prototxt there is.
_PLAIN = re.compile(
    r"""(?:[ \n\t\r]+|\#[^\n]*+
    |(?!(?i:inf|infinity|nan)[fF]\b)[A-Za-z_][A-Za-z0-9_]*+(?![+-])
    |-?(?:(?:0|[1-9][0-9]*+)(?:\.[0-9]*+)?|\.[0-9]++)(?:[eE][+-]?[0-9]++)?(?![A-Za-z0-9_.+-])
    |"[^"\\\n\x80-\U0010ffff]*+"|'[^'\\\n\x80-\U0010ffff]*+'
    |[{}:;,<>\[\]])*+
    """,
    re.VERBOSE,
)
_ESCAPE = re.compile(
    r"\\(?:([abfnrtv\\?'\"])|([0-7]{1,3})|x([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})"
    r"|U(00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})|(.))",
    re.DOTALL,
)
_ONE_LETTER = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))


class TokenError(ValueError):
    """A token that C++ protobuf does not take: what is wrong, and the offset in the text."""

    def __init__(self, problem: str, offset: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.offset = offset


def for_parser(text: str) -> str:
    """The same text for `text_format.Parse`; raises TokenError."""
    if _PLAIN.fullmatch(text):
        return text
    found = list(_tokens(text))
    parts = [written for _, written, _ in found]
    solid = [index for index, (kind, _, _) in enumerate(found) if kind != "blank"]
    for before, index in pairwise(solid):
        if found[before][0] == "sign" and index > before + 1:
            _move_sign(parts, before, index)
    for name, colon, index in zip(solid, solid[1:], solid[2:], strict=False):
        is_flag = found[name][1] in _flags() and found[colon][1] == ":"
        if is_flag and _SMALL.fullmatch(parts[index]):
            parts[index] = str(int(parts[index][-1])).ljust(len(parts[index]))
    return "".join(parts)


def _tokens(text: str) -> Iterator[tuple[str, str, int]]:
    """The kind, the text for the parser, and the offset of each token."""
    position = 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise TokenError(_refusal(text[position]), position)
        kind, written = match.lastgroup or "", match[0]
        if kind == "number" and not _NUMBER.fullmatch(written):
            raise TokenError(f"{written!r} is no number", position)
        if kind == "name" and _NO_NUMBER.fullmatch(written):
            raise TokenError(f"{written!r} is no number", position)
        if kind == "text" and "\\" in written:
            written = _plain(written, position)
        yield kind, written, position
        position = match.end()


def _refusal(character: str) -> str:
    if character in "\"'":
        return "a text that does not end in its line; close its quotes"
    if character == "+":
        return "unexpected '+': a number is written without it"
    raw = raw_text.encode(character)
    shown = "byte 0x" + raw.hex() if raw[0] > 0x7F else f"character {character!r}"
    return (
        f"unexpected {shown}: outside of texts and comments a prototxt has ASCII characters only, "
        "and plain blanks"
    )


def _move_sign(parts: list[str], sign: int, value: int) -> None:
    """Put a sign right before its number, in the place of the blank there if it is on the line."""
    parts[sign] = " "
    between = parts[value - 1]
    if value - 1 > sign and between.endswith((" ", "\t")):
        parts[value - 1] = between[:-1]
    parts[value] = f"-{parts[value]}"


def _plain(written: str, offset: int) -> str:
    """A text in quotes with no other escapes than octal ones, of valid UTF-8."""
    inner = written[1:-1]
    pieces = []
    position = 0
    for match in _ESCAPE.finditer(inner):
        pieces += [inner[position : match.start()].encode(), _meaning(match, offset)]
        position = match.end()
    pieces.append(inner[position:].encode())
    text = raw_text.decode(b"".join(pieces))
    return f'"{text_encoding.CEscape(text.encode(), as_utf8=False)}"'


def _meaning(match: re.Match[str], offset: int) -> bytes:
    letter, octal, hexadecimal, short, long, unknown = match.groups()
    if unknown:
        raise TokenError(
            f"unknown escape \\{unknown} in a text; a backslash itself is written \\\\",
            offset + 1 + match.start(),
        )
    if letter:
        return _ONE_LETTER.get(letter, letter).encode()
    if octal:
        return bytes([int(octal, 8) & 0xFF])
    if hexadecimal:
        return bytes([int(hexadecimal, 16)])
    return chr(int(short or long, 16)).encode("utf-8", "surrogatepass")


@cache
def _flags() -> frozenset[str]:
    """The names of fields that are yes or no, and nothing else in any message."""
    kinds: dict[str, set[int]] = {}
    for message in caffe_pb2.DESCRIPTOR.message_types_by_name.values():
        for field in message.fields:
            kinds.setdefault(field.name, set()).add(field.type)
    return frozenset(name for name, kind in kinds.items() if kind == {FieldDescriptor.TYPE_BOOL})
