"""Resize one picture as create_db does, to look at what a network would see.

IMAGE is a file or a URL.  The extension of OUT, .png or .jpg, decides its encoding.

  python -m digits.tools.resize_image photo.jpg small.png --width 256 --height 256 --mode half_crop
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from digits.base.atomic import atomic_write
from digits.base.program import parser_for, run_program
from digits.errors import ImageError, ToolError
from digits.images import Encoding, ResizeMode, encode_picture, read_resized
from digits.images.budget import process_budget
from digits.sources.downloads import Downloader, DownloadError
from digits.sources.picture_list import is_url
from digits.sources.url_policy import UrlPolicy

_ENCODINGS = {".png": Encoding.PNG, ".jpg": Encoding.JPG, ".jpeg": Encoding.JPG}


def resize(image: str, out: Path, height: int, width: int, channels: int, mode: ResizeMode) -> str:
    """Write the resized picture; raises ToolError, ImageError or OSError."""
    encoding = _ENCODINGS.get(out.suffix.lower())
    if encoding is None:
        raise ToolError(f"The picture cannot be written to {out.name}; its name must end in "
                        f"{', '.join(_ENCODINGS)}.")  # fmt: skip
    try:
        source = _fetched(image) if is_url(image) else image
        picture = read_resized(source, height, width, channels, mode)
    except (ImageError, DownloadError) as error:
        raise ToolError(f"{image}: {error}") from error
    with atomic_write(out) as file:
        file.write(encode_picture(picture, encoding))
    return f"{width} x {height} pixels, {out.stat().st_size} bytes in {out}."


def _fetched(url: str) -> bytes:
    return Downloader(UrlPolicy.from_environment(os.environ)).fetch(url)[0]


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "resize_image")
    parser.add_argument("image", metavar="IMAGE")
    parser.add_argument("out", metavar="OUT", type=Path)
    parser.add_argument("--width", type=int, required=True, help="pixels")
    parser.add_argument("--height", type=int, required=True, help="pixels")
    parser.add_argument("--channels", type=int, default=3, help="3 (color) or 1 (grayscale) [3]")
    parser.add_argument(
        "--mode", type=ResizeMode, choices=list(ResizeMode), default=ResizeMode.SQUASH
    )
    return parser.parse_args()


def main() -> None:
    given = _arguments()
    process_budget().limit_process()
    run_program(
        lambda: resize(
            given.image, given.out, given.height, given.width, given.channels, given.mode
        )
    )


if __name__ == "__main__":
    main()
