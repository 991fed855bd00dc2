"""While a request copies files or resizes pictures, others are served."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

DIGITS = Path(__file__).resolve().parents[2] / "digits"

# The upload's bytes come only when another request is served: a copy that keeps the event loop to
# itself would wait for ever.
COPYING = """
from gevent import monkey; monkey.patch_all()
import io, os, sys, gevent
from pathlib import Path
from werkzeug.datastructures import FileStorage
from digits.model.images.classification.evaluation.creation import ListSource
from digits.model.images.classification.try_out.requests import UploadedList
from digits.model.training.given_weights import kept_upload
from digits.web.uploads import keep

class Upload(io.FileIO):
    is_read = False

    def seek(self, *place):
        return 0

    def read(self, size=-1):
        if self.is_read:
            return b""
        self.is_read = True
        return super().read(size)

folder = Path(sys.argv[1])

def archive(upload):
    keep(FileStorage(upload, "a.zip"), folder / "archive")
    return (folder / "archive").read_bytes()

def weights(upload):
    with kept_upload(FileStorage(upload, "w.caffemodel"), folder) as path:
        return path.read_bytes()

def list_of_a_job(upload):
    ListSource("list.txt", upload, "").request(folder)
    return (folder / "list.txt").read_bytes()

def list_that_outlives_its_request(upload):
    with UploadedList("list.txt", upload, 3, None, 1, None).kept().stream as copy:
        copy.seek(0)
        return copy.read()

for copy in (archive, weights, list_of_a_job, list_that_outlives_its_request):
    print(copy.__name__, flush=True)
    reading, writing = os.pipe()
    copying = gevent.spawn(copy, Upload(reading))
    gevent.spawn(os.write, writing, b"some pictures")
    assert copying.get() == b"some pictures"
"""

RESIZING = """
from gevent import monkey; monkey.patch_all()
import sys, gevent
from pathlib import Path
from tests.apps import running_app

form = {"width": "64", "height": "48", "channels": "3", "resize_mode": "fill", "encoding": "png"}
served = []

def resize():
    answer = app.test_client().post("/datasets/images/resize-example", data=form)
    served.append(answer.status_code)

with running_app(Path(sys.argv[1]) / "jobs") as app:
    # The first picture loads what later ones need, and the page's template.
    resize()
    served.clear()
    first = gevent.spawn(resize)
    gevent.spawn(served.append, "another")
    first.join()
assert served == ["another", 200], served
"""

# In the threads of the event loop, as on a server.
FAILING = """
from gevent import monkey; monkey.patch_all()
import os
from digits.web.answers import in_thread

def deep(level):
    return deep(level + 1)

for work, argument, error in ((os.stat, "/no/such", FileNotFoundError), (deep, 0, RecursionError)):
    try:
        in_thread(work, argument)
    except error:
        print(error.__name__)
"""


def test_what_fails_in_a_thread_fails_for_its_request_alone() -> None:
    """Nothing is printed, and nobody waits, however deep it failed."""
    done = subprocess.run(
        [sys.executable, "-c", FAILING], capture_output=True, text=True, check=True, timeout=60
    )
    assert (done.stdout.split(), done.stderr) == (["FileNotFoundError", "RecursionError"], "")


@pytest.mark.slow
def test_others_are_served_while_an_upload_is_copied(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", COPYING, str(tmp_path)], check=True, timeout=60)


@pytest.mark.slow
def test_others_are_served_while_the_example_is_resized(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", RESIZING, str(tmp_path)], check=True, timeout=60)


# What takes as long as a file or a picture is large.
SLOW = {
    "copyfile", "copyfileobj", "copy", "copy2", "copytree", "save", "keep_weights", "read_image",
    "read_resized", "resize_image", "encode_picture", "encode_png", "example_picture",
}  # fmt: skip
# It runs by itself.
NOT_OF_THE_SERVER = {"classify_script.py"}


def modules_of_views() -> Iterator[tuple[Path, ast.Module]]:
    """The modules whose functions answer requests."""
    for room in ("web", "home", "dataset", "model"):
        for path in sorted((DIGITS / room).rglob("*.py")):
            if path.parent.name != "tasks" and path.name not in NOT_OF_THE_SERVER:
                yield path, ast.parse(path.read_text())


def name_of(function: ast.expr) -> str:
    """The last part of what is called or handed on."""
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def handed_to_threads(modules: list[tuple[Path, ast.Module]]) -> set[str]:
    """Functions that are called through `in_thread`."""
    calls = [node for _, tree in modules for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {name_of(call.args[0]) for call in calls if name_of(call.func) == "in_thread"}


def slow_calls(tree: ast.AST, aside: set[str]) -> Iterator[str]:
    """Calls of what is slow, in functions that run in the event loop."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef) and node.name in aside:
            continue
        if isinstance(node, ast.Call) and name_of(node.func) in SLOW:
            yield f"{ast.unparse(node.func)} in line {node.lineno}"
        yield from slow_calls(node, aside)


def test_no_view_copies_a_file_or_works_on_a_picture_in_the_event_loop() -> None:
    modules = list(modules_of_views())
    aside = handed_to_threads(modules)
    found = {str(path.relative_to(DIGITS)): list(slow_calls(tree, aside)) for path, tree in modules}
    assert {path: calls for path, calls in found.items() if calls} == {}
