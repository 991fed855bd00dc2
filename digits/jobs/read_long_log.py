"""Read a long log and keep what it says: `python -m digits.jobs.read_long_log KIND LOG [MOST]`.

KIND names the class of the digest, as MODULE:CLASS; the digest is also the output.  Of a log that
grows the first MOST bytes are read, and nothing is kept.  The server
starts this beside itself (`long_logs.py`): reading a log of a gigabyte takes a minute of a
processor, which a thread of its own would take from everybody who waits for an answer.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from digits.base.priority import lower_priority
from digits.jobs.log_digest import digest_up_to, make_digest

NICENESS = 10


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    kind_name, log_path, *most = sys.argv[1:] if arguments is None else arguments
    module, _, name = kind_name.partition(":")
    with contextlib.suppress(OSError):
        lower_priority(NICENESS)
    gc.disable()  # lines leave no circles behind
    kind = getattr(importlib.import_module(module), name)
    path = Path(log_path)
    digest = digest_up_to(path, kind, int(most[0])) if most else make_digest(path, kind)
    # Not every disk can be written to, so the server takes it from here.
    sys.stdout.buffer.write(digest.to_bytes())
    return 0


if __name__ == "__main__":
    sys.exit(main())
