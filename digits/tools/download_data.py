"""Get a sample data set as folders of pictures, one folder a category.

  digits     1,797 handwritten digits that scikit-learn carries, 28 x 28, grey; nothing is fetched
  emoji      the emoji of the font Noto Color Emoji, which must be installed, by kinds of things,
             128 x 128, colour; nothing is fetched
  mnist      70,000 handwritten digits, 28 x 28, grey
  cifar10    60,000 photographs of 10 kinds of things, 32 x 32, colour
  cifar100   60,000 photographs of 100 kinds of things, 32 x 32, colour

`digits` writes DIR/0 to DIR/9, `emoji` DIR/animals to DIR/vehicles; the others write DIR/train and
DIR/test with the category folders in them.  What is downloaded is kept in DIR/downloads: a broken
download goes on where it stopped, and a file whose checksum is right is not fetched again.

  python -m digits.tools.download_data mnist data/mnist
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import requests
import urllib3
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from digits.base.program import parser_for, run_program
from digits.base.progress import log
from digits.errors import ToolError
from digits.images.encode import encode_png
from digits.sources.downloads import USER_AGENT
from digits.tools.building import building
from digits.tools.emoji_font import FONT_FILE, INSTALL_COMMAND, find_font
from digits.tools.emoji_pictures import KINDS, emoji_pictures
from digits.tools.sample_formats import read_cifar, read_idx, read_names

Pixels = NDArray[np.uint8]
Labelled = Iterator[tuple[int, Pixels]]

MNIST_URL = "https://ossci-datasets.s3.amazonaws.com/mnist/"
CIFAR_URL = "https://www.cs.toronto.edu/~kriz/"
DIGITS_SIDE = 28
_TIMEOUT_S = 30.0
_BLOCK_BYTES = 1 << 16
# The published MD5 sums: they detect broken downloads, not attacks.
CHECKSUMS = {
    "train-images-idx3-ubyte.gz": "f68b3c2dcbeaaa9fbdd348bbdeb94873",
    "train-labels-idx1-ubyte.gz": "d53e105ee54ea40749a09fcbcd1e9432",
    "t10k-images-idx3-ubyte.gz": "9fb629c4189551a2d022fa330f9573f3",
    "t10k-labels-idx1-ubyte.gz": "ec29112dd5afa0611ce80d1b7f02629c",
    "cifar-10-binary.tar.gz": "c32a1d4ab5d03f1284b67883e8d87530",
    "cifar-100-binary.tar.gz": "03b5dce01913d631647c71ecec9e9cb8",
}


@dataclass(frozen=True)
class Source:
    """Where files come from, where they are kept, and what they must be."""

    base_url: str
    folder: Path
    checksums: Mapping[str, str]  # file name -> MD5

    def get(self, name: str) -> Path:
        """The downloaded file; raises ToolError when it cannot be had or its checksum is wrong."""
        path = self.folder / name
        if path.exists() and self._is_sound(path):
            log.info("%s is there already.", path)
            return path
        part = self.folder / f"{name}.part"
        self._download(f"{self.base_url.rstrip('/')}/{name}", part)
        if not self._is_sound(part):
            part.unlink()
            raise ToolError(
                f"{name} from {self.base_url} has the wrong checksum; it was removed, try again."
            )
        part.replace(path)
        return path

    def _is_sound(self, path: Path) -> bool:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
        return digest.hexdigest() == self.checksums[path.name.removesuffix(".part")]

    def _download(self, url: str, part: Path) -> None:
        """Fetch what is still missing of `part`."""
        have = part.stat().st_size if part.exists() else 0
        headers = {"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            with requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
                if response.status_code == requests.codes.requested_range_not_satisfiable:
                    return  # it was complete
                response.raise_for_status()
                resumed = response.status_code == requests.codes.partial_content
                _save(response, part, have if resumed else 0)
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
            raise ToolError(
                f"{url} cannot be fetched: {error}. What has arrived is kept; run this again to go "
                "on, or give another place by --base-url."
            ) from error


def _save(response: requests.Response, part: Path, have: int) -> None:
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isdigit() else None
    bar = tqdm(total=total, initial=have, unit="B", unit_scale=True, desc=part.stem, mininterval=1)
    with part.open("ab" if have else "wb") as file, bar:
        # Not `iter_content`: what it has of a block is lost when the connection breaks.
        while block := response.raw.read1(_BLOCK_BYTES):
            file.write(block)
            bar.update(len(block))
        arrived = file.tell()
    if total is not None and arrived < total:
        raise requests.ConnectionError(f"the connection broke after {arrived} of {total} bytes")


def get_digits(folder: Path) -> str:
    """scikit-learn's digits, enlarged from 8 x 8 with 17 levels to 28 x 28 with 256."""
    # Late: it takes a second, and nothing else here needs it.
    from sklearn.datasets import load_digits  # noqa: PLC0415

    data = load_digits()
    pictures = (
        (int(label), _enlarged(image))
        for label, image in zip(data.target, data.images, strict=True)
    )
    return _write_categories(
        folder, [str(digit) for digit in range(10)], pictures, len(data.target)
    )


