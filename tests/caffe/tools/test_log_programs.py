"""Caffe's programs that read logs (tools/extra), on a log of real Caffe and on ours."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from PIL import Image

from digits.caffe.__main__ import main
from digits.caffe.tools.plot_training_log import CHARTS

LOG = Path(__file__).parents[2] / "golden" / "data" / "logs" / "train_ok" / "output.log"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "caffe.log").write_bytes(LOG.read_bytes())
    return tmp_path


def rows(path: Path, delimiter: str = ",") -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file, delimiter=delimiter))


def test_parse_log_writes_a_table_for_each_net(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["parse_log.py", "caffe.log", ".", "--verbose"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Wrote caffe.log.train",
        "Wrote caffe.log.test",
    ]
    train, test = rows(folder / "caffe.log.train"), rows(folder / "caffe.log.test")
    assert list(train[0]) == ["NumIters", "Seconds", "LearningRate", "loss"]
    assert list(test[0]) == ["NumIters", "Seconds", "LearningRate", "accuracy", "loss"]
    first = train[0]
    assert (first["NumIters"], first["LearningRate"], first["loss"]) == ("0.0", "0.01", "2.33241")
    assert [row["NumIters"] for row in test] == ["0.0", "25.0", "50.0", "75.0", "100.0"]
    assert [row["accuracy"] for row in test[:2]] == ["0.0533333", "1.0"]
    assert test[0]["LearningRate"] == test[1]["LearningRate"] == "0.01"


def test_a_step_of_the_rate_stands_in_the_row_of_its_iteration(folder: Path) -> None:
    assert main(["parse_log", "caffe.log", ".", "--delimiter", ";"]) == 0
    rates = {row["NumIters"]: row["LearningRate"] for row in rows(folder / "caffe.log.train", ";")}
    assert (rates["24.0"], rates["36.0"]) == ("0.01", "0.001")


def test_logs_of_a_later_glog_say_the_same(folder: Path) -> None:
    """What used to happen: with the year in its stamps, no line of a log was read."""
    lines = LOG.read_bytes().splitlines(keepends=True)
    with_year = [re.sub(rb"^([IWEF])(\d{4} )", rb"\g<1>2026\2", line) for line in lines]
    assert with_year != lines
    (folder / "later.log").write_bytes(b"".join(with_year))
    for name in ("caffe.log", "later.log"):
        assert main(["parse_log", name, "."]) == 0
    for net in ("train", "test"):
        assert rows(folder / f"later.log.{net}") == rows(folder / f"caffe.log.{net}")


def test_seconds_count_from_the_start_of_the_training_also_over_new_year(folder: Path) -> None:
    (folder / "caffe.log").write_text(
        "I1231 23:59:58.000000 7 solver.cpp:289] Solving net\n"
        "I1231 23:59:59.500000 7 solver.cpp:239] Iteration 0, loss = 2\n"
        "a line of somebody else\n"
        "I0101 00:00:01.250000 7 solver.cpp:239] Iteration 100, loss = 1\n"
    )
    assert main(["extract_seconds", "caffe.log", "seconds"]) == 0
    assert (folder / "seconds").read_text() == "1.500000\n3.250000\n"


@pytest.mark.parametrize("chart", range(len(CHARTS)))
def test_each_type_of_chart_is_drawn(folder: Path, chart: int) -> None:
    assert main(["plot_training_log.py", str(chart), "chart.png", "caffe.log"]) == 0
    with Image.open(folder / "chart.png") as picture:
        assert len(picture.convert("L").getcolors() or []) > 10


@pytest.mark.parametrize(
    ("ending", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF"), ("PDF", b"%PDF")]
)
def test_charts_are_drawn_for_papers_as_well(folder: Path, ending: str, start: bytes) -> None:
    (folder / "second.log").write_bytes(LOG.read_bytes())
    assert main(["plot_training_log", "2", f"c.{ending}", "caffe.log", "second.log"]) == 0
    assert (folder / f"c.{ending}").read_bytes().startswith(start)


ODD_NAMES = ["$\\foo$", "a$b$c", "$\\frac{", "_loss", "漢字", "a\x01b"]


@pytest.mark.filterwarnings("error")
def test_logs_may_be_called_anything(folder: Path) -> None:
    """What used to happen: `$` began a formula, and an underscore kept a log out of the legend."""
    for name in ODD_NAMES:
        (folder / f"{name}.log").write_bytes(LOG.read_bytes())
    assert main(["plot_training_log", "0", "c.svg", *(f"{name}.log" for name in ODD_NAMES)]) == 0
    said = re.findall(r"<!-- (.*?) -->", (folder / "c.svg").read_text())
    assert {"$\\foo$", "_loss", "漢字", "ab"} <= set(said)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("loss", ["nan", "-nan", "inf", "1e+308"])
@pytest.mark.parametrize("chart", [2, 3, 6, 7])
def test_a_training_that_went_astray_is_drawn_beside_others(
    folder: Path, chart: int, loss: str
) -> None:
    """What used to happen: a log whose losses are NaN "has no train loss", and none was drawn."""
    at = "I0101 00:00:01.250000 7 solver.cpp:239]"
    rows = [
        f"{at} Iteration {n}, Testing net (#0)\n{at}     Test net output #0: loss = {sign}{loss}\n"
        f"{at} Iteration {n}, loss = {sign}{loss}\n"
        f"{at}     Train net output #0: loss = {sign}{loss}\n"
        for n, sign in enumerate(("", "" if "-" in loss else "-"))
    ]
    (folder / "astray.log").write_text(f"{at} Solving net\n" + "".join(rows))
    assert main(["plot_training_log", str(chart), "c.svg", "astray.log", "caffe.log"]) == 0
    assert {"astray", "caffe"} <= set(re.findall(r"<!-- (.*?) -->", (folder / "c.svg").read_text()))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["parse_log", "nothing.log", "."], "error: nothing.log: No such file"),
        (["parse_log", "words.txt", "."], "words.txt is no log of a training"),
        (["plot_training_log", "6", "c.png", "caffe.log", "words.txt"], "words.txt is no log"),
        (["plot_training_log", "6", "nowhere/c.png", "caffe.log"], "nowhere/c.png: No such"),
        (["parse_log", "caffe.log", "nowhere"], "nowhere/caffe.log.train"),
        (["parse_log", "caffe.log", ".", "--delimiter", "ab"], "one character, received 'ab'"),
        (["extract_seconds", "words.txt", "out"], "no log of a training"),
        (["plot_training_log", "8", "c.png", "caffe.log"], "invalid choice: 8"),
        (["plot_training_log", "0", "c.gif", "caffe.log"], "must end in .png, .svg, .pdf"),
        (["plot_training_log", "0", "c.png", "other.log"], "has no test accuracy"),
    ],
)
def test_what_cannot_be_used_is_named(
    folder: Path, arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "words.txt").write_text("some words\n")
    (folder / "other.log").write_text(
        "I0101 00:00:01.250000 7 solver.cpp:239] Solving net\n"
        "I0101 00:00:01.250000 7 solver.cpp:239] Iteration 0, Testing net (#0)\n"
        "I0101 00:00:01.250000 7 solver.cpp:239]     Test net output #0: loss = 1\n"
    )
    assert main(arguments) != 0
    assert words in capsys.readouterr().err
