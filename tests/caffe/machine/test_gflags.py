"""Command lines as gflags reads them, tried on the programs of a real Caffe."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.machine import gflags
from digits.caffe.machine.gflags import UsageError, Value, parse

DEFAULTS: dict[str, Value] = {
    "solver": "",
    "iterations": 50,
    "gray": False,
    "quick_start": True,
    **{flag.name: flag.default for flag in gflags.FLAGS},
}


def values(*arguments: str) -> dict[str, Value]:
    found, words = parse(list(arguments), DEFAULTS, "caffe")
    assert words == []
    return found


@pytest.mark.parametrize("word", ["true", "T", "1", "yes", "Y", "True"])
def test_words_for_yes(word: str) -> None:
    assert values(f"--gray={word}")["gray"] is True


@pytest.mark.parametrize("word", ["false", "F", "0", "no", "N"])
def test_words_for_no(word: str) -> None:
    assert values(f"-quick-start={word}")["quick_start"] is False


@pytest.mark.parametrize(("text", "number"), [("0x10", 16), ("-3", -3), ("+7", 7), ("007", 7)])
def test_whole_numbers(text: str, number: int) -> None:
    assert values("--iterations", text)["iterations"] == number


@pytest.mark.parametrize("text", ["", "x", "1.5", "7x", "1_000", "2147483648", "٣"])
def test_what_is_no_number_of_32_bits_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="illegal value .* for int32 flag 'iterations'"):
        values(f"--iterations={text}")


def test_two_dashes_alone_end_the_flags() -> None:
    found, words = parse(["a", "--gray", "--", "--solver=x", "-b"], DEFAULTS)
    assert words == ["a", "--solver=x", "-b"]
    assert found["solver"] == ""


def test_the_last_value_counts() -> None:
    assert values("--solver=a", "--solver=b", "--gray", "--nogray") | {"solver": "b"} == {
        **DEFAULTS,
        "solver": "b",
    }


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(UsageError) as caught:
        values("--foo", "--gray=perhaps", "--nosolver")
    assert str(caught.value).splitlines() == [
        "unknown command line flag 'foo'",
        "illegal value 'perhaps' specified for bool flag 'gray'",
        "boolean value (nosolver) specified for string command line flag",
    ]


@pytest.mark.parametrize("flag", ["--foo", "--foo=3", "--nofoo", "-foo=a b"])
def test_unknown_flags_may_be_allowed(flag: str) -> None:
    assert values("--undefok=bar,foo", flag, "--gray")["gray"] is True


def test_flags_stand_in_files(tmp_path: Path) -> None:
    (tmp_path / "more").write_text("-iterations=9\n")
    (tmp_path / "flags").write_text(
        f"# a comment\n\n  --solver=a b\n--gray\r\n--unknown=3\n--flagfile={tmp_path}/more\n"
    )
    found = values(f"--flagfile={tmp_path}/flags")
    assert (found["solver"], found["gray"], found["iterations"]) == ("a b", True, 9)


def test_what_stands_behind_a_flag_file_counts(tmp_path: Path) -> None:
    (tmp_path / "flags").write_text("--solver=of the file\n")
    assert values(f"--flagfile={tmp_path}/flags", "--solver=x")["solver"] == "x"
    assert values("--solver=x", f"--flagfile={tmp_path}/flags")["solver"] == "of the file"


def test_parts_of_a_flag_file_are_for_the_programs_that_it_names(tmp_path: Path) -> None:
    (tmp_path / "flags").write_text(
        "--iterations=1\nconvert_imageset\n--iterations=2\nother\ncaf*\n--solver=mine\n"
    )
    found = values(f"--flagfile={tmp_path}/flags")
    assert (found["iterations"], found["solver"]) == (1, "mine")


def test_a_flag_file_that_is_missing_or_reads_itself_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="nowhere: No such file or directory"):
        values(f"--flagfile={tmp_path}/nowhere")
    (tmp_path / "flags").write_text(f"--flagfile={tmp_path}/flags\n")
    with pytest.raises(UsageError, match="flags reads itself"):
        values(f"--flagfile={tmp_path}/flags")


def test_flags_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLAGS_solver", "of the environment")
    assert values()["solver"] == ""
    assert values("--fromenv=solver")["solver"] == "of the environment"
    assert values("--tryfromenv=solver,iterations")["iterations"] == 50
    with pytest.raises(UsageError, match="FLAGS_iterations not found in environment"):
        values("--fromenv=solver,iterations")
