"""Classifying through real workers: one picture, many, databases, the best of each class."""

from __future__ import annotations

import io
import os
import signal
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import lmdb
import numpy as np
import pytest
from PIL import Image

from digits.images import ResizeMode, encode_picture, read_image, read_resized
from digits.inference import (
    BadNetwork,
    BadPicture,
    BadRequest,
    ClassifyOne,
    Database,
    Network,
    Pool,
    PoolSettings,
    WorkerDied,
    classify_many,
    top_n,
)
from digits.inference.work.preparing import Preparer
from tests.conftest import wait_until
from tests.inference.conftest import (
    COLOURS,
    CROP,
    DEPLOY,
    SIZE,
    has_ended,
    make_network,
    noise,
    picture_of,
)
from tests.tools.programs import succeed


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def best(pool: Pool, network: Network, source: Path | bytes) -> str:
    return pool.ask(ClassifyOne(source), network=network).predictions[0].label


# One picture


@pytest.mark.parametrize("colour", list(COLOURS))
def test_one_picture_from_a_file_or_bytes(
    shared_pool: Pool, network: Network, tmp_path: Path, colour: str
) -> None:
    picture_of(colour).save(tmp_path / "picture.jpg")
    assert best(shared_pool, network, tmp_path / "picture.jpg") == colour
    assert best(shared_pool, network, (tmp_path / "picture.jpg").read_bytes()) == colour


def test_the_best_classes_come_first_with_what_the_network_believes(
    shared_pool: Pool, network: Network
) -> None:
    answer = shared_pool.ask(ClassifyOne(png(noise(1)), top=2), network=network)
    assert [each.label for each in answer.predictions] == ["green", "red"]
    first, second = answer.predictions
    assert 1 > first.confidence > second.confidence > 0
    assert first.index == 1
    everything = shared_pool.ask(ClassifyOne(png(noise(1)), top=99), network=network)
    assert sum(each.confidence for each in everything.predictions) == pytest.approx(1)


def test_the_picture_as_the_network_sees_it(shared_pool: Pool, network: Network) -> None:
    source = png(noise(3, (50, 33)))
    whole = read_resized(source, SIZE, SIZE, 3, ResizeMode.SQUASH)
    edge = (SIZE - CROP) // 2
    seen = read_image(shared_pool.ask(ClassifyOne(source), network=network).picture)
    np.testing.assert_array_equal(seen, whole[edge : edge + CROP, edge : edge + CROP])


def test_a_prepared_picture_gets_the_same_answer(shared_pool: Pool, network: Network) -> None:
    first = shared_pool.ask(ClassifyOne(png(noise(4))), network=network)
    again = shared_pool.ask(ClassifyOne(first.picture, prepared=True), network=network)
    assert again == first
    with pytest.raises(BadPicture, match="A prepared picture is 12x12. Received: 40x30"):
        shared_pool.ask(ClassifyOne(png(noise(4)), prepared=True), network=network)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


# 300,000 x 300,000 pixels, says its header.
HUGE = (
    b"\x89PNG\r\n\x1a\n"
    + chunk(b"IHDR", struct.pack(">IIBBBBB", 300_000, 300_000, 8, 2, 0, 0, 0))
    + chunk(b"IDAT", zlib.compress(b"\0"))
    + chunk(b"IEND", b"")
)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture of a known format"),
        (png(noise(0))[:600], "broken picture"),
        (HUGE, "too many"),
    ],
    ids=["empty", "svg", "cut", "huge"],
)
def test_a_bad_picture_is_refused_with_the_reason_and_the_worker_lives(
    shared_pool: Pool, network: Network, content: bytes, reason: str
) -> None:
    before = {state.pid for state in shared_pool.states()}
    with pytest.raises(BadPicture, match=reason):
        shared_pool.ask(ClassifyOne(content), network=network)
    assert before <= {state.pid for state in shared_pool.states()}


