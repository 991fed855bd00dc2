"""Pages of a database as thumbnails: of every backend and encoding, and of other programs."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image

from digits.caffe.proto.caffe_pb2 import Datum
from digits.errors import ImageError
from digits.images import encode_picture
from digits.inference.errors import BadRequest
from digits.inference.protocol import Message
from digits.inference.work.exploring import Explorer
from digits.tools.databases import LmdbWriter
from digits.tools.hdf5_writer import Hdf5Writer

LABELS = [0, 1, 0, 2, 1, 0, 0, 1]
SHAPE = (10, 12)  # height, width


def pixels(number: int, channels: int = 3, shape: tuple[int, int] = SHAPE) -> np.ndarray:
    """A flat picture whose red (or grey) tells its number."""
    picture = np.zeros((*shape, channels), np.uint8)
    picture[:, :, 0] = 20 * number + 10
    picture[:, :, -1] += 5
    return picture


def make_lmdb(
    folder: Path, encoding: str, channels: int = 3, shape: tuple[int, int] = SHAPE
) -> Path:
    folder.mkdir(exist_ok=True)
    writer = LmdbWriter(folder, 1 << 20, len(LABELS))
    for number, label in enumerate(LABELS):
        data = encode_picture(pixels(number, channels, shape), encoding)
        datum = Datum(
            channels=channels, height=shape[0], width=shape[1], label=label, data=data,
            encoded=encoding != "none",
        )  # fmt: skip
        writer.add([datum.SerializeToString()], [label])
    writer.finish()
    writer.close()
    return folder


def make_hdf5(folder: Path, channels: int = 3) -> Path:
    """Several files, so that a page spans two of them."""
    folder.mkdir(exist_ok=True)
    size = 4 * channels * SHAPE[0] * SHAPE[1]
    writer = Hdf5Writer(folder, folder, (channels, *SHAPE), file_bytes=3 * size)
    records = [encode_picture(pixels(n, channels), "none") for n in range(len(LABELS))]
    writer.add(records, LABELS)
    writer.finish()
    return folder


def ask(op: str, path: Path, backend: str = "lmdb", **values: Any) -> Message:
    header = {"database": {"path": str(path), "backend": backend}, **values}
    answer: Message = getattr(Explorer(), op)(Message(header))
    return answer


def red(data: bytes) -> int:
    """The number that a picture's colour tells."""
    pixel = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))[5, 5]
    return round((int(pixel[0]) - 10) / 20)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize("kind", ["png", "jpg", "none", "hdf5"])
def test_pages_and_labels_of_every_backend_and_encoding(
    tmp_path: Path, kind: str, channels: int
) -> None:
    if kind == "hdf5":
        path, backend = make_hdf5(tmp_path / "db", channels), "hdf5"
    else:
        path, backend = make_lmdb(tmp_path / "db", kind, channels), "lmdb"
    page = ask("explore", path, backend, label=None, page=1, size=3)
    assert page.header["records"] == page.header["found"] == 8
    assert page.header["counts"] == {0: 4, 1: 3, 2: 1}
    assert [(number, label) for number, label, _, _ in page.header["pictures"]] == [
        (3, 2),
        (4, 1),
        (5, 0),
    ]
    assert [red(data) for data in page.parts] == [3, 4, 5]
    filtered = ask("explore", path, backend, label=0, page=1, size=3)
    assert filtered.header["found"] == 4
    assert [number for number, _, _, _ in filtered.header["pictures"]] == [6]
    assert ask("explore", path, backend, label=9, page=0, size=3).header["found"] == 0
    assert ask("explore", path, backend, label=None, page=10**15, size=3).parts == []
    samples = ask("samples", path, backend, labels=[2, 1, 7], each=2)
    assert [picture[:2] for picture in samples.header["pictures"]] == [[3, 2], [1, 1], [4, 1]]
    whole = ask("record", path, backend, number=7)
    assert Image.open(io.BytesIO(whole.parts[0])).size == (12, 10)
    assert red(whole.parts[0]) == 7


def test_large_pictures_become_small_ones_and_small_ones_stay_as_they_are(tmp_path: Path) -> None:
    large = make_lmdb(tmp_path / "large", "none", shape=(200, 400))
    page = ask("explore", large, label=None, page=0, size=2)
    assert [picture[2] for picture in page.header["pictures"]] == ["jpeg", "jpeg"]
    assert Image.open(io.BytesIO(page.parts[0])).size == (128, 64)
    whole = ask("record", large, number=0)
    assert Image.open(io.BytesIO(whole.parts[0])).size == (400, 200)
    small = make_lmdb(tmp_path / "small", "png")
    stored = encode_picture(pixels(0), "png")
    assert ask("explore", small, label=None, page=0, size=1).parts[0] == stored


def test_databases_of_other_programs_are_read_by_their_records(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 20) as env, env.begin(write=True) as writing:
        for number, name in enumerate(["a/cat.jpg", "b/dog.jpg", "c/broken.jpg", "d/torn"]):
            data = encode_picture(pixels(number), "png") if number < 2 else b"no picture"
            datum = Datum(label=number, data=data, encoded=True).SerializeToString()
            writing.put(name.encode(), datum if number < 3 else b"\xff\xff")
    page = ask("explore", tmp_path, label=None, page=0, size=10)
    assert page.header["counts"] == {0: 2, 1: 1, 2: 1}
    reasons = [reason for _, _, _, reason in page.header["pictures"]]
    assert [bool(reason) for reason in reasons] == [False, False, True, True]
    assert red(page.parts[1]) == 1
    with pytest.raises(ImageError):
        ask("record", tmp_path, number=2)


def test_numbers_that_are_no_pixels_are_stretched_to_what_can_be_seen(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 120, dtype=np.float32)
    with lmdb.open(str(tmp_path), map_size=1 << 20) as env, env.begin(write=True) as writing:
        datum = Datum(channels=1, height=10, width=12, label=0, float_data=values.tolist())
        writing.put(b"00000000_0", datum.SerializeToString())
    whole = ask("record", tmp_path, number=0)
    picture = np.asarray(Image.open(io.BytesIO(whole.parts[0])))
    assert (picture.min(), picture.max()) == (0, 255)


def test_labels_are_read_once_a_database(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    explorer = Explorer()
    header = {"database": {"path": str(path), "backend": "lmdb"}, "label": 1, "size": 2}
    explorer.explore(Message({**header, "page": 0}))
    (index,) = explorer._indexes.values()
    explorer.explore(Message({**header, "page": 1}))
    assert list(explorer._indexes.values()) == [index]
    # Made anew: it is another database.
    for file in path.iterdir():
        file.unlink()
    make_lmdb(path, "none")
    explorer.explore(Message({**header, "page": 0}))
    assert list(explorer._indexes.values())[-1] is not index


def test_what_is_no_database_or_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(BadRequest, match="cannot be read"):
        ask("explore", tmp_path, label=None, page=0, size=3)
    with pytest.raises(BadRequest, match="cannot be read"):
        ask("explore", tmp_path / "none", label=None, page=0, size=3)
    path = make_lmdb(tmp_path / "db", "png")
    for number in (-1, 8, 2**60):
        with pytest.raises(BadRequest, match="There is no picture"):
            ask("record", path, number=number)
