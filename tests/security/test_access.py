"""Every route of the application, asked by everybody: the table of `digits/web/access.py` holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.routing import Rule

from digits.jobs.job import Job
from digits.kinds import with_packages
from digits.web.access import Access
from digits.web.kind import Kinds
from tests.apps import running_app
from tests.security.access_table import access_table
from tests.security.people import add_people, bearer
from tests.test_kinds import LINES, PLUGIN

# Who may what, said once more and independently of the code.
ALLOWED = {
    Access.PUBLIC: {"", "rudi", "otto", "olga", "ada"},
    Access.SEE: {"rudi", "otto", "olga", "ada"},
    Access.MAKE: {"otto", "olga", "ada"},
    Access.CHANGE: {"otto", "ada"},  # of a job of otto's
    Access.ADMIN: {"ada"},
}
EVERYBODY = ("", "rudi", "otto", "olga", "ada")


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    jobs_dir = tmp_path_factory.mktemp("access") / "jobs"
    return {"jobs_dir": str(jobs_dir), **add_people(jobs_dir)}


@pytest.fixture(scope="module")
def app(tokens: dict[str, str]) -> Iterator[Flask]:
    """With the kinds of a package beside those that are built in."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        kinds = with_packages([LINES])
    with running_app(Path(tokens["jobs_dir"]), kinds=kinds) as app:
        yield app


@pytest.fixture(scope="module")
def job(app: Flask, tokens: dict[str, str]) -> Job:
    """A dataset of otto's."""
    return make_job(app, tokens)


def make_job(app: Flask, tokens: dict[str, str]) -> Job:
    folder = Path(tokens["jobs_dir"], "pictures")
    folder.mkdir(exist_ok=True)
    made = app.test_client().post(
        "/datasets/images/classification.json",
        data={"dataset_name": "otto's", "folder_train": str(folder)},
        headers=bearer(tokens["otto"]),
    )
    assert made.json is not None
    job = app.extensions["digits"].scheduler.job(made.json["id"])
    assert isinstance(job, Job)
    return job


def policies(app: Flask) -> Mapping[str, Access]:
    """What every endpoint asks: the table that the application itself looks at."""
    kinds = app.extensions["digits"].kinds
    assert isinstance(kinds, Kinds)
    return kinds.policies


def rules(app: Flask) -> list[Rule]:
    return sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule)


def test_every_endpoint_has_a_policy(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in rules(app)}
    missing = endpoints - set(policies(app))
    assert missing == set(), "say who may ask for these: in their kind's routes, or in POLICIES"
    stale = set(policies(app)) - endpoints
    assert stale == set(), "these endpoints are gone: take out what is said of them"


def test_the_guide_shows_the_whole_table(tmp_path: Path) -> None:
    with running_app(tmp_path / "jobs") as app:
        table = access_table(app)
    guide = (Path(__file__).parents[2] / "docs" / "security.md").read_text()
    assert table in guide, f"put this table into docs/security.md:\n{table}"
    words = [f"| {need.name.lower()} | {need.value} |" for need in Access]
    assert [line for line in words if line not in guide] == []


def test_what_changes_a_job_names_it_in_its_address(app: Flask) -> None:
    changing = [rule for rule in rules(app) if policies(app).get(rule.endpoint) is Access.CHANGE]
    assert changing
    assert all("job_id" in rule.arguments for rule in changing)


def test_only_reading_is_open_to_readers(app: Flask) -> None:
    """Whatever readers may ask for by another method than GET is named here."""
    harmless = {
        "classification_models.classify_one",
        "classification_models.classify_many",
        "classification_models.classify_pictures",
        "classification_models.explain",
        "classification_models.layer_pictures",
        "classification_models.top_n",
        "exports.download_onnx",
        "models.download",
    }
    changing = {
        rule.endpoint
        for rule in rules(app)
        if policies(app).get(rule.endpoint) is Access.SEE
        and (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}
    }
    assert changing <= harmless


def test_every_route_answers_everybody_as_its_policy_says(
    app: Flask, tokens: dict[str, str], job: Job
) -> None:
    client = app.test_client()
    wrong = []
    for rule in rules(app):
        need = policies(app).get(rule.endpoint, Access.ADMIN)
        if rule.endpoint in ("home.delete_job", "logins.check", "home.make_sample"):
            # A job can be deleted once, a check answers for another address: both below.  Making
            # the sample starts programs; that strangers cannot is asked below as well.
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            address = address_of(rule, job.id)
            for name in EVERYBODY:
                headers = bearer(tokens[name]) if name else {}
                with client.open(address, method=method, headers=headers) as answer:
                    # Behind the door an empty request may well be refused for what it lacks.
                    kept_out = answer.status_code == 401 or (
                        answer.status_code == 403 and "is not enough" in answer.text
                    )
                assert answer.status_code < 500, f"{method} {address} for {name}"
                expected = name not in ALLOWED[need]
                if kept_out is not expected:
                    wrong.append((method, rule.rule, name or "a stranger", answer.status_code))
    assert wrong == []


@pytest.mark.parametrize("prefix", ["jobs", "datasets", "models"])
def test_a_job_is_deleted_by_those_who_may(app: Flask, tokens: dict[str, str], prefix: str) -> None:
    job = make_job(app, tokens)
    client = app.test_client()
    codes = [
        client.delete(f"/{prefix}/{job.id}", headers=bearer(tokens[name]) if name else {})
        for name in EVERYBODY[:-1]
    ]
    assert [answer.status_code for answer in codes] == [401, 403, 200, 404]


