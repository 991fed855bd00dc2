"""Write docs/RestApi.md, the list of all routes, from the application itself.

    python -m scripts.rest_api           # writes it
    python -m scripts.rest_api --check   # fails when it is not current

Line numbers alone do not make it out of date. Needs what `scripts/set-up --tests` installs.
"""

from __future__ import annotations

import inspect
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from tests.apps import running_app

TOP = Path(__file__).resolve().parent.parent
GUIDE = TOP / "docs" / "RestApi.md"
SECTIONS = ("Home", "Jobs", "Datasets", "Models", "Util")
HEAD = """\
# DIGITS REST API

Every route of DIGITS, from its source: `make rest-api` writes this page. What the routes take and
answer is in the [REST guide](api.md).

### Table of Contents

"""


def main() -> int:
    """Write the page or, with --check, compare it; the exit status."""
    with tempfile.TemporaryDirectory() as folder, running_app(Path(folder) / "jobs") as app:
        text = page(app)
    if "--check" not in sys.argv:
        GUIDE.write_text(text)
        return 0
    if without_lines(text) == without_lines(GUIDE.read_text()):
        return 0
    print(f"{GUIDE.relative_to(TOP)} is not current: run make rest-api")
    return 1


def page(app: Flask) -> str:
    """The whole page."""
    sections: dict[str, list[str]] = {name: [] for name in SECTIONS}
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, methods(rule))):
        if rule.endpoint == "static":
            continue
        view = inspect.unwrap(app.view_functions[rule.endpoint])
        sections[section_of(rule)].append("\n\n".join(entry(rule, view)))
    contents = "\n".join(f"* [{name}](#{name.lower()})" for name in SECTIONS)
    parts = [f"## {name}\n\n" + "\n\n".join(entries) for name, entries in sections.items()]
    return HEAD + contents + "\n\n" + "\n\n".join(parts) + "\n"


def without_lines(text: str) -> str:
    """The page without the numbers of lines, which any edit moves."""
    return re.sub(r"@\d+`\]\((.*)#L\d+\)", r"`](\1)", text)


def section_of(rule: Rule) -> str:
    """Where a route stands: what can be done with any job, then by its first folder."""
    first = rule.rule.split("/")[1]
    of_home = rule.endpoint.startswith("home.")
    if first == "jobs" or (of_home and "job_id" in rule.arguments):
        return "Jobs"
    if first in ("datasets", "models"):
        return first.capitalize()
    return "Home" if of_home else "Util"


def methods(rule: Rule) -> list[str]:
    return sorted((rule.methods or set()) - {"HEAD", "OPTIONS"})


def entry(rule: Rule, view: Callable[..., Any]) -> Iterator[str]:
    """The paragraphs of a route."""
    yield f"### `{rule.rule}`"
    for paragraph in (inspect.getdoc(view) or "").split("\n\n"):
        yield f"> {' '.join(paragraph.split())}"
    yield "Methods: " + ", ".join(f"**{name}**" for name in methods(rule))
    if rule.arguments:
        yield "Arguments: " + ", ".join(arguments(rule, view))
    path, line = location(view)
    yield f"Location: [`{path}@{line}`](../{path}#L{line})"


def arguments(rule: Rule, view: Callable[..., Any]) -> Iterator[str]:
    """What a route's function takes from the address, with the defaults."""
    for name, parameter in inspect.signature(view).parameters.items():
        default = parameter.default
        yield f"`{name}`" if default is parameter.empty else f"`{name}` (`{default}`)"


def location(view: Callable[..., Any]) -> tuple[str, int]:
    """The file, from the top of the repository, and the line of a function's `def`."""
    lines, first = inspect.getsourcelines(view)
    offset = next(n for n, line in enumerate(lines) if line.lstrip().startswith("def "))
    return str(Path(inspect.getfile(view)).relative_to(TOP)), first + offset


if __name__ == "__main__":
    sys.exit(main())
