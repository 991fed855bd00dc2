"""Lists that users wrote: what is taken, and how mistakes are told."""

import pytest

from digits.base.progress import Distribution, Warned
from tests.tools.programs import make_classes, run, save_picture, succeed


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


@pytest.fixture
def labels(tmp_path):
    path = tmp_path / "names.txt"
    path.write_text("\ufeffgrey cat\r\ndog\r\nemu\r\n\r\n", newline="")
    return path


def test_lists_become_absolute_and_are_counted(tmp_path, out, labels):
    (tmp_path / "t.txt").write_text(
        "my cat.png 0\nsub/dog.png\t1\n/abs/x y.png 1\nhttp://h/ä b.png 0\n"
    )
    photos = tmp_path / "photos"
    photos.mkdir()
    save_picture(photos / "my cat.png")
    picture = save_picture(tmp_path / "v.png")
    (tmp_path / "v.txt").write_text(f"{picture} 2\n")
    finished = succeed(
        "parse_textfile", out, "--labels", labels, "--train", tmp_path / "t.txt",
        "--train-folder", photos, "--val", tmp_path / "v.txt",
    )  # fmt: skip
    assert (out / "labels.txt").read_text() == "grey cat\ndog\nemu\n"
    assert (out / "train.txt").read_text() == (
        f"{photos}/my cat.png 0\n{photos}/sub/dog.png 1\n/abs/x y.png 1\nhttp://h/ä b.png 0\n"
    )
    assert (out / "val.txt").read_text() == f"{picture} 2\n"
    assert not (out / "test.txt").exists()
    assert finished.events(Distribution)[0] == Distribution(
        "train", {"grey cat": 2, "dog": 2, "emu": 0}
    )
    warned = [event.text for event in finished.events(Warned)]
    assert warned[0] == "No picture for training in these categories: 'emu'."


def test_categories_of_one_name_are_told_apart_by_their_numbers(tmp_path, out):
    pictures = [save_picture(tmp_path / f"{n}.png", (n, 0, 0)) for n in range(3)]
    (tmp_path / "t.txt").write_text("".join(f"{path} {n}\n" for n, path in enumerate(pictures)))
    (tmp_path / "names.txt").write_text("crane\nheron\ncrane\n")
    options = ["--labels", tmp_path / "names.txt", "--train", tmp_path / "t.txt"]
    finished = succeed("parse_textfile", out, *options)
    assert (out / "labels.txt").read_text() == "crane (0)\nheron\ncrane (2)\n"
    assert finished.events(Distribution)[0].counts == {"crane (0)": 1, "heron": 1, "crane (2)": 1}
    assert [event.text for event in finished.events(Warned)] == [
        "Categories of the same name are told apart by their numbers: 'crane (0)', 'crane (2)'."
    ]
    # A list of names that was not checked first is read in the same way.
    size = ["--width", 8, "--height", 6, "--labels", tmp_path / "names.txt"]
    finished = succeed("create_db", out / "train.txt", out / "db", *size)
    assert finished.events(Distribution)[0].counts == {"crane (0)": 1, "heron": 1, "crane (2)": 1}


def test_its_lists_are_what_create_db_reads(tmp_path, out, labels):
    save_picture(tmp_path / "photos" / "a b.png")
    (tmp_path / "t.txt").write_text("a b.png 2\n")
    options = [
        "--labels",
        labels,
        "--train",
        tmp_path / "t.txt",
        "--train-folder",
        tmp_path / "photos",
    ]
    succeed("parse_textfile", out, *options)
    size = ["--width", 8, "--height", 6, "--labels", out / "labels.txt"]
    succeed("create_db", out / "train.txt", out / "db", *size)


def test_a_folder_given_by_hand_may_be_relative_to_where_one_stands(tmp_path, monkeypatch):
    make_classes(tmp_path / "photos", {"cat": 1})
    (tmp_path / "names.txt").write_text("cat\ndog\n")
    (tmp_path / "t.txt").write_text("cat/000.png 0\n")
    monkeypatch.chdir(tmp_path)
    options = ["--labels", "names.txt", "--train", "t.txt", "--train-folder", "photos"]
    (tmp_path / "out").mkdir()
    succeed("parse_textfile", "out", *options)
    assert (tmp_path / "out" / "train.txt").read_text() == f"{tmp_path}/photos/cat/000.png 0\n"


