"""From a folder of class folders to lists, by the program itself."""

import os
from collections import Counter
from pathlib import Path

import pytest

from digits.base.progress import Distribution, Skipped, Warned
from digits.errors import ToolError
from digits.sources.picture_list import PictureList, read_labels
from digits.tools.parse_folder import Limits, Split
from tests.tools.programs import make_classes, run, save_picture, succeed


def lists(out: Path) -> dict[str, list[str]]:
    """The lines of the lists that were written."""
    return {path.stem: path.read_text().splitlines() for path in out.glob("t*.txt")} | {
        path.stem: path.read_text().splitlines() for path in out.glob("val.txt")
    }


def classes_of(lines: list[str]) -> Counter[str]:
    return Counter(line.rsplit(" ", 1)[1] for line in lines)


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_each_category_is_split_by_the_percentages_and_nothing_is_lost(tmp_path, out):
    source = make_classes(tmp_path / "in", {"red_fox": 20, "cat": 40})
    finished = succeed("parse_folder", source, out, "--pct-val", 25, "--pct-test", 10)
    assert read_labels(out / "labels.txt") == ["cat", "red fox"]
    written = lists(out)
    assert classes_of(written["train"]) == {"0": 26, "1": 13}
    assert classes_of(written["val"]) == {"0": 10, "1": 5}
    assert classes_of(written["test"]) == {"0": 4, "1": 2}
    everything = sorted(line.rsplit(" ", 1)[0] for part in written.values() for line in part)
    assert everything == sorted(map(str, source.rglob("*.png")))
    assert finished.events(Distribution)[0] == Distribution("train", {"cat": 26, "red fox": 13})


@pytest.mark.slow
def test_the_seed_decides_the_split(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 30, "b": 30})
    found = []
    for seed in (1, 1, 2):
        succeed("parse_folder", source, out, "--seed", seed)
        found.append(lists(out)["val"])
    assert found[0] == found[1] != found[2]


@pytest.mark.parametrize(
    ("split", "pictures", "counts"),
    [
        (Split(25, 0), 4, (3, 1, 0)),
        (Split(25, 0), 2, (1, 1, 0)),
        (Split(25, 0), 1, (1, 0, 0)),
        (Split(1, 1), 3, (1, 1, 1)),
        (Split(1, 1), 2, (1, 1, 0)),
        (Split(49.5, 49.5), 100, (1, 50, 49)),
        (Split(0, 0), 5, (5, 0, 0)),
        (Split(0, 10), 2, (1, 0, 1)),
    ],
)
def test_each_used_set_gets_a_picture_where_there_are_enough(split, pictures, counts):
    assert split.counts(pictures) == counts


@pytest.mark.parametrize(
    ("val", "test", "message"),
    [
        (60, 50, "60 % for validation and 50 % for test leave nothing for training"),
        (100, 0, "leave nothing for training"),
        (-1, 0, "The share for validation must be 0 to 100 %, not -1."),
        (0, 101, "The share for test must be 0 to 100 %, not 101."),
        (float("nan"), 0, "not nan"),
    ],
)
def test_impossible_percentages_are_refused(val, test, message):
    with pytest.raises(ToolError) as raised:
        Split(val, test)
    assert message in str(raised.value)


def test_impossible_limits_are_refused():
    with pytest.raises(
        ToolError, match=r"The maximum per category \(1\) is below the minimum \(2\)"
    ):
        Limits(2, 1)
    with pytest.raises(ToolError, match="must be 1 or more, not 0"):
        Limits(0)


def test_small_categories_are_left_out_and_large_ones_cut_down(tmp_path, out):
    source = make_classes(tmp_path / "in", {"few": 2, "some": 5, "many": 50})
    finished = succeed("parse_folder", source, out, "--min", 3, "--max", 8, "--pct-val", 0)
    assert read_labels(out / "labels.txt") == ["many", "some"]
    assert classes_of(lists(out)["train"]) == {"0": 8, "1": 5}
    assert any("'few' is left out: it has 2 pictures" in e.text for e in finished.events(Warned))


