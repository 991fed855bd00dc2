"""The guides in a browser: found by words, read by keyboard, on a phone, and without scripts."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_pages import DESK, PHONE, check_by_axe
from tests.server_process import ServerProcess


@pytest.fixture
def guide(server: ServerProcess, page: Page) -> Page:
    """A long guide, on a desk."""
    page.set_viewport_size(DESK)
    page.goto(f"{server.url}/help/model-options")
    return page


@pytest.fixture
def without_scripts(browser: Browser) -> Iterator[Page]:
    """A phone whose browser runs no scripts."""
    context = browser.new_context(java_script_enabled=False, viewport=PHONE)
    yield context.new_page()
    context.close()


def test_words_and_their_beginnings_are_found_in_every_guide(guide: Page) -> None:
    results = guide.get_by_role("list", name="Results").get_by_role("listitem")
    guide.get_by_role("searchbox").fill("confusion matr")
    expect(results.first.get_by_role("link")).to_have_text("Confusion matrix")
    expect(results.first).to_contain_text("Glossary")
    expect(results.locator("mark").first).to_have_text(re.compile("matri|confus", re.I))
    expect(guide.get_by_role("article")).to_be_hidden()
    expect(guide.get_by_text(re.compile(r"\d+ results"))).to_be_visible()
    guide.get_by_role("searchbox").fill("xyzzy")
    expect(guide.get_by_text("Nothing found")).to_be_visible()
    expect(results).to_have_count(0)
    guide.get_by_role("searchbox").fill("")
    expect(guide.get_by_role("article")).to_be_visible()


def test_the_search_asks_the_network_once(guide: Page) -> None:
    results = guide.get_by_role("list", name="Results").get_by_role("listitem")
    guide.get_by_role("searchbox").fill("epoch")
    expect(results.first).to_be_visible()
    guide.context.set_offline(True)
    guide.get_by_role("searchbox").fill("learning rate")
    expect(results.first.get_by_role("link")).to_have_text("Learning rate")


def test_a_search_that_cannot_be_made_says_so_and_works_later(
    guide: Page, expected_complaints: list[str]
) -> None:
    expected_complaints.append("ERR_INTERNET_DISCONNECTED")
    guide.context.set_offline(True)
    guide.get_by_role("searchbox").fill("epoch")
    expect(guide.get_by_text("could not be fetched")).to_be_visible()
    guide.context.set_offline(False)
    guide.get_by_role("searchbox").fill("epochs")
    expect(guide.get_by_role("list", name="Results").get_by_role("link").first).to_be_visible()


def test_the_search_is_used_by_the_keyboard_alone(guide: Page) -> None:
    keys = guide.keyboard
    keys.press("/")
    expect(guide.get_by_role("searchbox")).to_be_focused()
    keys.type("learning rate policy")
    links = guide.get_by_role("list", name="Results").get_by_role("link")
    expect(links.first).to_be_visible()
    keys.press("ArrowDown")
    expect(links.first).to_be_focused()
    keys.press("ArrowUp")
    expect(guide.get_by_role("searchbox")).to_be_focused()
    keys.press("Escape")
    expect(guide.get_by_role("searchbox")).to_have_value("")
    expect(guide.get_by_role("article")).to_be_visible()
    keys.type("learning rate policy")
    expect(links.first).to_be_visible()
    keys.press("Enter")
    guide.wait_for_url("**/help/glossary#learning-rate-policy-policy")
    guide.go_back()
    expect(guide.get_by_role("searchbox")).to_have_value("learning rate policy")
    expect(links.first).to_be_visible()


def test_a_result_on_the_same_page_leads_to_its_place(guide: Page) -> None:
    guide.get_by_role("searchbox").fill("comparing models")
    results = guide.get_by_role("list", name="Results")
    results.get_by_role("link", name="Comparing models", exact=True).click()
    expect(guide.get_by_role("heading", name="Comparing models")).to_be_in_viewport()
    expect(guide).to_have_url(re.compile(r"/help/model-options#comparing-models$"))


def test_the_contents_mark_where_one_reads(guide: Page) -> None:
    contents = guide.get_by_role("navigation", name="On this page")
    contents.get_by_role("link", name="Learning rate").click()
    expect(contents.locator("[aria-current=location]")).to_have_text("Learning rate")
    expect(guide.get_by_role("heading", name="Learning rate")).to_be_in_viewport()
    guide.get_by_role("heading", name="Previous networks").scroll_into_view_if_needed()
    guide.evaluate("scrollTo(0, 0)")
    expect(contents.locator("[aria-current=location]")).to_have_count(0)


def test_the_list_of_guides_is_scrolled_to_the_one_that_is_shown(
    server: ServerProcess, page: Page
) -> None:
    page.set_viewport_size({"width": 1280, "height": 400})
    page.goto(f"{server.url}/help/decisions/README")
    current = page.get_by_role("navigation", name="Guides").locator("[aria-current=page]")
    expect(current).to_have_text("Decisions")
    expect(current).to_be_in_viewport()


def test_a_phone_opens_guides_and_contents_without_scripts(
    server: ServerProcess, without_scripts: Page
) -> None:
    page = without_scripts
    page.goto(f"{server.url}/help/model-options")
    guides = page.get_by_role("navigation", name="Guides")
    expect(guides).to_be_hidden()
    page.get_by_role("button", name="On this page").click()
    page.get_by_role("link", name="Solver options", exact=True).click()
    expect(page).to_have_url(re.compile("#solver-options$"))
    page.goto(f"{server.url}/help/model-options")
    page.get_by_role("button", name="Guides").click()
    guides.get_by_role("link", name="Glossary").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Glossary")
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("How do I improve it?")
    expect(page.get_by_role("searchbox")).to_be_hidden()


def test_on_a_phone_a_chosen_section_closes_the_contents(guide: Page) -> None:
    guide.set_viewport_size(PHONE)
    guide.get_by_role("button", name="On this page").click()
    contents = guide.get_by_role("navigation", name="On this page")
    contents.get_by_role("link", name="Solver options").click()
    expect(contents).to_be_hidden()
    expect(guide.get_by_role("heading", name="Solver options")).to_be_in_viewport()


def test_axe_finds_nothing_among_results_and_in_open_lists(guide: Page) -> None:
    guide.get_by_role("searchbox").fill("epoch")
    expect(guide.get_by_role("list", name="Results").get_by_role("link").first).to_be_visible()
    check_by_axe(guide)
    guide.keyboard.press("Escape")
    guide.set_viewport_size(PHONE)
    assert guide.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    guide.get_by_role("button", name="Guides").click()
    check_by_axe(guide)


def test_a_term_in_an_explanation_leads_to_the_glossary(server: ServerProcess, page: Page) -> None:
    page.goto(f"{server.url}/models/images/classification/new")
    page.get_by_role("button", name="About Training epochs").focus()
    page.keyboard.press("Tab")
    term = page.get_by_role("tooltip").get_by_role("link", name=re.compile("^epoch", re.I))
    expect(term).to_be_focused()
    with page.context.expect_page() as opened:
        page.keyboard.press("Enter")
    expect(opened.value.get_by_role("heading", name="Epoch", exact=True)).to_be_in_viewport()
