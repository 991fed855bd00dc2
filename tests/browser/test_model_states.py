"""What a model's page says of trainings that run, pause or fail, and of many categories."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.test_model_page import model_form, tab
from tests.browser.test_pages import DESK, PHONE, check_by_axe
from tests.model.requests import dataset_form
from tests.server_process import ServerProcess

CATEGORIES = 30
LONG = "Supercalifragilisticexpialidocious_without_any_space_in_it"
EPOCHS = 5000


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Thirty categories with long names, of which one has a picture that is none."""
    top = tmp_path_factory.mktemp("many")
    for number in range(CATEGORIES):
        folder = top / f"{LONG}_{number:02}"
        folder.mkdir()
        for each in range(4):
            level = (8 * number + each) % 256
            Image.new("L", (20, 20), level).save(folder / f"{each}.png")
    (top / f"{LONG}_00" / "broken.png").write_text("none")
    return server.made("/datasets/images/classification.json", dataset_form(Path(top)))


@pytest.fixture(scope="module")
def paused_id(server: ServerProcess, dataset_id: str) -> str:
    """The id of a model that is learning, until a test pauses it."""
    form = model_form(
        dataset_id, model_name="Long", train_epochs=str(EPOCHS), learning_rate="0.00001"
    )
    return str(server.post("/models/images/classification.json", data=form).json()["id"])


def badge(page: Page) -> Locator:
    return page.locator("#job-line [data-status-badge]")


def graph(page: Page) -> Locator:
    return page.locator("[data-graph='combined_graph']")


def test_a_training_that_is_watched_can_be_fine_tuned_once_there_is_a_snapshot(
    server: ServerProcess, page: Page, paused_id: str
) -> None:
    page.goto(f"{server.url}/models/{paused_id}")
    page.evaluate("window.notLoadedAgain = true")
    fine_tune = page.get_by_role("link", name="Fine-tune")
    expect(fine_tune).to_be_visible()
    expect(fine_tune).to_have_attribute("href", re.compile(f"previous_networks={paused_id}"))
    try_it = page.get_by_role("region", name="Try it")
    expect(try_it.get_by_label("Snapshot", exact=True)).to_be_visible()
    assert page.evaluate("window.notLoadedAgain")


def test_what_is_paused_is_called_paused_and_resume_is_the_next_step(
    server: ServerProcess, page: Page, paused_id: str
) -> None:
    page.goto(f"{server.url}/models/{paused_id}")
    page.get_by_role("button", name="Pause").click()
    expect(badge(page)).to_have_text("Paused")
    expect(badge(page)).to_have_class(re.compile("status-paused"))
    assert server.get(f"/jobs/{paused_id}/status").json()["status"] == "Aborted"
    expect(page.get_by_role("button", name="Resume")).to_have_class(re.compile("btn-primary"))
    page.set_viewport_size(PHONE)
    for button in page.locator("[data-delete-snapshot]").all():
        box = button.bounding_box()
        assert box
        assert box["x"] + box["width"] <= PHONE["width"]
    page.set_viewport_size(DESK)
    tab(page, "Settings").click()
    expect(page.locator("[data-job-history]")).to_contain_text("Paused")
    page.reload()
    expect(badge(page)).to_have_text("Paused")
    page.goto(server.url)
    row = page.locator(".job-row").filter(has_text="Long")
    expect(row.locator("[data-status-badge]")).to_have_text("Paused")


def test_a_graph_ends_where_its_data_do_and_shows_the_whole_training_on_demand(
    server: ServerProcess, page: Page, paused_id: str
) -> None:
    page.goto(f"{server.url}/models/{paused_id}")
    words = graph(page).locator("[data-graph-words]")
    expect(words).to_contain_text("From Epoch 0 to Epoch ")
    expect(words).not_to_contain_text(f"to Epoch {EPOCHS}.")
    whole = graph(page).get_by_label("Whole training")
    whole.check()
    expect(words).to_contain_text(f"From Epoch 0 to Epoch {EPOCHS}.")
    whole.uncheck()
    expect(words).not_to_contain_text(f"to Epoch {EPOCHS}.")
    check_by_axe(page)


@pytest.fixture(scope="module")
def failed_id(server: ServerProcess, dataset_id: str) -> str:
    form = model_form(dataset_id, model_name="Diverges", learning_rate="1000")
    job_id = str(server.post("/models/images/classification.json", data=form).json()["id"])
    server.wait_for_status(job_id, "Error")
    return job_id


