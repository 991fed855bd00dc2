"""Pictures, lists and addresses that are not what they should be: clear words, a living worker."""

from __future__ import annotations

import base64
import io
import re
import struct
import threading
import zlib
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from PIL import Image

from digits.images import read_image
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out import requests
from tests.model.requests import errors

ROUTE = "/models/images/classification"


@pytest.fixture
def classify(app: Flask, trained: ImageClassificationModelJob) -> Iterator[Any]:
    """Sends a picture; afterwards the worker must be the one that was there before."""
    client = app.test_client()
    pool = app.extensions["digits"].pool

    def post(route: str = "classify_one.json", **form: Any) -> Any:
        data = {k: (io.BytesIO(v), k) if isinstance(v, bytes) else v for k, v in form.items()}
        return client.post(f"{ROUTE}/{route}?job_id={trained.id}", data=data)

    assert post(image_file=encoded(shades())).status_code == 200
    before = {state.pid for state in pool.states()}
    yield post
    assert post(image_file=encoded(shades())).status_code == 200
    assert {state.pid for state in pool.states()} == before


def shades(mode: str = "L") -> Image.Image:
    """A picture that gets darker from left to right."""
    values = np.tile(np.linspace(250, 5, 48).astype(np.uint8), (32, 1))
    return Image.fromarray(values).convert(mode)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def png_of_size(width: int, height: int) -> bytes:
    """A PNG whose header says a size and which holds next to nothing."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (encoded(shades())[:70], "broken picture"),
        (encoded(shades(), "JPEG")[:200], "broken picture"),
        (png_of_size(300_000, 300_000), "too many"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>", "known format"),
        (b"<html><body>404</body></html>", "known format"),
        (bytes(range(256)) * 40, "known format"),
        (b"GIF89a", "cannot be read as a picture"),
    ],
    ids=["empty", "cut png", "cut jpeg", "bomb", "svg", "html", "junk", "gif header"],
)
def test_what_is_no_picture_is_refused_in_words(
    classify: Any, content: bytes, message: str
) -> None:
    text = errors(classify(image_file=content))["image_file"]
    assert message in text
    assert text.startswith("image_file cannot be read as a picture: ")


def odd_pictures() -> dict[str, bytes]:
    plain = shades()
    wide = np.asarray(plain, np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    turned = plain.transpose(Image.Transpose.ROTATE_90)
    transparent = plain.convert("LA")
    return {
        "animated": encoded(plain, "GIF", save_all=True, append_images=[shades().rotate(180)]),
        "cmyk": encoded(shades("CMYK"), "JPEG", quality=100),
        "16 bit": encoded(Image.fromarray(wide)),
        "palette": encoded(shades("P")),
        "alpha": encoded(transparent),
        "turned": encoded(turned, exif=exif),
        "one bit": encoded(shades("1")),
    }


@pytest.mark.parametrize("name", list(odd_pictures()))
def test_odd_pictures_are_seen_as_what_they_show(classify: Any, name: str) -> None:
    plain, found = (
        seen_pixels(classify("classify_one", image_file=content).text)
        for content in (encoded(shades()), odd_pictures()[name])
    )
    # One bit a pixel leaves a pattern of dots; the rest differ by rounding.
    mean = float(np.abs(plain.astype(int) - found).mean())
    assert mean < (60 if name == "one bit" else 3)
    assert found[:, :5].mean() > found[:, -5:].mean() + 100, "dark and light side"


def seen_pixels(page: str) -> np.ndarray:
    """The picture as the network saw it, out of the page that shows it."""
    return read_image(base64.b64decode(seen_picture(page)))


def seen_picture(page: str) -> str:
    found = re.search(r'data-seen\s+src="data:image/png;base64,([^"]*)"', page)
    return found[1] if found else ""


class Misbehaving(BaseHTTPRequestHandler):
    """Answers each address in its own bad way; `released` ends those that wait."""

    released = threading.Event()

    def do_GET(self) -> None:
        if self.path == "/hangs":
            self.released.wait(60)
        elif self.path == "/circle":
            self._answer(302, {"Location": "/circle"})
        elif self.path == "/html":
            self._answer(200, {"Content-Type": "image/png"}, b"<html>Not found</html>")
        elif self.path == "/huge":
            self._answer(200, {"Content-Length": str(2 << 30)}, b"\x89PNG")
        elif self.path == "/empty":
            self._answer(200, {"Content-Length": "0"})
        else:
            self._answer(500, {})

    def _answer(self, code: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def misbehaving() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Misbehaving) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        Misbehaving.released.set()
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/circle", "redirected in a circle"),
        ("/html", "not a picture of a known format"),
        ("/huge", "larger than"),
        ("/empty", "the file is empty"),
        ("/fails", "the server answered 500"),
    ],
)
def test_addresses_that_give_no_picture_are_refused_in_words(
    classify: Any, misbehaving: str, path: str, message: str
) -> None:
    assert message in errors(classify(image_url=misbehaving + path))["image_url"]


def test_a_server_that_hangs_is_left_in_time(
    classify: Any, misbehaving: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(requests, "FETCH_S", 0.5)
    text = errors(classify(image_url=f"{misbehaving}/hangs"))["image_url"]
    assert "it took longer than 0.5 s" in text


def test_bad_addresses_in_a_list_are_listed(classify: Any, misbehaving: str) -> None:
    lines = "\n".join(f"{misbehaving}/{name}" for name in ("circle", "html", "huge", "empty"))
    answer = classify("classify_many.json", image_list=lines.encode())
    assert answer.json["classifications"] == {}
    assert len(answer.json["unreadable"]) == 4
    assert all(answer.json["unreadable"].values())


def test_a_list_of_empty_lines_is_read_to_its_end(classify: Any, pictures: Path) -> None:
    # As many as Flask's client sends without a file of its own.
    lines = b"\n" * 400_000 + f"{pictures}/class_0/0.png 0\n".encode()
    answer = classify("classify_many.json", image_list=lines)
    assert len(answer.json["classifications"]) == 1


@pytest.mark.parametrize("epoch", ["99", "-2", "nan", "inf", "1e400", "first", "0"])
def test_epochs_that_do_not_exist_are_refused(classify: Any, epoch: str) -> None:
    found = errors(classify(image_file=encoded(shades()), snapshot_epoch=epoch))
    assert "There is no snapshot of epoch" in found["snapshot_epoch"]


@pytest.mark.parametrize(
    ("route", "form", "code", "message"),
    [
        ("grad_cam", {"class_index": "99"}, 400, "There is no category 99; there are 3"),
        ("grad_cam", {"class_index": "-1"}, 400, "not a whole number from 0"),
        ("grad_cam", {"class_index": "0", "layer": "nothing"}, 400, "no layer 'nothing'"),
        ("grad_cam", {"class_index": "0", "picture": "§"}, 400, "PNG in base64"),
        ("grad_cam", {"class_index": "0", "picture": "AAAA"}, 400, "known format"),
        ("layer_pictures", {"layer": "99", "tops": "1", "params": "0"}, 200, "no layer 99"),
        ("layer_pictures", {"layer": "x"}, 400, "whole number"),
        ("layer_pictures", {"layer": "0", "tops": "999999999", "params": "0"}, 400, "at most"),
    ],
)
def test_questions_about_a_picture_that_make_no_sense_are_refused(
    classify: Any, seen: str, route: str, form: dict[str, str], code: int, message: str
) -> None:
    answer = classify(f"{route}.json", **{"picture": seen, **form})
    assert answer.status_code == code, answer.text
    assert message in answer.text


@pytest.fixture(scope="module")
def seen(app: Flask, trained: ImageClassificationModelJob) -> str:
    """A picture as the network sees it, in base64."""
    data = {"image_file": (io.BytesIO(encoded(shades())), "shades.png")}
    page = app.test_client().post(f"{ROUTE}/classify_one?job_id={trained.id}", data=data).text
    return seen_picture(page)


def test_where_a_class_was_seen_is_shown(classify: Any, seen: str) -> None:
    answers = [classify("grad_cam", picture=seen, class_index=str(n)).json for n in range(3)]
    assert [answer["label"] for answer in answers] == ["class 0", "class 1", "class 2"]
    assert len({answer["picture"] for answer in answers}) > 1
    assert {answer["layer"] for answer in answers} == {"relu"}


def test_pictures_of_a_layer_come_when_asked_for(classify: Any, seen: str) -> None:
    picture = encoded(shades())
    layers = classify(image_file=picture, show_visualizations="1").json["visualizations"]
    (conv,) = (layer for layer in layers if layer["name"] == "conv")
    form = {"layer": str(conv["index"]), "tops": "1", "params": "2"}
    drawn = classify("layer_pictures", picture=seen, **form).json
    assert [len(drawn["tops"]), len(drawn["params"])] == [1, 2]
    assert all(each["picture"] for each in [*drawn["tops"], *drawn["params"]])
