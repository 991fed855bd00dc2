"""From a list to databases and means, by the program itself."""

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from digits.base.progress import Distribution, Progress, Skipped
from digits.caffe.proto import caffe_pb2
from digits.images import read_resized
from digits.sources.record_index import entry_of
from digits.tools.databases import LmdbWriter
from digits.tools.hdf5_writer import Hdf5Writer
from tests.tools.programs import (
    datum_pixels,
    make_classes,
    read_lmdb,
    run,
    save_picture,
    start,
    succeed,
)

pytestmark = pytest.mark.apart

RANDOM = np.random.default_rng(0)
SIZE = ["--width", 24, "--height", 16]


def write_pictures(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """train.txt of a picture for each (height, width), of several kinds, in 3 categories."""
    lines = []
    for index, (height, width) in enumerate(sizes):
        extension = ("png", "jpg", "bmp")[index % 3]
        path = folder / f"pictures {index}" / f"{index}.{extension}"
        path.parent.mkdir()
        pixels = RANDOM.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).convert("L" if index % 4 == 0 else "RGB").save(path)
        lines.append(f"{path} {index % 3}\n")
    (folder / "train.txt").write_text("".join(lines))
    return folder / "train.txt"


@pytest.fixture
def pictures(tmp_path) -> Path:
    """12 pictures of the size SIZE already."""
    return write_pictures(tmp_path, [(16, 24)] * 12)


def entries(path: Path) -> list[tuple[str, int]]:
    fields = [line.rsplit(" ", 1) for line in path.read_text().splitlines()]
    return [(path, int(label)) for path, label in fields]


@pytest.mark.parametrize(
    ("mode", "channels", "encoding"),
    [("squash", 3, "png"), ("crop", 1, "png"), ("fill", 3, "none"), ("half_crop", 1, "none")],
)
def test_an_lmdb_holds_every_picture_resized(tmp_path, mode, channels, encoding):
    sizes = [tuple(RANDOM.integers(20, 90, 2)) for _ in range(12)]
    pictures = write_pictures(tmp_path, sizes)
    options = ["--channels", channels, "--mode", mode, "--encoding", encoding]
    succeed("create_db", pictures, tmp_path / "db", *SIZE, *options)
    records = list(read_lmdb(tmp_path / "db"))
    assert [key for key, _ in records] == [f"{i:08d}_{i % 3}" for i in range(12)]
    for (_, datum), (path, label) in zip(records, entries(pictures), strict=True):
        assert (datum.channels, datum.height, datum.width) == (channels, 16, 24)
        assert datum.label == label
        assert datum.encoded == (encoding != "none")
        expected = read_resized(path, 16, 24, channels, mode)
        assert np.array_equal(datum_pixels(datum), expected)


@pytest.mark.slow
def test_many_pictures_are_scaled_as_few_are(tmp_path):
    """From some number on a faster filter is used; it must not show."""
    pictures = write_pictures(tmp_path, [(40, 50), (30, 90), (64, 17)])
    (tmp_path / "many.txt").write_text(pictures.read_text() * 700)
    for name, list_path in (("few", pictures), ("many", tmp_path / "many.txt")):
        succeed("create_db", list_path, tmp_path / name, *SIZE, "--encoding", "none")
    few = [datum.data for _, datum in read_lmdb(tmp_path / "few")]
    assert [datum.data for _, datum in read_lmdb(tmp_path / "many")] == few * 700


def test_jpeg_records_are_close_to_the_pictures(tmp_path):
    path = tmp_path / "a.png"
    Image.linear_gradient("L").convert("RGB").resize((64, 64)).save(path)
    (tmp_path / "list.txt").write_text(f"{path} 0\n")
    options = ["--width", 64, "--height", 64, "--encoding", "jpg"]
    succeed("create_db", tmp_path / "list.txt", tmp_path / "db", *options)
    ((_, datum),) = read_lmdb(tmp_path / "db")
    assert datum.data[:2] == b"\xff\xd8"
    expected = read_resized(path, 64, 64, 3).astype(int)
    assert np.abs(datum_pixels(datum) - expected).mean() < 2


