"""Trying a model out over its routes: one picture, lists, the best of each class."""

from __future__ import annotations

import html
import io
import json
import math
import re
import threading
from collections.abc import Iterator
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from digits.caffe.proto import caffe_pb2
from digits.errors import FormError
from digits.inference import Prediction
from digits.jobs.scheduler import Scheduler
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.model.images.classification.try_out.results import Accuracy
from digits.web.error_pages import error_answer
from tests.model.requests import errors

ROUTE = "/models/images/classification"


@pytest.fixture
def ask(client: FlaskClient, trained: ImageClassificationModelJob) -> Any:
    """Posts to a route about the trained model; a file's content may be given as bytes."""

    def post(route: str, **form: Any) -> Any:
        data = {k: (io.BytesIO(v), k) if isinstance(v, bytes) else v for k, v in form.items()}
        return client.post(f"{ROUTE}/{route}.json?job_id={trained.id}", data=data)

    return post


@pytest.fixture
def web_server(pictures: Path) -> Iterator[str]:
    """A web server with the pictures."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(pictures))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_an_uploaded_picture_is_classified(ask: Any, pictures: Path) -> None:
    answer = ask("classify_one", image_file=(pictures / "class_1" / "3.png").read_bytes())
    assert answer.status_code == 200, answer.text
    predictions = answer.json["predictions"]
    assert set(answer.json) == {"predictions"}
    assert {label for label, _ in predictions} == {"class 0", "class 1", "class 2"}
    confidences = [confidence for _, confidence in predictions]
    assert confidences == sorted(confidences, reverse=True)
    assert sum(confidences) == pytest.approx(100, abs=0.02)
    assert all(round(confidence, 2) == confidence for confidence in confidences)


def test_a_path_and_a_url_give_what_the_upload_gives(
    ask: Any, pictures: Path, web_server: str
) -> None:
    path = pictures / "class_1" / "3.png"
    answers = [
        ask("classify_one", image_file=path.read_bytes()),
        ask("classify_one", image_url=str(path)),
        ask("classify_one", image_url=f"{web_server}/class_1/3.png"),
    ]
    assert answers[0].json == answers[1].json == answers[2].json


def test_snapshots_differ(ask: Any, pictures: Path) -> None:
    picture = (pictures / "class_0" / "0.png").read_bytes()
    first, last, default = (
        ask("classify_one", image_file=picture, snapshot_epoch=epoch).json for epoch in "14 "
    )
    assert first != last
    assert default == last


def test_visualizations_are_the_layers_in_numbers(ask: Any, pictures: Path) -> None:
    picture = (pictures / "class_0" / "0.png").read_bytes()
    layers = ask("classify_one", image_file=picture, show_visualizations="1").json["visualizations"]
    by_name = {layer["name"]: layer for layer in layers}
    assert [name for name in by_name if name != "input"] == ["conv", "relu", "ip", "prob"]
    conv = by_name["conv"]
    assert conv["type"] == "Convolution"
    assert conv["param_count"] == 4 * 16 + 4
    assert conv["tops"][0]["shape"] == [1, 4, 4, 4]
    assert set(conv["tops"][0]["statistics"]) >= {"mean", "std", "histogram"}


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({}, "image_file", "Choose a picture"),
        ({"image_url": "/nonexistent.png"}, "image_url", "no file"),
        ({"image_url": "picture.png"}, "image_url", "not an absolute path"),
        (
            {"image_url": "file:///etc/passwd"},
            "image_url",
            "only http and https addresses are read",
        ),
        ({"image_url": "http://127.0.0.1:1/x.png"}, "image_url", "cannot be reached"),
        ({"image_url": "http://[bad/x.png"}, "image_url", "cannot be used"),
        ({"image_url": "/etc/passwd"}, "image_url", "cannot be read as a picture"),
        ({"image_file": b"GIF89a junk"}, "image_file", "cannot be read as a picture"),
        ({"image_file": b"x", "snapshot_epoch": "77"}, "snapshot_epoch", "no snapshot of epoch"),
    ],
)
def test_bad_requests_are_refused_at_their_field(
    ask: Any, form: dict[str, Any], field: str, message: str
) -> None:
    assert message in errors(ask("classify_one", **form))[field]


@pytest.mark.parametrize("route", ["classify_one", "classify_many", "top_n"])
def test_a_check_says_whether_it_could_be_done_and_does_nothing(
    ask: Any, models: Scheduler, pictures: Path, route: str
) -> None:
    before = len(models.jobs)
    first = next(pictures.rglob("*.png"))
    good = {
        "classify_one": {"image_file": first.read_bytes(), "show_visualizations": "y"},
        "classify_many": {"image_list": str(first).encode()},
        "top_n": {"image_folder": str(pictures)},
    }[route]
    answer = ask(route, check="yes", **good)
    assert (answer.status_code, answer.data) == (204, b"")
    bad = {"image_url": "/etc/passwd"} if route == "classify_one" else {"image_folder": "/none"}
    assert set(errors(ask(route, check="yes", **bad))) == set(bad)
    assert len(models.jobs) == before


def test_several_errors_of_a_form_are_a_list_on_its_page_and_told_by_field(app: Flask) -> None:
    refused = FormError({"top_n": ["'x' is no number."], "image_list": ["It is empty.", "No."]})
    with app.test_request_context("/", method="POST"):
        page, code = error_answer(400, refused.words, refused=refused)
    assert code == 400
    shown = re.search(r'<ul class="error-lines".*?</ul>', page, re.DOTALL)
    assert shown
    assert shown[0].count("<li>") == 3
    fields = re.search(r'data-error-fields="([^"]*)"', page)
    assert fields
    assert json.loads(html.unescape(fields[1])) == refused.errors


def test_weights_of_a_diverged_training_are_refused(
    ask: Any, trained: ImageClassificationModelJob, pictures: Path
) -> None:
    weights = caffe_pb2.NetParameter.FromString(trained.snapshots()[1].read_bytes())
    for layer in weights.layer:
        for blob in layer.blobs:
            blob.data[0] = math.nan
    diverged = trained.dir / "snapshot_iter_4.caffemodel"
    diverged.write_bytes(weights.SerializeToString())
    try:
        picture = (pictures / "class_0" / "0.png").read_bytes()
        answer = ask("classify_one", image_file=picture, snapshot_epoch="1.3")
    finally:
        diverged.unlink()
    assert answer.status_code == 400
    assert "Use an earlier snapshot" in answer.json["error"]["message"]


@pytest.mark.parametrize("route", ["classify_one", "classify_many", "top_n"])
def test_an_unknown_model_is_not_found(client: FlaskClient, route: str) -> None:
    assert client.post(f"{ROUTE}/{route}.json?job_id=nothing").status_code == 404
    assert client.post(f"{ROUTE}/{route}.json").status_code == 404


def listing(pictures: Path, *, labels: bool) -> bytes:
    lines = [
        f"{path} {path.parent.name[-1]}" if labels else str(path)
        for path in sorted(pictures.rglob("*.png"))
    ]
    return "\r\n".join(lines).encode()


def test_a_list_is_classified(ask: Any, pictures: Path) -> None:
    answer = ask("classify_many", image_list=listing(pictures, labels=False))
    assert set(answer.json) == {"classifications", "unreadable"}
    found = answer.json["classifications"]
    assert set(found) == {str(path) for path in pictures.rglob("*.png")}
    one = pictures / "class_2" / "4.png"
    assert found[str(one)] == ask("classify_one", image_url=str(one)).json["predictions"]


def test_a_list_with_labels_gives_accuracy(ask: Any, pictures: Path) -> None:
    answer = ask("classify_many", image_list=listing(pictures, labels=True)).json
    found = answer["classifications"]
    right = sum(best[0][0].replace(" ", "_") in path for path, best in found.items())
    assert answer["top1_accuracy"] == pytest.approx(100 * right / 36, abs=0.01)
    assert answer["top5_accuracy"] == 100
    matrix = answer["confusion_matrix"]
    assert [sum(row) for row in matrix] == [12, 12, 12]
    assert sum(matrix[n][n] for n in range(3)) == right
    assert set(answer["class_accuracy"]) == {"class 0", "class 1", "class 2"}


def test_relative_paths_start_at_the_folder(ask: Any, pictures: Path, web_server: str) -> None:
    lines = b"class_0/0.png 0\nclass_1/1.png 1\n"
    local = ask("classify_many", image_list=lines, image_folder=str(pictures)).json
    remote = ask("classify_many", image_list=lines, image_folder=f"{web_server}/").json
    assert set(local["classifications"]) == {"class_0/0.png", "class_1/1.png"}
    assert local == remote


def test_pictures_that_cannot_be_read_are_listed_with_the_reason(
    ask: Any, pictures: Path, tmp_path: Path, web_server: str
) -> None:
    broken = tmp_path / "broken image.png"
    broken.write_bytes((pictures / "class_0" / "0.png").read_bytes()[:40])
    good = pictures / "class_0" / "0.png"
    lines = f"{broken} 0\n/nonexistent.png\nrelative.png\n{web_server}/none.png\n{good}\n"
    answer = ask("classify_many", image_list=lines.encode()).json
    assert list(answer["classifications"]) == [str(good)]
    reasons = answer["unreadable"]
    assert set(reasons) == {
        str(broken), "/nonexistent.png", "relative.png", f"{web_server}/none.png"
    }  # fmt: skip
    assert reasons["/nonexistent.png"] == "There is no such file on the server."
    assert "not an absolute path" in reasons["relative.png"]
    assert "404" in reasons[f"{web_server}/none.png"]
    assert all(reasons.values())


def test_only_so_many_pictures_are_looked_at(ask: Any, pictures: Path) -> None:
    lines = listing(pictures, labels=False)
    answer = ask("classify_many", image_list=lines, num_test_images="5").json
    assert len(answer["classifications"]) == 5
    assert ask("top_n", image_list=lines, num_test_images="5").json["count"] == 5


def test_the_best_pictures_of_each_class(ask: Any, pictures: Path) -> None:
    lines = listing(pictures, labels=False)
    best = ask("top_n", image_list=lines, top_n="3").json["top_n"]
    assert set(best) == {"class 0", "class 1", "class 2"}
    every = ask("classify_many", image_list=lines).json["classifications"]
    for label, rows in best.items():
        confidences = sorted((dict(each)[label] for each in every.values()), reverse=True)
        assert [confidence for _, confidence in rows] == confidences[:3]
    assert len(ask("top_n", image_list=lines).json["top_n"]["class 0"]) == 9


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({}, "image_list", "Choose a text file"),
        ({"image_list": b""}, "image_list", "is empty"),
        ({"image_list": b"\n \n"}, "image_list", "is empty"),
        ({"image_list": b"ok 1\n\xff\xfe"}, "image_list", "Line 2 is not UTF-8"),
        ({"image_list": b"a 1\nb -1\n"}, "image_list", "Line 2 has the label -1"),
        ({"image_list": b"a", "num_test_images": "0"}, "num_test_images", "above 0"),
        ({"image_list": b"a", "num_test_images": "x"}, "num_test_images", "whole number"),
        ({"image_list": b"a", "image_folder": "/nonexistent"}, "image_folder", "no folder"),
    ],
)
@pytest.mark.parametrize("route", ["classify_many", "top_n"])
def test_bad_lists_are_refused_at_their_field(
    ask: Any, route: str, form: dict[str, Any], field: str, message: str
) -> None:
    assert message in errors(ask(route, **form))[field]


@pytest.mark.parametrize("n", ["0", "-1", "101", "many"])
def test_a_bad_number_of_pictures_is_refused(ask: Any, n: str) -> None:
    assert "top_n" in errors(ask("top_n", image_list=b"a", top_n=n))


def test_accuracy_counts_by_hand() -> None:
    accuracy = Accuracy.of(["a", "b"])
    accuracy.add(0, [Prediction("a", 0, 0.9), Prediction("b", 1, 0.1)])
    accuracy.add(0, [Prediction("b", 1, 0.6), Prediction("a", 0, 0.4)])
    answer = accuracy.to_json()
    assert answer["top1_accuracy"] == 50
    assert answer["top5_accuracy"] == 100
    assert answer["confusion_matrix"] == [[1, 1], [0, 0]]
    assert answer["class_accuracy"] == {"a": 50, "b": None}
    assert Accuracy.of(["a"]).to_json() == {}


class ListItems(HTMLParser):
    """The texts of `ul.list-group li`, as scripts of the original take them from the page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.in_list = self.in_item = False
        self.texts: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "ul":
            self.in_list = "list-group" in (dict(attrs).get("class") or "").split()
        elif tag == "li" and self.in_list:
            self.in_item = True
            self.texts.append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "li":
            self.in_item = False
        elif tag == "ul":
            self.in_list = False

    def handle_data(self, data: str) -> None:
        if self.in_item:
            self.texts[-1] += data


