"""Sample data: the digits that are there, and downloads in the formats of the public sets."""

import gzip
import hashlib
import io
import struct
import tarfile

import numpy as np
import pytest

from digits.images import read_image
from digits.tools.emoji_pictures import KINDS
from tests.tools.programs import run, succeed
from tests.tools.web import send, serving

RANDOM = np.random.default_rng(0)


def test_emoji_are_drawn_from_the_font_that_is_installed(tmp_path) -> None:
    finished = succeed("download_data", "emoji", tmp_path)
    counts = {folder.name: len(list(folder.iterdir())) for folder in sorted(tmp_path.iterdir())}
    assert list(counts) == list(KINDS)
    # A font of later years has all of them.
    assert counts == {name: len(characters) for name, characters in KINDS.items()}
    assert f"{sum(counts.values())} pictures" in finished.log
    picture = read_image(next((tmp_path / "faces").iterdir()))
    assert picture.shape == (128, 128, 3)
    assert picture[0, 0].tolist() == [255, 255, 255]
    assert picture.std() > 10


def test_without_the_font_the_message_says_how_to_install_it(tmp_path, monkeypatch) -> None:
    for name in ("XDG_DATA_HOME", "XDG_DATA_DIRS"):
        monkeypatch.setenv(name, str(tmp_path))
    finished = run("download_data", "emoji", tmp_path / "out")
    assert finished.status == 1
    assert "sudo apt-get install fonts-noto-color-emoji" in finished.log
    assert list((tmp_path / "out").iterdir()) == []


