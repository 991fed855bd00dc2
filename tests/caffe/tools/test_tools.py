"""The small command-line tools, beside what recordings show."""

from __future__ import annotations

import json
import os
import pkgutil
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import digits.caffe.tools
from digits.caffe.commands.programs import PROGRAMS, named
from digits.caffe.data import datum, db, pictures
from digits.caffe.data.means import read_mean_file
from digits.caffe.formats import prototxt
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import NetParameter, SolverParameter
from digits.caffe.tools import (
    compute_image_mean,
    convert_imageset,
    extract_features,
    upgrade_net_proto_binary,
    upgrade_net_proto_text,
    upgrade_solver_proto_text,
)
from tests.caffe.data.conftest import picture
from tests.golden.cases import DATA

TOOLS = [
    "classification",
    "compute_image_mean",
    "convert_cifar_data",
    "convert_imageset",
    "convert_mnist_data",
    "convert_mnist_siamese_data",
    "extract_features",
    "upgrade_net_proto_binary",
    "upgrade_net_proto_text",
    "upgrade_solver_proto_text",
]


@pytest.mark.parametrize("name", TOOLS)
def test_help_is_printed_and_mistakes_have_a_status(name: str) -> None:
    code = (
        f"import sys; from digits.caffe.tools.{name} import main; "
        "print(main(['--help']), main([]), main(['--no_such_flag']), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert name in done.stdout
    assert done.stdout.splitlines()[-1].endswith("0 1 1 False")
    assert "unknown command line flag 'no_such_flag'" in done.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures 0.png (6 x 8), 1.jpg (10 x 10), 2.png (6 x 8), with a list."""
    for index, (height, width, kind) in enumerate([(6, 8, "png"), (10, 10, "jpg"), (6, 8, "png")]):
        data = pictures.encode(picture(index, height, width), kind)
        (tmp_path / f"{index}.{kind}").write_bytes(data)
    (tmp_path / "list.txt").write_text("0.png 5\n1.jpg 6\n2.png 7\n")
    return tmp_path


def convert(folder: Path, *flags: str) -> list[datum.Datum]:
    words = [*flags, f"{folder}/", f"{folder}/list.txt", f"{folder}/db"]
    assert convert_imageset.main(words) == 0
    with db.Reader(f"{folder}/db", "lmdb") as reader:
        return [datum.parse(value, "") for _, value in reader.records()]


def test_pictures_become_planes(folder: Path) -> None:
    records = convert(folder)
    assert [record.label for record in records] == [5, 6, 7]
    np.testing.assert_array_equal(
        datum.sample(records[0], "").values, picture(0).transpose(2, 0, 1)
    )


def test_gray_pictures_have_one_channel(folder: Path) -> None:
    assert [record.channels for record in convert(folder, "--gray")] == [1, 1, 1]


def test_encoded_pictures_stay_as_they_are_or_take_the_type_asked_for(folder: Path) -> None:
    records = convert(folder, "--encode_type=png")
    assert records[0].data == (folder / "0.png").read_bytes()
    assert records[1].data.startswith(b"\x89PNG")
    assert all(record.encoded for record in records)


def test_shuffled_pictures_are_the_same_ones(folder: Path) -> None:
    assert {record.label for record in convert(folder, "--shuffle")} == {5, 6, 7}


def test_a_picture_that_cannot_be_read_is_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "1.jpg").unlink()
    assert [record.label for record in convert(folder)] == [5, 7]
    assert "Could not open or find file" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("\n0.png 5\n2.png 7\n\n", ["00000001_0.png", "00000002_2.png"]),
        ("0.png 5\r\n\r\n   \n2.png 7", ["00000000_0.png", "00000003_2.png"]),
        ("0.png\n2.png\t7\n0.png x\n", ["00000000_0.png", "00000002_0.png"]),
    ],
)
def test_lines_of_no_picture_are_passed_over(
    folder: Path, text: str, keys: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "list.txt").write_bytes(text.encode())
    convert(folder)
    with db.Reader(f"{folder}/db", "lmdb") as reader:
        assert [key.decode() for key, _ in reader.records()] == keys
    said = capsys.readouterr().err
    assert f"A total of {len(text.removesuffix(chr(10)).split(chr(10)))} images." in said
    assert "Processed 2 files." in said


@pytest.mark.parametrize(
    ("line", "label"), [("0.png 7x", 7), ("0.png -2", -2), ("0.png", 0), ("0.png x", 0)]
)
def test_labels_are_read_as_far_as_they_are_numbers(folder: Path, line: str, label: int) -> None:
    (folder / "list.txt").write_text(f"{line}\n")
    assert [record.label for record in convert(folder)] == [label]


def test_names_need_not_be_utf_8(folder: Path) -> None:
    name = b"caf\xe9.png"
    (folder / "0.png").rename(folder / os.fsdecode(name))
    (folder / "list.txt").write_bytes(name + b" 3\n")
    assert [record.label for record in convert(folder)] == [3]


def test_a_label_that_a_record_cannot_hold_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "list.txt").write_text("0.png 5\n2.png 99999999999\n")
    words = [f"{folder}/", f"{folder}/list.txt", f"{folder}/db"]
    assert convert_imageset.main(words) == 1
    assert "list.txt:2: the label 99999999999 is too large" in capsys.readouterr().err


@pytest.mark.parametrize("start", [["-m", "digits.caffe"], ["-m", "digits.caffe.tools."]])
def test_tools_run_by_their_names_say_what_caffes_say(folder: Path, start: list[str]) -> None:
    def said(tool: str, *words: str) -> list[str]:
        name = [*start[:-1], f"{start[-1]}{tool}"] if start[-1].endswith(".") else [*start, tool]
        command = [sys.executable, *name, *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        return [line.split("] ", 1)[1] for line in done.stderr.splitlines()]

    (folder / "list.txt").write_text("0.png 5\n2.png 7\n")
    assert said("convert_imageset", "./", "list.txt", "db") == [
        "A total of 2 images.",
        "Opened lmdb db",
        "Processed 2 files.",
    ]
    lines = said("compute_image_mean", "db", "mean")
    assert lines[:4] == [
        "Opened lmdb db",
        "Starting iteration",
        "Processed 2 files.",
        "Write to mean",
    ]
    assert lines[4] == "Number of channels: 3"
    assert [line.rpartition(" ")[0] for line in lines[5:]] == [
        f"mean_value channel [{channel}]:" for channel in range(3)
    ]


@pytest.mark.parametrize("name", [*TOOLS, "classify", "detect", "draw_net"])
def test_a_tools_log_has_its_name_also_where_it_is_the_main_module(name: str) -> None:
    (folder,) = digits.caffe.tools.__path__
    module = runpy.run_path(f"{folder}/{name}.py", run_name="another")
    if "log" in module:
        assert module["log"].name == f"digits.caffe.tools.{name}"


def test_every_tool_can_be_run_by_its_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(digits.caffe.tools.__path__)}
    helpers = {"program", "python_program", "upgrades", "detections_file", "training_log"}
    assert set(PROGRAMS) == modules - helpers
    for name in PROGRAMS:
        assert named(f"{name}.bin") == named(f"{name}.py") == name
        assert named(name) == (name if name != "train" else None)


@pytest.mark.parametrize(
    ("flags", "first"),
    [
        (["--minloglevel=1"], None),
        (["--logtostderr=0", "--alsologtostderr=0", "--log_dir=."], None),
        (["--log_prefix=false"], "A total of 3 images."),
        (["--undefok=nothing", "--nothing"], "A total of 3 images."),
    ],
)
def test_tools_take_glogs_flags(
    folder: Path,
    flags: list[str],
    first: str | None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(folder)
    convert(folder, *flags)
    lines = capsys.readouterr().err.splitlines()
    assert bool(lines) is (first is not None)
    if first is not None:
        assert lines[0].endswith(first)
    if "--log_dir=." in flags:
        assert "Processed 3 files." in (folder / "convert_imageset.INFO").read_text()


def test_check_size_refuses_pictures_of_two_sizes(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--check_size", f"{folder}/", f"{folder}/list.txt", f"{folder}/db"]
    assert convert_imageset.main(words) == 1
    assert "1.jpg: Incorrect data field size 300, the first picture has 144" in (
        capsys.readouterr().err
    )


@pytest.mark.parametrize("backend", ["lmdb", "leveldb"])
def test_every_backend_can_be_written_and_averaged(folder: Path, backend: str) -> None:
    if backend == "leveldb":
        pytest.importorskip("plyvel", reason="LevelDB needs plyvel, which is optional")
    flag = f"--backend={backend}"
    words = [flag, "--resize_height=4", "--resize_width=4", f"{folder}/", f"{folder}/list.txt"]
    assert convert_imageset.main([*words, f"{folder}/db"]) == 0
    assert compute_image_mean.main([flag, f"{folder}/db", f"{folder}/mean"]) == 0
    with db.Reader(f"{folder}/db", backend) as reader:
        values = [datum.sample(datum.parse(v, ""), "").values for _, v in reader.records()]
    np.testing.assert_allclose(read_mean_file(f"{folder}/mean"), np.mean(values, 0), rtol=1e-6)


def test_a_mean_of_pictures_of_two_sizes_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    convert(folder)
    assert compute_image_mean.main([f"{folder}/db", f"{folder}/mean"]) == 1
    assert "a mean needs records of one size" in capsys.readouterr().err


NET = """\
layer {{ name: "in" type: "Data" top: "data" top: "label"
  data_param {{ source: "{source}" batch_size: 2 backend: LMDB }} }}
layer {{ name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param {{ num_output: 5 weight_filler {{ type: "xavier" }} }} }}
"""


def test_features_are_the_blobs_of_the_net(folder: Path) -> None:
    records = convert(folder, "--resize_height=4", "--resize_width=4")
    (folder / "net.prototxt").write_text(NET.format(source=folder / "db"))
    net = Net(str(folder / "net.prototxt"), Phase.TEST)
    net.save(f"{folder}/net.caffemodel")
    weight, bias = (blob.data.copy() for blob in net.params["ip"])
    net.close()
    words = [f"{folder}/net.caffemodel", f"{folder}/net.prototxt", "ip,data"]
    assert extract_features.main([*words, f"{folder}/f,{folder}/d", "2", "lmdb", "CPU"]) == 0
    with db.Reader(f"{folder}/f") as reader:
        found = list(reader.records())
    assert [key for key, _ in found] == [b"%010d" % index for index in range(4)]
    for index, (_, value) in enumerate(found):
        feature = datum.parse(value, "")
        assert (feature.channels, feature.height, feature.width) == (5, 1, 1)
        pixels = np.frombuffer(records[index % 3].data, np.uint8)
        np.testing.assert_allclose(feature.float_data, weight @ pixels + bias, rtol=1e-4, atol=1e-2)


@pytest.mark.parametrize(
    ("blobs", "datasets", "count", "words"),
    [
        ("ip", "a,b", "1", "the number of blob names and dataset names must be equal"),
        ("nothing", "a", "1", "Unknown feature blob name nothing"),
        ("ip", "a", "x", "num_mini_batches must be a number"),
    ],
)
def test_features_that_cannot_be_extracted(
    folder: Path,
    capsys: pytest.CaptureFixture[str],
    blobs: str,
    datasets: str,
    count: str,
    words: str,
) -> None:
    convert(folder, "--resize_height=4", "--resize_width=4")
    (folder / "net.prototxt").write_text(NET.format(source=folder / "db"))
    net = Net(str(folder / "net.prototxt"), Phase.TEST)
    net.save(f"{folder}/net.caffemodel")
    net.close()
    files = [f"{folder}/net.caffemodel", f"{folder}/net.prototxt"]
    paths = ",".join(f"{folder}/{name}" for name in datasets.split(","))
    assert extract_features.main([*files, blobs, paths, count, "lmdb"]) == 1
    assert words in capsys.readouterr().err


def test_old_nets_and_weights_are_upgraded_as_recorded(tmp_path: Path) -> None:
    index = json.loads((DATA / "nets" / "index.json").read_text())
    cases = [facts for facts in index.values() if facts.get("group") == "upgrade"]
    assert cases
    for facts in cases:
        out = tmp_path / "net.prototxt"
        source, expected = (DATA / "nets" / facts[key] for key in ("prototxt", "expected"))
        if "solver" in source.name:
            assert upgrade_solver_proto_text.main([str(source), str(out)]) == 0
            assert prototxt.read_solver(out) == prototxt.read_solver(expected)
        else:
            assert upgrade_net_proto_text.main([str(source), str(out)]) in (0, 1)
            assert prototxt.read_net(out) == prototxt.read_net(expected)


def test_binary_weights_are_upgraded(tmp_path: Path) -> None:
    old = NetParameter(name="old")
    layer = old.layers.add(name="ip", type=14)
    layer.blobs.add(num=1, channels=1, height=2, width=3).data.extend(range(6))
    (tmp_path / "old").write_bytes(old.SerializeToString())
    assert upgrade_net_proto_binary.main([f"{tmp_path}/old", f"{tmp_path}/new"]) == 0
    new = NetParameter.FromString((tmp_path / "new").read_bytes())
    assert [(one.name, one.type) for one in new.layer] == [("ip", "InnerProduct")]
    assert list(new.layer[0].blobs[0].data) == list(range(6))


def test_an_old_solver_type_becomes_a_name(tmp_path: Path) -> None:
    (tmp_path / "old").write_text("base_lr: 0.1 solver_type: ADAM")
    assert upgrade_solver_proto_text.main([f"{tmp_path}/old", f"{tmp_path}/new"]) == 0
    assert prototxt.read_solver(tmp_path / "new") == SolverParameter(base_lr=0.1, type="Adam")


@pytest.mark.parametrize(
    "tool", [upgrade_net_proto_text, upgrade_net_proto_binary, upgrade_solver_proto_text]
)
def test_a_file_that_cannot_be_upgraded_has_status_2(
    tool: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad").write_bytes(b"\xff\xff no prototxt")
    assert tool.main([f"{tmp_path}/bad", f"{tmp_path}/new"]) == 2  # type: ignore[attr-defined]
    assert "Failed to parse input file as" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
