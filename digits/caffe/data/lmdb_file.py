"""Whether an LMDB file is whole.

LMDB maps the file into memory and trusts it: where the file ends too early (a full disk, a copy
that was cut off), reading ends the process by SIGBUS, without a word.
Source: `MDB_meta` in LMDB's mdb.c.
"""

from __future__ import annotations

import stat
import struct
from pathlib import Path

DATA_FILE = "data.mdb"
_MAGIC = 0xBEEFC0DE
_PAGE_HEADER_BYTES = 16
# magic, version, address, size of the map; the free list's and the main table's 48 bytes, the first
# of which are the size of a page; last page in use, number of the transaction.
_META = struct.Struct("<II8x8xI44x48xQQ")


def missing_bytes(database: Path) -> int:
    """How many bytes an LMDB lacks, a folder with `data.mdb` or such a file; 0 when it is whole.

    0 also when it is not there at all.  Raises ValueError when it is no LMDB file, OSError when it
    cannot be read.
    """
    path = database if database.is_file() else database / DATA_FILE
    try:
        state = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return 0
    if not stat.S_ISREG(state.st_mode):
        # A pipe would be waited for, for ever.
        raise ValueError(f"{path.name} is a pipe, device or folder, not a file")
    with path.open("rb") as file:
        first = _meta(file.read(_PAGE_HEADER_BYTES + _META.size))
        page_bytes = first[2]
        file.seek(page_bytes)
        second = file.read(_PAGE_HEADER_BYTES + _META.size)
    metas = [first, _meta(second)] if len(second) == _PAGE_HEADER_BYTES + _META.size else [first]
    # LMDB takes the newer one.
    last_page = max(metas, key=lambda meta: meta[4])[3]
    return max(0, (last_page + 1) * page_bytes - state.st_size)


def require_whole(database: Path) -> None:
    """Raise ValueError when an LMDB is cut off, or none; OSError when it cannot be read."""
    if missing := missing_bytes(database):
        raise ValueError(
            f"its file {DATA_FILE} is cut off: {missing:,} bytes are missing at its end. Make the "
            "dataset again, or copy the file again"
        )


def _meta(head: bytes) -> tuple[int, ...]:
    """magic, version, page size, last page, transaction."""
    if len(head) < _PAGE_HEADER_BYTES + _META.size:
        raise ValueError(f"its file {DATA_FILE} has only {len(head)} bytes: it is no LMDB")
    meta: tuple[int, ...] = _META.unpack_from(head, _PAGE_HEADER_BYTES)
    if meta[0] != _MAGIC or not 256 <= meta[2] <= 1 << 16:
        raise ValueError(f"its file {DATA_FILE} is no LMDB of this kind of machine")
    return meta