def test_a_category_with_fewer_pictures_than_sets_is_told(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 10, "b": 2})
    finished = succeed("parse_folder", source, out, "--pct-val", 20, "--pct-test", 20)
    texts = [event.text for event in finished.events(Warned)]
    assert texts == ["No picture for testing in these categories: 'b'."]


def test_pictures_are_found_through_sub_folders_and_links_and_loops_end(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 2, "a/deep/deeper": 3, "b": 2})
    elsewhere = make_classes(tmp_path / "elsewhere", {"more": 4})
    (source / "a" / "linked").symlink_to(elsewhere)
    (source / "b" / "linked.png").symlink_to(elsewhere / "more" / "000.png")
    (source / "a" / "deep" / "loop").symlink_to(source / "a")
    (source / "a" / "up").symlink_to(source)
    (source / "a" / "itself").symlink_to(source / "a" / "itself")
    (source / "c").symlink_to(source / "b")
    succeed("parse_folder", source, out, "--pct-val", 0)
    assert read_labels(out / "labels.txt") == ["a", "b", "c"]
    assert classes_of(lists(out)["train"]) == {"0": 2 + 3 + 4, "1": 3, "2": 3}


def test_pictures_are_told_by_extension_or_content_and_all_else_is_passed_over(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 1, "b": 2})
    save_picture(source / "a" / "upper.JPG")
    (source / "a" / "no_extension").write_bytes((source / "a" / "000.png").read_bytes())
    (source / "a" / "notes.txt").write_text("no picture")
    (source / "a" / "._000.png").write_bytes(b"Mac")
    (source / ".git").mkdir()
    save_picture(source / ".git" / "x.png")
    save_picture(source / "__MACOSX" / "x.png")
    os.mkfifo(source / "a" / "pipe")
    finished = succeed("parse_folder", source, out, "--pct-val", 0)
    names = [Path(line.rsplit(" ", 1)[0]).name for line in lists(out)["train"]]
    assert names == ["000.png", "no_extension", "upper.JPG", "000.png", "001.png"]
    assert "2 files that are not pictures were passed over" in finished.log


def test_names_that_cannot_stand_in_a_list_are_skipped_by_name(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 2, "b": 2})
    save_picture(source / "a" / "two\nlines.png")
    save_picture(source / "a" / "with space é.png")
    (source / "b" / "dangling.png").symlink_to("nowhere.png")
    path = os.fsencode(source / "b") + b"/latin\xe4.png"
    Path(os.fsdecode(path)).write_bytes((source / "b" / "000.png").read_bytes())
    finished = succeed("parse_folder", source, out, "--pct-val", 0)
    skipped = {Path(event.path).name: event.reason for event in finished.events(Skipped)}
    assert "has a line break" in skipped["two\\nlines.png"]
    assert "is not valid UTF-8" in skipped["latin\\xe4.png"]
    assert "link to nothing" in skipped["dangling.png"]
    assert len(PictureList(out / "train.txt")) == 5
    listed = (out / "skipped.txt").read_text().splitlines()
    assert len(listed) == 3
    assert all(line.startswith("folder\t") for line in listed)


def test_validation_and_test_folders_use_the_training_labels(tmp_path, out):
    train = make_classes(tmp_path / "train", {"cat": 3, "dog_x": 3, "emu": 2})
    other = make_classes(tmp_path / "val", {"dog x": 2, "emu": 1, "zebra": 4})
    succeed("parse_folder", train, out, "--set", "train")
    finished = succeed("parse_folder", other, out, "--set", "val", "--min", 1)
    assert classes_of(lists(out)["train"]) == {"0": 3, "1": 3, "2": 2}
    assert classes_of(lists(out)["val"]) == {"1": 2, "2": 1}
    assert read_labels(out / "labels.txt") == ["cat", "dog x", "emu"]
    assert finished.events(Distribution) == [Distribution("val", {"cat": 0, "dog x": 2, "emu": 1})]
    texts = " ".join(event.text for event in finished.events(Warned))
    assert "'zebra' is left out: the training folder has no such category (4 pictures" in texts
    assert "No picture for validation in these categories: 'cat'" in texts


