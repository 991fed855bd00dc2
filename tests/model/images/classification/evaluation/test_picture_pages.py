"""The page of one picture of an evaluation, its threshold, and two evaluations over HTTP."""

from __future__ import annotations

import io
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status

ROUTE = "/models/images/classification"


class Asking:
    """Asks the application about the trained model, by any of its snapshots."""

    def __init__(self, client: FlaskClient, models: Scheduler, model_id: str) -> None:
        self.client, self.models, self.model_id = client, models, model_id

    def evaluate(self, **form: Any) -> str:
        """The id of an evaluation that is done."""
        address = f"{ROUTE}/classify_many.json?job_id={self.model_id}"
        answer = self.client.post(address, data=form)
        assert answer.status_code == 200, answer.text
        wait_for_status(self.models, answer.json["id"], Status.DONE)
        return str(answer.json["id"])

    def get(self, rest: str, status: int = 200) -> Any:
        answer = self.client.get(f"{ROUTE}/evaluations/{rest}")
        assert answer.status_code == status, answer.text
        return answer


@pytest.fixture(scope="module")
def asking(app: Any, models: Scheduler, trained: ImageClassificationModelJob) -> Asking:
    return Asking(app.test_client(), models, trained.id)


@pytest.fixture(scope="module")
def of_database(asking: Asking) -> str:
    return asking.evaluate(database="val")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """Some pictures, one that is broken, and one that goes away once it was classified."""
    folder = tmp_path_factory.mktemp("listed")
    for number in range(3):
        shutil.copy(pictures / "class_1" / f"{number}.png", folder)
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n")
    return folder


@pytest.fixture(scope="module")
def of_list(asking: Asking, folder: Path) -> str:
    """An evaluation of a list with relative paths, all of class 1."""
    lines = b"0.png 1\n1.png 1\n2.png 1\nbroken.png 1\n"
    made = asking.evaluate(
        image_list=(io.BytesIO(lines), "list.txt"), image_folder=str(folder), as_job="y"
    )
    (folder / "2.png").unlink()
    return made


def test_a_picture_of_a_database_leads_to_the_dataset_and_can_be_asked_about(
    asking: Asking, of_database: str, trained: ImageClassificationModelJob
) -> None:
    found = asking.get(f"{of_database}/pictures/4.json").json
    assert (found["number"], found["previous"], found["next"]) == (4, 3, 5)
    assert Path(found["path"]).parent.name == f"class_{found['label']}"
    page = asking.get(f"{of_database}/pictures/4").text
    assert f"/datasets/{trained.dataset_id}/pictures/val/4" in page
    assert f"/datasets/{trained.dataset_id}/explore/picture?db=val&amp;number=4" in page
    assert 'name="picture_set" value="val"' in page
    assert f"{ROUTE}/classify_one?job_id={trained.id}" in page


def test_a_picture_of_a_list_is_shown_as_it_was(asking: Asking, of_list: str, folder: Path) -> None:
    page = asking.get(f"{of_list}/pictures/1").text
    assert f'name="image_path" value="{folder / "1.png"}"' in page
    (address,) = re.findall(r'class="seen"\s+src="([^"]+)"', page)
    assert address.endswith("/pictures/1/original")
    original = asking.client.get(address)
    assert original.status_code == 200
    assert original.mimetype == "image/png"


@pytest.mark.parametrize(("number", "told"), [(2, "A small picture alone"), (3, "outcome-unread")])
def test_of_one_that_is_gone_or_broken_the_page_says_what_was_kept(
    asking: Asking, of_list: str, number: int, told: str
) -> None:
    page = asking.get(f"{of_list}/pictures/{number}").text
    assert told in page
    assert "data-seen-by" not in page
    asking.get(f"{of_list}/pictures/{number}/original", status=404)


def test_next_and_previous_are_those_that_were_chosen(asking: Asking, of_database: str) -> None:
    page = asking.get(f"{of_database}?truth=1&sort=confidence&order=down").text
    addresses = re.findall(r'href="[^"]*/evaluations/([^"]*/pictures/\d+\?[^"]*)"', page)
    numbers = [int(re.findall(r"/pictures/(\d+)", address)[0]) for address in addresses]
    assert len(numbers) == 3
    first = asking.get(
        f"{of_database}/pictures/{numbers[1]}.json?truth=1&sort=confidence&order=down"
    )
    assert (first.json["previous"], first.json["next"]) == (numbers[0], numbers[2])
    # An address that was put together by hand goes through all.
    other = next(n for n in range(9) if n not in numbers)
    assert asking.get(f"{of_database}/pictures/{other}.json?truth=1").json["number"] == other


@pytest.mark.parametrize("number", ["9", "9" * 40])
def test_a_picture_that_is_not_there_is_not_found(
    asking: Asking, of_database: str, number: str
) -> None:
    asking.get(f"{of_database}/pictures/{number}", status=404)
    asking.get(f"{of_database}/pictures/{number}/original", status=404)


def test_a_database_has_no_originals_of_its_own(asking: Asking, of_database: str) -> None:
    asking.get(f"{of_database}/pictures/0/original", status=404)


@pytest.mark.parametrize("threshold", ["-1", "101", "x", "nan", "inf", "1e400", "", "²"])
def test_a_threshold_that_is_none_changes_nothing(
    asking: Asking, of_database: str, threshold: str
) -> None:
    plain = asking.get(f"{of_database}.json").json
    assert asking.get(f"{of_database}.json?threshold={threshold}").json == plain
    asking.get(f"{of_database}?threshold={threshold}")


def test_a_threshold_is_in_the_numbers_and_in_the_rows(asking: Asking, of_database: str) -> None:
    rows = asking.get(of_database).text
    shares = sorted(float(share) for share in re.findall(r'data-confidence="([\d.]+)"', rows))
    middle = shares[4]
    numbers = asking.get(f"{of_database}.json?threshold={middle}").json
    assert numbers["threshold"] == middle
    assert numbers["answered"] == sum(share >= middle for share in shares)
    page = asking.get(f"{of_database}?threshold={middle}&outcome=unsure").text
    assert page.count("<tr data-number=") == 9 - numbers["answered"]
    assert "Right of those answered" in page
    assert f"threshold={middle:.12g}" in page


def test_two_evaluations_of_one_set_are_compared(asking: Asking, of_database: str) -> None:
    early = asking.evaluate(database="val", snapshot_epoch="1")
    assert f"/evaluations/{of_database}/compare/{early}" in asking.get(of_database).text
    found = asking.get(f"{of_database}/compare/{early}.json").json
    assert found["pictures"] == 9
    outcomes = found["outcomes"]
    both = ("only_first", "only_second", "both_right", "both_wrong")
    assert sum(outcomes[name] for name in both) == outcomes["all"] == 9
    alone = asking.get(f"{of_database}.json").json
    assert found["evaluations"][0]["top1_accuracy"] == alone["top1_accuracy"]
    page = asking.get(f"{of_database}/compare/{early}?which=all&page=7").text
    assert page.count('class="picture-cell"') == 9
    assert "epoch 1" in page
    asking.get(f"{of_database}/compare/{early}?which=odd&page=-1")


def test_evaluations_of_other_pictures_are_not_compared(
    asking: Asking, of_database: str, of_list: str
) -> None:
    refused = asking.get(f"{of_database}/compare/{of_list}.json", status=400)
    assert "of different pictures" in refused.json["error"]["message"]
    asking.get(f"{of_database}/compare/nothing", status=404)
    assert f"/compare/{of_list}" not in asking.get(of_database).text