def test_a_missing_file_is_named(shared_pool: Pool, network: Network, tmp_path: Path) -> None:
    with pytest.raises(BadPicture, match="there is no such file"):
        shared_pool.ask(ClassifyOne(tmp_path / "missing.png"), network=network)


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "1", "I;16"])
def test_pictures_of_every_mode_are_classified(
    shared_pool: Pool, network: Network, tmp_path: Path, mode: str
) -> None:
    ending = "tif" if mode == "CMYK" else "png"
    path = tmp_path / f"picture.{ending}"
    if mode == "I;16":
        Image.fromarray(np.full((9, 9), 40_000, np.uint16)).save(path)
    else:
        noise(2).convert(mode).save(path)
    assert len(shared_pool.ask(ClassifyOne(path), network=network).predictions) == 3


# Exactness


@pytest.mark.parametrize(
    ("encoding", "mode"),
    [("png", "squash"), ("none", "crop"), ("png", "fill"), ("none", "half_crop")],
)
def test_uploads_get_the_outputs_of_the_engines_test_phase(
    shared_pool: Pool, tmp_path: Path, encoding: str, mode: str
) -> None:
    network = make_network(tmp_path / "model")
    network = replace(network, resize_mode=mode, scale=0.5)
    paths = [tmp_path / f"{number}.png" for number in range(7)]
    for number, path in enumerate(paths):
        noise(number, (23 + 5 * number, 41)).save(path)
    database = make_database(tmp_path, paths, "--encoding", encoding, "--mode", mode)
    expected = engine_outputs(tmp_path, network, database, len(paths))
    for path, row in zip(paths, expected, strict=True):
        scores = {
            p.index: p.confidence
            for p in shared_pool.ask(ClassifyOne(path, 3), network=network).predictions
        }
        np.testing.assert_allclose([scores[i] for i in range(3)], row, atol=1e-5)
    for source in (paths, Database(database)):
        many = list(classify_many(shared_pool, network, source, top=3))
        got = [sorted((p.index, p.confidence) for p in each.predictions) for each in many]
        np.testing.assert_allclose([[c for _, c in row] for row in got], expected, atol=1e-5)


def make_database(tmp_path: Path, paths: list[Path], *options: str) -> Path:
    """The dataset's own program makes it; the class of a picture is its number modulo three."""
    lines = "".join(f"{path} {number % 3}\n" for number, path in enumerate(paths))
    (tmp_path / "list.txt").write_text(lines)
    size = ("--width", SIZE, "--height", SIZE, "--workers", 1)
    succeed("create_db", tmp_path / "list.txt", tmp_path / "db", *size, *options)
    return tmp_path / "db"


def engine_outputs(tmp_path: Path, network: Network, database: Path, count: int) -> np.ndarray:
    """The probabilities (count, classes) of the TEST phase with a Data layer over the database."""
    from digits.caffe.layers.base import Phase  # noqa: PLC0415
    from digits.caffe.net import Net  # noqa: PLC0415

    data = f"""
layer {{ name: "data" type: "Data" top: "data" top: "label"
  transform_param {{ crop_size: {CROP} mean_file: "{network.mean}" scale: {network.scale} }}
  data_param {{ source: "{database}" backend: LMDB batch_size: {count} }} }}
"""
    body = DEPLOY[DEPLOY.index('layer { name: "conv"') :]
    (tmp_path / "test.prototxt").write_text(data + body)
    net = Net(tmp_path / "test.prototxt", Phase.TEST, weights=network.weights)
    try:
        return np.array(net.forward()["prob"])
    finally:
        net.close()


# Many pictures


def test_many_pictures_keep_their_order_and_name_the_unreadable(
    shared_pool: Pool, network: Network, pictures: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"junk")
    sources = [*pictures[:4], tmp_path / "bad.png", *pictures[4:], tmp_path / "missing.png"]
    results = list(classify_many(shared_pool, network, sources, top=1))
    names = [each.predictions[0].label if each.predictions else each.reason for each in results]
    colours = list(COLOURS)
    assert names[:4] == [*colours, "red"]
    assert "not a picture of a known format" in names[4]
    assert names[5:10] == ["green", "blue", "red", "green", "blue"]
    assert names[10] == "there is no such file"
    assert [each.number for each in results] == list(range(11))