def test_another_file_in_the_place_of_the_font_is_named(tmp_path, monkeypatch) -> None:
    font = tmp_path / "fonts" / "NotoColorEmoji.ttf"
    font.parent.mkdir()
    font.write_bytes(b"no font")
    monkeypatch.setenv("XDG_DATA_DIRS", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    finished = run("download_data", "emoji", tmp_path / "out")
    assert finished.status == 1
    assert "NotoColorEmoji.ttf cannot be used as a font" in finished.log
    assert list((tmp_path / "out").iterdir()) == []


def gzipped(data: bytes) -> bytes:
    """The same bytes at any time, so that all processes name the same tests."""
    return gzip.compress(data, mtime=0)


def idx_files(prefix: str, count: int) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    pictures = RANDOM.integers(0, 256, (count, 28, 28), dtype=np.uint8)
    labels = np.arange(count, dtype=np.uint8) % 10
    images = struct.pack(">IIII", 0x803, count, 28, 28) + pictures.tobytes()
    names = struct.pack(">II", 0x801, count) + labels.tobytes()
    files = {
        f"{prefix}-images-idx3-ubyte.gz": gzipped(images),
        f"{prefix}-labels-idx1-ubyte.gz": gzipped(names),
    }
    return files, pictures, labels


def cifar_file(classes: int, members: dict[str, bytes]) -> dict[str, bytes]:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(f"cifar-{classes}-binary/{name}")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return {f"cifar-{classes}-binary.tar.gz": file.getvalue()}


class Server:
    """Serves files, with ranges, and remembers what was asked."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.asked: list[tuple[str, str | None]] = []
        self.break_off_at: int | None = None

    def answer(self, request) -> None:
        name, wanted = request.path[1:], request.headers.get("Range")
        self.asked.append((name, wanted))
        data = self.files.get(name)
        if data is None:
            send(request, b"", 404)
        elif self.break_off_at is not None:
            request.send_response(200)
            request.send_header("Content-Length", str(len(data)))
            request.end_headers()
            request.wfile.write(data[: self.break_off_at])
            request.close_connection = True
        elif wanted:
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
            send(request, data[start:], 206, Content_Range=f"bytes {start}-/{len(data)}")
        else:
            send(request, data)


@pytest.fixture
def server(tmp_path):
    """A server with small files in the formats of MNIST; `checksums` lists their sums."""
    files, _, _ = idx_files("train", 40)
    return Server({**files, **idx_files("t10k", 20)[0]})


def options(url: str, server: Server, tmp_path) -> list[object]:
    sums = "".join(
        f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in server.files.items()
    )
    (tmp_path / "sums").write_text(sums)
    return ["--base-url", url, "--checksums", tmp_path / "sums"]


@pytest.mark.slow
def test_digits_are_grey_pictures_in_class_folders(tmp_path):
    succeed("download_data", "digits", tmp_path / "new" / "digits")
    folders = sorted(path.name for path in (tmp_path / "new" / "digits").iterdir())
    assert folders == [str(digit) for digit in range(10)]
    paths = list((tmp_path / "new" / "digits").rglob("*.png"))
    assert len(paths) == 1797
    picture = read_image(paths[0])
    assert picture.shape == (28, 28, 1)
    assert picture[14, 4:24].max() > 100  # there is a digit in the middle
    assert not picture[:3].any()  # within a margin
    error = run("download_data", "digits", tmp_path / "new" / "digits").error
    assert "is there already" in error


def test_mnist_is_downloaded_checked_and_unpacked(tmp_path):
    train, pictures, labels = idx_files("train", 40)
    server = Server({**train, **idx_files("t10k", 20)[0]})
    with serving(server.answer) as url:
        given = options(url, server, tmp_path)
        finished = succeed("download_data", "mnist", tmp_path / "mnist", *given)
        assert len(server.asked) == 4
        assert "train-images-idx3-ubyte.gz" in finished.log  # the progress bar's name
        succeed("download_data", "mnist", tmp_path / "mnist", *given)
        assert len(server.asked) == 4  # all were there
    assert len(list((tmp_path / "mnist" / "test").rglob("*.png"))) == 20
    for index, label in enumerate(labels):
        path = tmp_path / "mnist" / "train" / str(label) / f"{index + 1:05d}.png"
        assert np.array_equal(read_image(path)[:, :, 0], pictures[index])


def test_a_broken_download_goes_on_where_it_stopped(server, tmp_path):
    name = "train-images-idx3-ubyte.gz"
    with serving(server.answer) as url:
        given = options(url, server, tmp_path)
        server.break_off_at = 1000
        error = run("download_data", "mnist", tmp_path / "mnist", *given).error
        assert "What has arrived is kept; run this again" in error
        server.break_off_at = None
        succeed("download_data", "mnist", tmp_path / "mnist", *given)
    assert server.asked[:2] == [(name, None), (name, "bytes=1000-")]
    assert not list((tmp_path / "mnist" / "downloads").glob("*.part"))


def test_a_wrong_checksum_is_refused_and_the_file_removed(server, tmp_path):
    with serving(server.answer) as url:
        given = options(url, server, tmp_path)
        server.files["train-images-idx3-ubyte.gz"] += b"x"
        error = run("download_data", "mnist", tmp_path / "mnist", *given).error
    assert "train-images-idx3-ubyte.gz from" in error
    assert "has the wrong checksum" in error
    assert not list((tmp_path / "mnist" / "downloads").iterdir())
    assert not (tmp_path / "mnist" / "train").exists()


def test_the_published_checksums_are_expected_unless_others_are_given(server, tmp_path):
    with serving(server.answer) as url:
        error = run("download_data", "mnist", tmp_path / "mnist", "--base-url", url).error
    assert "has the wrong checksum" in error


@pytest.mark.parametrize(("classes", "label_bytes"), [(10, 1), (100, 2)])
def test_cifar_is_unpacked_by_its_fine_labels(tmp_path, classes, label_bytes):
    names = [f"thing_{number}" for number in range(classes)]

    def records(count: int) -> tuple[bytes, np.ndarray]:
        labels = np.arange(count, dtype=np.uint8)[:, np.newaxis] % classes
        coarse = np.full((count, label_bytes - 1), 7, np.uint8)
        planes = RANDOM.integers(0, 256, (count, 3072), dtype=np.uint8)
        return np.hstack([coarse, labels, planes]).tobytes(), planes.reshape(-1, 3, 32, 32)

    batches = [records(4) for _ in range(6)]
    members = {"test_batch.bin" if classes == 10 else "test.bin": batches[0][0]}
    if classes == 10:
        members |= {f"data_batch_{i}.bin": batches[i][0] for i in range(1, 6)}
    else:
        members["train.bin"] = batches[1][0]
    meta = "batches.meta.txt" if classes == 10 else "fine_label_names.txt"
    members[meta] = "\n".join(names).encode() + b"\n\n"
    server = Server(cifar_file(classes, members))
    with serving(server.answer) as url:
        given = options(url, server, tmp_path)
        succeed("download_data", f"cifar{classes}", tmp_path / "cifar", *given)
    path = tmp_path / "cifar" / "train" / "thing_2" / "00003.png"
    assert np.array_equal(read_image(path), batches[1][1][2].transpose(1, 2, 0))
    pictures = len(list((tmp_path / "cifar" / "train").rglob("*.png")))
    assert pictures == (20 if classes == 10 else 4)
    assert len(list((tmp_path / "cifar" / "test").rglob("*.png"))) == 4


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (b"no gzip", "is no sound gzip file"),
        (gzipped(b"short"), "is no idx file of 3 dimensions"),
        (gzipped(struct.pack(">IIII", 0x803, 40, 28, 28)), "has 0 bytes of data"),
        (gzipped(struct.pack(">IIII", 0x803, 1, 1, 1) + b"x"), "has 1 pictures, but"),
    ],
)
def test_files_that_are_not_what_they_should_be_are_refused(server, tmp_path, images, message):
    server.files["train-images-idx3-ubyte.gz"] = images
    with serving(server.answer) as url:
        given = options(url, server, tmp_path)
        error = run("download_data", "mnist", tmp_path / "mnist", *given).error
    assert message in error
    assert [path.name for path in (tmp_path / "mnist").iterdir()] == ["downloads"]
