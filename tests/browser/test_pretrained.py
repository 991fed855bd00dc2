"""The form of a model chooses a network with weights for few pictures, and says why."""

from __future__ import annotations

import pytest
from playwright.sync_api import Page, expect

from tests.browser.test_pages import check_by_axe
from tests.model.requests import dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

NEW_MODEL = "/models/images/classification/new"


@pytest.fixture(scope="module")
def colors_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("colors")
    pictures = make_class_folders(folder, classes=3, pictures=8, mode="RGB")
    sides = {"resize_width": "128", "resize_height": "128", "resize_channels": "3"}
    form = dataset_form(pictures, **sides)
    answer = server.post("/datasets/images/classification.json", data=form)
    job_id = str(answer.json()["id"])
    server.wait_for_status(job_id, "Done")
    return job_id


def test_few_pictures_get_a_network_with_weights_unless_another_one_is_chosen(
    server: ServerProcess, page: Page, colors_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={colors_id}")
    lite0 = page.get_by_label("EfficientNet-Lite0", exact=True)
    reason = page.get_by_text("is selected because it begins with weights")
    what_learns = page.get_by_label("What learns", exact=True)
    expect(lite0).to_be_checked()
    expect(reason).to_be_visible()
    expect(what_learns).to_be_visible()  # first, not under More options
    expect(page.locator("#use_mean")).to_be_disabled()
    check_by_axe(page)
    page.get_by_label("AlexNet", exact=True).check()
    expect(reason).to_be_hidden()
    expect(what_learns).to_be_hidden()
    expect(page.locator("#use_mean")).to_be_enabled()
    page.get_by_text("More options").click()
    expect(what_learns).to_be_visible()
    # What somebody chose stays.
    page.get_by_label("Dataset", exact=True).dispatch_event("change")
    expect(page.get_by_label("AlexNet", exact=True)).to_be_checked()


def test_customize_takes_the_weights_along(
    server: ServerProcess, page: Page, colors_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={colors_id}")
    expect(page.get_by_label("EfficientNet-Lite0", exact=True)).to_be_checked()
    page.get_by_role("button", name="Customize EfficientNet-Lite0").click()
    weights = page.get_by_role("combobox", name="Pretrained weights")
    expect(weights).to_have_value("efficientnet-lite0")
    expect(page.locator("#use_mean")).to_be_disabled()
    expect(page.get_by_label("What learns", exact=True)).to_be_visible()
    weights.fill("")
    weights.dispatch_event("change")
    expect(page.locator("#use_mean")).to_be_enabled()


def test_a_link_that_names_a_network_is_followed(
    server: ServerProcess, page: Page, colors_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={colors_id}&standard_networks=lenet")
    expect(page.locator("[data-fit='standard_networks:lenet']")).to_be_visible()
    expect(page.get_by_label("LeNet", exact=True)).to_be_checked()


@pytest.mark.slow
def test_it_is_created_by_accepting_what_is_there(
    server: ServerProcess, page: Page, colors_id: str
) -> None:
    page.goto(f"{server.url}{NEW_MODEL}?dataset={colors_id}")
    expect(page.get_by_label("EfficientNet-Lite0", exact=True)).to_be_checked()
    page.get_by_label("Model name", exact=True).fill("Three colors")
    page.get_by_role("checkbox", name="Find the best learning rate").check()
    page.get_by_role("button", name="Create model").click()
    expect(page.get_by_role("heading", name="Three colors")).to_be_visible()
    job_id = page.url.rsplit("/", 1)[-1].split("?")[0]
    server.wait_for_status(job_id, "Done", timeout_s=240)
    page.reload()
    table = page.get_by_role("region", name="Table of the search").get_by_role("row")
    expect(table.nth(1)).to_contain_text("taken")
    check_by_axe(page)
    page.goto(f"{server.url}/datasets/{colors_id}")
    expect(page.get_by_text("2 sets")).to_be_visible()
    page.locator("[data-delete-features]").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("[data-delete-features]")).to_have_count(0)