def test_many_pictures_as_bytes_and_none_at_all(shared_pool: Pool, network: Network) -> None:
    results = classify_many(shared_pool, network, [png(noise(i)) for i in range(3)], top=1)
    assert [each.predictions[0].label for each in results] == list(COLOURS)
    assert list(classify_many(shared_pool, network, [])) == []


def test_a_list_without_end_is_read_only_as_far_as_needed(
    shared_pool: Pool, network: Network, pictures: list[Path]
) -> None:
    taken = 0

    def endless() -> Iterator[Path]:
        nonlocal taken
        while True:
            taken += 1
            yield pictures[taken % 9]

    results = classify_many(shared_pool, network, endless())
    for _ in range(40):
        next(results)
    assert taken < 400
    limited = classify_many(shared_pool, network, endless(), limit=5)
    assert len(list(limited)) == 5


def test_the_worker_has_the_next_pictures_while_the_last_answers_are_used(
    shared_pool: Pool, network: Network, pictures: list[Path]
) -> None:
    taken = 0

    def listed() -> Iterator[Path]:
        nonlocal taken
        for path in pictures * 100:
            taken += 1
            yield path

    results = classify_many(shared_pool, network, listed(), top=1)
    first = next(results)
    # Two chunks are under way: the one whose answers are used, and the one that the worker has.
    assert taken > 64
    assert first.number == 0
    assert [each.number for each in results] == list(range(1, 900))


def test_who_stops_listening_does_not_keep_the_worker(
    shared_pool: Pool, network: Network, pictures: list[Path]
) -> None:
    results = classify_many(shared_pool, network, pictures * 100)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert best(shared_pool, network, pictures[2]) == "blue"


def test_requests_in_between_get_their_turn(
    shared_pool: Pool, network: Network, pictures: list[Path]
) -> None:
    results = classify_many(shared_pool, network, pictures * 30)
    next(results)
    assert best(shared_pool, network, pictures[1]) == "green"
    assert len(list(results)) == 269


def test_hdf5_databases_give_labels_and_keys(
    shared_pool: Pool, network: Network, tmp_path: Path, pictures: list[Path]
) -> None:
    folder = make_database(tmp_path, pictures, "--backend", "hdf5", "--encoding", "none")
    moved = folder.rename(tmp_path / "moved")
    results = list(classify_many(shared_pool, network, Database(moved, "hdf5")))
    assert [each.label for each in results] == [0, 1, 2] * 3
    assert [each.predictions[0].index for each in results] == [0, 1, 2] * 3
    assert results[4].key == "00000004"
    some = classify_many(shared_pool, network, Database(moved, "hdf5"), limit=4)
    assert len(list(some)) == 4


def test_a_database_of_many_chunks_is_read_from_where_the_last_ended(
    shared_pool: Pool, network: Network, tmp_path: Path
) -> None:
    picture = read_image(png(noise(2, (SIZE, SIZE))))
    datum = raw_datum(picture)
    with lmdb.open(str(tmp_path / "db"), map_size=1 << 24) as env, env.begin(write=True) as txn:
        for number in range(700):
            txn.put(f"{number:08d}_2".encode(), datum)
    results = list(classify_many(shared_pool, network, Database(tmp_path / "db"), top=1))
    assert [each.key for each in results] == [f"{number:08d}_2" for number in range(700)]
    assert {each.predictions[0].label for each in results} == {"blue"}


def raw_datum(picture: np.ndarray) -> bytes:
    from digits.caffe.proto import caffe_pb2  # noqa: PLC0415

    height, width, channels = picture.shape
    return caffe_pb2.Datum(
        channels=channels,
        height=height,
        width=width,
        data=encode_picture(picture, "none"),
        label=2,
    ).SerializeToString()


