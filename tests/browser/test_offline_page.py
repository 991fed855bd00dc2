"""The exported page, opened from the disk; and one answer for a picture, wherever it is asked."""

from __future__ import annotations

import base64
import io
import json
import re
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from PIL import Image, ImageOps
from playwright.sync_api import Page, Playwright, expect

from digits import caffe
from tests.browser.chromium import launch
from tests.browser.conftest import PATIENCE_MS
from tests.browser.jobs import AXE, small_digits, trained_lenet
from tests.browser.test_pages import DESK, PHONE, check_by_axe
from tests.server_process import ServerProcess

CAMERA_FLAGS = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
ROUTE = "/models/images/classification"
# Half a percent, of probabilities from 0 to 1.
CLOSE = 0.005
Answer = dict[str, float]


def smooth(height: int, width: int) -> Image.Image:
    """A colourful picture without fine detail."""
    pixels = np.random.default_rng(height).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(pixels).resize((width, height), Image.Resampling.BICUBIC)


def turned(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held upright
    smooth(60, 80).save(path, exif=exif, quality=97, subsampling=0)


def see_through(path: Path) -> None:
    image = smooth(50, 61).convert("RGBA")
    image.putalpha(Image.linear_gradient("L").resize(image.size))
    image.save(path)


PICTURES: dict[str, Callable[[Path], None]] = {
    "wide.png": lambda path: smooth(23, 71).save(path),
    "tall.png": lambda path: smooth(97, 31).save(path),
    "small.png": lambda path: smooth(5, 3).save(path),
    "grey.png": lambda path: smooth(50, 60).convert("L").save(path),
    "palette.png": lambda path: smooth(51, 60).convert("P").save(path),
    "turned.jpg": turned,
    "see_through.png": see_through,
}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    for name, make in PICTURES.items():
        make(folder / name)
    return [folder / name for name in PICTURES]


@pytest.fixture(scope="module")
def model_id(server: ServerProcess, digits: Path) -> str:
    """LeNet after a few epochs on small digits in colour."""
    dataset = small_digits(server, digits, resize_channels="3", resize_mode="squash")
    return trained_lenet(server, dataset, train_epochs="3")


def exported(server: ServerProcess, model_id: str, **form: str) -> tuple[bytes, dict[str, Any]]:
    """A file that an export made, and what is told of it."""
    job = server.made(f"/models/{model_id}/exports.json", form)
    told = server.get(f"/models/exports/{job}.json").json()
    return server.get(told["download"]).content, told


@pytest.fixture(scope="module")
def offline_file(
    server: ServerProcess, model_id: str, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The page, where nothing else is."""
    content, _ = exported(server, model_id, format="page")
    path = tmp_path_factory.mktemp("elsewhere") / "classify.html"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def offline(playwright: Playwright, offline_file: Path) -> Iterator[Page]:
    """The page as a double click opens it, in a browser that says all that it complains of."""
    browser = launch(playwright, *CAMERA_FLAGS)
    context = browser.new_context()
    context.set_offline(True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    expect.set_options(timeout=PATIENCE_MS)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(offline_file.as_uri())
    expect(page.get_by_role("status")).to_contain_text("Ready.")
    yield page
    browser.close()
    assert complaints == []


def reloaded(page: Page) -> None:
    """The page as it was at first."""
    page.reload()
    expect(page.get_by_role("status")).to_contain_text("Ready.")


def answers_of(page: Page, paths: list[Path]) -> dict[str, Answer]:
    """What the page says of pictures that are chosen, by their names."""
    page.get_by_label("Choose pictures").set_input_files(paths)
    found = {}
    for path in paths:
        rows = page.locator(f'.answer[data-name="{path.name}"] .predictions li')
        expect(rows).to_have_count(5)
        found[path.name] = {
            str(row.get_attribute("data-label")): float(row.get_attribute("data-score") or "nan")
            for row in rows.all()
        }
    return found


def on_the_page(server: ServerProcess, model_id: str, path: Path) -> Answer:
    text = server.post(
        f"{ROUTE}/classify_one?job_id={model_id}",
        files={"image_file": (path.name, path.read_bytes())},
    ).text
    rows = re.findall(r'class="number">([\d.]+)%</span>\s*<span[^>]*>([^<]*)<', text)
    return {label: float(percent) / 100 for percent, label in rows}


def by_json(server: ServerProcess, model_id: str, path: Path) -> Answer:
    answer = server.post(
        f"{ROUTE}/classify_one.json?job_id={model_id}",
        files={"image_file": (path.name, path.read_bytes())},
    ).json()
    return {label: percent / 100 for label, percent in answer["predictions"]}


def by_script(folder: Path, path: Path) -> Answer:
    """classify.py of the archive."""
    command = [sys.executable, folder / "classify.py", path]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = re.findall(r"^ +([\d.]+)%  (.*)$", text, re.M)
    return {label: float(percent) / 100 for percent, label in rows}


def upright(path: Path) -> Image.Image:
    """The picture as people see it: turned, on white, in R,G,B."""
    picture = ImageOps.exif_transpose(Image.open(path)).convert("RGBA")
    white = Image.new("RGBA", picture.size, "white")
    return Image.alpha_composite(white, picture).convert("RGB")


def by_pycaffe(folder: Path, path: Path) -> Answer:
    """As scripts of 2015 classify with the archive's files."""
    info = json.loads((folder / "info.json").read_text())
    net = caffe.Net(str(folder / "deploy.prototxt"), str(folder / info["weights"]), caffe.TEST)
    transformer = caffe.io.Transformer({"data": net.blobs["data"].data.shape})
    transformer.set_transpose("data", (2, 0, 1))
    transformer.set_channel_swap("data", (2, 1, 0))
    blob = caffe.proto.caffe_pb2.BlobProto()
    blob.ParseFromString((folder / "mean.binaryproto").read_bytes())
    transformer.set_mean("data", caffe.io.blobproto_to_array(blob)[0])
    size = net.blobs["data"].data.shape[:1:-1]
    pixels = np.asarray(upright(path).resize(size, Image.Resampling.BILINEAR))
    net.blobs["data"].data[...] = transformer.preprocess("data", pixels)
    (scores,) = net.forward()[net.outputs[-1]]
    labels = (folder / "labels.txt").read_text().splitlines()
    return dict(zip(labels, scores.tolist(), strict=True))


def by_onnx(content: bytes) -> Callable[[Path], Answer]:
    session = onnxruntime.InferenceSession(content)
    labels = json.loads(session.get_modelmeta().custom_metadata_map["labels"])

    def answer(path: Path) -> Answer:
        (scores,) = session.run(None, {"image": np.asarray(upright(path))})
        return dict(zip(labels, scores.tolist(), strict=True))

    return answer


def furthest(first: Answer, second: Answer) -> float:
    """How far two answers are apart, of the labels that both name."""
    both = first.keys() & second.keys()
    assert len(both) >= 3, (first, second)
    return max(abs(first[label] - second[label]) for label in both)


@pytest.mark.slow
def test_a_picture_has_the_same_answer_wherever_it_is_asked(
    server: ServerProcess, model_id: str, pictures: list[Path], offline: Page, tmp_path: Path
) -> None:
    archive = server.get(f"/models/{model_id}/download.tar.gz").content
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(tmp_path)
    of_onnx = by_onnx(server.get(f"/models/{model_id}/download.onnx").content)
    content, told = exported(server, model_id, quantize="int8")
    of_int8, bound = by_onnx(content), told["figures"]["largest_difference"]
    by_page = answers_of(offline, pictures)
    for path in pictures:
        expected = by_json(server, model_id, path)
        found = {
            "page": on_the_page(server, model_id, path),
            "classify.py": by_script(tmp_path, path),
            "pycaffe": by_pycaffe(tmp_path, path),
            "ONNX": of_onnx(path),
            "the exported page": by_page[path.name],
        }
        apart = {name: furthest(answer, expected) for name, answer in found.items()}
        assert max(apart.values()) < CLOSE, (path.name, apart)
        # What was measured with the dataset's pictures; these are not like them.
        assert furthest(of_int8(path), expected) < 2 * bound + 0.05, path.name


@pytest.mark.slow
def test_the_camera_is_classified_as_it_runs(offline: Page) -> None:
    offline.get_by_role("button", name="Use the camera").click()
    rows = offline.locator("#live-predictions li")
    expect(rows).to_have_count(5)
    assert 0 < sum(float(row.get_attribute("data-score") or 0) for row in rows.all()) <= 1.001
    offline.get_by_role("button", name="Stop the camera").click()
    expect(offline.locator("#live")).to_be_hidden()


@pytest.mark.slow
def test_a_camera_that_fails_lets_pictures_have_their_turn(
    offline: Page, pictures: list[Path]
) -> None:
    reloaded(offline)
    offline.evaluate(
        """() => {
          const draw = CanvasRenderingContext2D.prototype.drawImage;
          CanvasRenderingContext2D.prototype.drawImage = function (source, ...rest) {
            if (source instanceof HTMLVideoElement) throw new Error("no memory");
            return draw.call(this, source, ...rest);
          };
        }"""
    )
    offline.get_by_role("button", name="Use the camera").click()
    expect(offline.locator("#status")).to_contain_text("cannot be classified (no memory)")
    expect(offline.get_by_role("button", name="Use the camera")).to_be_enabled()
    assert answers_of(offline, pictures[:1])
    reloaded(offline)


# A drop as soon as the page listens, when its model cannot be there yet.
DROP_EARLY = """addEventListener("DOMContentLoaded", () => {
  const bytes = Uint8Array.from(atob("PICTURE"), (letter) => letter.charCodeAt(0));
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([bytes], "early.png", { type: "image/png" }));
  document.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
});"""


@pytest.mark.slow
def test_a_picture_that_is_dropped_before_the_model_is_there_waits_for_it(
    offline: Page, offline_file: Path, pictures: list[Path]
) -> None:
    """What used to happen: it was ignored without a word."""
    page = offline.context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    encoded = base64.b64encode(pictures[0].read_bytes()).decode()
    page.add_init_script(DROP_EARLY.replace("PICTURE", encoded))
    page.goto(offline_file.as_uri())
    answer = page.locator('.answer[data-name="early.png"]')
    expect(answer.locator(".predictions li")).to_have_count(5)
    page.close()


@pytest.mark.slow
def test_pictures_are_dropped_and_what_is_none_is_named(offline: Page) -> None:
    offline.evaluate(
        """() => {
          const transfer = new DataTransfer();
          transfer.items.add(new File(["no picture"], "notes.txt", { type: "text/plain" }));
          document.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true }));
        }"""
    )
    answer = offline.locator('.answer[data-name="notes.txt"]')
    expect(answer).to_contain_text("This file cannot be read as a picture")


@pytest.mark.slow
def test_everybody_can_use_the_exported_page(offline: Page, pictures: list[Path]) -> None:
    answers_of(offline, pictures[:1])
    offline.get_by_text("About this model").click()
    expect(offline.locator("#facts")).to_contain_text("Digits")
    # By its protocol: the page's own policy lets no script in.
    session = offline.context.new_cdp_session(offline)
    session.send("Page.setBypassCSP", {"enabled": True})
    offline.evaluate(AXE.read_text())
    for colours in ("light", "dark"):
        for size in (DESK, PHONE):
            offline.set_viewport_size(size)
            offline.emulate_media(color_scheme=colours)  # type: ignore[arg-type]
            found = offline.evaluate("axe.run()")
            assert [each["help"] for each in found["violations"]] == []
            width = offline.evaluate("document.documentElement.scrollWidth")
            assert width <= size["width"]
    offline.set_viewport_size(DESK)


@pytest.mark.slow
def test_a_model_is_exported_without_scripts_and_deleted(
    server: ServerProcess, model_id: str, playwright: Playwright
) -> None:
    browser = launch(playwright)
    page = browser.new_context(java_script_enabled=False).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(f"{server.url}/models/{model_id}")
    page.get_by_role("link", name="Export", exact=True).click()
    page.get_by_label("The network’s own input").check()
    page.get_by_role("button", name="Export").click()
    job_id = page.url.rpartition("/")[2]
    server.wait_for_status(job_id, "Done")
    page.reload()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").click()
    assert download.value.suggested_filename.endswith(".onnx")
    page.goto(f"{server.url}/models/{model_id}/exports")
    page.get_by_role("button", name="Delete ONNX of the network alone, epoch 3").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    assert server.get(f"/models/exports/{job_id}.json").status_code == 404
    browser.close()


@pytest.mark.slow
def test_everybody_can_use_the_pages_of_exports(
    server: ServerProcess, model_id: str, page: Page
) -> None:
    _, told = exported(server, model_id, quantize="int8")
    for address in (f"/models/{model_id}/exports", f"/models/exports/{told['id']}"):
        page.goto(f"{server.url}{address}")
        page.wait_for_load_state()
        check_by_axe(page)
        page.set_viewport_size(PHONE)
        assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        page.set_viewport_size(DESK)
