"""The archive of a model is chosen or dropped, uploaded, and classifies."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from tests.browser.test_datasets import DROP
from tests.model.images.classification.upload.archives import tarred, zipped
from tests.server_process import ServerProcess

DEPLOY = """
input: "data" input_shape { dim: 1 dim: 1 dim: 8 dim: 8 }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 2 weight_filler { type: "xavier" } } }
layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }
"""
INFO = {"name": "Cats and dogs", "framework": "caffe", "image dimensions": [8, 8, 1]}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A model as its archive holds it; nothing of it was ever trained."""
    folder = tmp_path_factory.mktemp("model")
    (folder / "deploy.prototxt").write_text(DEPLOY)
    Net(folder / "deploy.prototxt", Phase.TEST).save(folder / "snapshot_iter_1.caffemodel")
    (folder / "labels.txt").write_text("cat\ndog\n")
    info = {"info.json": json.dumps(INFO).encode()}
    return {**info, **{path.name: path.read_bytes() for path in folder.iterdir()}}


def test_an_archive_is_chosen_in_the_menu_uploaded_and_classifies(
    server: ServerProcess, page: Page, files: dict[str, bytes], digits: Path, tmp_path: Path
) -> None:
    (tmp_path / "pets.tar.gz").write_bytes(tarred(files))
    page.goto(server.url)
    page.get_by_role("button", name="New Model").click()
    page.get_by_role("link", name="Upload a model").last.click()
    page.get_by_label("Archive", exact=True).set_input_files(tmp_path / "pets.tar.gz")
    # Read out of the archive, before anything is sent.
    name = page.get_by_label("Model name", exact=True)
    expect(name).to_have_value("Cats and dogs")
    name.fill("Pets")
    page.get_by_role("button", name="Upload", exact=True).click()

    expect(page.get_by_role("heading", level=1)).to_have_text("Pets")
    expect(page.locator("#job-line [data-status-badge]")).to_have_text("Done")
    expect(page.locator("#model-dataset")).to_contain_text("is not on this server")
    page.get_by_label("Upload picture", exact=True).set_input_files(
        next(iter(sorted((digits / "held_out").iterdir())))
    )
    page.get_by_role("button", name="Classify one").click()
    found = page.get_by_role("list", name="Predictions").get_by_role("listitem")
    expect(found).to_have_count(2)
    expect(found.filter(has_text="dog")).to_be_visible()


def test_what_is_wrong_with_a_dropped_archive_stands_at_its_field(
    server: ServerProcess, page: Page, files: dict[str, bytes], expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}/models/upload_archive")
    page.wait_for_load_state("networkidle")
    broken = {name: data for name, data in files.items() if not name.endswith(".caffemodel")}
    page.evaluate(DROP, [base64.b64encode(zipped(broken)).decode(), "pets.zip"])
    archive = page.get_by_label("Archive", exact=True)
    expect(archive).to_have_value(re.compile(r"pets\.zip$"))
    expect(page.get_by_label("Model name", exact=True)).to_have_value("Cats and dogs")
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(archive).to_be_focused()
    expect(page.locator(".field-error")).to_have_text(re.compile("no weights of Caffe"))
    # The sound one takes its place, without the page being loaded again.
    page.evaluate(DROP, [base64.b64encode(zipped(files)).decode(), "pets.zip"])
    page.get_by_role("button", name="Upload", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Cats and dogs")