@pytest.mark.parametrize(
    ("backend", "message"), [("lmdb", "cannot be read"), ("sqlite", "The backend is one of")]
)
def test_a_database_that_is_none(
    shared_pool: Pool, network: Network, tmp_path: Path, backend: str, message: str
) -> None:
    with pytest.raises(BadRequest, match=message):
        list(classify_many(shared_pool, network, Database(tmp_path / "none", backend)))


# The best of each class


def test_the_best_of_each_class_are_the_best(
    shared_pool: Pool, network: Network, pictures: list[Path], tmp_path: Path
) -> None:
    sources: list[Path | bytes] = [*pictures, tmp_path / "missing.png"]
    sources += [png(noise(i)) for i in range(9, 80)]
    every = list(classify_many(shared_pool, network, sources, top=3))
    found = top_n(shared_pool, network, sources, n=4)
    assert found.labels == tuple(COLOURS)
    assert found.count == 81
    assert found.unreadable == {9: "there is no such file"}
    for index, ranked in enumerate(found.best):
        scores = [
            (-p.confidence, each.number)
            for each in every
            for p in each.predictions
            if p.index == index
        ]
        assert [each.number for each in ranked] == [number for _, number in sorted(scores)[:4]]
        assert ranked[0].confidence == pytest.approx(-min(scores)[0])


def test_fewer_pictures_than_wanted(
    shared_pool: Pool, network: Network, pictures: list[Path]
) -> None:
    found = top_n(shared_pool, network, pictures[:2], n=5)
    assert [len(ranked) for ranked in found.best] == [2, 2, 2]


# Networks


def test_a_network_whose_files_do_not_fit_is_refused(shared_pool: Pool, tmp_path: Path) -> None:
    network = make_network(tmp_path)
    wrong = tmp_path / "wrong.prototxt"

    def assert_refused(message: str, **changes: Any) -> None:
        changed = replace(network, **changes)
        with pytest.raises(BadNetwork, match=message):
            shared_pool.ask(ClassifyOne(png(noise(1))), network=changed)

    assert_refused(
        "none.caffemodel cannot be read: No such file", weights=tmp_path / "none.caffemodel"
    )
    damaged = tmp_path / "damaged.caffemodel"
    damaged.write_bytes(b"no weights")
    assert_refused(r"^damaged\.caffemodel: [^/]+$", weights=damaged)
    (tmp_path / "cut.caffemodel").write_bytes(network.weights.read_bytes()[:40])
    assert_refused("cut", weights=tmp_path / "cut.caffemodel")
    wrong.write_text(DEPLOY.replace("num_output: 3", "num_output: 4"))
    assert_refused("shape mismatch", deploy=wrong)
    wrong.write_text(DEPLOY.replace('type: "ReLU"', 'type: "RELUX"'))
    assert_refused("unknown type 'RELUX'", deploy=wrong)
    wrong.write_text(DEPLOY.replace('type: "ReLU"', 'type: "Python"'))
    assert_refused("Python", deploy=wrong)
    wrong.write_text(DEPLOY.replace(f"dim: {CROP} dim: {CROP}", "dim: 99 dim: 99"))
    assert_refused("larger than the picture", deploy=wrong)
    wrong.write_text(DEPLOY.replace('type: "Input"', 'type: "MemoryData"'))
    assert_refused("layer 'data' is a MemoryData", deploy=wrong)
    assert_refused("mean", height=20, width=20)
    with pytest.raises(BadNetwork, match="The resize mode is one of"):
        replace(network, resize_mode="stretch")
    with pytest.raises(BadNetwork, match="not both"):
        replace(network, mean_values=(1.0,))
    with pytest.raises(BadNetwork, match="1 or 3 channels"):
        replace(network, channels=2)


