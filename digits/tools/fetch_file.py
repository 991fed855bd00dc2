"""Fetch a file from an http address to the disk, a piece at a time.

A server tells in the environment from where may be fetched (`digits/sources/url_policy.py`); run by
hand, it fetches from anywhere.

  python -m digits.tools.fetch_file https://example.org/weights.pth weights.pth
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from digits.base.program import limit_memory, parser_for, run_program
from digits.errors import ToolError
from digits.sources.downloads import Downloader, DownloadError
from digits.sources.url_policy import UrlPolicy

MOST_BYTES = 2 << 30
TOTAL_S = 600.0


def fetch(url: str, out: Path, downloader: Downloader, most_bytes: int = MOST_BYTES) -> str:
    """Write what is at `url` to `out`.

    Raises ToolError when it cannot be fetched or has more than `most_bytes`, OSError of the disk;
    then there is no file.
    """
    try:
        with out.open("wb") as file:
            downloader.fetch_into(file.write, url, most_bytes, TOTAL_S)
    except BaseException as error:
        out.unlink(missing_ok=True)
        if isinstance(error, DownloadError):
            raise ToolError(f"{url} cannot be fetched: {error}.") from error
        raise
    return f"{out.stat().st_size:,} bytes in {out}."


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "fetch_file")
    parser.add_argument("url", metavar="URL")
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--most_bytes", type=int, default=MOST_BYTES, help="[%(default)s]")
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    limit_memory()
    downloader = Downloader(UrlPolicy.from_environment(os.environ))
    run_program(lambda: fetch(given.url, given.out, downloader, given.most_bytes))


if __name__ == "__main__":
    main()
