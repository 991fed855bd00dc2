"""One picture, resized by hand."""

import numpy as np
from PIL import Image

from digits.images import read_image, resize_image
from digits.images.example import example_picture
from tests.tools.programs import run, save_picture, succeed
from tests.tools.web import send, serving


def test_the_result_is_that_of_the_function(tmp_path):
    Image.fromarray(example_picture()).save(tmp_path / "in.png")
    options = ["--width", 40, "--height", 30, "--channels", 1, "--mode", "fill"]
    finished = succeed("resize_image", tmp_path / "in.png", tmp_path / "out.png", *options)
    expected = resize_image(example_picture(), 30, 40, 1, "fill")
    assert np.array_equal(read_image(tmp_path / "out.png"), expected)
    assert "Done: 40 x 30 pixels" in finished.log


def test_a_picture_may_come_from_the_web(tmp_path):
    data = save_picture(tmp_path / "in.png").read_bytes()
    with serving(lambda request: send(request, data)) as url:
        succeed("resize_image", url, tmp_path / "out.JPG", "--width", 5, "--height", 4)
    assert read_image(tmp_path / "out.JPG").shape == (4, 5, 3)


def test_what_cannot_be_done_is_told(tmp_path):
    save_picture(tmp_path / "in.png")
    (tmp_path / "text.png").write_text("hello")
    size = ["--width", 5, "--height", 4]
    for image, out, options, message in [
        ("missing.png", "out.png", size, "missing.png: there is no such file"),
        ("text.png", "out.png", size, "text.png: not a picture of a known format"),
        ("in.png", "out.gif", size, "its name must end in .png, .jpg, .jpeg"),
        ("in.png", "no/out.png", size, "No such file or directory"),
        ("in.png", "out.png", ["--width", 0, "--height", 4], "must be between 1 and 4096"),
    ]:
        assert message in run("resize_image", tmp_path / image, tmp_path / out, *options).error
    assert not list(tmp_path.glob("out*"))
