"""What a long log says, kept beside it, so that it is read as a whole only once.

In: a log, and the kind of digest that its task makes of it.  Out: the digest.  That of a long log
is kept in a hidden file of the job's folder: a line of JSON, then what the digest itself has
written.  It counts for a log of the same size and time of change alone; whatever is wrong with it
(half written, damaged, of another version), the log is read again.

Nothing here waits for others or locks, so that it can run in a thread or a program of its own.

Elsewhere: that program (`read_long_log.py`), who starts it (`long_logs.py`).
"""

from __future__ import annotations

import contextlib
import json
import logging
import zlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, Protocol, Self, TypeVar

from digits.base.atomic import atomic_write
from digits.base.job_files import open_file
from digits.jobs.log_follower import PIECE_BYTES, LogFollower

log = logging.getLogger(__name__)

FORMAT = 2
# A shorter log is read faster than anybody notices.
SHORTEST_BYTES = 1 << 21
MOST_HEADER_BYTES = 1 << 12
MOST_DIGEST_BYTES = 1 << 28
# How much of a log's end is looked at, while all of it is being read.
END_BYTES = 4 * PIECE_BYTES
# How often a log is read on that grows meanwhile, before it is left to the next look.
MOST_ROUNDS = 3
# What reading something else may raise.
NO_DIGEST = (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError)


class Digest(Protocol):
    """What a log says, in little: takes its lines in order, and is kept as bytes."""

    # Changes when digests of earlier versions are none any more.
    version: ClassVar[int]

    def take(self, line: bytes) -> object:
        """Take one line, without its newline."""

    def to_bytes(self) -> bytes:
        """All of it, for `from_bytes`."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """What `to_bytes` wrote; raises one of `NO_DIGEST` for anything else."""

    @classmethod
    def of_end(cls, lines: Iterable[bytes]) -> Self:
        """What the last lines of a log tell for certain, whatever stands before them."""


D = TypeVar("D", bound=Digest)


def digest_path(log_path: Path) -> Path:
    """Where the digest of a log is kept."""
    return log_path.with_name(f".{log_path.name}.digest")


def quick_digest(log_path: Path, kind: type[D]) -> D | None:
    """The digest that is kept, or that of a short log; None where a long one must be read."""
    identity = _identity(log_path)
    if identity is None or identity[0] < SHORTEST_BYTES:
        digest, follower = kind(), LogFollower(log_path, pause=_go_on)
        take_lines(digest, follower.all_raw_lines(), log_path)
        return digest
    with contextlib.suppress(*NO_DIGEST):
        return _read(log_path, identity, kind)
    return None


def make_digest(log_path: Path, kind: type[D]) -> D:
    """Read a whole log, and keep what it says.

    One that grows meanwhile is read on a few times; if it grows still, nothing is kept.
    """
    digest, follower = kind(), LogFollower(log_path, pause=_go_on)
    for _ in range(MOST_ROUNDS):
        identity = _identity(log_path)
        if identity is None or identity[0] < follower.position:
            digest, follower = kind(), LogFollower(log_path, pause=_go_on)
        take_lines(digest, follower.raw_lines(identity[0] if identity else 0), log_path)
        if identity == _identity(log_path):
            break
    take_lines(digest, follower.raw_last_line(), log_path)
    keep_digest(log_path, digest, follower.position)
    return digest


def digest_up_to(log_path: Path, kind: type[D], most: int) -> D:
    """What the first `most` bytes of a log say, which end with a newline; nothing is kept."""
    digest = kind()
    take_lines(digest, LogFollower(log_path, pause=_go_on).raw_lines(most), log_path)
    return digest


def last_newline(log_path: Path) -> int:
    """The byte after the last newline of a log that grows; 0 when there is none near its end."""
    try:
        with open_file(log_path) as file:
            begin = max(0, file.seek(0, 2) - END_BYTES)
            file.seek(begin)
            place = file.read(END_BYTES).rfind(b"\n")
    except OSError:
        return 0
    return begin + place + 1 if place >= 0 else 0


def keep_digest(log_path: Path, digest: Digest, read_to: int) -> None:
    """Keep what a long log says that was read up to byte `read_to`, if that is its end."""
    identity = _identity(log_path)
    if identity is None or identity[0] < SHORTEST_BYTES or identity[0] != read_to:
        return
    # A disk that is full, or may not be written to: the log is read again the next time.
    with contextlib.suppress(OSError):
        _write(log_path, identity, digest)


def digest_of_end(log_path: Path, kind: type[D]) -> D:
    """What the end of a log alone tells."""
    try:
        with open_file(log_path) as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - END_BYTES))
            _, *lines = file.read(END_BYTES).split(b"\n")
    except OSError:
        lines = []
    return kind.of_end(lines)


def take_lines(digest: Digest, lines: Iterable[bytes], log_path: Path) -> None:
    """Feed a digest lines of a log; one that cannot be understood harms nothing."""
    is_logged = False
    for line in lines:
        try:
            digest.take(line)
        except Exception:
            # One is enough: a log may hold a million of the kind.
            if not is_logged:
                log.exception("%s: a line of it: %.200r", log_path, line)
            is_logged = True


def kind_name(kind: type[Digest]) -> str:
    """How a kind of digest is named to the program that reads long logs."""
    return f"{kind.__module__}:{kind.__qualname__}"


def _go_on() -> None:
    """Between two pieces of a log: here nobody waits."""


def _identity(log_path: Path) -> list[int] | None:
    """The size and time of change of a log; None when it is not there."""
    try:
        state = log_path.stat()
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


# The file -----------------------------------------------------------------------------------------


def _header(identity: list[int], kind: type[Digest]) -> dict[str, Any]:
    return {"format": FORMAT, "kind": kind_name(kind), "version": kind.version, "log": identity}


def _write(log_path: Path, identity: list[int], digest: Digest) -> None:
    data = digest.to_bytes()
    header = {**_header(identity, type(digest)), "size": len(data), "check": zlib.crc32(data)}
    # It is made again when a power cut takes it: nobody waits for the disk.
    with atomic_write(digest_path(log_path), sync=lambda descriptor: None) as file:
        file.write(json.dumps(header).encode() + b"\n" + data)


def _read(log_path: Path, identity: list[int], kind: type[D]) -> D:
    """Raises one of `NO_DIGEST` for what is no digest of that log."""
    with open_file(digest_path(log_path)) as file:
        header = json.loads(file.readline(MOST_HEADER_BYTES))
        size, check = header.pop("size"), header.pop("check")
        if header != _header(identity, kind) or not 0 <= size <= MOST_DIGEST_BYTES:
            raise ValueError(log_path)
        data = file.read(size + 1)
    if len(data) != size or zlib.crc32(data) != check:
        raise ValueError(log_path)
    return kind.from_bytes(data)
