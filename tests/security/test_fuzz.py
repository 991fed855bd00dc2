"""Whatever is sent to whatever route, DIGITS itself does not fail: no 500.

The requests are drawn by Hypothesis, the same ones in every run.
"""

from __future__ import annotations

import io
import os
from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from flask.testing import EnvironBuilder
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from werkzeug.routing import Rule

from tests.security.world import CANARY, World
from tests.selection import examples

# Of so many requests; DIGITS_FUZZ=5000 draws others, and more of them, by chance.
MORE = int(os.environ.get("DIGITS_FUZZ", "0"))
EXAMPLES = MORE or examples(300)
UPLOADS = (
    "image_file",
    "image_list",
    "file",
    "custom_network_weights",
    "textfile_train_images",
    "textfile_labels_file",
)
# It starts a program and a job each time; its own tests ask for it.
NOT_ASKED = "home.make_sample"
# What DIGITS may answer that begins with a 5: a worker that is busy, a full disk.
NOT_OUR_FAULT = (503, 507)


def field_names(app: Flask) -> list[str]:
    """What forms and queries are known to read, and something that they do not."""
    from digits.dataset.images.classification.forms import (  # noqa: PLC0415 - they need an app
        ImageClassificationDatasetForm,
    )
    from digits.model.images.classification.forms import (  # noqa: PLC0415
        ImageClassificationModelForm,
    )

    with app.test_request_context():
        fields = [
            field.name
            for form in (ImageClassificationDatasetForm(), ImageClassificationModelForm())
            for field in form
        ]
    more = [
        "job_id", "job_name", "job_notes", "snapshot_epoch", "epoch", "clone", "dataset", "query",
        "network", "format", "width", "height", "channels", "resize_mode", "encoding", "image_url",
        "image_file", "image_list", "image_folder", "num_test_images", "top_n", "search", "from",
        "before", "lines", "errors", "datasets_page", "models_page", "show_visualizations", "next",
        "name", "password", "csrf_token", "split", "page", "label", "key", "sort", "unknown",
        "path", "paths", "files", "bytes", "run", "samples_from", "split_folders",
    ]  # fmt: skip
    return sorted({*fields, *more})


def texts(world: World) -> st.SearchStrategy[str]:
    """Values that mean something somewhere, and values that mean nothing anywhere."""
    known = st.sampled_from(
        [
            world.dataset, world.model, str(world.pictures), str(world.outside), "", "0", "1", "-1",
            "3", "16", "on", "train", "val", "folder", "textfile", "custom", "previous", "standard",
            "lenet", "step", "multistep", "0.01", "1e308", "nan", "inf", "50,85", "png", "svg",
            "zip", "tar.gz", "layer { name: 'x' }", "http://127.0.0.1/", "..", "\0", "\r\n",
            "9" * 400, "true", "{}", "[]", "next", "/", "\u202e",
        ]
    )  # fmt: skip
    # Lone halves of surrogate pairs cannot be sent.
    return known | st.text(st.characters(codec="utf-8"), max_size=20)


def jsons(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | texts

    def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        return st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3)

    return st.recursive(leaves, nested, max_leaves=6)


@st.composite
def requests(draw: st.DrawFn, world: World, rules: list[Rule], names: list[str]) -> dict[str, Any]:
    """The arguments of a test client's request."""
    values = texts(world)
    rule = draw(st.sampled_from(rules))
    method = draw(st.sampled_from([*sorted(rule.methods or {"GET"}), "PUT", "TRACE"]))
    ids = [world.dataset, world.model]
    path = rule.rule
    for argument in rule.arguments:
        # The world's own jobs are needed for what comes later.
        keeps = method != "DELETE" and argument == "job_id"
        value = draw(st.sampled_from(ids)) if keeps and draw(st.booleans()) else draw(values)
        if method == "DELETE" and value in ids:
            value = "nothing"
        for converter in ("path:", "int:", "float:", ""):
            path = path.replace(f"<{converter}{argument}>", quote(value, safe="/%;=&+ \0"))
    query = draw(st.dictionaries(st.sampled_from(names), values, max_size=3))
    if draw(st.booleans()):
        query["job_id"] = draw(st.sampled_from(ids))
    options: dict[str, Any] = {"path": path, "method": method, "query_string": query}
    kind = draw(st.sampled_from(["none", "form", "form", "json", "bytes", "upload"]))
    if kind == "form":
        options["data"] = draw(st.dictionaries(st.sampled_from(names), values, max_size=8))
    elif kind == "json":
        options["json"] = draw(
            st.dictionaries(st.sampled_from(names), jsons(values), max_size=8) | jsons(values)
        )
    elif kind == "bytes":
        options["data"] = draw(st.binary(max_size=100))
        options["content_type"] = draw(
            st.sampled_from(
                ["application/json", "multipart/form-data; boundary=x", "text/plain", "", "x/y",
                 "application/x-www-form-urlencoded"]
            )
        )  # fmt: skip
    elif kind == "upload":
        upload = io.BytesIO(draw(st.binary(max_size=100)))
        field = draw(st.sampled_from(UPLOADS))
        options["data"] = {
            **draw(st.dictionaries(st.sampled_from(names), values, max_size=4)),
            field: (upload, draw(values).replace("\n", "").replace("\r", "") or "x"),
        }
    options["headers"] = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "Accept": st.sampled_from(["text/html", "application/json", "*/*", "x", ""]),
                "Range": st.sampled_from(["bytes=0-1", "bytes=-5", "bytes=9-1", "x"]),
                "X-Forwarded-Prefix": st.sampled_from(["/x", "//x", "\u00ff"]),
                "Cookie": st.sampled_from(["session=x", "session=e30.x.y", ";", "\u00ff"]),
                "Authorization": st.sampled_from(["Bearer x", "Basic x", "x"]),
                "If-Range": st.sampled_from(["x", '"x"']),
                "Origin": st.sampled_from(["http://localhost", "null"]),
            },
        )
    )
    return options


def test_no_request_makes_digits_fail(world: World) -> None:
    client = world.app.test_client()
    rules = sorted(
        (rule for rule in world.app.url_map.iter_rules() if rule.endpoint != NOT_ASKED),
        key=lambda rule: (rule.rule, rule.endpoint),
    )
    names = field_names(world.app)

    @settings(
        max_examples=EXAMPLES,
        derandomize=not MORE,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(world, rules, names))
    def send(options: dict[str, Any]) -> None:
        try:
            builder = EnvironBuilder(world.app, **options)
        except ValueError:
            reject()  # what no client can send
        with client.open(builder) as answer:
            body = answer.get_data()
        assert answer.status_code < 500 or answer.status_code in NOT_OUR_FAULT, body[:500]
        assert CANARY.encode() not in body

    send()


@pytest.mark.slow
def test_every_route_takes_a_bare_request_of_each_method(world: World) -> None:
    """What chance may leave out: all routes, all methods, without anything else."""
    client = world.app.test_client()
    wrong = []
    for rule in world.app.url_map.iter_rules():
        if rule.endpoint == NOT_ASKED:
            continue
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"):
            path = rule.rule
            for argument in rule.arguments:
                for converter in ("path:", "int:", "float:", ""):
                    path = path.replace(f"<{converter}{argument}>", "1")
            for accept in ("text/html", "application/json"):
                with client.open(path, method=method, headers={"Accept": accept}) as answer:
                    if answer.status_code >= 500:
                        wrong.append((method, path, accept, answer.status_code))
    assert wrong == []
