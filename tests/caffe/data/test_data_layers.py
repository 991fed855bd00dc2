"""The layers that read data: order, rounds, ranks, going on where another stopped, bad input."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from digits.caffe.data import datum, db, pictures
from digits.caffe.errors import CaffeError, DataError, LayerError
from digits.caffe.layers.base import Layer, Phase
from tests.caffe.data.conftest import MakeDatabase, MakeLayer, picture


def data_layer(path: str, batch_size: int = 2, transform: str = "", more: str = "") -> str:
    return (
        f'name: "in" type: "Data" top: "data" top: "label" transform_param {{ {transform} }} '
        f'data_param {{ source: "{path}" batch_size: {batch_size} backend: LMDB {more} }}'
    )


def labels(layer: Layer, passes: int) -> list[int]:
    found: list[int] = []
    for _ in range(passes):
        tops = layer.forward([])
        assert tops[1] is not None
        found += tops[1].int().tolist()
    return found


def first_top(layer: Layer) -> np.ndarray:
    (top, *_) = layer.forward([])
    assert top is not None
    return top.numpy().copy()


@pytest.mark.parametrize("encoding", ["", "png"])
def test_batches_wrap_in_the_middle(
    make_database: MakeDatabase, make_layer: MakeLayer, encoding: str
) -> None:
    images = [picture(i) for i in range(5)]
    layer = make_layer(data_layer(make_database(images, encoding), 3))
    assert list(layer.reshape([])) == [(3, 3, 6, 8), (3,)]
    for batch in ([0, 1, 2], [3, 4, 0], [1, 2, 3]):
        data, label = layer.forward([])
        assert data is not None
        assert label is not None
        assert label.tolist() == batch
        for result, index in zip(data.numpy(), batch, strict=True):
            np.testing.assert_array_equal(result, images[index].transpose(2, 0, 1))


def test_pictures_lie_in_memory_as_the_net_wants_them(
    make_database: MakeDatabase, make_layer: MakeLayer
) -> None:
    path = make_database([picture(0), picture(1)], "png")
    plain = make_layer(data_layer(path)).forward([])[0]
    last = make_layer(data_layer(path), channels_last=True).forward([])[0]
    assert plain is not None
    assert last is not None
    assert plain.is_contiguous()
    assert last.is_contiguous(memory_format=torch.channels_last)
    assert plain.equal(last)


def test_each_rank_takes_its_share_in_training_and_everything_in_testing(
    make_database: MakeDatabase, make_layer: MakeLayer
) -> None:
    text = data_layer(make_database([picture(i) for i in range(5)]))
    train = [make_layer(text, Phase.TRAIN, rank=rank, world_size=2) for rank in (0, 1)]
    # The second round begins with the other parity, as the count of records goes on.
    assert labels(train[0], 3) == [0, 2, 4, 1, 3, 0]
    assert labels(train[1], 3) == [1, 3, 0, 2, 4, 1]
    assert labels(make_layer(text, Phase.TEST, rank=1, world_size=2), 2) == [0, 1, 2, 3]


def test_a_restored_layer_goes_on_with_the_next_batch_and_the_same_chance(
    make_database: MakeDatabase, make_layer: MakeLayer
) -> None:
    text = data_layer(
        make_database([picture(i) for i in range(5)]), transform="mirror: true crop_size: 3"
    )
    straight = make_layer(text, seed=7)
    before = [first_top(straight) for _ in range(2)]
    state = straight.state()
    after = [first_top(straight) for _ in range(4)]
    other = make_layer(text, seed=8)
    first_top(other)
    other.restore(state)
    for expected in after:
        np.testing.assert_array_equal(first_top(other), expected)
    again = make_layer(text, seed=7)
    np.testing.assert_array_equal(first_top(again), before[0])


def test_the_state_is_that_of_the_batches_taken_not_of_those_read_ahead(
    make_database: MakeDatabase, make_layer: MakeLayer
) -> None:
    layer = make_layer(data_layer(make_database([picture(i) for i in range(9)])))
    assert layer.state()["offset"] == 0
    labels(layer, 1)
    assert layer.state()["offset"] == 2


def test_another_seed_crops_elsewhere(make_database: MakeDatabase, make_layer: MakeLayer) -> None:
    text = data_layer(make_database([picture(0, 40, 40)]), transform="crop_size: 3")
    one, other = make_layer(text, seed=1), make_layer(text, seed=2)
    assert not np.array_equal(first_top(one), first_top(other))


def test_a_label_is_optional(make_database: MakeDatabase, make_layer: MakeLayer) -> None:
    path = make_database([picture(0)])
    layer = make_layer(
        f'name: "in" type: "Data" top: "data" data_param {{ source: "{path}" batch_size: 1 '
        "backend: LMDB }"
    )
    assert len(layer.forward([])) == 1


def test_two_layers_may_read_one_database(
    make_database: MakeDatabase, make_layer: MakeLayer
) -> None:
    text = data_layer(make_database([picture(i) for i in range(4)]))
    one, other = make_layer(text), make_layer(text, Phase.TEST)
    assert labels(one, 2) == labels(other, 2) == [0, 1, 2, 3]


def write_records(path: Path, records: Sequence[bytes]) -> str:
    with db.Writer(str(path)) as writer:
        for index, record in enumerate(records):
            writer.put(b"%08d" % index, record)
    return str(path)


GOOD = datum.raw(picture(0), 0).SerializeToString()


@pytest.mark.parametrize(
    ("records", "transform", "words"),
    [
        ([GOOD, datum.raw(picture(1, 5, 5), 1).SerializeToString()], "", "'00000001'.*3 x 5 x 5"),
        ([GOOD, b"\xff\xff\xff"], "", "'00000001'.* is no Caffe Datum"),
        ([GOOD, datum.Datum(data=b"no picture", encoded=True).SerializeToString()], "",
         "'00000001'.*cannot decode the picture"),
        ([GOOD, datum.Datum(channels=3, height=6, width=8, data=b"12").SerializeToString()], "",
         "'00000001'.*holds 2 values"),
        ([GOOD], "crop_size: 7", "crop_size 7 is larger than the picture, which is 8 x 6"),
        ([GOOD], "mean_value: 1 mean_value: 2", "2 mean_value are given"),
    ],
)  # fmt: skip
def test_a_record_that_does_not_fit_is_named(
    tmp_path: Path, make_layer: MakeLayer, records: list[bytes], transform: str, words: str
) -> None:
    path = write_records(tmp_path / "db", records)
    with pytest.raises(DataError, match=words):
        make_layer(data_layer(path, transform=transform)).forward([])
    assert len(db._opened) <= 1


def test_pictures_with_16_bits_are_refused(tmp_path: Path, make_layer: MakeLayer) -> None:
    deep = (picture(0, channels=1).astype(np.uint16) * 257)[:, :, 0]
    record = datum.Datum(data=pictures.encode(deep, "png"), encoded=True).SerializeToString()
    with pytest.raises(DataError, match="uint16 channels; Caffe reads 8 bits"):
        make_layer(data_layer(write_records(tmp_path / "db", [record])))


def test_a_batch_size_is_needed(make_database: MakeDatabase, make_layer: MakeLayer) -> None:
    with pytest.raises(LayerError, match="layer 'in' .*batch_size must be above 0, received 0"):
        make_layer(data_layer(make_database([picture(0)]), 0))


# ------------------------------------------------------------------ ImageData


def write_pictures(folder: Path, count: int) -> str:
    for index in range(count):
        name = f"a picture {index}.png"
        (folder / name).write_bytes(pictures.encode(picture(index), "png"))
    lines = [f"{folder}/a picture {index}.png {index}" for index in range(count)]
    (folder / "list.txt").write_text("\n".join(lines) + "\n")
    return str(folder / "list.txt")


def image_layer(source: str, more: str = "") -> str:
    return (
        'name: "in" type: "ImageData" top: "data" top: "label" '
        f'image_data_param {{ source: "{source}" batch_size: 2 {more} }}'
    )


def test_pictures_of_a_list_come_in_its_order(tmp_path: Path, make_layer: MakeLayer) -> None:
    layer = make_layer(image_layer(write_pictures(tmp_path, 3)))
    data, _ = layer.forward([])
    assert data is not None
    np.testing.assert_array_equal(data[1].numpy(), picture(1).transpose(2, 0, 1))
    assert labels(layer, 3) == [2, 0, 1, 2, 0, 1]


def test_shuffled_rounds_differ_and_hold_every_picture(
    tmp_path: Path, make_layer: MakeLayer
) -> None:
    text = image_layer(write_pictures(tmp_path, 8), "shuffle: true")
    layer = make_layer(text)
    rounds = [labels(layer, 4) for _ in range(3)]
    assert all(sorted(found) == list(range(8)) for found in rounds)
    assert rounds[0] != rounds[1]
    other = make_layer(text, seed=5)
    state = layer.state()
    other.restore(state)
    assert labels(other, 8) == labels(layer, 8)


def test_rand_skip_starts_later(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = image_layer(write_pictures(tmp_path, 8), "rand_skip: 5")
    starts = {labels(make_layer(text, seed=seed), 1)[0] for seed in range(12)}
    assert starts <= set(range(5))
    assert len(starts) > 1


def test_ranks_share_the_list(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = image_layer(write_pictures(tmp_path, 5))
    assert labels(make_layer(text, rank=1, world_size=2), 3) == [1, 3, 0, 2, 4, 1]


@pytest.mark.parametrize(
    ("content", "more", "words"),
    [
        ("", "", "File is empty"),
        ("a.png\n", "", "list.txt:1: each line must be"),
        ("a.png x\n", "", "list.txt:1: each line must be"),
        ("gone.png 1\n", "", "gone.png: cannot read the picture"),
        ("list.txt 1\n", 'root_folder: "{folder}/"', "list.txt: cannot decode the picture"),
        ("a.png 1\n", "new_height: 3", "new_height and new_width must be set together"),
    ],
)
def test_a_bad_list_is_an_error(
    tmp_path: Path, make_layer: MakeLayer, content: str, more: str, words: str
) -> None:
    (tmp_path / "list.txt").write_text(content)
    with pytest.raises(CaffeError, match=words):
        make_layer(image_layer(f"{tmp_path}/list.txt", more.format(folder=tmp_path)))


def test_a_missing_list_is_named(tmp_path: Path, make_layer: MakeLayer) -> None:
    with pytest.raises(DataError, match="gone.txt"):
        make_layer(image_layer(f"{tmp_path}/gone.txt"))


# ------------------------------------------------------------------ HDF5


def write_hdf5(folder: Path, sizes: Sequence[int]) -> str:
    first = 0
    names = []
    for number, size in enumerate(sizes):
        rows = np.arange(first, first + size, dtype=np.float64)
        with h5py.File(folder / f"{number}.h5", "w") as file:
            file["data"] = np.stack([rows, -rows], axis=1)
            file["label"] = rows
        names.append(str(folder / f"{number}.h5"))
        first += size
    (folder / "files.txt").write_text("\n".join(names))
    return str(folder / "files.txt")


def hdf5_layer(source: str, batch_size: int = 4, more: str = "", tops: str = "data label") -> str:
    top = " ".join(f'top: "{name}"' for name in tops.split())
    return (
        f'name: "in" type: "HDF5Data" {top} '
        f'hdf5_data_param {{ source: "{source}" batch_size: {batch_size} {more} }}'
    )


def test_rows_run_across_files(tmp_path: Path, make_layer: MakeLayer) -> None:
    layer = make_layer(hdf5_layer(write_hdf5(tmp_path, [3, 1, 2])))
    assert list(layer.reshape([])) == [(4, 2), (4,)]
    assert labels(layer, 3) == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]


def test_a_batch_may_be_larger_than_all_files(tmp_path: Path, make_layer: MakeLayer) -> None:
    layer = make_layer(hdf5_layer(write_hdf5(tmp_path, [2, 1]), 7))
    assert labels(layer, 1) == [0, 1, 2, 0, 1, 2, 0]


def test_shuffled_rows_all_come_in_every_round(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = hdf5_layer(write_hdf5(tmp_path, [5, 3]), 4, "shuffle: true")
    layer = make_layer(text)
    rounds = [labels(layer, 2) for _ in range(3)]
    assert all(sorted(found) == list(range(8)) for found in rounds)
    assert rounds[0] != rounds[1]
    labels(layer, 1)
    other = make_layer(text, seed=99)
    other.restore(layer.state())
    assert labels(other, 3) == labels(layer, 3)


def test_ranks_share_the_rows(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = hdf5_layer(write_hdf5(tmp_path, [3, 4]), 2)
    ranks = [make_layer(text, rank=rank, world_size=3) for rank in range(3)]
    found = [labels(layer, 4) for layer in ranks]
    every = [found[position % 3][position // 3] for position in range(24)]
    assert every == [position % 7 for position in range(24)]


@pytest.mark.parametrize(
    ("tops", "words"),
    [
        ("data other", "there is no dataset 'other' .*holds bad, data, text"),
        ("data bad", "need equally many rows, received {'data': 3, 'bad': 2}"),
        ("text", "must hold rows of numbers"),
    ],
)
def test_datasets_that_do_not_fit(
    tmp_path: Path, make_layer: MakeLayer, tops: str, words: str
) -> None:
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["data"], file["bad"], file["text"] = np.zeros(3), np.zeros(2), b"text"
    (tmp_path / "files.txt").write_text(str(tmp_path / "a.h5"))
    with pytest.raises(DataError, match=words):
        make_layer(hdf5_layer(f"{tmp_path}/files.txt", tops=tops))


def test_hdf5_lists_and_files_that_are_none(tmp_path: Path, make_layer: MakeLayer) -> None:
    source = tmp_path / "files.txt"
    for content, words in (
        (None, "Failed to open source file"),
        ("", "must list one HDF5 file at least"),
        (f"{tmp_path}/gone.h5", "Failed opening HDF5 file"),
        (str(source), "Failed opening HDF5 file"),
    ):
        if content is not None:
            source.write_text(content)
        with pytest.raises(DataError, match=words):
            make_layer(hdf5_layer(str(source)))


def test_hdf5_data_is_not_transformed(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = hdf5_layer(write_hdf5(tmp_path, [3])) + " transform_param { scale: 2 }"
    with pytest.raises(LayerError, match="does not transform data"):
        make_layer(text)


# ------------------------------------------------------------------ DummyData


def test_constant_tops_are_filled_once_and_random_ones_every_time(make_layer: MakeLayer) -> None:
    layer = make_layer(
        'name: "in" type: "DummyData" top: "a" top: "b" dummy_data_param { '
        'shape { dim: 2 dim: 3 } data_filler { value: 4 } data_filler { type: "uniform" max: 1 } }'
    )
    first, second = layer.forward([]), layer.forward([])
    assert first[0] is not None
    assert (first[0] == 4).all()
    assert second[0] is None
    assert first[1] is not None
    assert second[1] is not None
    assert not first[1].equal(second[1])


def test_old_sizes_of_dummy_data(make_layer: MakeLayer) -> None:
    layer = make_layer(
        'name: "in" type: "DummyData" top: "a" top: "b" dummy_data_param { '
        "num: 2 channels: 3 channels: 5 height: 1 width: 1 }"
    )
    assert list(layer.reshape([])) == [(2, 3, 1, 1), (2, 5, 1, 1)]


@pytest.mark.parametrize(
    ("param", "words"),
    [
        ("", "shape must be specified once"),
        ("shape {} shape {} shape {}", "shape must be specified once"),
        ("num: 1", "must be specified once, or once for each"),
        ("num: 1 channels: 1 height: 1 width: 1 shape {}", "not both"),
        ("shape {} data_filler {} data_filler {} data_filler {}", "number of data fillers"),
    ],
)
def test_dummy_data_that_says_too_little_or_too_much(
    make_layer: MakeLayer, param: str, words: str
) -> None:
    with pytest.raises(LayerError, match=words):
        make_layer(f'name: "in" type: "DummyData" top: "a" top: "b" dummy_data_param {{ {param} }}')


# ------------------------------------------------------------------ WindowData

WINDOWS = """\
# 0
{folder}/0.png
3
6
8
3
1 0.9 0 0 3 3
2 0.6 2 2 7 5
0 0.1 4 0 7 2
"""


def window_layer(folder: Path, text: str = WINDOWS, more: str = "", crop: int = 4) -> str:
    (folder / "0.png").write_bytes(pictures.encode(picture(0), "png"))
    (folder / "windows.txt").write_text(text.format(folder=folder))
    return (
        'name: "in" type: "WindowData" top: "data" top: "label" '
        f"transform_param {{ crop_size: {crop} }} window_data_param {{ "
        f'source: "{folder}/windows.txt" batch_size: 4 fg_fraction: 0.5 {more} }}'
    )


def test_half_of_the_windows_are_objects_and_come_last(
    tmp_path: Path, make_layer: MakeLayer
) -> None:
    layer = make_layer(window_layer(tmp_path))
    found = labels(layer, 10)
    for batch in range(10):
        background, objects = found[batch * 4 : batch * 4 + 2], found[batch * 4 + 2 : batch * 4 + 4]
        assert background == [0, 0]
        assert set(objects) <= {1, 2}
    assert {1, 2} <= set(found)


def test_a_window_as_large_as_the_crop_is_cut_out(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = "# 0\n{folder}/0.png\n3\n6\n8\n2\n1 0.9 0 0 3 3\n0 0.1 0 0 3 3\n"
    data = first_top(make_layer(window_layer(tmp_path, text, "cache_images: true")))
    for result in data:
        np.testing.assert_array_equal(result, picture(0)[:4, :4].transpose(2, 0, 1))


def test_windows_go_on_where_another_layer_stopped(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = window_layer(tmp_path)
    layer, other = make_layer(text, seed=1), make_layer(text, seed=2)
    labels(layer, 3)
    other.restore(layer.state())
    np.testing.assert_array_equal(first_top(layer), first_top(other))


@pytest.mark.parametrize(
    ("text", "more", "words"),
    [
        ("", "", "Window file is empty"),
        ("0\n", "", "the entry of picture 1 is not"),
        ("# 0\n{folder}/0.png\n3\n6\n8\n1\n1 0.9 0 0", "", "the entry of picture 1 is not"),
        ("# 0\n{folder}/0.png\n3\n6\n8\n1\n1 0.9 0 0 3 3", "", "1 windows .* and 0 below"),
        (WINDOWS.replace("2 0.6", "0 0.6"), "", "has class 0; classes of objects begin with 1"),
        (WINDOWS, "context_pad: 2", "crop_size above twice the context_pad 2, received 4"),
        (WINDOWS, 'crop_mode: "round"', "crop_mode must be warp or square, received 'round'"),
    ],
)
def test_window_files_and_settings_that_cannot_be_used(
    tmp_path: Path, make_layer: MakeLayer, text: str, more: str, words: str
) -> None:
    with pytest.raises(CaffeError, match=words):
        make_layer(window_layer(tmp_path, text, more))


def test_a_window_outside_of_its_picture_is_named(tmp_path: Path, make_layer: MakeLayer) -> None:
    text = WINDOWS.replace("4 0 7 2", "4 0 8 2")
    with pytest.raises(DataError, match="window 4 0 8 2 is not inside the picture, which is 8 x 6"):
        make_layer(window_layer(tmp_path, text)).forward([])