@pytest.mark.parametrize("encoding", ["png", "jpg"])
def test_the_mean_is_exactly_that_of_the_stored_pictures(pictures, tmp_path, encoding):
    means = ["--mean", tmp_path / "mean.binaryproto", "--mean", tmp_path / "mean.jpg"]
    succeed("create_db", pictures, tmp_path / "db", *SIZE, *means, "--encoding", encoding)
    stack = np.stack([datum_pixels(datum) for _, datum in read_lmdb(tmp_path / "db")])
    expected = stack.astype(np.float64).mean(axis=0)
    blob = caffe_pb2.BlobProto.FromString((tmp_path / "mean.binaryproto").read_bytes())
    assert (blob.num, blob.channels, blob.height, blob.width) == (1, 3, 16, 24)
    mean = np.array(blob.data, np.float32).reshape(3, 16, 24)
    assert np.array_equal(mean, expected[:, :, ::-1].transpose(2, 0, 1).astype(np.float32))
    shown = np.asarray(Image.open(tmp_path / "mean.jpg")).astype(int)
    assert shown.shape == (16, 24, 3)
    assert np.abs(shown - expected).mean() < 12  # JPEG of what is nearly noise


@pytest.mark.parametrize("backend", ["lmdb", "hdf5"])
def test_the_line_of_every_record_is_kept_also_where_some_were_skipped(pictures, tmp_path, backend):
    lines = entries(pictures)
    for path, _ in lines[2:9:3]:
        Path(path).write_bytes(b"broken")
    options = [*SIZE, "--shuffle", "--seed", 5, "--workers", 2, "--backend", backend]
    succeed("create_db", pictures, tmp_path / "db", *options, "--encoding", "none")
    found = [entry_of(tmp_path / "db", pictures, number) for number in range(10)]
    assert found[9] is None
    kept = [(entry.path, entry.label) for entry in found[:9]]
    assert sorted(kept) == sorted(lines[:2] + lines[3:5] + lines[6:8] + lines[9:])
    assert kept != sorted(kept), "they were not shuffled"
    if backend == "lmdb":
        for (_, datum), (path, label) in zip(read_lmdb(tmp_path / "db"), kept, strict=True):
            assert datum.label == label
            assert np.array_equal(datum_pixels(datum), read_resized(path, 16, 24, 3))


def test_the_same_seed_gives_the_same_bytes_and_another_seed_another_order(pictures, tmp_path):
    options = [*SIZE, "--shuffle"]
    contents = []
    for seed, workers in ((5, 1), (5, 2), (6, 2)):
        succeed(
            "create_db", pictures, tmp_path / "db", *options, "--seed", seed, "--workers", workers
        )
        contents.append((tmp_path / "db" / "data.mdb").read_bytes())
    assert contents[0] == contents[1] != contents[2]
    labels = sorted(datum.label for _, datum in read_lmdb(tmp_path / "db"))
    assert labels == sorted(label for _, label in entries(pictures))


def test_the_database_is_as_large_as_its_content(tmp_path):
    source = make_classes(tmp_path / "in", {"a": 150, "b": 150}, size=(24, 16))
    lines = [f"{path} 0\n" for path in sorted(source.rglob("*.png"))]
    (tmp_path / "list.txt").write_text("".join(lines))
    options = [*SIZE, "--encoding", "none"]
    succeed("create_db", tmp_path / "list.txt", tmp_path / "db", *options)
    pixels = 300 * 24 * 16 * 3
    assert pixels < (tmp_path / "db" / "data.mdb").stat().st_size < 2 * pixels


def test_an_lmdb_grows_over_many_transactions(tmp_path, monkeypatch):
    monkeypatch.setattr("digits.tools.databases._TRANSACTION_BYTES", 50_000)
    writer = LmdbWriter(tmp_path, 9_000, 10**6)
    datums = [
        caffe_pb2.Datum(data=RANDOM.bytes(8_000), label=i).SerializeToString() for i in range(500)
    ]
    for first in range(0, 500, 7):
        batch = datums[first : first + 7]
        writer.add(batch, range(first, first + len(batch)))
    writer.finish()
    writer.close()
    assert [datum.SerializeToString() for _, datum in read_lmdb(tmp_path)] == datums


