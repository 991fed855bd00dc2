"""A model's graph and snapshots, and a network that is being written, in a real browser."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.graphs import changed
from tests.browser.test_pages import AXE, PHONE
from tests.browser.weight import check_weight
from tests.evaluations import LONG, stop_in_the_middle
from tests.model.requests import TINY, dataset_form
from tests.pictures import make_class_folders
from tests.server_process import ServerProcess


@pytest.fixture(scope="module")
def dataset_id(server: ServerProcess, tmp_path_factory: pytest.TempPathFactory) -> str:
    pictures = make_class_folders(
        tmp_path_factory.mktemp("pictures"), classes=3, pictures=12, mode="L"
    )
    return server.made("/datasets/images/classification.json", dataset_form(Path(pictures)))


@pytest.fixture(scope="module")
def model_id(server: ServerProcess, dataset_id: str) -> str:
    form = {
        "model_name": "Tiny",
        "dataset": dataset_id,
        "method": "custom",
        "custom_network": TINY,
        "train_epochs": "6",
        "batch_size": "9",
        "random_seed": "1",
    }
    return server.made("/models/images/classification.json", form)


def test_the_graph_is_looked_at_in_other_ways(
    server: ServerProcess, page: Page, model_id: str
) -> None:
    page.goto(f"{server.url}/models/{model_id}")
    graph = page.locator("[data-graph='combined_graph']")
    words = graph.locator("[data-graph-words]")
    expect(words).to_contain_text("loss (val): 7 points")
    expect(words).to_contain_text("Epoch 6.")
    along = graph.get_by_label("What the graph runs along")
    along.select_option("Iterations")
    expect(words).to_contain_text("Iteration 18.")
    along.select_option("Time")
    expect(words).to_contain_text(re.compile(r"\d:\d\d\."))
    along.select_option("Epochs")
    expect(words).to_contain_text("Epoch 6.")
    with changed(graph):
        graph.get_by_label("Log scale").check()
    with changed(graph):
        graph.get_by_label("Smoothing").fill("0.9")


def test_a_curve_goes_and_comes_back_by_its_name(
    server: ServerProcess, page: Page, model_id: str
) -> None:
    page.goto(f"{server.url}/models/{model_id}")
    graph = page.locator("[data-graph='combined_graph']")
    name = graph.get_by_role("button", name="loss (train)")
    expect(name).to_have_attribute("aria-pressed", "true")
    with changed(graph):
        name.click()
    expect(name).to_have_attribute("aria-pressed", "false")
    tooltip = graph.locator(".graph-tooltip")
    graph.locator(".u-over").hover(position={"x": 200, "y": 60})
    expect(tooltip).to_contain_text("accuracy (val)")
    expect(tooltip).not_to_contain_text("loss (train)")
    with changed(graph):
        name.click()
    graph.locator(".u-over").hover(position={"x": 200, "y": 60})
    expect(tooltip).to_contain_text("loss (train)")


def test_a_part_of_the_graph_is_looked_at_by_mouse_and_by_keyboard(
    server: ServerProcess, page: Page, model_id: str
) -> None:
    page.goto(f"{server.url}/models/{model_id}")
    graph = page.locator("[data-graph='combined_graph']")
    show_all = graph.get_by_role("button", name="Show all")
    surface = graph.locator(".u-over")
    expect(surface).to_be_visible()
    expect(show_all).to_be_hidden()
    with changed(graph):
        surface.drag_to(
            surface, source_position={"x": 100, "y": 80}, target_position={"x": 220, "y": 90}
        )
    with changed(graph):
        show_all.click()
    expect(show_all).to_be_hidden()

    graph.locator("[data-graph-area]").focus()
    page.keyboard.press("Home")
    expect(graph.locator(".graph-tooltip")).to_contain_text("Epoch 0")
    page.keyboard.press("ArrowRight")
    expect(graph.locator(".graph-tooltip")).to_contain_text("Epoch 0.3333")
    page.keyboard.press("End")
    expect(graph.locator(".graph-tooltip")).to_contain_text("Epoch 6")
    with changed(graph):
        page.keyboard.press("+")
    expect(show_all).to_be_visible()
    with changed(graph):
        page.keyboard.press("Escape")
    expect(show_all).to_be_hidden()


@pytest.fixture(scope="module")
def other_model_id(server: ServerProcess, dataset_id: str) -> str:
    form = {
        "model_name": "Adam",
        "dataset": dataset_id,
        "method": "custom",
        "custom_network": TINY,
        "train_epochs": "2",
        "solver_type": "ADAM",
        "learning_rate": "0.001",
        "random_seed": "1",
    }
    return server.made("/models/images/classification.json", form)


def test_models_are_compared(
    server: ServerProcess, page: Page, model_id: str, other_model_id: str
) -> None:
    page.goto(f"{server.url}/models/compare?ids={model_id},{other_model_id}")
    expect(page.get_by_role("heading", level=1)).to_have_text("Compare 2 models")
    graph = page.locator("[data-graph='combined_graph']")
    words = graph.locator("[data-graph-words]")
    for curve in ("Tiny: loss (val): 7 points", "Adam: accuracy (val): 3 points"):
        expect(words).to_contain_text(curve)
    expect(words).not_to_contain_text("learning rate")
    page.get_by_label("learning rate").check()
    expect(words).to_contain_text("Adam: learning rate")
    for measure in ("accuracy (val)", "loss (val)"):
        page.get_by_role("checkbox", name=measure).uncheck()
        expect(words).not_to_contain_text(measure)
    # The last one stays.
    page.get_by_role("checkbox", name="learning rate").click()
    expect(page.get_by_role("checkbox", name="learning rate")).to_be_checked()
    settings = page.get_by_role("region", name="Settings of each model")
    expect(settings.get_by_role("row").filter(has_text="Solver")).to_contain_text("Adam")
    results = page.get_by_role("region", name="Results of each model")
    expect(results.get_by_text("best", exact=True).first).to_be_visible()

    check_weight(page)
    page.evaluate(AXE.read_text())
    assert page.evaluate("axe.run().then(found => found.violations.map(each => each.help))") == []
    page.set_viewport_size(PHONE)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    results.get_by_role("link", name="Adam").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Adam")


def test_an_evaluation_is_watched_until_all_its_results_are_there(
    server: ServerProcess, page: Page, dataset_id: str, model_id: str, tmp_path: Path
) -> None:
    lines = (server.jobs_dir / dataset_id / "train.txt").read_text().splitlines()
    listed = "\n".join(lines[number % len(lines)] for number in range(LONG))
    (tmp_path / "pictures.txt").write_text(listed)
    page.goto(f"{server.url}/models/{model_id}")
    page.get_by_text("Classify many pictures", exact=True).first.click()
    page.get_by_label("Upload picture list").set_input_files(tmp_path / "pictures.txt")
    page.get_by_role("button", name="Classify many").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("pictures.txt by Tiny")
    page.evaluate("window.notLoadedAgain = true")
    program, _ = stop_in_the_middle(server.jobs_dir / page.url.rsplit("/", 1)[1])
    shown = page.locator("#classified-rows .pager")
    expect(shown).to_contain_text("Page 1 of")
    expect(shown).not_to_contain_text(f"{LONG:,}")
    status = page.locator("#job-line [data-status-badge]")
    expect(status).to_have_text("Running")
    program.resume()
    expect(shown).to_contain_text(f"{LONG:,} of {LONG:,} pictures")
    expect(status).to_have_text("Done")
    expect(page.get_by_role("link", name="Top 9 per category")).to_be_visible()
    expect(page.get_by_text("Confusion matrix")).to_be_visible()
    assert page.evaluate("window.notLoadedAgain")


def test_snapshots_are_deleted_on_the_page(
    server: ServerProcess, page: Page, model_id: str
) -> None:
    page.goto(f"{server.url}/models/{model_id}")
    rows = page.locator("#snapshot-table tbody tr")
    expect(rows).to_have_count(6)
    expect(page.locator("#snapshot-table").get_by_text("best accuracy")).to_have_count(1)
    page.get_by_role("button", name="Delete the snapshot of epoch 1", exact=True).click()
    page.get_by_role("button", name="Delete", exact=True).last.click()
    expect(rows).to_have_count(5)
    page.get_by_role("button", name="Delete all but best and last").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.locator("#prune-snapshots")).to_be_disabled()
    left = rows.count()
    assert 1 <= left <= 3
    options = page.locator("select[data-snapshots] option[value]:not([value=best])")
    expect(options).to_have_count(left)


@pytest.mark.parametrize("expected_complaints", [["400"]])
def test_a_network_is_drawn_with_zoom_and_its_errors_are_marked(
    server: ServerProcess, page: Page, dataset_id: str
) -> None:
    page.goto(f"{server.url}/models/images/classification/new?dataset={dataset_id}")
    page.get_by_text("Custom network").first.click()
    editor = page.locator(".CodeMirror")
    expect(editor).to_be_visible()
    editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", TINY)
    page.get_by_role("button", name="Visualize").click()
    check_weight(page)
    image = page.get_by_role("dialog").get_by_role("img")
    expect(image).to_have_attribute("src", re.compile("^data:image/svg"))
    expect(image).to_have_attribute("width", re.compile("[1-9]"))
    before = int(image.get_attribute("width") or 0)
    page.get_by_role("button", name="Larger").click()
    assert int(image.get_attribute("width") or 0) > before
    page.get_by_role("button", name="Close").click()

    wrong = TINY.replace("num_output: 4", "num_outputs: 4")
    editor.evaluate("(element, text) => element.CodeMirror.setValue(text)", wrong)
    page.get_by_role("button", name="Visualize").click()
    marked = page.locator(".line-with-error")
    expect(marked).to_have_count(1)
    expect(marked).to_contain_text("num_outputs")
    # The form's own check marks the line as well.
    page.get_by_role("textbox", name="Model name").fill("Wrong")
    page.get_by_role("textbox", name="Model name").press("Enter")
    expect(page.locator("#custom_network-error")).to_contain_text("Line 7")
    expect(page.locator(".line-with-error")).to_contain_text("num_outputs")
