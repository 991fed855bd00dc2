"""Command lines as gflags takes them, which Caffe's tools use.

One dash or two, `=` or a blank before the value, flags before or after the words, `--flag` and
`--noflag` for those that are true or false, `_` or `-` inside names; `--` ends the flags.  Flags
may also stand in files (`--flagfile`) and in the environment (`--fromenv`, `--tryfromenv`), and
those that a program does not know may be allowed (`--undefok`).  The last value of a flag counts.
In: arguments, and a default for each flag, whose type is the flag's.  Out: values and words.

Elsewhere: the texts of --help (`flag_help.py`).  Source: gflags.cc of gflags 2.2.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from digits.caffe.errors import CaffeError

Value = str | int | bool

_WORDS = {
    **dict.fromkeys(("true", "t", "yes", "y", "1"), True),
    **dict.fromkeys(("false", "f", "no", "n", "0"), False),
}
KINDS = {str: "string", int: "int32", bool: "bool"}
_INT = re.compile(r"\s*([-+]?)(0[xX][0-9a-fA-F]+|[0-9]+)", re.ASCII)
_INT32 = range(-(1 << 31), 1 << 31)


class UsageError(CaffeError):
    """A command line that cannot be understood; a line for each mistake."""


@dataclass(frozen=True)
class Flag:
    """A flag: what it is for, its default, and the file of Caffe, glog or gflags that has it."""

    name: str
    text: str
    default: Value
    source: str


SOURCE = "src/gflags.cc"
FLAGS = (
    Flag("flagfile", "load flags from file", "", SOURCE),
    Flag("fromenv", "set flags from the environment [use 'export FLAGS_flag1=value']", "", SOURCE),
    Flag("tryfromenv", "set flags from the environment if present", "", SOURCE),
    Flag(
        "undefok",
        "comma-separated list of flag names that it is okay to specify on the command line even if "
        "the program does not define a flag with that name.  IMPORTANT: flags in this list that "
        "have arguments MUST use the flag=value format",
        "",
        SOURCE,
    ),
)


def parse(
    arguments: list[str], defaults: Mapping[str, Value], program: str = ""
) -> tuple[dict[str, Value], list[str]]:
    """The value of every flag, and the words that are none.

    `program` is the name that sections of a flag file may ask for.  Raises UsageError for unknown
    flags, for values that are missing or do not fit, and for a flag file that cannot be read.
    """
    parser = _Parser(defaults, program)
    words = parser.read(arguments)
    parser.raise_errors()
    return parser.values, words


class _Parser:
    def __init__(self, defaults: Mapping[str, Value], program: str) -> None:
        self.values = dict(defaults)
        self._defaults = defaults
        self._program = program
        self._errors: dict[str, str] = {}  # what is wrong with a flag, by its name
        self._open: list[str] = []  # flag files that are being read

    def read(self, arguments: list[str]) -> list[str]:
        """Set the flags of a command line; the words that are none."""
        words: list[str] = []
        rest = list(arguments)
        while rest:
            word = rest.pop(0)
            if word == "--":
                return words + rest
            if not word.startswith("-") or word == "-":
                words.append(word)
                continue
            self._read_flag(word, rest)
        return words

    def raise_errors(self) -> None:
        """UsageError if there was a mistake that --undefok does not allow."""
        allowed = _names(str(self.values.get("undefok", "")))
        for name in [*allowed, *(f"no{name}" for name in allowed)]:
            self._errors.pop(name, None)
        if self._errors:
            raise UsageError("\n".join(text for _, text in sorted(self._errors.items())))

    def _read_flag(self, word: str, rest: list[str]) -> None:
        try:
            name, value = _name_and_value(word, self._defaults)
            if value is None and not rest:
                raise _FlagError(name, f"flag --{name} needs a value")
            self._set(name, rest.pop(0) if value is None else value)
        except _FlagError as error:
            self._errors[error.name] = str(error)

    def _set(self, name: str, value: str) -> None:
        self.values[name] = _converted(name, value, self._defaults[name])
        # At once, so that what stands behind --flagfile=... on the command line counts.
        if name == "flagfile":
            for path in _names(value):
                self._read_file(path)
        elif name in ("fromenv", "tryfromenv"):
            self._read_environment(_names(value), must_be_there=name == "fromenv")

    def _read_file(self, path: str) -> None:
        if path in self._open:
            raise _FlagError("flagfile", f"flag file {path} reads itself")
        try:
            text = os.fsdecode(Path(path).read_bytes())
        except OSError as error:
            raise _FlagError("flagfile", f"flag file {path}: {error.strerror}") from error
        self._open.append(path)
        for line in _lines_for(self._program, text):
            try:
                name, value = _name_and_value(line, self._defaults)
            except _FlagError:
                continue  # as gflags does: a file may serve several programs
            if value is not None:
                self._set(name, value)
        self._open.pop()

    def _read_environment(self, names: list[str], must_be_there: bool) -> None:
        for name in names:
            if name not in self._defaults:
                raise _FlagError(name, _unknown(name, self._defaults))
            value = os.environ.get(f"FLAGS_{name}")
            if value is not None and name not in ("fromenv", "tryfromenv"):
                self._set(name, value)
            elif must_be_there:
                raise _FlagError(name, f"FLAGS_{name} not found in environment")


class _FlagError(CaffeError):
    """What is wrong with one flag."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(problem)
        self.name = name


def _names(value: str) -> list[str]:
    return [name for name in value.split(",") if name]


def _lines_for(program: str, text: str) -> Iterator[str]:
    """The flags of a flag file that are for this program.

    A line that is no flag names programs, by patterns with blanks between; what follows is for
    those.  Lines that follow none are for all.
    """
    ours, naming = True, False
    for line in (line.lstrip() for line in text.splitlines()):
        if not line or line.startswith("#"):
            continue
        if line.startswith("-"):
            naming = False
            if ours:
                yield line
            continue
        if not naming:
            naming, ours = True, False
        ours = ours or any(fnmatchcase(program, pattern) for pattern in line.split())


def _name_and_value(word: str, defaults: Mapping[str, Value]) -> tuple[str, str | None]:
    """The flag that a word names, and its value; None where that is the next word."""
    written, equals, value = word.removeprefix("-").removeprefix("-").partition("=")
    name = written if written in defaults else written.replace("-", "_")
    if name in defaults:
        if not equals and isinstance(defaults[name], bool):
            return name, "true"
        return name, value if equals else None
    if name.startswith("no") and name[2:] in defaults:
        if isinstance(defaults[name[2:]], bool):
            return name[2:], "false"
        kind = KINDS[type(defaults[name[2:]])]
        raise _FlagError(name, f"boolean value ({name}) specified for {kind} command line flag")
    raise _FlagError(written, _unknown(written, defaults))


def _unknown(name: str, defaults: Mapping[str, Value]) -> str:
    near = difflib.get_close_matches(name.replace("-", "_"), defaults, n=1)
    hint = f". Did you mean --{near[0]}?" if near else ""
    return f"unknown command line flag '{name}'{hint}"


def _converted(name: str, value: str, default: Value) -> Value:
    kind = KINDS[type(default)]
    if isinstance(default, bool):
        if value.lower() in _WORDS:
            return _WORDS[value.lower()]
    elif not isinstance(default, int):
        return value
    elif (found := _INT.fullmatch(value)) is not None:
        sign, digits = found.groups()
        number = int(sign + digits, 16 if digits[:2] in ("0x", "0X") else 10)
        if number in _INT32:
            return number
    raise _FlagError(name, f"illegal value {value!r} specified for {kind} flag '{name}'")
