"""The form's augmentation: presets fill in the fields, and pictures follow the sliders."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.test_pages import check_by_axe
from tests.model.requests import dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess

NEW_MODEL = "/models/images/classification/new"


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = make_class_folders(tmp_path_factory.mktemp("pictures"), classes=3, pictures=12)
    form = dataset_form(folder, resize_channels="3", resize_width="32", resize_height="32")
    return server.made("/datasets/images/classification.json", form)


@pytest.fixture
def form(server: ServerProcess, page: Page, dataset_id: str) -> Page:
    """The form with the options shown and the pictures there."""
    page.goto(f"{server.url}{NEW_MODEL}?dataset={dataset_id}")
    page.get_by_text("More options").click()
    expect(pictures(page)).to_have_count(9)
    return page


def pictures(page: Page) -> Locator:
    return page.locator("[data-augment-example] img")


def sources(page: Page) -> list[str]:
    return [str(each.get_attribute("src")) for each in pictures(page).all()]


def number(page: Page, label: str) -> Locator:
    return page.get_by_label(label, exact=True)


def expect_others(page: Page, before: list[str]) -> list[str]:
    expect(pictures(page).first).not_to_have_attribute("src", before[0])
    expect(pictures(page)).to_have_count(9)
    return sources(page)


def test_a_preset_fills_in_the_fields_and_a_slider_leaves_it(form: Page) -> None:
    preset = form.get_by_label("Augmentation", exact=True)
    plain = sources(form)
    preset.select_option("strong")
    expect(number(form, "Rotation (± degrees)")).to_have_value("20")
    expect(form.get_by_label("Shift colors", exact=True)).to_be_checked()
    expect(number(form, "Hue (std. deviation)")).to_be_visible()
    strong = expect_others(form, plain)
    slider = form.get_by_label("Noise (std. deviation), slider")
    expect(slider).to_have_value("0.03")
    slider.focus()
    slider.press("ArrowRight")
    expect(number(form, "Noise (std. deviation)")).to_have_value("0.04")
    expect(preset).to_have_value("own")
    expect_others(form, strong)
    preset.select_option("none")
    expect(number(form, "Rotation (± degrees)")).to_have_value("0")
    expect(number(form, "Hue (std. deviation)")).to_be_hidden()
    expect(pictures(form).first).to_have_attribute("src", plain[0])


def test_other_pictures_are_a_click_away_and_a_number_moves_its_slider(form: Page) -> None:
    plain = sources(form)
    form.get_by_role("button", name="Other pictures").click()
    expect_others(form, plain)
    number(form, "Blur (pixels)").fill("2.5")
    expect(form.get_by_label("Blur (pixels), slider")).to_have_value("2.5")


@pytest.mark.parametrize("expected_complaints", [["status of 400"]])
def test_what_cannot_be_is_said_beside_the_pictures(form: Page) -> None:
    number(form, "Rotation (± degrees)").fill("200")
    expect(form.locator("[data-augment-message]")).to_have_text("200 is out of range: 0 to 180.")
    number(form, "Rotation (± degrees)").fill("20")
    expect(form.locator("[data-augment-message]")).to_have_text("")


def test_axe_finds_nothing_and_nothing_sticks_out(form: Page) -> None:
    form.get_by_label("Augmentation", exact=True).select_option("medium")
    expect(number(form, "Hue (std. deviation)")).to_be_visible()
    check_by_axe(form)
    for width in (390, 1280):
        form.set_viewport_size({"width": width, "height": 900})
        assert form.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