def test_bad_pictures_are_skipped_by_name_and_counted(pictures, tmp_path):
    bad = tmp_path / "broken.jpg"
    bad.write_bytes(b"\xff\xd8\xff nonsense")
    with pictures.open("a") as file:
        file.write(f"{bad} 1\n{tmp_path}/missing.png 2\n{tmp_path}/missing too.png 2\n")
    (tmp_path / "labels.txt").write_text("cat\ndog\nemu\nfox\n")
    finished = succeed(
        "create_db", pictures, tmp_path / "db", *SIZE,
        "--labels", tmp_path / "labels.txt",
    )  # fmt: skip
    skipped = {Path(event.path).name: event.reason for event in finished.events(Skipped)}
    assert list(skipped) == ["broken.jpg", "missing.png", "missing too.png"]
    assert skipped["missing.png"] == "there is no such file"
    lines = [line.split("\t") for line in (tmp_path / "skipped.txt").read_text().splitlines()]
    assert [(line[0], Path(line[2]).name) for line in lines] == [("db", name) for name in skipped]
    assert len(list(read_lmdb(tmp_path / "db"))) == 12
    (distribution,) = finished.events(Distribution)
    assert distribution == Distribution("db", {"cat": 4, "dog": 4, "emu": 4, "fox": 0})
    assert "Done: 12 pictures in db, 3 skipped." in finished.log
    assert finished.events(Progress)[-1].fraction == 1.0


def test_pictures_outside_of_the_data_roots_are_not_read(pictures, tmp_path):
    (tmp_path / "pictures 0" / "link.png").symlink_to(tmp_path / "pictures 3" / "3.png")
    with pictures.open("a") as file:
        file.write(
            f"{tmp_path}/pictures 0/link.png 0\n{tmp_path}/pictures 0/../pictures 3/3.png 0\n"
        )
    roots = ["--data-root", tmp_path / "pictures 0", "--data-root", tmp_path / "pictures 1"]
    options = [*SIZE, *roots, "--max-skipped-share", 1]
    finished = succeed("create_db", pictures, tmp_path / "db", *options)
    assert len(list(read_lmdb(tmp_path / "db"))) == 2
    reasons = {event.reason for event in finished.events(Skipped)}
    assert reasons == {"it is outside the folders that may be read"}


def test_too_large_a_share_of_bad_pictures_fails_and_leaves_nothing(pictures, tmp_path):
    with pictures.open("a") as file:
        file.writelines(f"/nowhere/{index}.png 0\n" for index in range(4))
    before = sorted(tmp_path.iterdir())
    options = [*SIZE, "--mean", tmp_path / "mean.jpg"]
    error = run("create_db", pictures, tmp_path / "db", *options, "--max-skipped-share", 0.2).error
    assert "4 of 16 pictures cannot be used; at most 3 (20%) may be left out." in error
    assert "/nowhere/0.png: there is no such file" in error
    assert sorted(tmp_path.iterdir()) == before
    succeed("create_db", pictures, tmp_path / "db", *options, "--max-skipped-share", 0.25)


def test_a_list_without_a_single_good_picture_fails_whatever_the_share(tmp_path):
    (tmp_path / "list.txt").write_text("/nowhere.png 0\n")
    options = ["--width", 8, "--height", 8, "--max-skipped-share", 1]
    assert (
        "None of the pictures can be used. The first: /nowhere.png: there is no such file."
        in run("create_db", tmp_path / "list.txt", tmp_path / "db", *options).error
    )