def get_emoji(folder: Path) -> str:
    """The emoji of a font that is installed; ToolError when it is not."""
    font = find_font()
    if font is None:
        raise ToolError(
            f"The font {FONT_FILE} is not installed. Whoever runs this machine can install it: "
            f"{INSTALL_COMMAND}"
        )
    return _write_categories(folder, list(KINDS), emoji_pictures(font))


def _write_categories(
    folder: Path, names: list[str], pictures: Labelled, total: int | None = None
) -> str:
    """Write pictures into folder/category, all of them or none."""
    for name in names:
        if (folder / name).exists():
            raise ToolError(f"{folder / name} is there already; give an empty folder.")
    with building(folder / "new") as new:
        count = _write_pictures(new, names, pictures, total)
    for name in names:
        (folder / "new" / name).rename(folder / name)
    (folder / "new").rmdir()
    return f"{count} pictures in {folder}."


def _enlarged(image: NDArray[np.float64]) -> Pixels:
    """8 x 8 of 0 to 16 as 28 x 28 x 1 of 0 to 255: 20 x 20 within a margin of 4, as MNIST has."""
    small = Image.fromarray(np.rint(image * (255 / 16)).astype(np.uint8))
    large = Image.new("L", (DIGITS_SIDE, DIGITS_SIDE))
    large.paste(small.resize((20, 20), Image.Resampling.BICUBIC), (4, 4))
    return np.asarray(large)[:, :, np.newaxis]


def get_mnist(folder: Path, source: Source) -> str:
    """MNIST's two sets."""
    names = [str(digit) for digit in range(10)]

    def read(prefix: str) -> Labelled:
        pictures = source.get(f"{prefix}-images-idx3-ubyte.gz")
        return read_idx(pictures, source.get(f"{prefix}-labels-idx1-ubyte.gz"))

    return _write_sets(
        folder, names, {"train": lambda: read("train"), "test": lambda: read("t10k")}
    )


def get_cifar(folder: Path, source: Source, classes: int) -> str:
    """The two sets of CIFAR-10 or CIFAR-100 (with its fine labels)."""
    archive = source.get(f"cifar-{classes}-binary.tar.gz")
    if classes == 10:
        names = read_names(archive, "batches.meta.txt")
        train = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
        files, label_bytes = {"train": train, "test": ("test_batch.bin",)}, 1
    else:
        names = read_names(archive, "fine_label_names.txt")
        files, label_bytes = {"train": ("train.bin",), "test": ("test.bin",)}, 2
    readers = {
        name: lambda members=members: read_cifar(archive, members, label_bytes)
        for name, members in files.items()
    }
    return _write_sets(folder, names, readers)


def _write_sets(
    folder: Path, names: list[str], readers: Mapping[str, Callable[[], Labelled]]
) -> str:
    """Write each set's pictures into folder/set/category, each set whole or not at all."""
    counts = []
    for set_name, read in readers.items():
        with building(folder / set_name, names.__contains__) as partial:
            count = _write_pictures(partial, names, read())
        counts.append(f"{count} pictures in {folder / set_name}")
    return ", ".join(counts) + "."


def _write_pictures(
    folder: Path, names: list[str], pictures: Iterable[tuple[int, Pixels]], total: int | None = None
) -> int:
    """Write each picture to folder/category/NUMBER.png; answers how many there were."""
    for name in names:
        (folder / name).mkdir()
    count = 0
    for count, (label, picture) in enumerate(tqdm(pictures, "pictures", total, mininterval=1), 1):
        if label >= len(names):
            raise ToolError(f"A picture has the label {label}, but there are {len(names)} labels.")
        (folder / names[label] / f"{count:05d}.png").write_bytes(encode_png(picture))
    return count


def _read_checksums(path: Path) -> dict[str, str]:
    """A file as `md5sum` writes it: a checksum and a name a line."""
    try:
        lines = path.read_text().splitlines()
        return {name.lstrip("*"): digest for digest, name in (line.split() for line in lines)}
    except (OSError, ValueError) as error:
        raise ToolError(f"{path} is no list of `checksum name` lines: {error}.") from error


def _arguments() -> argparse.Namespace:
    parser = parser_for(__doc__, "download_data")
    parser.add_argument("dataset", choices=("digits", "emoji", "mnist", "cifar10", "cifar100"))
    parser.add_argument("dir", metavar="DIR", type=Path, help="made if it does not exist")
    parser.add_argument("--base-url", help="another place that has the same files")
    parser.add_argument(
        "--checksums", type=Path, help="MD5 sums (lines of md5sum) to expect instead"
    )
    return parser.parse_args()


def main() -> None:
    arguments = _arguments()
    folder: Path = arguments.dir

    def program() -> str:
        folder.mkdir(parents=True, exist_ok=True)
        if arguments.dataset == "digits":
            return get_digits(folder)
        if arguments.dataset == "emoji":
            return get_emoji(folder)
        checksums = {**CHECKSUMS}
        if arguments.checksums:
            checksums.update(_read_checksums(arguments.checksums))
        downloads = folder / "downloads"
        downloads.mkdir(exist_ok=True)
        home = MNIST_URL if arguments.dataset == "mnist" else CIFAR_URL
        source = Source(arguments.base_url or home, downloads, checksums)
        if arguments.dataset == "mnist":
            return get_mnist(folder, source)
        return get_cifar(folder, source, int(arguments.dataset.removeprefix("cifar")))

    run_program(program)


if __name__ == "__main__":
    main()
