"""Pictures for whoever has no file at hand, and several at once from a browser."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app
from tests.conftest import wait_for_status
from tests.model.requests import copy_finished, errors
from tests.security.people import add_people, bearer

ROUTE = "/models/images/classification"


@pytest.fixture
def ask(client: FlaskClient, trained: ImageClassificationModelJob) -> Any:
    """Posts to a route about the trained model; the values of a list are sent one by one."""

    def post(route: str, **form: Any) -> Any:
        return client.post(f"{ROUTE}/{route}?job_id={trained.id}", data=form)

    return post


def files_below(folder: Path, *names: str) -> dict[str, Any]:
    """The form of some pictures of a folder, as a browser sends it."""
    uploads = [(io.BytesIO((folder / name).read_bytes()), "picture") for name in names]
    return {"image_file": uploads, "image_names": json.dumps(list(names))}


# Pictures of the dataset --------------------------------------------------------------------------


def test_validation_pictures_are_offered_and_others_at_the_next_turn(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    address = f"{ROUTE}/pictures_to_try?job_id={trained.id}"
    first = client.get(address).text
    assert "validation pictures" in first
    assert re.findall(r'data-number="(\d+)"', first) == [str(number) for number in range(9)]
    assert set(re.findall(r'data-set="(\w+)"', first)) == {"val"}
    assert len(re.findall(r'src="data:image/png', first)) == 9
    assert re.search(r'alt="Picture 0, “class \d”"', first)
    again = client.get(f"{address}&turn=1").text
    assert re.findall(r'data-number="(\d+)"', again)[0] == "1"


@pytest.mark.parametrize(
    ("query", "status"),
    [("turn=-1", 400), ("turn=x", 400), ("turn=" + "9" * 50, 200), ("turn=%00", 400)],
)
def test_a_turn_is_a_whole_number(
    client: FlaskClient, trained: ImageClassificationModelJob, query: str, status: int
) -> None:
    answer = client.get(f"{ROUTE}/pictures_to_try.json?job_id={trained.id}&{query}")
    assert answer.status_code == 404  # pictures for people alone
    answer = client.get(f"{ROUTE}/pictures_to_try?job_id={trained.id}&{query}")
    assert answer.status_code == status


def test_there_are_none_for_what_is_no_model(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    for job_id in ("", "nothing", trained.dataset_id):
        assert client.get(f"{ROUTE}/pictures_to_try?job_id={job_id}").status_code == 404


def test_a_picture_of_the_dataset_is_classified_by_its_number(
    ask: Any, trained: ImageClassificationModelJob
) -> None:
    lines = (trained.image_dataset.dir / "val.txt").read_text().splitlines()
    page = ask("classify_one", picture_set="val", picture_number="4").text
    assert "Validation set, picture 4" in page
    assert re.search(r"This is\s+“class \d”", page)
    sent = ask("classify_one.json", picture_set="val", picture_number="4").json
    # The same picture as a file, read and resized anew; the set is stored in another order.
    paths = [line.rpartition(" ")[0] for line in lines]
    assert sent in [ask("classify_one.json", image_path=path).json for path in paths]


@pytest.mark.parametrize(
    ("form", "field", "told"),
    [
        ({"picture_set": "test", "picture_number": "0"}, "picture_set", "has no test database"),
        ({"picture_set": "../x", "picture_number": "0"}, "picture_set", "one of train, val, test"),
        ({"picture_set": "val"}, "picture_number", "whole number from 0"),
        ({"picture_set": "val", "picture_number": "-1"}, "picture_number", "whole number from 0"),
        ({"picture_set": "val", "picture_number": "²"}, "picture_number", "whole number from 0"),
    ],
)
def test_a_picture_that_is_not_in_the_dataset_is_refused_at_its_field(
    ask: Any, form: dict[str, str], field: str, told: str
) -> None:
    assert told in errors(ask("classify_one.json", **form))[field]


def test_a_number_beyond_the_last_picture_is_refused_in_words(ask: Any) -> None:
    answer = ask("classify_one.json", picture_set="val", picture_number="9" * 40)
    assert answer.status_code == 400
    assert "There is no picture" in answer.json["error"]["message"]


# Several at once ----------------------------------------------------------------------------------


def test_several_pictures_are_classified_and_folders_tell_their_categories(
    ask: Any, pictures: Path
) -> None:
    names = ["class_0/0.png", "class_2/3.png"]
    found = ask("classify_pictures.json", **files_below(pictures, *names)).json["pictures"]
    assert [each["name"] for each in found] == names
    assert [(each["label"], each["category"]) for each in found] == [(0, "class 0"), (2, "class 2")]
    for each, name in zip(found, names, strict=True):
        alone = ask("classify_one.json", image_path=str(pictures / name)).json["predictions"]
        assert each["predictions"] == alone
        assert base64.b64decode(each["thumbnail"]).startswith(b"\xff\xd8\xff")
        assert each["error"] is None


def test_one_that_is_no_picture_does_not_keep_the_others_from_being_classified(
    ask: Any, pictures: Path
) -> None:
    form = files_below(pictures, "class_0/0.png")
    form["image_file"].insert(0, (io.BytesIO(b"Dear network,"), "letter.png"))
    del form["image_names"]
    broken, good = ask("classify_pictures.json", **form).json["pictures"]
    assert broken["name"] == "letter.png"
    assert broken["error"]
    assert (broken["predictions"], broken["thumbnail"]) == ([], "")
    assert good["error"] is None


@pytest.mark.parametrize(
    ("names", "field", "told"),
    [
        ("[", "image_names", "a JSON list of texts"),
        ("{}", "image_names", "a JSON list of texts"),
        ("[7]", "image_names", "a JSON list of texts"),
        ("[" * 100_000, "image_names", "a JSON list of texts"),
        ('["a", "b"]', "image_names", "2 names for 1 pictures"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    ask: Any, pictures: Path, names: str, field: str, told: str
) -> None:
    form = files_below(pictures, "class_0/0.png") | {"image_names": names}
    assert told in errors(ask("classify_pictures.json", **form))[field]


def test_none_and_too_many_pictures_are_refused(ask: Any, pictures: Path) -> None:
    assert "Choose pictures" in errors(ask("classify_pictures.json"))["image_file"]
    many = files_below(pictures, *["class_0/0.png"] * 65)
    assert "at most 64" in errors(ask("classify_pictures.json", **many))["image_file"]


@pytest.mark.parametrize("name", ["half \\ud800/x", "nul \\u0000", "../../etc/passwd", "a\\nb", ""])
def test_any_name_comes_back(ask: Any, pictures: Path, name: str) -> None:
    form = files_below(pictures, "class_0/0.png") | {"image_names": f'["{name}"]'}
    (found,) = ask("classify_pictures.json", **form).json["pictures"]
    assert found["name"] == json.loads(f'"{name}"').encode("utf-8", "replace").decode().replace(
        "\0", "?"
    )


def test_nothing_of_the_pictures_is_kept(
    ask: Any, pictures: Path, models: Scheduler, trained: ImageClassificationModelJob
) -> None:
    jobs_dir = trained.dir.parent

    def everything() -> set[Path]:
        return {path for path in jobs_dir.rglob("*") if path.name != ".tried"}

    before = everything()
    ask("classify_pictures.json", **files_below(pictures, "class_0/0.png"))
    ask("classify_one", image_file=(io.BytesIO((pictures / "class_0/0.png").read_bytes()), "a.png"))
    assert everything() == before


def test_answers_become_an_evaluation_with_accuracy_and_thumbnails(
    ask: Any, client: FlaskClient, models: Scheduler, pictures: Path
) -> None:
    names = sorted(str(path.relative_to(pictures)) for path in pictures.rglob("*.png"))
    answers = [
        ask("classify_pictures.json", **files_below(pictures, *names[start : start + 12])).text
        for start in range(0, len(names), 12)
    ]
    lines = "".join(f"{json.dumps(json.loads(text))}\n" for text in answers).encode()
    made = ask(
        "keep_answers.json", answers=(io.BytesIO(lines), "answers.jsonl"), source_name="Folder\nx"
    )
    assert made.status_code == 200, made.text
    job_id = made.json["id"]
    wait_for_status(models, job_id, Status.DONE)
    numbers = client.get(f"{ROUTE}/evaluations/{job_id}.json").json
    assert (numbers["count"], numbers["unreadable"], numbers["source"]) == (36, 0, "Folder x")
    # The network says of the same files on the server the same.
    listed = "\n".join(f"{pictures / name} {name[6]}" for name in names).encode()
    same = ask("classify_many.json", image_list=(io.BytesIO(listed), "list.txt")).json
    assert numbers["confusion_matrix"] == same["confusion_matrix"]
    assert client.get(f"{ROUTE}/evaluations/{job_id}/thumbnails/3").mimetype == "image/jpeg"


@pytest.mark.parametrize("lines", [b"", b"nonsense", b'{"pictures": [{}]}'])
def test_answers_that_are_none_fail_the_job_in_words(
    ask: Any, client: FlaskClient, models: Scheduler, lines: bytes
) -> None:
    made = ask("keep_answers.json", answers=(io.BytesIO(lines), "answers.jsonl"))
    wait_for_status(models, made.json["id"], Status.ERROR)
    assert "answers" in client.get(f"/jobs/{made.json['id']}/status").json["error"]


def test_without_answers_no_evaluation_is_made(ask: Any) -> None:
    assert "Send a file" in errors(ask("keep_answers.json"))["answers"]


def test_the_camera_is_allowed_on_a_models_page_alone(
    client: FlaskClient, trained: ImageClassificationModelJob
) -> None:
    page = client.get(f"/models/{trained.id}", headers={"Accept": "text/html"})
    assert page.headers["Permissions-Policy"].startswith("camera=(self), microphone=()")
    for address in ("/", f"/datasets/{trained.dataset_id}", f"{ROUTE}/new"):
        with client.get(address) as other:
            assert other.headers["Permissions-Policy"].startswith("camera=(), ")


@pytest.mark.slow
def test_a_reader_may_try_pictures_but_keep_none(
    models: Scheduler, trained: ImageClassificationModelJob, pictures: Path, tmp_path: Path
) -> None:
    jobs_dir = tmp_path / "jobs"
    tokens = add_people(jobs_dir)
    for job_id in (trained.id, trained.dataset_id):
        copy_finished(models.job(job_id), jobs_dir)
    with running_app(jobs_dir) as app:
        reader = bearer(tokens["rudi"])

        def ask(route: str, **form: Any) -> Any:
            address = f"{ROUTE}/{route}?job_id={trained.id}"
            return app.test_client().post(address, data=form, headers=reader)

        found = ask("classify_pictures.json", **files_below(pictures, "class_0/0.png"))
        assert found.status_code == 200
        kept = ask("keep_answers.json", answers=(io.BytesIO(found.data), "answers.jsonl"))
        assert kept.status_code == 403
        page = app.test_client().get(f"/models/{trained.id}", headers=reader).text
        assert "data-several-url" in page
        assert 'data-keep-url=""' in page