def test_an_existing_database_is_replaced_only_as_a_whole(pictures, tmp_path):
    (tmp_path / "two.txt").write_text("".join(pictures.read_text().splitlines(True)[:2]))
    (tmp_path / "bad.txt").write_text("/nowhere.png 0\n")
    succeed("create_db", pictures, tmp_path / "db", *SIZE)
    before = (tmp_path / "db" / "data.mdb").read_bytes()
    assert run("create_db", tmp_path / "bad.txt", tmp_path / "db", *SIZE).status == 1
    assert (tmp_path / "db" / "data.mdb").read_bytes() == before
    succeed("create_db", tmp_path / "two.txt", tmp_path / "db", *SIZE)
    assert len(list(read_lmdb(tmp_path / "db"))) == 2
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize("backend", ["lmdb", pytest.param("hdf5", marks=pytest.mark.slow)])
def test_a_folder_that_holds_more_than_a_database_is_not_replaced(pictures, tmp_path, backend):
    # It used to be: a name mistyped by hand cost a folder of photographs.
    photos = make_classes(tmp_path / "photos", {"cat": 1})
    refused = run("create_db", pictures, photos, *SIZE, "--backend", backend)
    assert refused.error == (
        f"{photos} is there already and holds 'cat', which would be lost; "
        "give another name or move it away."
    )
    assert [path.name for path in photos.rglob("*.png")] == ["000.png"]
    (tmp_path / "empty").mkdir()
    for _ in range(2):
        succeed("create_db", pictures, tmp_path / "empty", *SIZE, "--backend", backend)


@pytest.mark.parametrize(
    "stop", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)]
)
def test_a_signal_ends_it_cleanly_with_nothing_half_made(pictures, tmp_path, stop):
    many = tmp_path / "many.txt"
    many.write_text(pictures.read_text() * 5000)
    with start("create_db", many, tmp_path / "db", *SIZE) as process:
        log = ""
        while "Progress: " not in log:
            log += process.stderr.readline()
        children = children_of(process.pid)
        process.send_signal(stop)
        log += process.stderr.read()
    assert process.returncode == 128 + stop
    assert f"Error: Stopped by {stop.name}; nothing was written." in log
    assert "Traceback" not in log
    assert not (tmp_path / "db").exists()
    assert not (tmp_path / ".db.partial").exists()
    assert len(children) >= 2
    wait_for_end(children)


def test_workers_end_when_the_program_is_killed_and_the_next_run_clears_up(pictures, tmp_path):
    many = tmp_path / "many.txt"
    many.write_text(pictures.read_text() * 5000)
    with start("create_db", many, tmp_path / "db", *SIZE) as process:
        while "Progress: " not in process.stderr.readline():
            pass
        children = children_of(process.pid)
        process.kill()
    wait_for_end(children)
    assert (tmp_path / ".db.partial").exists()
    succeed("create_db", pictures, tmp_path / "db", *SIZE)
    assert not (tmp_path / ".db.partial").exists()
    assert len(list(read_lmdb(tmp_path / "db"))) == 12


@pytest.mark.slow
def test_two_programs_do_not_write_the_same_database(pictures, tmp_path):
    many = tmp_path / "many.txt"
    many.write_text(pictures.read_text() * 5000)
    with start("create_db", many, tmp_path / "db", *SIZE) as process:
        while "Progress: " not in process.stderr.readline():
            pass
        error = run("create_db", pictures, tmp_path / "db", *SIZE).error
        process.terminate()
    assert "Another process is writing" in error


def test_a_killed_worker_is_an_error_not_a_hang(pictures, tmp_path):
    many = tmp_path / "many.txt"
    many.write_text(pictures.read_text() * 5000)
    with start("create_db", many, tmp_path / "db", *SIZE) as process:
        while "Progress: " not in process.stderr.readline():
            pass
        worker = max(children_of(process.pid))
        os.kill(worker, signal.SIGKILL)
        log = process.stderr.read()
    assert process.returncode == 1
    assert "Error: A worker process was killed; most likely the memory ran out." in log
    assert not (tmp_path / ".db.partial").exists()


@pytest.mark.slow
def test_a_list_of_a_million_lines_is_worked_on_in_little_memory(pictures, tmp_path):
    lines = pictures.read_text().splitlines(keepends=True)
    with (tmp_path / "million.txt").open("w") as file:
        file.writelines(lines[index % 12] for index in range(1_000_000))
    options = [*SIZE, "--shuffle", "--mean", tmp_path / "mean.jpg"]
    with start("create_db", tmp_path / "million.txt", tmp_path / "db", *options) as process:
        log = ""
        while log.count("Progress: ") < 4:
            log += process.stderr.readline()
        proportional_kb = sum(map(memory_kb, {process.pid} | children_of(process.pid)))
        process.terminate()
    assert "1,000,000 pictures of 3 categories." in log
    assert proportional_kb < 500_000


