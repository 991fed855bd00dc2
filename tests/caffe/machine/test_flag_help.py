"""--help and its relatives, in the form of gflags."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from digits.caffe.__main__ import main


def printed(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(list(arguments)) == 0
    return capsys.readouterr().out


GLOG = """\
    -logbufsecs (Buffer log messages for at most this many seconds) type: int32
      default: 30
"""
OWN = """\
    -weights (Optional; the pretrained weights to initialize finetuning,
      separated by ','. Cannot be set simultaneously with snapshot.)
      type: string default: ""
"""
GFLAGS = '    -flagfile (load flags from file) type: string default: ""\n'


@pytest.mark.parametrize(
    ("flag", "shown", "hidden"),
    [
        ("--help", [GLOG, OWN, GFLAGS], []),
        ("--helpfull", [GLOG, OWN, GFLAGS], []),
        ("--helpshort", [OWN], [GLOG, GFLAGS]),
        ("--helppackage", [OWN], [GLOG, GFLAGS]),
        ("--helpon=logging", [GLOG], [OWN, GFLAGS]),
        ("--helpon=gflags", [GFLAGS], [OWN, GLOG]),
        ("--helpmatch=flags", [GFLAGS], [OWN, GLOG]),
        ("--helpon=nothing", ["  No modules matched: use -help\n"], [OWN, GLOG, GFLAGS]),
    ],
)
def test_help_shows_the_flags_of_the_modules_asked_for(
    flag: str, shown: list[str], hidden: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    text = printed(capsys, flag) + "\n"
    assert text.startswith("caffe: command line brew\nusage: caffe <command> <args>\n")
    assert all(part in text for part in shown)
    assert not any(part in text for part in hidden)


def test_help_shows_values_that_are_no_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "--solver=s.prototxt", "--help")
    assert 'default: "" currently: "s.prototxt"' in text
    assert "default: false currently: true" in text  # --alsologtostderr, which Caffe sets


def test_help_as_xml(capsys: pytest.CaptureFixture[str]) -> None:
    root = ElementTree.fromstring(printed(capsys, "--helpxml", "--iterations=7"))
    assert root.findtext("program") == "caffe"
    assert "usage: caffe <command> <args>" in (root.findtext("usage") or "")
    rows = {row.findtext("name"): row for row in root.iter("flag")}
    cells = {cell.tag: cell.text for cell in rows["iterations"]}
    assert cells == {
        "file": "tools/caffe.cpp",
        "name": "iterations",
        "meaning": "The number of iterations to run.",
        "default": "50",
        "current": "7",
        "type": "int32",
    }
    assert {"log_dir", "flagfile", "helpxml", "vmodule", "tab_completion_word"} < set(rows)


@pytest.mark.parametrize(
    ("word", "shown"),
    [
        ("--so", "--solver\n"),
        ("-log_d", "--log_dir\n"),
        ("--zzz", "\n"),
    ],
)
def test_completion_of_one_flag(word: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, f"--tab_completion_word={word}") == shown


def test_completion_of_many_flags(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, "--tab_completion_word=--s", "--tab_completion_columns=60").splitlines()
    assert lines[0] == "-* Matching module flags *-"
    assert '--solver [""] The solver definition protocol buffer text ...' in lines
    assert "-* Other flags *-" in lines
    assert max(map(len, lines)) == 60
