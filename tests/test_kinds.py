"""Kinds of jobs that packages add: what they bring is used, and what is broken is left out."""

from __future__ import annotations

import itertools
import logging
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from flask import Flask

from digits import kinds
from digits.web.kind import Kinds
from tests.apps import running_app

PLUGIN = Path(__file__).parent / "plugin"
LINES = EntryPoint("lines", "digits_lines.kinds:KINDS", kinds.GROUP)

# A kind that lacks nothing; each case below breaks one line of it.
SOUND = """
from flask import Blueprint
from digits.dataset.job import DatasetJob
from digits.jobs.job import Job
from digits.web.access import Access
from digits.web.kind import JobKind, MenuEntry, Route, Routes

blueprint = Blueprint("sounds", __name__)

@blueprint.get("/sounds/new")
def new():
    return "a form"

@blueprint.post("/sounds/<job_id>/play")
def play(job_id):
    return "la la la"

@blueprint.get("/sounds/<job_id>")
def show(job_id):
    return "a sound"

class SoundsJob(Job):
    type_name = "sounds"
    title = "Sounds"
    category = "dataset"

ROWS = {"new": Route(Access.MAKE), "play": Route(Access.CHANGE), "show": Route(Access.SEE)}
KIND = JobKind(
    job_type=SoundsJob,
    page="sounds.show",
    new="sounds.new",
    menu=MenuEntry("Sounds", "Sounds", "Dataset of sounds", "database"),
    routes=(Routes(blueprint, ROWS),),
)
"""
# Blueprints in blueprints are looked into as well.
INNER = """
inner = Blueprint("inner", __name__)

@inner.get("/sounds/inside")
def inside():
    return "deep inside"

blueprint.register_blueprint(inner)
"""
Announced = Callable[[str], EntryPoint]
_numbers = itertools.count()


@pytest.fixture
def announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Announced]:
    """Makes the entry point of a package with this source."""
    monkeypatch.syspath_prepend(tmp_path)
    made = []

    def announce(source: str) -> EntryPoint:
        name = f"added_kind_{next(_numbers)}"
        (tmp_path / f"{name}.py").write_text(source)
        made.append(name)
        return EntryPoint("sounds", f"{name}:KIND", kinds.GROUP)

    yield announce
    for name in made:
        sys.modules.pop(name, None)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> EntryPoint:
    """The entry point of the package in tests/plugin."""
    monkeypatch.syspath_prepend(PLUGIN)
    return LINES


def names(found: Kinds) -> list[str]:
    return [kind.name for kind in found]


BUILT_IN = names(Kinds(kinds.BUILT_IN))


def test_what_a_package_adds_comes_after_what_is_built_in(
    lines: EntryPoint, announced: Announced, caplog: pytest.LogCaptureFixture
) -> None:
    found = kinds.with_packages([announced(SOUND), lines])
    assert names(found) == [*BUILT_IN, "points-dataset", "line-model", "sounds"]
    assert caplog.text == ""
    assert [group for group, _ in found.menu("dataset")] == ["Images", "Numbers", "Sounds"]


def test_this_installation_adds_nothing() -> None:
    assert names(kinds.installed()) == BUILT_IN


