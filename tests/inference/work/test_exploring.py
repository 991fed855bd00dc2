"""Pages of a database as thumbnails: of every backend and encoding, and of other programs."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import lmdb
import numpy as np
import pytest
from PIL import Image

from digits.caffe.proto.caffe_pb2 import Datum
from digits.errors import ImageError
from digits.images import encode_picture
from digits.inference.errors import BadRequest
from digits.inference.operations import (
    Database,
    Explore,
    FindRecord,
    Page,
    Place,
    SampleClasses,
    ShowRecord,
    SpreadRecords,
    Thumbnail,
)
from digits.inference.work.exploring import (
    explore,
    find_record,
    sample_classes,
    show_record,
    spread_records,
)
from digits.inference.work.state import State
from digits.sources.record_index import RecordIndexWriter
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


def page_of(
    path: Path, backend: str = "lmdb", *, label: int | None = None, page: int = 0, size: int
) -> Page:
    return explore(State(), Explore(Database(path, backend), label, page, size))


def whole(path: Path, number: int, backend: str = "lmdb") -> Thumbnail:
    return show_record(State(), ShowRecord(Database(path, backend), number))


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
    page = page_of(path, backend, page=1, size=3)
    assert page.records == page.found == 8
    assert page.counts == {0: 4, 1: 3, 2: 1}
    assert [(each.number, each.label) for each in page.pictures] == [(3, 2), (4, 1), (5, 0)]
    assert [red(each.data) for each in page.pictures] == [3, 4, 5]
    filtered = page_of(path, backend, label=0, page=1, size=3)
    assert filtered.found == 4
    assert [each.number for each in filtered.pictures] == [6]
    assert page_of(path, backend, label=9, size=3).found == 0
    assert page_of(path, backend, page=10**15, size=3).pictures == ()
    samples = sample_classes(State(), SampleClasses(Database(path, backend), (2, 1, 7), 2))
    by_label = samples.by_label((2, 1, 7))
    numbers = {label: [each.number for each in some] for label, some in by_label.items()}
    assert numbers == {2: [3], 1: [1, 4], 7: []}
    found = whole(path, 7, backend)
    assert Image.open(io.BytesIO(found.data)).size == (12, 10)
    assert red(found.data) == 7


def test_large_pictures_become_small_ones_and_small_ones_stay_as_they_are(tmp_path: Path) -> None:
    large = make_lmdb(tmp_path / "large", "none", shape=(200, 400))
    pictures = page_of(large, size=2).pictures
    assert [picture.kind for picture in pictures] == ["jpeg", "jpeg"]
    assert Image.open(io.BytesIO(pictures[0].data)).size == (128, 64)
    assert Image.open(io.BytesIO(whole(large, 0).data)).size == (400, 200)
    small = make_lmdb(tmp_path / "small", "png")
    stored = encode_picture(pixels(0), "png")
    assert page_of(small, size=1).pictures[0].data == stored


def test_databases_of_other_programs_are_read_by_their_records(tmp_path: Path) -> None:
    with lmdb.open(str(tmp_path), map_size=1 << 20) as env, env.begin(write=True) as writing:
        for number, name in enumerate(["a/cat.jpg", "b/dog.jpg", "c/broken.jpg", "d/torn"]):
            data = encode_picture(pixels(number), "png") if number < 2 else b"no picture"
            datum = Datum(label=number, data=data, encoded=True).SerializeToString()
            writing.put(name.encode(), datum if number < 3 else b"\xff\xff")
    page = page_of(tmp_path, size=10)
    assert page.counts == {0: 2, 1: 1, 2: 1}
    assert [bool(each.reason) for each in page.pictures] == [False, False, True, True]
    assert red(page.pictures[1].data) == 1
    with pytest.raises(ImageError):
        whole(tmp_path, 2)


def test_numbers_that_are_no_pixels_are_stretched_to_what_can_be_seen(tmp_path: Path) -> None:
    values = np.linspace(-1, 1, 120, dtype=np.float32)
    with lmdb.open(str(tmp_path), map_size=1 << 20) as env, env.begin(write=True) as writing:
        datum = Datum(channels=1, height=10, width=12, label=0, float_data=values.tolist())
        writing.put(b"00000000_0", datum.SerializeToString())
    picture = np.asarray(Image.open(io.BytesIO(whole(tmp_path, 0).data)))
    assert (picture.min(), picture.max()) == (0, 255)


def test_labels_are_read_once_a_database(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    state = State()
    explore(state, Explore(Database(path), 1, 0, 2))
    (index,) = state.indexes.values()
    explore(state, Explore(Database(path), 1, 1, 2))
    assert list(state.indexes.values()) == [index]
    # Made anew: it is another database.
    for file in path.iterdir():
        file.unlink()
    make_lmdb(path, "none")
    explore(state, Explore(Database(path), 1, 0, 2))
    assert list(state.indexes.values())[-1] is not index


def test_what_is_no_database_or_record_is_said(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"no database" * 1000)
    with pytest.raises(BadRequest, match="cannot be read"):
        page_of(tmp_path, size=3)
    with pytest.raises(BadRequest, match="cannot be read"):
        page_of(tmp_path / "none", size=3)
    path = make_lmdb(tmp_path / "db", "png")
    for number in (-1, 8, 2**60):
        with pytest.raises(BadRequest, match="There is no picture"):
            whole(path, number)


@pytest.mark.parametrize(
    ("count", "turn", "numbers"),
    [
        (2, 0, [0, 4]),
        (2, 1, [1, 5]),
        (2, 7, [7, 3]),
        (3, 0, [0, 2, 5]),
        (20, 3, [3, 4, 5, 6, 7, 0, 1, 2]),
    ],
)
def test_records_from_all_over_a_database_are_other_ones_at_each_turn(
    tmp_path: Path, count: int, turn: int, numbers: list[int]
) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    found = spread_records(State(), SpreadRecords(Database(path), count, turn))
    assert [picture.number for picture in found.pictures] == numbers
    assert [picture.label for picture in found.pictures] == [LABELS[number] for number in numbers]


@pytest.mark.parametrize(
    ("number", "label", "place"),
    [
        (0, None, Place(0, 0, 8, None, 1)),
        (3, None, Place(2, 3, 8, 2, 4)),
        (7, None, Place(1, 7, 8, 6, None)),
        (2, 0, Place(0, 1, 4, 0, 5)),
        (0, 0, Place(0, 0, 4, None, 2)),
        (6, 0, Place(0, 3, 4, 5, None)),
        # Of another label, between two of those that are wanted; and of a label without a record.
        (3, 0, Place(2, 2, 4, 2, 5)),
        (3, 9, Place(2, 0, 0, None, None)),
    ],
)
def test_a_record_has_neighbours_among_all_or_among_those_of_a_label(
    tmp_path: Path, number: int, label: int | None, place: Place
) -> None:
    database = Database(make_lmdb(tmp_path / "db", "png"))
    assert find_record(State(), FindRecord(database, number, label)) == place


@pytest.mark.parametrize("number", [-1, 8, 2**62])
def test_a_record_that_is_not_there_has_no_place(tmp_path: Path, number: int) -> None:
    database = Database(make_lmdb(tmp_path / "db", "png"))
    with pytest.raises(BadRequest, match="There is no picture"):
        find_record(State(), FindRecord(database, number, None))


def many_records(folder: Path, count: int) -> Path:
    """A database of small records of ten labels, without an index."""
    folder.mkdir()
    writer = LmdbWriter(folder, 1 << 12, count)
    data = Datum(channels=1, height=10, width=10, data=bytes(100)).SerializeToString()
    for start in range(0, count, 1000):
        numbers = range(start, min(start + 1000, count))
        writer.add([data] * len(numbers), [number % 10 for number in numbers])
    writer.finish()
    writer.close()
    return folder


def faults_of(path: Path) -> int:
    """How many pages of memory, the database's among them, are touched to show a page of it."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    page = page_of(path, label=None, page=1, size=60)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert [picture.number for picture in page.pictures] == list(range(60, 120))
    return after - before


def test_with_an_index_a_page_of_a_large_database_reads_what_it_shows(tmp_path: Path) -> None:
    count = 100_000
    path = many_records(tmp_path / "db", count)
    faults_of(path)  # once, for what Python itself loads
    whole = faults_of(path)
    with RecordIndexWriter(path) as index:
        index.add([0] * count, [number % 10 for number in range(count)])
    assert faults_of(path) < whole / 5
    assert page_of(path, label=7, size=3).pictures[2].number == 27
    assert page_of(path, size=1).counts == dict.fromkeys(range(10), count // 10)


def test_an_index_of_another_database_is_not_believed(tmp_path: Path) -> None:
    path = make_lmdb(tmp_path / "db", "png")
    with RecordIndexWriter(path) as index:
        index.add([0] * len(LABELS), [label + 1 for label in LABELS])
    assert page_of(path, size=8).counts == {0: 4, 1: 3, 2: 1}