def test_after_a_failure_that_must_come_again_clone_is_the_next_step(
    server: ServerProcess, page: Page, failed_id: str
) -> None:
    page.goto(f"{server.url}/models/{failed_id}")
    expect(page.locator(".training-line [role=alert]")).to_contain_text("diverged")
    expect(page.get_by_role("link", name="Clone")).to_have_class(re.compile("btn-primary"))
    expect(page.get_by_role("button", name="Resume")).not_to_have_class(re.compile("btn-primary"))
    page.get_by_role("link", name="Find it in the log").click()
    expect(page.get_by_role("log")).to_be_visible()


def test_one_short_training_does_not_make_slivers_of_a_comparison(
    server: ServerProcess, page: Page, paused_id: str, failed_id: str
) -> None:
    page.goto(f"{server.url}/models/compare?ids={paused_id},{failed_id}")
    words = graph(page).locator("[data-graph-words]")
    expect(words).to_contain_text("From Epoch 0 to Epoch ")
    expect(words).not_to_contain_text(f"to Epoch {EPOCHS}.")
    expect(page.get_by_role("region", name="Results of each model")).to_contain_text("Paused")


@pytest.mark.parametrize("expected_complaints", [["403"]])
def test_an_error_stands_at_its_cause_and_goes_with_the_next_success(
    server: ServerProcess, page: Page, paused_id: str
) -> None:
    def refuse(route: Route) -> None:
        if route.request.method != "DELETE":
            route.continue_()
            return
        json = {"error": {"code": 403, "message": "Not just now."}}
        route.fulfill(status=403, json=json)

    page.goto(f"{server.url}/models/{paused_id}")
    page.route("**/snapshots/*", refuse)
    button = page.locator("[data-delete-snapshot]:not([disabled])").last
    button.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    error = page.locator("main [role=alert]").filter(has_text="Not just now.")
    expect(error).to_be_visible()
    expect(error).to_be_in_viewport()
    table = page.locator("#snapshot-table").bounding_box()
    place = error.bounding_box()
    assert table
    assert place
    assert place["y"] < table["y"] < place["y"] + place["height"] + 100
    assert page.locator("[data-toasts]").inner_text() == ""
    page.unroute("**/snapshots/*")
    button.click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(error).to_have_count(0)


def test_messages_take_no_clicks_from_what_lies_below(server: ServerProcess, page: Page) -> None:
    page.goto(server.url)
    page.evaluate(
        """() => {
          const toast = document.createElement("div");
          toast.className = "toast show";
          toast.textContent = "Done.";
          document.querySelector("[data-toasts]").append(toast);
        }"""
    )
    box = page.locator(".toast").bounding_box()
    assert box
    found = page.evaluate(
        "([x, y]) => document.elementFromPoint(x, y).closest('.toast-container') === null",
        [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2],
    )
    assert found