def test_the_sample_is_made_for_those_who_may_make_jobs(app: Flask, tokens: dict[str, str]) -> None:
    client = app.test_client()
    assert client.post("/datasets/sample.json").status_code == 401
    answer = client.post("/datasets/sample.json", headers=bearer(tokens["rudi"]))
    assert answer.status_code == 403


def test_what_does_not_exist_is_told_only_to_those_who_are_logged_in(
    app: Flask, tokens: dict[str, str]
) -> None:
    client = app.test_client()
    for method, address, code in (("GET", "/nothing", 404), ("DELETE", "/index.json", 405)):
        assert client.open(address, method=method).status_code == 401
        answer = client.open(address, method=method, headers=bearer(tokens["rudi"]))
        assert answer.status_code == code


# For nginx ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("uri", "stranger", "reader"),
    [
        ("/files/20200101-000000-abcdef/model.caffemodel", 401, 204),
        ("/files/JOB/log?x=1", 401, 204),
        ("/files/JOB/a%3Fb%23c", 401, 204),
        # It is asked for files alone.
        ("/static/css/layout.css", 401, 403),
        ("/", 401, 403),
        ("/jobs/JOB", 401, 403),
        ("/login", 401, 403),
        ("/healthz", 401, 403),
        ("/files/", 401, 403),
        ("/files/JOB/", 401, 403),
        ("/nothing", 401, 403),
        ("", 401, 403),
        ("no-slash", 401, 403),
        # What a proxy may read as another address than we do.
        ("/static/../files/JOB/log", 401, 403),
        ("/static/%2e%2e/files/JOB/log", 401, 403),
        ("/static/..%2ffiles/JOB/log", 401, 403),
        ("/static//../files/JOB/log", 401, 403),
        ("//static/css/layout.css", 401, 403),
        ("//files/static/css/layout.css", 401, 403),
        ("//files/JOB/log", 401, 403),
        ("/files//JOB/log", 401, 403),
        ("/files/JOB/../../static/css/layout.css", 401, 403),
        ("/files/JOB/%2e%2e/log", 401, 403),
        ("http://digits/files/JOB/log", 401, 403),
        ("?/files/JOB/log", 401, 403),
        ("/static\\..\\files/JOB/log", 401, 403),
        ("/static/%00", 401, 403),
        ("/static/%0d%0a", 401, 403),
        ("/static/%ff%fe", 401, 403),
        ("http://[/static/x", 401, 403),
    ],
)
def test_the_proxys_question_is_answered_for_the_address_it_names(
    app: Flask, tokens: dict[str, str], job: Job, uri: str, stranger: int, reader: int
) -> None:
    client = app.test_client()
    headers = {"X-Original-URI": uri.replace("JOB", job.id)}
    assert client.get("/auth/check", headers=headers).status_code == stranger
    answer = client.get("/auth/check", headers={**headers, **bearer(tokens["rudi"])})
    assert answer.status_code == reader
    assert answer.data == b""


@pytest.mark.parametrize("method", ["DELETE", "POST", "PUT", "get", "OPTIONS", ""])
def test_the_proxys_question_is_about_reading(
    app: Flask, tokens: dict[str, str], job: Job, method: str
) -> None:
    headers = {"X-Original-URI": f"/files/{job.id}/log", **bearer(tokens["ada"])}
    client = app.test_client()
    assert client.get("/auth/check", headers=headers).status_code == 204
    headers["X-Original-Method"] = method
    assert client.get("/auth/check", headers=headers).status_code == 403


# Where the server is, is a setting and nothing that a client can say.
LIES = [
    {"X-Forwarded-Prefix": "/files/JOB"},
    {"X-Forwarded-Prefix": "/files/JOB/log"},
    {"X-Forwarded-Prefix": "/files"},
    {"X-Forwarded-Host": "localhost/files/JOB"},
    {"X-Forwarded-Path": "/files"},
    {"X-Script-Name": "/files"},
    {"X-Original-URI": "/static/css/layout.css"},
    {"X-Original-URL": "/static/css/layout.css"},
    {"X-Rewrite-URL": "/static/css/layout.css"},
    {"Forwarded": "for=127.0.0.1;host=localhost;proto=https"},
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: "-".join(lie.values()))
@pytest.mark.parametrize("peer", ["127.0.0.1", "", "203.0.113.9"])
def test_no_header_makes_a_file_public(
    app: Flask, job: Job, lie: dict[str, str], peer: str
) -> None:
    client = app.test_client()
    headers = {name: value.replace("JOB", job.id) for name, value in lie.items()}
    below = f"/files/{job.id}/static/css/layout.css"
    for path in (below, f"/files/{job.id}/job.json", f"/files/{job.id}/log/static/x"):
        answer = client.get(path, headers=headers, environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == 401
        asked = {**headers, "X-Original-URI": path}
        answer = client.get("/auth/check", headers=asked, environ_overrides={"REMOTE_ADDR": peer})
        assert answer.status_code == 401


def address_of(rule: Rule, job_id: str) -> str:
    """An address of a rule, about this job."""
    address = rule.rule
    for name in rule.arguments:
        values = {"job_id": job_id, "path": "x", "filename": "css/layout.css", "number": "0"}
        value = values.get(name, "zip")
        for converter in ("path:", "int:", ""):
            address = address.replace(f"<{converter}{name}>", value)
    assert "<" not in address, address
    return address