@pytest.mark.parametrize(
    ("sound", "broken", "words"),
    [
        ("from flask import", "from no_such_package import", "No module named 'no_such_package'"),
        ("blueprint = ", "raise SystemExit('bye')\nblueprint = ", "SystemExit: bye"),
        ("KIND = JobKind(", "KIND = dict(", "neither a JobKind nor a list"),
        ("KIND = ", "OTHER = ", "has no attribute 'KIND'"),
        ("job_type=SoundsJob", "job_type=dict", "no subclass of Job"),
        ('    title = "Sounds"\n', "", "SoundsJob has no text title"),
        ('category = "dataset"', 'category = "song"', "'song'. It can be dataset, model"),
        ('type_name = "sounds"', 'type_name = "image-classification-dataset"', "already"),
        ('Blueprint("sounds"', 'Blueprint("home"', "a blueprint 'home' already"),
        ('"new": Route(Access.MAKE), ', "", "no row says who may ask for sounds.new"),
        ('{"new"', '{"old": Route(Access.SEE), "new"', "rows for sounds.old, but no such"),
        ("Route(Access.MAKE)", "Access.MAKE", "must be of the class Route"),
        (
            '"show": Route(Access.SEE)}',
            '"show": Route(Access.SEE), "delete": Route(Access.SEE)}',
            "sounds.delete",
        ),
        ("class SoundsJob", f"{INNER}\nclass SoundsJob", "ask for sounds.inner.inside"),
        ("<job_id>/play", "<sound>/play", "has no <job_id> in its address"),
        ('page="sounds.show"', 'page="sounds.page"', "'sounds.page', but there is no such"),
        ('page="sounds.show"', 'page=""', "has no page"),
        ('new="sounds.new"', 'new="sounds.form"', "'sounds.form', but there is no such"),
        ('new="sounds.new",', "", "needs both of `new` and `menu`"),
        ('page="sounds.show"', 'page="datasets.show"', "shows jobs of the class DatasetJob"),
        ('page="sounds.show"', 'page="sounds.show", template="x.html"', "is in no template_folder"),
        ("routes=(Routes(blueprint, ROWS),)", "routes=None", "TypeError"),
    ],
)
def test_a_broken_package_is_named_in_one_line_of_the_log_and_left_out(
    lines: EntryPoint,
    announced: Announced,
    caplog: pytest.LogCaptureFixture,
    sound: str,
    broken: str,
    words: str,
) -> None:
    assert sound in SOUND
    entry = announced(SOUND.replace(sound, broken))
    found = kinds.with_packages([lines, entry])
    assert names(found) == [*BUILT_IN, "points-dataset", "line-model"]
    (record,) = [record for record in caplog.records if record.levelno >= logging.WARNING]
    message = record.getMessage()
    assert words in message
    assert entry.value in message
    assert "\n" not in message
    assert record.exc_info is None


def test_a_shared_page_needs_a_template(
    announced: Announced, caplog: pytest.LogCaptureFixture
) -> None:
    source = SOUND.replace("SoundsJob(Job)", "SoundsJob(DatasetJob)")
    entry = announced(source.replace('page="sounds.show"', 'page="datasets.show"'))
    assert names(kinds.with_packages([entry])) == BUILT_IN
    assert "needs its template" in caplog.text


# What is added is used ----------------------------------------------------------------------------


@pytest.fixture
def app(tmp_path: Path, lines: EntryPoint) -> Iterator[Flask]:
    with running_app(tmp_path / "jobs", kinds=kinds.with_packages([lines])) as app:
        yield app


def test_a_package_cannot_change_what_other_routes_ask(lines: EntryPoint) -> None:
    before, after = Kinds(kinds.BUILT_IN).policies, kinds.with_packages([lines]).policies
    assert {name: after[name] for name in before} == before
    assert {name.partition(".")[0] for name in after.keys() - before} == {
        "points_datasets",
        "line_models",
    }


def test_menus_offer_what_is_added(app: Flask) -> None:
    page = app.test_client().get("/").text
    for address in ("/datasets/points/new", "/models/line/new"):
        assert page.count(f'href="{address}"') == 2  # at the top, and at its list
        assert app.test_client().get(address).status_code == 200


def test_a_page_of_another_kind_says_that_there_is_no_such_job(app: Flask) -> None:
    client = app.test_client()
    made = client.post("/datasets/points.json", json={"dataset_name": "Points"}).json
    assert made is not None
    answer = client.get(f"/datasets/{made['id']}.json").json
    assert answer is not None
    assert answer["record"] == {"input": "number", "target": "number"}
    assert client.get(f"/datasets/{made['id']}/explore").status_code == 404
    settings = {"dataset": made["id"], "model_name": "Line"}
    line = client.post("/models/line.json", json=settings).json
    assert line is not None
    for address in (
        f"/models/{line['id']}",
        f"/models/{line['id']}/history.csv",
        f"/models/images/classification/new?clone={line['id']}",
        f"/models/images/classification/large_graph?job_id={line['id']}",
        f"/models/line/{made['id']}",
        f"/datasets/{line['id']}",
    ):
        assert client.get(address).status_code == 404, address
    compared = client.get(f"/models/compare?ids={line['id']},{made['id']}")
    assert compared.status_code == 400
    assert "only models that Caffe trains can" in compared.text
    assert client.get(f"/jobs/{line['id']}").location == f"/models/line/{line['id']}"
    # A dataset of another kind is no choice for a network.
    form = client.get(f"/models/images/classification/new?dataset={made['id']}")
    assert form.status_code == 200
    assert made["id"] not in form.text.partition("<form")[2]