@pytest.mark.parametrize("more", [{}, {"show_visualizations": "1"}])
def test_the_page_of_a_picture_lists_percentages_before_labels(
    client: FlaskClient, ask: Any, trained: ImageClassificationModelJob, pictures: Path, more: Any
) -> None:
    path = pictures / "class_1" / "3.png"
    expected = ask("classify_one", image_file=(io.BytesIO(path.read_bytes()), "3.png")).json
    form = {"image_file": (io.BytesIO(path.read_bytes()), "3.png"), **more}
    page = client.post(f"{ROUTE}/classify_one?job_id={trained.id}", data=form).text
    items = [text.split(maxsplit=1) for text in ListItems(page).texts]
    shown = [[percent, label.strip()] for percent, label in items]
    assert shown == [[f"{percent:.2f}%", label] for label, percent in expected["predictions"]]


def test_the_pages_show_pictures_and_names(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path
) -> None:
    picture = (pictures / "class_1" / "3.png").read_bytes()
    lines = listing(pictures, labels=True) + b"\n/nonexistent.png\n"
    for route, form, shown in (
        ("classify_one", {"image_file": picture}, ["class 1", "%", "data:image/png;base64,"]),
        (
            "classify_one",
            {"image_file": picture, "show_visualizations": b"1"},
            ["conv", "Convolution", "prob", "data:image/png;base64,"],
        ),
        (
            "classify_many",
            {"image_list": lines},
            ["class 2", "/nonexistent.png", "There is no such file", "ccuracy"],
        ),
        ("top_n", {"image_list": lines}, ["class 0", "data:image/png;base64,", "/nonexistent"]),
    ):
        data = {name: (io.BytesIO(content), name) for name, content in form.items()}
        if "show_visualizations" in data:
            data["show_visualizations"] = "1"  # type: ignore[assignment]
        answer = client.post(f"{ROUTE}/{route}?job_id={trained.id}", data=data)
        assert answer.status_code == 200, route
        assert [text for text in shown if text not in answer.text] == [], route