@pytest.mark.slow
def test_the_process_that_refused_a_network_takes_the_next(tmp_path: Path) -> None:
    network = make_network(tmp_path)
    with Pool() as pool:
        network.deploy.write_text("layer {")
        with pytest.raises(BadNetwork):
            pool.ask(ClassifyOne(png(noise(1))), network=network)
        (refusing,) = pool.states()
        assert refusing.network is None
        network.deploy.write_text(DEPLOY)
        assert best(pool, network, png(noise(1))) == "green"
        assert [(state.pid, state.network) for state in pool.states()] == [(refusing.pid, network)]


def test_labels_that_are_missing_are_numbers(shared_pool: Pool, tmp_path: Path) -> None:
    network = make_network(tmp_path)
    (tmp_path / "labels.txt").write_text("rot\n")
    answer = shared_pool.ask(ClassifyOne(png(noise(1))), network=network)
    assert [each.label for each in answer.predictions] == ["class 1", "rot", "class 2"]


def test_weights_that_were_replaced_are_loaded_anew(shared_pool: Pool, tmp_path: Path) -> None:
    network = make_network(tmp_path)
    assert best(shared_pool, network, png(noise(0))) == "red"
    os.replace(make_other_weights(tmp_path), network.weights)
    assert best(shared_pool, network, png(noise(0))) == "blue"


def make_other_weights(folder: Path) -> Path:
    from digits.caffe.layers.base import Phase  # noqa: PLC0415
    from digits.caffe.net import Net  # noqa: PLC0415

    net = Net(folder / "deploy.prototxt", Phase.TEST)
    net.params["scores"][1].data[...] = [0, 0, 9]
    net.save(folder / "other.caffemodel")
    return folder / "other.caffemodel"


@pytest.mark.slow
def test_the_network_idle_longest_makes_room(tmp_path: Path) -> None:
    networks = [make_network(tmp_path / name) for name in "abc"]
    with Pool(PoolSettings(workers=2)) as pool:
        for network in networks:
            assert best(pool, network, png(noise(0))) == "red"
        assert {state.network for state in pool.states()} == set(networks[1:])


@pytest.mark.slow
def test_a_network_that_needs_more_memory_than_it_may_have(tmp_path: Path) -> None:
    large = DEPLOY.replace("num_output: 3 kernel_size: 1", "num_output: 3 kernel_size: 1 pad: 4000")
    network = make_network(tmp_path / "small")
    network.deploy.write_text(large)
    with Pool(PoolSettings(memory_mb=200)) as pool:
        with pytest.raises(WorkerDied, match="needs more than the 200 MB of memory"):
            pool.ask(ClassifyOne(png(noise(0))), network=network)
        assert pool.states() == []
        network.deploy.write_text(DEPLOY)
        assert best(pool, network, png(noise(0))) == "red"


class CountingPool(Pool):
    """Counts the answers."""

    answers = 0

    def ask(self, *args: Any, **options: Any) -> Any:
        answer = super().ask(*args, **options)
        self.answers += 1
        return answer


@pytest.mark.slow
def test_a_worker_killed_between_two_chunks_is_replaced_unnoticed(
    network: Network, pictures: list[Path]
) -> None:
    with CountingPool() as pool:
        results = classify_many(pool, network, pictures * 100)
        next(results)
        # The second chunk is asked for while the first is given out, and the third not yet.
        wait_until(lambda: pool.answers == 2)
        (state,) = pool.states()
        os.kill(state.pid, signal.SIGKILL)
        wait_until(lambda: has_ended(state.pid))
        # The chunk that is there is given out; the next one starts a fresh worker.
        assert len(list(results)) == 899
        assert best(pool, network, pictures[0]) == "red"


def test_16_bit_pictures_are_scaled_as_those_of_the_dataset(
    network: Network, tmp_path: Path
) -> None:
    path = tmp_path / "wide.png"
    Image.fromarray(np.full((16, 16), 4095, np.uint16)).save(path)
    for levels, white in (((0, 65535), 16), ((0, 4095), 255)):
        preparer = Preparer(replace(network, levels=levels), (3, 12, 12))
        assert np.unique(preparer.read(str(path)).values).tolist() == [white]
