"""Caffe's Python programs (classify.py, detect.py, draw_net.py) and its example in C++."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from digits import caffe
from digits.caffe.__main__ import main
from digits.caffe.data.means import write_mean_file
from digits.caffe.io import load_image

NET = """\
name: "small"
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 2 dim: 3 dim: 6 dim: 8 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 4 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
MODEL = ["--model_def=net.prototxt", "--pretrained_model=net.caffemodel"]
MEAN = np.random.default_rng(0).uniform(0, 255, (3, 9, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A net with weights, pictures in two formats, a mean in two, and labels."""
    folder = tmp_path_factory.mktemp("net")
    (folder / "net.prototxt").write_text(NET)
    caffe.set_random_seed(3)
    caffe.Net(str(folder / "net.prototxt"), caffe.TEST).save(str(folder / "net.caffemodel"))
    pixels = np.random.default_rng(1).integers(0, 256, (12, 14, 4)).astype(np.uint8)
    for name, part in {
        "a.png": pixels[:, :, :3],
        "grey.png": pixels[:, :, 0],
        "clear.png": pixels,
        "deep.png": pixels[:, :, 0].astype(np.uint16) * 257,
    }.items():
        Image.fromarray(part).save(folder / name)
    np.save(folder / "mean.npy", MEAN)
    write_mean_file(str(folder / "mean.binaryproto"), MEAN)
    (folder / "labels.txt").write_text("n1 cat\nn2 dog\nn3 fish\nn4 bird\n")
    return folder


@pytest.fixture
def folder(made: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(made)
    monkeypatch.setenv("GLOG_logtostderr", "1")
    return made


def classifier() -> caffe.Classifier:
    return caffe.Classifier(
        "net.prototxt",
        "net.caffemodel",
        image_dims=(9, 10),
        mean=MEAN.mean(1).mean(1),
        raw_scale=255,
        channel_swap=(2, 1, 0),
    )


@pytest.mark.parametrize("mean", ["mean.npy", "mean.binaryproto"])
@pytest.mark.parametrize("center_only", [True, False])
def test_classify_saves_the_scores_of_a_picture(
    folder: Path, mean: str, center_only: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = [*MODEL, f"--mean_file={mean}", "--images_dim=9,10", *["--center_only"] * center_only]
    assert main(["classify.py", "a.png", "out.npy", *flags]) == 0
    expected = classifier().predict([load_image("a.png")], not center_only)
    np.testing.assert_allclose(np.load("out.npy"), expected, rtol=1e-5)
    said = capsys.readouterr().out.splitlines()
    assert said[:3] == ["CPU mode", "Loading file: a.png", "Classifying 1 inputs."]
    assert said[4] == "Saving results into out.npy"


def test_classify_takes_folders_and_arrays(folder: Path) -> None:
    flags = [*MODEL, "--mean_file=mean.npy", "--images_dim=9,10"]
    assert main(["classify", ".", "out.npy", "--ext=png", *flags]) == 0
    assert np.load("out.npy").shape == (4, 4)
    np.save("pictures.npy", np.stack([load_image("a.png")] * 3))
    assert main(["classify", "pictures.npy", "out.npy", *flags]) == 0
    np.testing.assert_allclose(
        np.load("out.npy")[2], classifier().predict([load_image("a.png")])[0]
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.png", "out", *MODEL, "--mean_file="], "nowhere.png"),
        (["a.png", "out"], "--mean_file=python/caffe/imagenet/ilsvrc_2012_mean.npy cannot be read"),
        (["a.png", "out", "--mean_file="], "models/bvlc_reference_caffenet/deploy.prototxt"),
        ([".", "out", *MODEL, "--mean_file=", "--ext=tif"], "there are no *.tif files in ."),
        (["a.png", "out", *MODEL, "--mean_file=net.prototxt"], "net.prototxt cannot be read"),
        (["a.png", "out", *MODEL, "--mean_file=", "--images_dim=9"], "new_dims are"),
        (["a.png", "out", *MODEL, "--channel_swap=x"], "--channel_swap takes whole numbers"),
        (["mean.npy", "out", *MODEL, "--mean_file="], "pictures have four axes"),
    ],
)
def test_classify_names_what_it_cannot_use(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["classify", *arguments]) == 1
    assert words in capsys.readouterr().err.splitlines()[-1]


WINDOWS = "filename, xmin, ymin, xmax, ymax\na.png,1,2,9,10\ngrey.png,0,0,14,12\na.png,3,3,8,9\n"


@pytest.fixture
def windows(folder: Path) -> Path:
    (folder / "windows.csv").write_text(WINDOWS)
    return folder


def detected(target: str, *flags: str) -> int:
    given = [*MODEL, "--crop_mode=list", "--context_pad=0", "--mean_file=mean.npy", *flags]
    return main(["detect.py", "windows.csv", target, *given])


def expected_detections() -> list[dict[str, object]]:
    detector = caffe.Detector(
        "net.prototxt",
        "net.caffemodel",
        mean=MEAN.mean(1).mean(1),
        raw_scale=255,
        channel_swap=(2, 1, 0),
    )
    listed = [("a.png", [(2, 1, 10, 9), (3, 3, 9, 8)]), ("grey.png", [(0, 0, 12, 14)])]
    return detector.detect_windows(listed)


def test_detect_writes_scores_as_text(windows: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert detected("out.csv") == 0
    rows = list(csv.DictReader(Path("out.csv").read_text().splitlines()))
    assert list(rows[0]) == [
        "filename",
        "ymin",
        "xmin",
        "ymax",
        "xmax",
        *[f"class{i}" for i in range(4)],
    ]
    for row, found in zip(rows, expected_detections(), strict=True):
        assert row["filename"] == found["filename"]
        assert [int(row[n]) for n in ("ymin", "xmin", "ymax", "xmax")] == list(found["window"])  # type: ignore[call-overload]
        scores = [float(row[f"class{i}"]) for i in range(4)]
        np.testing.assert_allclose(scores, found["prediction"], rtol=1e-5)  # type: ignore[arg-type]
    assert "Processed 3 windows in" in capsys.readouterr().out


def test_detect_writes_a_table_for_pandas(windows: Path) -> None:
    assert detected("out.h5") == 0
    with h5py.File("out.h5") as file:
        table = file["df"]
        columns = [name.decode() for name in table["axis0"]]
        names = [name.decode() for name in table["axis1"]]
        edges = table["block0_values"][()]
        scores = pickle.loads(table["block1_values"][0].tobytes())
        assert table.attrs["pandas_type"] == b"frame"
    assert columns == ["prediction", "ymin", "xmin", "ymax", "xmax"]
    for row, found in enumerate(expected_detections()):
        assert names[row] == found["filename"]
        assert edges[row].tolist() == list(found["window"])  # type: ignore[call-overload]
        np.testing.assert_allclose(scores[row, 0], found["prediction"], rtol=1e-5)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("filename,xmin,ymin,xmax\na.png,1,2,3\n", "has no column ymax in its first line"),
        ("filename,xmin,ymin,xmax,ymax\na.png,1,two,3,4\n", "windows.csv:2: ymin, xmin, ymax"),
        ("filename,xmin,ymin,xmax,ymax\na.png,1\n", "windows.csv:2: ymin, xmin, ymax"),
        ("filename,xmin,ymin,xmax,ymax\n", "there are no windows to save"),
        ("filename,xmin,ymin,xmax,ymax\na.png,1,2,300,4\n", "does not lie within the picture"),
        ("", "has no column filename"),
    ],
)
def test_detect_names_what_is_wrong_with_windows(
    windows: Path, text: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (windows / "windows.csv").write_text(text)
    assert detected("out.csv") == 1
    assert words in capsys.readouterr().err.splitlines()[-1]


def test_detect_needs_a_list_for_the_mode_list(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "list.txt").write_text("a.png\n")
    assert main(["detect", "list.txt", "out.csv", "--crop_mode=list"]) == 1
    assert "--crop_mode=list needs a .csv" in capsys.readouterr().err
    assert main(["detect", "list.xml", "out.csv"]) == 1
    assert "Unknown input file type: not in txt or csv" in capsys.readouterr().err
    assert main(["detect", "list.txt", "out.csv", *MODEL, "--context_pad=0", "--mean_file="]) == 1
    assert "Selective Search needs the module" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["--rankdir=TB", "--phase=TEST", "--display_lrm"]])
def test_draw_net_draws(folder: Path, flags: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["draw_net.py", "net.prototxt", "net.png", *flags]) == 0
    with Image.open("net.png") as picture:
        assert picture.width > 100
    assert capsys.readouterr().out == "Drawing net to net.png\n"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.prototxt", "net.png"], "nowhere.prototxt: cannot be read"),
        (["net.prototxt", "net"], "the file's ending says the format"),
        (["net.prototxt", "net.png", "--phase=VAL"], "Unknown phase: VAL; known are TRAIN"),
        (["net.prototxt", "net.png", "--rankdir=XY"], "XY"),
    ],
)
def test_draw_net_names_what_it_cannot_use(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["draw_net", *arguments]) == 1
    assert words in capsys.readouterr().err


@pytest.mark.parametrize("name", ["classify", "detect", "draw_net"])
def test_their_command_lines_answer_as_argparse_does(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([name, "--help"]) == 0
    assert f"usage: {name}.py" in capsys.readouterr().out
    assert main([name]) == 2
    assert "the following arguments are required" in capsys.readouterr().err


CLASSIFICATION = ["net.prototxt", "net.caffemodel", "mean.binaryproto", "labels.txt"]


@pytest.mark.parametrize("picture", ["a.png", "grey.png", "clear.png", "deep.png"])
def test_classification_prints_the_best_labels(
    folder: Path,
    picture: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TEST_TMPDIR", str(tmp_path))
    monkeypatch.delenv("GLOG_logtostderr")
    assert main(["classification.bin", *CLASSIFICATION, picture]) == 0
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert lines[0] == f"---------- Prediction for {picture} ----------"
    scores = {line.split(' - "')[1][:-1]: float(line.split()[0]) for line in lines[1:]}
    assert set(scores) == {"n1 cat", "n2 dog", "n3 fish", "n4 bird"}
    assert list(scores.values()) == sorted(scores.values(), reverse=True)
    assert sum(scores.values()) == pytest.approx(1, abs=3e-4)
    assert said.err == ""  # as in Caffe, the log is in a file only
    assert "Network initialization done." in (tmp_path / "classification.INFO").read_text()


def test_classification_subtracts_the_mean_of_each_channel(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (8, 6), (10, 20, 30)).save("flat.png")
    assert main(["classification", *CLASSIFICATION, "flat.png"]) == 0
    best = float(capsys.readouterr().out.splitlines()[1].split()[0])
    net = caffe.Net("net.prototxt", "net.caffemodel", caffe.TEST)
    net.blobs["data"].reshape(1, 3, 6, 8)
    planes = np.array([30, 20, 10], np.float32) - MEAN.mean((1, 2))
    net.blobs["data"].data[...] = planes[:, np.newaxis, np.newaxis]
    assert net.forward()["prob"].max() == pytest.approx(best, abs=1e-4)


@pytest.mark.parametrize(
    ("position", "word", "problem"),
    [
        (3, "net.prototxt", "Number of labels"),
        (3, "nowhere", "Unable to open labels file nowhere"),
        (2, "nowhere", "mean file not found: nowhere"),
        (4, "labels.txt", "Unable to decode image labels.txt"),
        (4, "nowhere.png", "Unable to open image nowhere.png"),
        (0, "nowhere", "nowhere"),
    ],
)
def test_classification_names_what_it_cannot_use(
    folder: Path, position: int, word: str, problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*CLASSIFICATION, "a.png"]
    words[position] = word
    assert main(["classification", *words]) == 1
    assert problem in capsys.readouterr().err.splitlines()[-1]
