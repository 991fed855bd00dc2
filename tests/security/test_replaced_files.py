"""Files of a job that become pipes, sockets, devices or folders while the server runs.

What used to happen: a log that became a pipe stopped the server for everybody.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from flask import Flask

from digits.inference import parse_net
from tests.apps import running_app, scheduler_of
from tests.odd_files import ODD_KINDS, put_in_place
from tests.security.test_job_files import real_jobs

TOP = Path(__file__).resolve().parents[2]
EVALUATIONS = "/models/images/classification/evaluations"
# By the folder of the job: what the server reads of it, and where that is shown.
FILES = {
    "dataset": (
        ["parse_textfile.log", "create_db_train.log", "labels.txt", "train.txt", "job.json"],
        ["/datasets/{id}", "/datasets/{id}.json", "/datasets/summary?job_id={id}",
         "/models/images/classification/new?dataset={id}"],
    ),
    "model": (
        ["caffe_output.log", ".caffe_output.log.digest", "original.prototxt", "deploy.prototxt",
         "train_val.prototxt", "solver.prototxt", "training.json", "snapshot_iter_3.caffemodel",
         "snapshot_iter_3.solverstate", "job.json"],
        ["/models/{id}", "/models/{id}.json", "/models/{id}/history.csv",
         "/models/{id}/download.zip", "/models/{id}/download.tar", "/models/compare?ids={id}",
         "/models/images/classification/new", "/models/images/classification/new?clone={id}"],
    ),
    "evaluation": (
        ["classify.log", "request.json", "labels.txt", "rows.bin", "classifications.csv",
         "thumbnails.bin", "top_n.json", "summary.json", "list.txt"],
        [f"{EVALUATIONS}/{{id}}", f"{EVALUATIONS}/{{id}}.json", f"{EVALUATIONS}/{{id}}/top_n.json",
         f"{EVALUATIONS}/{{id}}?name=x", f"{EVALUATIONS}/{{id}}/classifications.json",
         f"{EVALUATIONS}/{{id}}/thumbnails/0", f"{EVALUATIONS}/{{id}}/pictures/0",
         f"{EVALUATIONS}/{{id}}/compare/{{id}}.json"],
    ),
}  # fmt: skip
CASES = [(job, name) for job, (names, _) in FILES.items() for name in names]


@pytest.fixture(scope="module")
def jobs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("replaced") / "jobs"


@pytest.fixture(scope="module")
def app(jobs_dir: Path) -> Flask:  # type: ignore[misc]
    ids = {"dataset": 0, "model": 1, "evaluation": 2}
    records = real_jobs(jobs_dir)
    for kind, number in ids.items():
        (jobs_dir / kind).symlink_to(records[number]["id"])
    with running_app(jobs_dir) as app:
        # The pool's threads are there before the first test counts them.
        parse_net(app.extensions["digits"].pool, 'layer { name: "a" }')
        yield app


@pytest.mark.parametrize(("job", "name"), CASES)
def test_what_is_no_file_any_more_stops_no_page(
    app: Flask, jobs_dir: Path, job: str, name: str
) -> None:
    folder = (jobs_dir / job).resolve()
    tasks = scheduler_of(app).job(folder.name).tasks
    pages = [address.format(id=folder.name) for address in FILES[job][1]]
    pages += [f"/jobs/{folder.name}/logs/{t.id}.json{q}" for t in tasks for q in ("", "?search=x")]
    client = app.test_client()
    before = (folder / name).read_bytes() if name == "job.json" else None
    for kind in ODD_KINDS:
        put_in_place(folder / name, kind)
        for page in ["/", "/index.json", f"/clone/{folder.name}", *pages]:
            for task in tasks:
                task.forget_log()
            with client.get(page) as answer:
                assert answer.status_code in (200, 302, 400, 403, 404), (kind, page, answer.text)
        assert client.post(f"/jobs/{folder.name}/resume").status_code in (200, 400, 403), kind
    (folder / name).unlink()
    if before is not None:
        (folder / name).write_bytes(before)


@pytest.mark.parametrize("kind", ODD_KINDS)
def test_who_looks_into_such_a_log_is_told(app: Flask, jobs_dir: Path, kind: str) -> None:
    folder = (jobs_dir / "model").resolve()
    put_in_place(folder / "caffe_output.log", kind)
    for question in ("", "?search=loss"):
        answer = app.test_client().get(f"/jobs/{folder.name}/logs/train_caffe.json{question}")
        assert answer.status_code == 400
        assert "The log caffe_output.log cannot be read" in answer.text


@pytest.mark.parametrize("kind", ODD_KINDS)
def test_a_log_that_is_no_file_is_not_written_to(app: Flask, jobs_dir: Path, kind: str) -> None:
    """A pipe would be opened for writing, which waits for a reader."""
    task = scheduler_of(app).job((jobs_dir / "model").resolve().name).tasks[0]
    put_in_place(task.log_path, kind)
    with pytest.raises(OSError, match=task.log_name):
        task.begin_log()


# One rule for all ---------------------------------------------------------------------------------

# Where files of jobs are read by the server.
ROOMS = ("accounts", "home", "jobs", "model", "dataset", "web")
# Reads its own package's files, what its own program has just unpacked, or the system's; writes.
OTHERS = {
    "headers.py", "help_guides.py", "help_search.py", "help_views.py", "static_files.py", "text.py",
    "classify_script.py", "uploads.py", "tried.py",
}  # fmt: skip


def opened(tree: ast.Module) -> list[str]:
    """The calls that open a file by its name for reading, or as a whole."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [
        ast.unparse(call)
        for call in calls
        if (isinstance(call.func, ast.Attribute) and call.func.attr in ("read_bytes", "read_text"))
        or (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "open"
            and any(isinstance(a, ast.Constant) and "r" in str(a.value) for a in call.args)
        )
        or (isinstance(call.func, ast.Name) and call.func.id == "open")
    ]


def test_the_server_opens_files_of_jobs_in_one_way() -> None:
    paths = [path for room in ROOMS for path in (TOP / "digits" / room).rglob("*.py")]
    found = {
        path.name: calls
        for path in paths
        if path.name not in OTHERS and "upload" not in path.parts
        for calls in [opened(ast.parse(path.read_text()))]
        if calls
    }
    assert found == {}, "open them by digits.base.job_files"
