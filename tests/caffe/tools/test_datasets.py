"""Databases of MNIST's and CIFAR-10's files, beside what Caffe's tools write."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.caffe.data import datum, db
from digits.caffe.tools import convert_cifar_data, convert_mnist_data, convert_mnist_siamese_data

COUNT, ROWS, COLUMNS = 7, 3, 2
LABELS = np.arange(COUNT, dtype=np.uint8) % 4
IMAGES = np.random.default_rng(0).integers(0, 256, (COUNT, ROWS, COLUMNS)).astype(np.uint8)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MNIST's two files, and a few of which something is wrong; it is the working directory."""
    images = struct.pack(">4I", 2051, COUNT, ROWS, COLUMNS) + IMAGES.tobytes()
    labels = struct.pack(">2I", 2049, COUNT) + LABELS.tobytes()
    (tmp_path / "images").write_bytes(images)
    (tmp_path / "labels").write_bytes(labels)
    (tmp_path / "fewer").write_bytes(struct.pack(">2I", 2049, 2) + b"\0\1")
    (tmp_path / "cut").write_bytes(images[:-1])
    (tmp_path / "packed").write_bytes(b"\x1f\x8b\x08\0" + images)
    (tmp_path / "none").write_bytes(struct.pack(">4I", 2051, 0, ROWS, COLUMNS))
    (tmp_path / "huge").write_bytes(struct.pack(">4I", 2051, *[2**32 - 1] * 3))
    (tmp_path / "empty").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records(path: Path | str, backend: str = "lmdb") -> list[tuple[str, Any]]:
    with db.Reader(str(path), backend) as reader:
        return [(key.decode(), datum.parse(value, "")) for key, value in reader.records()]


def test_mnist_becomes_records_of_one_channel(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_mnist_data.main(["images", "labels", "db"]) == 0
    said = capsys.readouterr().err
    found = records("db")
    assert [key for key, _ in found] == [f"{index:08d}" for index in range(COUNT)]
    for (_, record), image, label in zip(found, IMAGES, LABELS, strict=True):
        assert (record.channels, record.height, record.width) == (1, ROWS, COLUMNS)
        assert (record.data, record.label) == (image.tobytes(), label)
        assert not record.HasField("encoded")  # as in the records of Caffe's tool
    assert [line.split("] ", 1)[1] for line in said.splitlines()] == [
        "Opened lmdb db",
        f"A total of {COUNT} items.",
        f"Rows: {ROWS} Cols: {COLUMNS}",
        f"Processed {COUNT} files.",
    ]


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        ("images", "fewer", "images has 7 pictures and fewer 2 labels"),
        ("labels", "labels", "labels: Incorrect image file magic"),
        ("images", "images", "images: Incorrect label file magic"),
        ("empty", "labels", "empty: Incorrect image file magic"),
        ("nowhere", "labels", "Unable to open file nowhere: No such file"),
        ("cut", "labels", "cut: is cut off"),
        ("huge", "labels", "huge: is cut off"),
        ("packed", "labels", "packed: is compressed; unpack it with gunzip"),
    ],
)
def test_files_that_are_not_mnists_are_refused(
    folder: Path, images: str, labels: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert convert_mnist_data.main([images, labels, "db"]) == 1
    assert words in capsys.readouterr().err
    assert not (folder / "db").exists()


def test_no_pictures_are_no_database(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "zero").write_bytes(struct.pack(">2I", 2049, 0))
    assert convert_mnist_data.main(["none", "zero", "db"]) == 1
    assert "none: there are no pictures in it" in capsys.readouterr().err


def test_a_database_that_is_there_is_not_replaced(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "db").mkdir()
    assert convert_mnist_data.main(["images", "labels", "db"]) == 1
    assert "db: exists already" in capsys.readouterr().err
    assert convert_mnist_data.main(["--backend=paper", "images", "labels", "other"]) == 1
    assert "unknown database backend 'paper'" in capsys.readouterr().err


def check_pairs(found: list[tuple[str, Any]]) -> None:
    assert [key for key, _ in found] == [f"{index:08d}" for index in range(COUNT)]
    label_of = {image.tobytes(): label for image, label in zip(IMAGES, LABELS, strict=True)}
    for _, record in found:
        assert (record.channels, record.height, record.width) == (2, ROWS, COLUMNS)
        first, second = record.data[: ROWS * COLUMNS], record.data[ROWS * COLUMNS :]
        assert record.label == (label_of[first] == label_of[second])


def test_pairs_are_labelled_by_whether_they_are_of_one_class(folder: Path) -> None:
    assert convert_mnist_siamese_data.main(["--backend=lmdb", "images", "labels", "db"]) == 0
    check_pairs(records("db"))


def test_pairs_go_into_a_leveldb_by_default(folder: Path) -> None:
    pytest.importorskip("plyvel", reason="LevelDB needs plyvel, which is optional")
    assert convert_mnist_siamese_data.main(["images", "labels", "db"]) == 0
    check_pairs(records("db", "leveldb"))


@pytest.fixture
def cifar(tmp_path: Path) -> Path:
    """CIFAR-10's six files, with three records each instead of ten thousand."""
    for number, name in enumerate(["test_batch", *(f"data_batch_{n}" for n in range(1, 6))]):
        data = np.random.default_rng(number).integers(0, 256, (3, 3073)).astype(np.uint8)
        data[:, 0] = [number, 1, 2]
        (tmp_path / f"{name}.bin").write_bytes(data.tobytes())
    return tmp_path


def test_cifar_becomes_two_databases(cifar: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert convert_cifar_data.main([str(cifar), str(cifar), "lmdb"]) == 0
    train, test = records(cifar / "cifar10_train_lmdb"), records(cifar / "cifar10_test_lmdb")
    assert [key for key, _ in train] == [f"{n}000{i}" for n in range(5) for i in range(3)]
    assert [record.label for _, record in train[::3]] == [1, 2, 3, 4, 5]
    assert [key for key, _ in test] == ["00000", "00001", "00002"]
    (_, first) = test[0]
    assert (first.channels, first.height, first.width) == (3, 32, 32)
    assert first.data == (cifar / "test_batch.bin").read_bytes()[1:3073]
    said = capsys.readouterr().err
    assert "Writing Training data" in said
    assert "Training Batch 5" in said
    assert "Writing Testing data" in said


@pytest.mark.parametrize("content", [None, b"", b"x" * 3072])
def test_files_that_are_not_cifars_are_refused(
    cifar: Path, content: bytes | None, capsys: pytest.CaptureFixture[str]
) -> None:
    path = cifar / "data_batch_2.bin"
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    assert convert_cifar_data.main([str(cifar), str(cifar), "lmdb"]) == 1
    assert "data_batch_2.bin" in capsys.readouterr().err.splitlines()[-1]