def memory_kb(pid: int) -> int:
    """The memory of a process; what it shares with others is divided by their number."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def test_hdf5_has_caffes_layout(pictures, tmp_path):
    options = [*SIZE, "--backend", "hdf5", "--encoding", "jpg"]
    succeed("create_db", pictures, tmp_path / "db", *options)
    listed = (tmp_path / "db" / "list.txt").read_text().splitlines()
    assert listed == [str(tmp_path / "db" / "00000.h5")]
    with h5py.File(listed[0]) as file:
        data, label = file["data"][()], file["label"][()]
    assert data.shape == (12, 3, 16, 24)
    assert data.dtype == label.dtype == np.float32
    assert label.tolist() == [index % 3 for index in range(12)]
    expected = read_resized(entries(pictures)[1][0], 16, 24, 3)
    assert np.array_equal(data[1], expected[:, :, ::-1].transpose(2, 0, 1))


def test_hdf5_files_are_split_before_they_are_too_large(tmp_path):
    picture_bytes = 2 * 3 * 4 * 4
    writer = Hdf5Writer(tmp_path, tmp_path, (2, 3, 4), file_bytes=5 * picture_bytes + 1)
    records = [bytes([index] * 24) for index in range(12)]
    for start_at in range(0, 12, 3):
        writer.add(records[start_at : start_at + 3], list(range(start_at, start_at + 3)))
    writer.finish()
    rows = []
    for path in (tmp_path / "list.txt").read_text().splitlines():
        with h5py.File(path) as file:
            rows.append(file["data"].shape[0])
            assert np.array_equal(file["data"][:, 0, 0, 0], file["label"])
    assert rows == [5, 5, 2]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--width", 0, "--height", 8], "The width must be between 1 and 4096 pixels, not 0."),
        (["--width", 8, "--height", -3], "not -3"),
        (["--width", 1_000_000_000, "--height", 8], "not 1000000000"),
        (
            ["--width", 8, "--height", 8, "--channels", 4],
            "must be 1 (grayscale) or 3 (color), not 4",
        ),
        (["--width", 8, "--height", 8, "--mean", "mean.npy"], "its name must end in .binaryproto"),
        (["--width", 8, "--height", 8, "--seed", -1], "The seed must be 0 or more"),
        (["--width", 8, "--height", 8, "--workers", 0], "1 worker or more, not 0"),
        (["--width", 8, "--height", 8, "--max-skipped-share", 2], "must be 0 to 1, not 2"),
        (["--width", 8, "--height", 8, "--labels", "/nowhere"], "/nowhere cannot be read"),
    ],
)
def test_impossible_orders_are_refused(pictures, tmp_path, options, message):
    assert message in run("create_db", pictures, tmp_path / "db", *options).error
    assert not (tmp_path / "db").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "lists no picture"),
        (b"\n \n", "lists no picture"),
        (
            b"a.png 0\nb.png\n",
            "list.txt:2: expected `path label` with a number at the end, got 'b.png'",
        ),
        (b"a.png x\n", "got 'a.png x'"),
        (b"a.png 1.5\n", "got 'a.png 1.5'"),
        (b"a.png 99999999999999999999\n", "expected `path label`"),
        (b"a.png -1\n", "list.txt:1: the label -1 is negative"),
        (b"a.png 0\nb.png 2\n", "list.txt:2: the label is 2, but there are 2 labels, 0 to 1"),
        (b"a.png 1\nb.png 2\n", "list.txt: labels count from 0, but yours begin at 1"),
        (b"a\xff.png 0\n", "list.txt:1: not valid UTF-8"),
    ],
)
def test_bad_lists_are_refused_with_the_line(tmp_path, content, message):
    (tmp_path / "list.txt").write_bytes(content)
    (tmp_path / "labels.txt").write_text("cat\ndog\n")
    options = ["--width", 8, "--height", 8, "--labels", tmp_path / "labels.txt"]
    error = run("create_db", tmp_path / "list.txt", tmp_path / "db", *options).error
    assert message in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["labels.txt", "list.txt"]


def test_lists_of_other_systems_and_relative_paths_are_read(tmp_path):
    save_picture(tmp_path / "in" / "with space.png", (1, 2, 3))
    lines = f"\ufeffwith space.png 1\r\n\r\n{tmp_path}/in/with space.png\t0"
    (tmp_path / "list.txt").write_text(lines, newline="")
    options = ["--width", 8, "--height", 6, "--folder", tmp_path / "in", "--encoding", "none"]
    succeed("create_db", tmp_path / "list.txt", tmp_path / "db", *options)
    records = list(read_lmdb(tmp_path / "db"))
    assert [key for key, _ in records] == ["00000000_1", "00000001_0"]
    assert datum_pixels(records[0][1])[0, 0].tolist() == [1, 2, 3]


def test_a_folder_of_relative_paths_that_is_not_there_is_told(pictures, tmp_path):
    options = [*SIZE, "--folder", tmp_path / "missing"]
    assert "There is no folder" in run("create_db", pictures, tmp_path / "db", *options).error


@pytest.mark.parametrize("backend", ["lmdb", pytest.param("hdf5", marks=pytest.mark.slow)])
def test_a_full_disk_is_told_and_nothing_is_left(tmp_path, backend):
    lines = write_pictures(tmp_path, [(200, 200)] * 9).read_text()
    (tmp_path / "list.txt").write_text(lines * 20)
    before = sorted(tmp_path.iterdir())
    command = [sys.executable, "-m", "digits.tools.create_db", tmp_path / "list.txt"]
    options = [tmp_path / "db", "--width", 200, "--height", 200, "--encoding", "none"]
    words = [str(word) for word in [*command, *options, "--backend", backend]]
    # No file may grow beyond 4 MB: the same as a full disk, for a program.
    limited = ["bash", "-c", 'ulimit -f 4000; exec "$@"', "bash", *words]
    finished = subprocess.run(limited, capture_output=True, text=True)
    assert finished.returncode == 1
    assert "Traceback" not in finished.stderr
    assert "[ERROR] Error: " in finished.stderr.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_a_database_name_that_is_taken_by_a_file_is_refused(pictures, tmp_path):
    (tmp_path / "db").write_text("precious")
    assert "exists and is no folder" in run("create_db", pictures, tmp_path / "db", *SIZE).error
    assert (tmp_path / "db").read_text() == "precious"
    error = run("create_db", pictures, tmp_path / "nowhere" / "db", *SIZE).error
    assert "There is no folder" in error


def children_of(pid: int) -> set[int]:
    """All processes below `pid`."""
    found = {int(child) for path in Path(f"/proc/{pid}/task").glob("*/children")
             for child in path.read_text().split()}  # fmt: skip
    return found.union(*(children_of(child) for child in found))


def wait_for_end(pids: set[int]) -> None:
    """Wait until the processes are gone; the test's own time-out is the limit."""
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            select.select([descriptor], [], [])
        finally:
            os.close(descriptor)


def test_where_processes_cannot_share_semaphores_the_cure_is_said(pictures, tmp_path):
    """What used to happen: "Permission denied", without a word on what."""
    command = [sys.executable, "-m", "digits.tools.create_db", str(pictures), str(tmp_path / "db")]
    # In a namespace of its own: nobody else's /dev/shm changes.
    alone = 'mount -t tmpfs -o ro tmpfs /dev/shm || exit 77; exec "$@"'
    finished = subprocess.run(
        ["unshare", "--mount", "sh", "-c", alone, "sh", *command, *map(str, SIZE)],
        capture_output=True,
        text=True,
        check=False,
    )
    if finished.returncode == 77 or "unshare" in finished.stderr:
        pytest.skip(f"this user may not mount a file system: {finished.stderr.strip()}")
    assert finished.returncode == 1
    assert "Worker processes need /dev/shm" in finished.stdout + finished.stderr
    assert not (tmp_path / "db").exists()