@pytest.mark.parametrize(
    ("train", "names", "message"),
    [
        (
            "a.png 0\n/x.png 3\n",
            "cat\ndog\nemu\n",
            "t.txt:2: the label is 3, but there are 3 labels, 0 to 2",
        ),
        ("/a.png -1\n", "cat\ndog\n", "t.txt:1: the label -1 is negative"),
        ("/a.png\n", "cat\ndog\n", "t.txt:1: expected `path label`"),
        ("", "cat\ndog\n", "lists no picture"),
        ("a.png 0\n", "cat\ndog\n", "picture 1: the path 'a.png' is relative; give the folder"),
        ("/a.png 0\n", "cat\n", "has 1 category; a classifier needs at least 2"),
        ("/a.png 0\n", "", "names.txt is empty"),
        ("/a.png 0\n", "cat\n\ndog\n", "names.txt:2: an empty line"),
        ("/a.png 0\n", "cat\ndog\u2028wolf\n", "names.txt:2: the category 'dog\\u2028wolf' has"),
    ],
)
def test_mistakes_are_told_with_their_line_and_nothing_is_written(
    tmp_path, out, train, names, message
):
    (tmp_path / "t.txt").write_text(train)
    (tmp_path / "names.txt").write_text(names)
    options = ["--labels", tmp_path / "names.txt", "--train", tmp_path / "t.txt"]
    assert message in run("parse_textfile", out, *options).error
    assert not list(out.iterdir())


def test_files_that_are_no_text_are_refused(tmp_path, out, labels):
    (tmp_path / "t.txt").write_text("/a.png 0\n")
    picture = save_picture(tmp_path / "x.png")
    (tmp_path / "latin.txt").write_bytes("Bär\nKatze\n".encode("latin-1"))
    for name, list_path, message in [
        (labels, picture, "x.png:1: not valid UTF-8"),
        (tmp_path / "latin.txt", tmp_path / "t.txt", "latin.txt:1: not valid UTF-8"),
        (labels, tmp_path / "missing.txt", "missing.txt cannot be read"),
        (labels, tmp_path, "cannot be read"),
    ]:
        error = run("parse_textfile", out, "--labels", name, "--train", list_path).error
        assert message in error
    options = ["--labels", labels, "--train", tmp_path / "t.txt", "--train-folder", tmp_path / "no"]
    assert "There is no folder" in run("parse_textfile", out, *options).error


def test_many_mistakes_are_told_together_but_not_all(tmp_path, out, labels):
    (tmp_path / "t.txt").write_text("/a.png 7\n" * 1000)
    error = run("parse_textfile", out, "--labels", labels, "--train", tmp_path / "t.txt").error
    assert "t.txt:1:" in error
    assert "t.txt:10:" in error
    assert "t.txt:11:" not in error


def test_the_folder_may_be_an_address(tmp_path, out, labels):
    (tmp_path / "t.txt").write_text("my cat.png 0\nhttp://other/x.png 1\n/dogs/ä.png 1\n")
    options = ["--labels", labels, "--train", tmp_path / "t.txt", "--train-folder", "http://h/a/"]
    succeed("parse_textfile", out, *options)
    assert (out / "train.txt").read_text() == (
        "http://h/a/my%20cat.png 0\nhttp://other/x.png 1\nhttp://h/a/dogs/%C3%A4.png 1\n"
    )


def test_checked_lists_may_be_checked_again_in_their_place(tmp_path, out, labels):
    picture = save_picture(tmp_path / "photos" / "a.png")
    (out / "labels.txt").write_bytes(labels.read_bytes())
    (out / "train.txt").write_text("a.png 0\n")
    options = ["--labels", out / "labels.txt", "--train", out / "train.txt"]
    options += ["--train-folder", picture.parent]
    for _ in range(2):
        succeed("parse_textfile", out, *options)
        assert (out / "train.txt").read_text() == f"{picture} 0\n"


def test_a_list_whose_pictures_are_not_there_is_refused(tmp_path, out, labels):
    (tmp_path / "t.txt").write_text("".join(f"/no/{number}.png 0\n" for number in range(1000)))
    options = ["--labels", labels, "--train", tmp_path / "t.txt"]
    error = run("parse_textfile", out, *options).error
    assert "None of 100 of the pictures" in error
    assert "/no/0.png" in error


def test_paths_outside_of_the_data_roots_are_told(tmp_path, out, labels):
    inside = save_picture(tmp_path / "in" / "a.png")
    outside = save_picture(tmp_path / "out of it" / "b.png")
    (tmp_path / "t.txt").write_text(
        f"{inside} 0\n{tmp_path}/in/../out of it/b.png 1\nhttp://h/x.png 1\n"
    )
    options = ["--labels", labels, "--train", tmp_path / "t.txt", "--data-root", tmp_path / "in"]
    error = run("parse_textfile", out, *options).error
    assert "outside of the folders that may be read" in error
    assert "picture 2," in error
    folder = ["--train-folder", outside.parent]
    assert "is outside" in run("parse_textfile", out, *options, *folder).error
