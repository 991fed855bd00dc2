"""Pretrained models: added by a form, listed, begun from."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from tests.browser.test_pages import check_by_axe
from tests.browser.test_uploaded_models import DEPLOY
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network with weights, which nobody ever trained."""
    folder = tmp_path_factory.mktemp("pretrained")
    (folder / "deploy.prototxt").write_text(DEPLOY)
    Net(folder / "deploy.prototxt", Phase.TEST).save(folder / "pets.caffemodel")
    (folder / "labels.txt").write_text("cat\ndog\n")
    return folder


def fill_in(page: Page, files: Path) -> None:
    page.get_by_label("Name", exact=True).fill("Pets")
    page.get_by_label("Weights", exact=True).set_input_files(files / "pets.caffemodel")
    page.get_by_label("Network", exact=True).set_input_files(files / "deploy.prototxt")
    page.get_by_label("Labels", exact=True).set_input_files(files / "labels.txt")
    page.get_by_label("Licence", exact=True).fill("CC BY 4.0")


def test_weights_are_uploaded_get_a_card_and_are_offered_to_new_models(
    server: ServerProcess, page: Page, files: Path
) -> None:
    page.goto(f"{server.url}/pretrained_models/new")
    fill_in(page, files)
    page.get_by_label("Picture type", exact=True).select_option(label="Grayscale")
    page.get_by_role("button", name="Add model").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pets")
    expect(page.locator("#pretrained-card")).to_contain_text("CC BY 4.0")

    page.get_by_role("link", name="New model").click()
    expect(page.get_by_role("radio", name="Pretrained networks")).to_be_checked()
    expect(page.get_by_role("radio", name="Pets", exact=True)).to_be_checked()
    check_by_axe(page)

    page.goto(f"{server.url}/?tab=3")
    rows = page.get_by_role("region", name="Pretrained models").get_by_role("row")
    expect(rows.filter(has_text="Pets")).to_contain_text("CC BY 4.0")


def test_what_is_wrong_stands_at_its_field(
    server: ServerProcess, page: Page, files: Path, expected_complaints: list[str]
) -> None:
    expected_complaints.append("status of 400")
    page.goto(f"{server.url}/pretrained_models/new")
    fill_in(page, files)
    # The network is one of grey pictures.
    page.get_by_role("button", name="Add model").click()
    network = page.get_by_label("Network", exact=True)
    expect(network).to_be_focused()
    expect(page.locator(".field-error")).to_contain_text("takes 1 channels")