@pytest.mark.parametrize(
    ("counts", "arguments", "message"),
    [
        ({}, [], "must have at least 2 sub-folders, one for each category; found none"),
        ({"a": 3}, [], "found only"),
        ({"a": 0, "b": 0}, [], "There is no picture in the 2 sub-folders"),
        ({"a": 1, "b": 5}, [], "Categories with enough pictures: 1. A classifier needs at least 2"),
        ({"a_b": 3, "a b": 3}, [], "would both be the category 'a b'"),
        ({"a": 3, "b\nc": 3}, [], "its name has a line break"),
        ({"a": 3, "b\u2028c": 3}, [], "its name has a line break"),
        ({"a": 3, "b": 3}, ["--pct-val", "70", "--pct-test", "40"], "leave nothing for training"),
        ({"a": 3, "b": 3}, ["--seed", "-1"], "The seed must be 0 or more, not -1."),
        ({"a": 3, "b": 3}, ["--set", "val"], "labels.txt cannot be read"),
    ],
)
def test_bad_folders_end_with_one_clear_line_and_no_file(tmp_path, out, counts, arguments, message):
    source = make_classes(tmp_path / "in", counts)
    source.mkdir(exist_ok=True)
    finished = run("parse_folder", source, out, *arguments)
    assert message in finished.error
    assert not list(out.iterdir())


def test_what_is_no_folder_is_refused(tmp_path, out):
    save_picture(tmp_path / "x.png")
    assert "There is no folder" in run("parse_folder", tmp_path / "missing", out).error
    assert "is a file" in run("parse_folder", tmp_path / "x.png", out).error
    assert "cannot be read" in run("parse_folder", tmp_path / ("n" * 300), out).error
    assert "to write the lists to" in run("parse_folder", tmp_path, tmp_path / "missing").error


def test_a_folder_that_cannot_be_read_is_told_and_the_rest_is_used(tmp_path, out):
    source = make_classes(tmp_path / "in", {"a": 2, "b": 2})
    # So deep that its path is too long for the system; root, too, may not read such a folder.
    top = descriptor = os.open(source / "b", os.O_RDONLY)
    opened = [top]
    for _ in range(20):
        os.mkdir("d" * 250, dir_fd=descriptor)
        descriptor = os.open("d" * 250, os.O_RDONLY, dir_fd=descriptor)
        opened.append(descriptor)
    for descriptor in opened:
        os.close(descriptor)
    finished = succeed("parse_folder", source, out, "--pct-val", 0)
    assert classes_of(lists(out)["train"]) == {"0": 2, "1": 2}
    (skipped,) = finished.events(Skipped)
    assert skipped.reason == "the folder cannot be read: File name too long"


def test_links_out_of_the_data_roots_are_left_out_and_named(tmp_path):
    photos = make_classes(tmp_path / "photos", {"cat": 2, "dog": 2})
    secret = make_classes(tmp_path / "secret", {"key": 2})
    (photos / "cat" / "linked.png").symlink_to(secret / "key" / "000.png")
    (photos / "dog" / "linked").symlink_to(secret / "key")
    (photos / "key").symlink_to(secret / "key")
    (photos / "dog" / "inner.png").symlink_to(photos / "cat" / "000.png")
    out = tmp_path / "out"
    out.mkdir()
    finished = succeed("parse_folder", photos, out, "--data-root", photos)
    assert (out / "labels.txt").read_text() == "cat\ndog\n"
    skipped = sorted(Path(event.path).name for event in finished.events(Skipped))
    assert skipped == ["key", "linked", "linked.png"]
    assert "inner.png" in (out / "train.txt").read_text() + (out / "val.txt").read_text()
    error = run("parse_folder", secret, out, "--data-root", photos).error
    assert "is outside the folders that may be read" in error
