"""Many pictures classified by a job of its own: from a folder, a database, a long list."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient

from digits.errors import JobNotFound
from digits.images import read_image
from digits.inference import ClassifiedPicture, Prediction
from digits.inference.evaluation import ROW, ROWS_FILE, EvaluationWriter
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.evaluation.reading import Choice, Evaluation
from digits.model.images.classification.evaluation.settings import EvaluationSettings
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.apps import running_app
from tests.conftest import SchedulerMaker, wait_for_status
from tests.model.requests import copy_finished, errors
from tests.program_jobs import ProgramJob, program
from tests.security.people import add_people, bearer

ROUTE = "/models/images/classification"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, pictures: Path) -> Path:
    """The pictures by class, one that is broken, one of no class, and a file that is none."""
    folder = tmp_path_factory.mktemp("folder")
    shutil.copytree(pictures, folder, dirs_exist_ok=True)
    (folder / "class_1" / "broken.png").write_bytes(b"\x89PNG\r\n")
    shutil.copy(pictures / "class_2" / "0.png", folder / "stray 7.png")
    (folder / "notes.txt").write_text("no picture")
    return folder


class Asking:
    """Asks the application about the trained model."""

    def __init__(self, client: FlaskClient, models: Scheduler, model_id: str) -> None:
        self.client, self.models, self.model_id = client, models, model_id

    def post(self, route: str, **form: Any) -> Any:
        data = {k: (io.BytesIO(v), k) if isinstance(v, bytes) else v for k, v in form.items()}
        return self.client.post(f"{ROUTE}/{route}?job_id={self.model_id}", data=data)

    def evaluate(self, route: str = "classify_many.json", **form: Any) -> str:
        """The id of a job that has been done."""
        answer = self.post(route, **form)
        assert answer.status_code == 200, answer.text
        wait_for_status(self.models, answer.json["id"], Status.DONE)
        return str(answer.json["id"])

    def get(self, job_id: str, rest: str = "") -> Any:
        answer = self.client.get(f"{ROUTE}/evaluations/{job_id}{rest}")
        assert answer.status_code == 200, answer.text
        return answer


@pytest.fixture(scope="module")
def asking(app: Any, models: Scheduler, trained: ImageClassificationModelJob) -> Asking:
    return Asking(app.test_client(), models, trained.id)


@pytest.fixture(scope="module")
def evaluated(asking: Asking, folder: Path) -> str:
    """The pictures of the folder, classified by a job."""
    return asking.evaluate(image_folder=str(folder), top_n="4", route="top_n.json")


@pytest.fixture(scope="module")
def at_once(asking: Asking, folder: Path) -> dict[str, Any]:
    """The same pictures, as a list that is answered at once."""
    answer = asking.post("classify_many.json", image_list=listed(folder))
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json
    return found


def listed(folder: Path) -> bytes:
    labels = {f"class_{number}": f" {number}" for number in range(3)}
    paths = sorted(folder.rglob("*.png"))
    return "\n".join(f"{path}{labels.get(path.parent.name, '')}" for path in paths).encode()


def shown_names(page: str) -> list[str]:
    return re.findall(r'data-name="[^"]*/([^"/]+/[^"/]+)"', page)


def test_a_folder_gives_what_a_list_gives(
    asking: Asking, evaluated: str, at_once: dict[str, Any]
) -> None:
    numbers = asking.get(evaluated, ".json").json
    assert numbers["status"] == "Done"
    assert (numbers["count"], numbers["unreadable"]) == (38, 1)
    for name in ("top1_accuracy", "top5_accuracy", "confusion_matrix", "class_accuracy", "labels"):
        assert numbers[name] == at_once[name], name
    everything = asking.get(evaluated, "/classifications.json").json
    assert everything == at_once


def test_the_best_of_each_class_are_those_of_a_list(
    asking: Asking, evaluated: str, folder: Path
) -> None:
    best = asking.get(evaluated, "/top_n.json").json["top_n"]
    at_once = asking.post("top_n.json", image_list=listed(folder), top_n="4").json["top_n"]
    # Pictures that the network holds for equally likely may come in any order.
    shares = {label: [share for _, share in rows] for label, rows in best.items()}
    assert shares == {label: [share for _, share in rows] for label, rows in at_once.items()}
    assert "thumbnails" in asking.get(evaluated, "/top_n").text


@pytest.mark.slow
def test_the_best_of_what_a_job_has_classified_are_taken_from_it(
    asking: Asking, folder: Path
) -> None:
    done = asking.evaluate(database="val", top_n="4")
    again = asking.post("top_n.json", database="val", top_n="3").json
    assert again["id"] == done
    best = asking.get(done, "/top_n.json?n=3").json["top_n"]
    assert {len(rows) for rows in best.values()} == {3}
    for other in (
        {"database": "val", "top_n": "5"},  # more than were kept
        {"database": "val", "top_n": "4", "num_test_images": "2"},
        {"database": "val", "top_n": "4", "snapshot_epoch": "1"},
        {"database": "train", "top_n": "4"},
    ):
        assert asking.evaluate("top_n.json", **other) != done, other


@pytest.mark.slow
def test_a_list_is_not_classified_twice_by_jobs_and_a_folder_is(
    asking: Asking, folder: Path
) -> None:
    lines = listed(folder)
    done = asking.evaluate(image_list=lines, as_job="y")
    assert asking.post("top_n.json", image_list=lines, as_job="y").json["id"] == done
    fewer = lines.rpartition(b"\n")[0]
    assert asking.evaluate("top_n.json", image_list=fewer, as_job="y") != done
    first = asking.evaluate(image_folder=str(folder))
    assert asking.evaluate("top_n.json", image_folder=str(folder)) != first


def test_the_files_are_for_spreadsheets_too(asking: Asking, evaluated: str, folder: Path) -> None:
    with asking.client.get(f"/files/{evaluated}/classifications.csv") as answer:
        rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == 38
    by_name = {row["image"]: row for row in rows}
    assert by_name[str(folder / "class_1" / "broken.png")]["problem"]
    good = by_name[str(folder / "class_2" / "3.png")]
    assert good["label"] == "class 2"
    assert float(good["percent 1"]) >= float(good["percent 2"])
    assert by_name[str(folder / "stray 7.png")]["label"] == ""


def test_thumbnails_are_the_pictures(asking: Asking, evaluated: str, folder: Path) -> None:
    page = asking.get(evaluated, "?name=class_2/4.png").text
    (address,) = re.findall(r'src="([^"]*/thumbnails/\d+)"', page)
    answer = asking.client.get(address)
    assert answer.mimetype == "image/jpeg"
    found, original = read_image(answer.data), read_image(folder / "class_2" / "4.png", 1)
    assert found.shape[:2] == (16, 16)
    assert abs(float(found.mean()) - float(original.mean())) < 3
    broken = asking.get(evaluated, "?outcome=unreadable").text
    assert "/thumbnails/" not in broken
    number = re.findall(r'data-number="(\d+)"', broken)[0]
    missing = asking.client.get(f"{ROUTE}/evaluations/{evaluated}/thumbnails/{number}")
    assert missing.status_code == 404


@pytest.mark.parametrize(
    ("kind", "start"), [("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")]
)
def test_the_confusion_matrix_is_a_figure(
    asking: Asking, evaluated: str, kind: str, start: bytes
) -> None:
    address = f"{ROUTE}/evaluations/{evaluated}/confusion_matrix"
    assert asking.client.get(f"{address}.{kind}").data.startswith(start)
    assert f"{address}.{kind}" in asking.get(evaluated, "").text
    assert asking.client.get(f"{address}.gif").status_code == 404


def test_pictures_are_chosen_and_sorted_by_the_server(
    asking: Asking, evaluated: str, at_once: dict[str, Any]
) -> None:
    matrix = np.array(at_once["confusion_matrix"])
    for query, count in (
        ("", 38),
        ("?outcome=right", int(matrix.trace())),
        ("?outcome=wrong", int(matrix.sum() - matrix.trace())),
        ("?outcome=unreadable", 1),
        ("?truth=1", 13),  # the broken one, too
        ("?truth=1&predicted=1", int(matrix[1, 1])),
        ("?name=CLASS_0", 12),
        ("?name=nothing", 0),
    ):
        page = asking.get(evaluated, query).text
        assert page.count("<tr data-number=") == count, query
    page = asking.get(evaluated, "?sort=confidence&order=down").text
    shares = [float(share) for share in re.findall(r'data-confidence="([\d.]+)"', page)]
    assert shares == sorted(shares, reverse=True)
    assert 'aria-sort="descending"' in page
    names = shown_names(asking.get(evaluated, "?name=class_0&order=down").text)
    assert names == sorted(names, key=lambda name: f"class_0/{name}", reverse=True)


def test_long_names_end_their_lines_after_slashes_and_are_no_markup(
    asking: Asking, pictures: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "<i>&"
    shutil.copytree(pictures / "class_0", folder)
    answer = asking.post("classify_many", image_list=f"{folder / '0.png'}".encode())
    assert "/<wbr>&lt;i&gt;&amp;/<wbr>0.png</span>" in answer.text


def test_addresses_that_make_no_sense_show_everything(asking: Asking, evaluated: str) -> None:
    for query in (
        "?truth=x&predicted=99&page=-1&sort=zz&order=7&outcome=odd",
        "?page=99999999999999999999&truth=³",
        "?name=%00%ff&page=2",
    ):
        asking.get(evaluated, query)


def test_a_database_gives_the_accuracy_that_the_training_logged(
    asking: Asking, trained: ImageClassificationModelJob
) -> None:
    job_id = asking.evaluate(database="val")
    numbers = asking.get(job_id, ".json").json
    # Nine pictures, the size of a batch: Caffe's test passes saw each of them once.
    assert numbers["count"] == 9
    logged = asking.client.get(f"/models/{trained.id}.json").json["snapshot_details"][-1]
    assert logged["epoch"] == numbers["epoch"]
    assert numbers["top1_accuracy"] == pytest.approx(100 * logged["accuracy"], abs=0.01)
    # The same pictures as files, read and resized anew.
    val_list = (trained.image_dataset.dir / "val.txt").read_bytes()
    uploaded = asking.post("classify_many.json", image_list=val_list).json
    assert uploaded["top1_accuracy"] == numbers["top1_accuracy"]
    assert uploaded["confusion_matrix"] == numbers["confusion_matrix"]
    page = asking.get(job_id).text
    assert "<h1 data-name-text>Validation set by " in page
    # Of three categories all are among the first five.
    assert ("Top-1 accuracy" in page, "Top-5 accuracy" in page) == (True, False)


@pytest.mark.slow
def test_a_long_list_becomes_a_job_for_a_page_and_is_streamed_for_a_script(
    asking: Asking, folder: Path, at_once: dict[str, Any]
) -> None:
    long = b"\n".join([listed(folder)] * 14)  # 532 pictures
    page = asking.post("classify_many", image_list=long, num_test_images="520")
    assert page.status_code == 303
    job_id = page.location.rsplit("/", 1)[1]
    with asking.post("classify_many.json", image_list=long) as answer:
        assert answer.is_streamed
        found = json.loads(answer.text)
    assert found["classifications"] == at_once["classifications"]
    assert found["unreadable"] == at_once["unreadable"]
    assert np.array(found["confusion_matrix"]).sum() == 14 * 36
    wait_for_status(asking.models, job_id, Status.DONE)
    assert asking.get(job_id, ".json").json["count"] == 520
    assert "Page 1 of 11" in asking.get(job_id).text
    assert "Page 11 of 11" in asking.get(job_id, "?page=12").text


@pytest.mark.slow
def test_a_short_list_becomes_a_job_when_that_is_asked_for(asking: Asking, folder: Path) -> None:
    lines = b"class_0/0.png\n/nonexistent.png\n"
    job_id = asking.evaluate(image_list=lines, image_folder=str(folder), as_job="1")
    numbers = asking.get(job_id, ".json").json
    assert (numbers["count"], numbers["unreadable"]) == (2, 1)
    assert "top1_accuracy" not in numbers
    page = asking.get(job_id).text
    assert "There is no such file on the server." in page
    assert "Confusion matrix" not in page


def test_a_folder_without_pictures_fails_in_words(asking: Asking, tmp_path: Path) -> None:
    answer = asking.post("classify_many.json", image_folder=str(tmp_path))
    wait_for_status(asking.models, answer.json["id"], Status.ERROR)
    status = asking.client.get(f"/jobs/{answer.json['id']}/status").json
    assert status["error"] == f"There is no picture in {tmp_path}. Choose another folder."
    assert status["type"] == "Image Classification Evaluation"
    assert "No picture has been classified yet" in asking.get(answer.json["id"]).text


@pytest.mark.parametrize(
    ("form", "field", "message"),
    [
        ({"database": "test"}, "database", "has no test database"),
        ({"database": "../x"}, "database", "is one of train, val, test"),
        ({"database": "val", "image_list": b"a"}, "database", "not both"),
        ({"image_folder": "http://127.0.0.1:1/"}, "image_folder", "must be on the server"),
        ({"image_folder": "/nonexistent"}, "image_folder", "no folder"),
        ({"database": "val", "num_test_images": "0"}, "num_test_images", "above 0"),
    ],
)
@pytest.mark.parametrize("route", ["classify_many.json", "top_n.json"])
def test_sources_that_are_none_are_refused_at_their_field(
    asking: Asking, route: str, form: dict[str, Any], field: str, message: str
) -> None:
    assert message in errors(asking.post(route, **form))[field]


def test_it_is_listed_on_its_models_page_alone(asking: Asking, evaluated: str) -> None:
    index = asking.client.get("/index.json").json
    assert evaluated not in [job["id"] for which in ("datasets", "models") for job in index[which]]
    assert f"/jobs/{evaluated}" in asking.client.get(f"/models/{asking.model_id}").text
    way = asking.client.get(f"/jobs/{evaluated}")
    assert way.location.endswith(f"{ROUTE}/evaluations/{evaluated}")
    assert asking.client.get(f"/clone/{evaluated}").status_code == 403
    assert asking.client.get(f"/models/{evaluated}").status_code == 404
    assert asking.client.get(f"{ROUTE}/evaluations/{asking.model_id}").status_code == 404


class PartOfAnother(ProgramJob):
    """Belongs to the job `whole` of its settings."""

    type_name = "part"

    @property
    def belongs_to(self) -> str | None:
        return str(self.settings.whole)


def test_it_goes_with_its_model(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(job_types=(ProgramJob, PartOfAnother))
    whole = scheduler.add_job(ProgramJob, "whole", program("true"))
    part = scheduler.add_job(PartOfAnother, "part", {**program("sleep 60"), "whole": whole.id})
    other = scheduler.add_job(PartOfAnother, "other", {**program("true"), "whole": "x"})
    assert scheduler.parts(whole.id) == [part]
    wait_for_status(scheduler, part.id, Status.RUNNING)
    scheduler.delete_job(whole.id)
    assert not part.dir.exists()
    with pytest.raises(JobNotFound):
        scheduler.job(part.id)
    assert scheduler.job(other.id) is other


def test_an_evaluation_without_its_model_is_still_shown(tmp_path: Path) -> None:
    settings = EvaluationSettings(model="gone", model_name="m", epoch=1, source="x")
    job = ImageClassificationEvaluationJob(tmp_path, "name", settings)
    assert job.facts()["count"] == 0


@pytest.mark.parametrize(
    ("kept", "shown"),
    [
        ("val database", "Validation set"),
        ("Training set", "Training set"),
        ("/photos/val database", "/photos/val database"),
    ],
)
def test_a_source_of_an_earlier_version_is_called_as_it_is_today(kept: str, shown: str) -> None:
    saved = {"model": "m", "model_name": "LeNet", "epoch": 1, "source": kept}
    assert EvaluationSettings.from_json(saved).source_title == shown


def classified(number: int, *indices: int) -> ClassifiedPicture:
    best = tuple(Prediction("abc"[i], i, 0.9 - 0.2 * n) for n, i in enumerate(indices))
    return ClassifiedPicture(number, best, thumbnail=bytes([number]) * (number + 1))


def test_results_are_read_while_they_are_written(tmp_path: Path) -> None:
    name = 'line\nbreak, "quoted"'
    with EvaluationWriter(tmp_path, ["a", "b", "c"]) as writer:
        writer.add(name, 1, classified(0, 1, 0), "")
        writer.add("second", None, classified(1), "it is broken")
        writer.flush()
        writer.add("third", 2, classified(2, 0, 2), "")
        early = Evaluation(tmp_path)
        assert len(early) == 2
        first, second = early.read([0, 1])
        assert (first.name, first.truth, first.outcome) == (name, 1, "right")
        assert first.predictions == (("b", 90.0), ("a", 70.0))
        assert (second.outcome, second.reason, second.truth) == ("unreadable", "it is broken", None)
        assert early.best_of_each_class() is None
    late = Evaluation(tmp_path)
    assert [late.thumbnail(number) for number in range(-1, 4)] == [
        b"", b"\0", b"\1\1", b"\2\2\2", b""
    ]  # fmt: skip
    accuracy = late.accuracy()
    assert (accuracy.count, accuracy.top1, accuracy.top5) == (2, 1, 2)
    assert accuracy.worst_confusions(9) == [(2, 0, 1)]
    assert late.find(Choice(outcome="wrong")).tolist() == [2]
    assert late.find(Choice(name="BREAK")).tolist() == [0]


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    with EvaluationWriter(tmp_path, ["a", "b", "c"]) as writer:
        for number in range(3):
            writer.add(f"{number}.png", 0, classified(number, 0), "")
    rows = tmp_path / ROWS_FILE
    rows.write_bytes(rows.read_bytes()[: 3 * ROW.itemsize - 1])
    assert [row.name for row in Evaluation(tmp_path).read(range(2))] == ["0.png", "1.png"]
    assert len(Evaluation(tmp_path)) == 2


@pytest.mark.slow
def test_a_reader_may_look_but_make_no_job(
    models: Scheduler, trained: ImageClassificationModelJob, pictures: Path, tmp_path: Path
) -> None:
    jobs_dir = tmp_path / "jobs"
    tokens = add_people(jobs_dir)
    for job_id in (trained.id, trained.dataset_id):
        copy_finished(models.job(job_id), jobs_dir)
    with running_app(jobs_dir) as app:
        route = f"{ROUTE}/classify_many.json?job_id={trained.id}"

        def ask(name: str, **form: Any) -> Any:
            return app.test_client().post(route, data=form, headers=bearer(tokens[name]))

        refused = ask("rudi", database="val")
        assert refused.status_code == 403
        assert "which you may not make" in refused.json["error"]["message"]
        assert ask("rudi", image_list=(io.BytesIO(b"/none.png"), "list")).status_code == 200
        made = ask("otto", database="val")
        assert made.json["owner"] == "otto"
        wait_for_status(app.extensions["digits"].scheduler, made.json["id"], Status.DONE)