def test_left_out_pictures_are_a_warning_at_the_top_with_their_names(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.goto(f"{server.url}/datasets/{dataset_id}")
    warning = page.locator("#dataset-warnings .notice-warning")
    expect(warning).to_contain_text("1 picture was left out")
    warning.get_by_text("Which, and why").click()
    expect(warning).to_contain_text("broken.png")
    place = warning.bounding_box()
    columns = page.locator(".columns").bounding_box()
    assert place
    assert columns
    assert place["y"] + place["height"] <= columns["y"]


def test_many_categories_are_folded_searched_and_wrapped(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.goto(f"{server.url}/datasets/{dataset_id}")
    rows = page.locator(".samples > div")
    search = page.get_by_role("searchbox", name="Search the categories")
    expect(search).to_be_visible()
    expect(rows).to_have_count(CATEGORIES)
    expect(rows.filter(visible=True)).to_have_count(12)
    search.fill("it 29")
    expect(rows.filter(visible=True)).to_have_count(1)
    expect(page.get_by_text(f"1 of {CATEGORIES}", exact=True)).to_be_visible()
    search.fill("")
    page.get_by_role("button", name=f"Show all {CATEGORIES}").click()
    expect(rows.filter(visible=True)).to_have_count(CATEGORIES)
    page.get_by_role("button", name="Show the first 12").click()
    expect(rows.filter(visible=True)).to_have_count(12)
    page.evaluate("scrollTo(0, 0)")  # else the bar at the top lies over a row
    check_by_axe(page)
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


@pytest.fixture(scope="module")
def classified(
    server: ServerProcess, dataset_id: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """A model of all categories, and a list of its dataset's pictures."""
    model_id = server.made("/models/images/classification.json", model_form(dataset_id))
    listed = tmp_path_factory.mktemp("lists") / "list.txt"
    listed.write_text((server.jobs_dir / dataset_id / "val.txt").read_text())
    return model_id, listed


def test_long_names_of_categories_leave_their_numbers_in_sight(
    server: ServerProcess, page: Page, classified: tuple[str, Path]
) -> None:
    model_id, listed = classified
    page.set_viewport_size(PHONE)
    page.goto(f"{server.url}/models/{model_id}")
    page.get_by_label("Upload picture", exact=True).set_input_files(
        Path(listed.read_text().split()[0])
    )
    page.get_by_role("button", name="Classify one").click()
    percents = page.get_by_role("list", name="Predictions").locator(".number")
    expect(percents).to_have_count(5)
    for percent in percents.all():
        box = percent.bounding_box()
        assert box
        assert 0 < box["x"] + box["width"] <= PHONE["width"]
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_the_best_of_each_category_are_there_with_what_was_classified(
    server: ServerProcess, page: Page, classified: tuple[str, Path]
) -> None:
    model_id, listed = classified
    page.goto(f"{server.url}/models/{model_id}")
    page.get_by_text("Classify many pictures", exact=True).first.click()
    page.get_by_label("Upload picture list").set_input_files(listed)
    page.get_by_label("Top N per category").fill("2")
    page.get_by_role("button", name="Classify many").click()
    page.get_by_text("Top 2 per category").click()
    best = page.locator("#best-pictures .panel")
    expect(best.filter(visible=True)).to_have_count(12)
    assert max(each.locator("img").count() for each in best.all()) == 2
    expect(best.locator("img").first).to_have_js_property("naturalWidth", 16)


@pytest.mark.parametrize(
    "path",
    [
        "/models/{model}",
        "/models/images/classification/large_graph?job_id={model}",
        "/models/compare?ids={model},{other}",
        "/datasets/{dataset}/explore",
    ],
)
def test_graphs_tables_and_pictures_use_a_wide_window_and_text_does_not(
    server: ServerProcess,
    page: Page,
    classified: tuple[str, Path],
    failed_id: str,
    dataset_id: str,
    path: str,
) -> None:
    page.set_viewport_size({"width": 1920, "height": 1080})
    page.goto(server.url + path.format(model=classified[0], other=failed_id, dataset=dataset_id))
    panels = page.locator("main .panel").filter(visible=True)
    right = max(box["x"] + box["width"] for each in panels.all() if (box := each.bounding_box()))
    assert right > 1880
    widths = page.locator("main p").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().width)"
    )
    assert max(widths, default=0) < 900


def test_pictures_of_layers_are_smooth_where_they_are_shrunk(
    server: ServerProcess, page: Page, classified: tuple[str, Path]
) -> None:
    model_id, listed = classified
    page.goto(f"{server.url}/models/{model_id}")
    page.get_by_label("Upload picture", exact=True).set_input_files(
        Path(listed.read_text().split()[0])
    )
    page.get_by_label("Show visualizations").check()
    page.get_by_role("button", name="Classify one").click()
    picture = page.locator(".layer-picture").first
    expect(picture).to_be_visible()
    natural = int(picture.evaluate("it => it.naturalWidth"))
    rendering = "it => getComputedStyle(it).imageRendering"
    expect(picture).to_have_class(re.compile("hard-pixels"))
    picture.evaluate("(it, width) => { it.width = width; }", round(0.7 * natural))
    expect(picture).not_to_have_class(re.compile("hard-pixels"))
    assert picture.evaluate(rendering) == "auto"
    picture.evaluate("(it, width) => { it.width = width; }", natural)
    expect(picture).to_have_class(re.compile("hard-pixels"))
    assert picture.evaluate(rendering) == "pixelated"


@pytest.mark.parametrize(
    ("curves", "top"),
    [([150.0], "8"), ([20.0, 30.0], "140"), ([20.0, 190.0], "70"), ([], "8")],
)
def test_the_values_under_the_pointer_keep_clear_of_the_curves(
    server: ServerProcess, page: Page, curves: list[float], top: str
) -> None:
    page.goto(server.url)
    place = page.evaluate(
        """async ([curves]) => {
          const { freest } = await import("/static/js/graphs/tooltip.js");
          return freest(curves, 50, 140);
        }""",
        [curves],
    )
    assert str(place) == top


def test_half_ticked_boxes_take_the_colour_of_ticked_ones(
    server: ServerProcess, page: Page
) -> None:
    page.emulate_media(color_scheme="dark")
    page.goto(server.url)
    assert page.evaluate(
        """() => {
          const box = document.createElement("input");
          Object.assign(box, { type: "checkbox", className: "form-check-input" });
          document.querySelector("main").append(box);
          const ticked = box.cloneNode();
          ticked.checked = true;
          box.indeterminate = true;
          box.after(ticked);
          const colour = (element) => getComputedStyle(element).backgroundColor;
          return colour(box) === colour(ticked);
        }"""
    )
