"""A kind of job as the web knows it, and the table of all kinds, which lists and menus read.

In: what each kind says of itself, a `JobKind` in the `kind.py` of its folder.  Out: `Kinds`, which
answers where a job's page is, what can be made, who may ask for what, and what may be sent.
Elsewhere: who is in the table (`kinds.py`), whether what a kind says can be used
(`kind_checks.py`), what belongs to no kind (`POLICIES` in `access.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import groupby
from typing import TYPE_CHECKING

from flask import Blueprint

from digits.jobs.job import Job
from digits.jobs.kind import Kind
from digits.web.access import POLICIES, Access

if TYPE_CHECKING:
    from digits.web.forms import DigitsForm

# Where the routes of a kind stand, by its category.
PREFIXES = {
    "dataset": "/datasets",
    "model": "/models",
    "pretrained": "/pretrained_models",
    "evaluation": "/models",
    "export": "/models",
}


class Body(Enum):
    """What a request may carry."""

    FORM = "16 MB"
    PICTURE = "256 MB"  # held in memory while it is looked at
    FILES = "`max_upload_mb`"  # put on the disk


@dataclass(frozen=True)
class Route:
    """What a route asks of whoever comes, and what may be sent to it."""

    access: Access
    body: Body = Body.FORM


@dataclass(frozen=True)
class Routes:
    """A blueprint, and what each of its views asks: a row for every view, by its name.

    Its addresses begin with `prefix`; empty: with what those of the kind's category begin with.
    """

    blueprint: Blueprint
    rows: Mapping[str, Route]
    prefix: str = ""

    def by_endpoint(self) -> dict[str, Route]:
        """The rows by the names that `url_for` takes."""
        return {f"{self.blueprint.name}.{view}": row for view, row in self.rows.items()}


@dataclass(frozen=True)
class MenuEntry:
    """How a kind is offered: below `group` as `title` on the home page, in `words` elsewhere.

    `icon` is one of scripts/icons.txt.
    """

    group: str
    title: str
    words: str
    icon: str


@dataclass(frozen=True)
class NetworkProblems:
    """Why a network would be refused, or what is unusual about one that would not."""

    refused: Sequence[str] = ()
    unusual: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True)
class JobKind(Kind):
    """A kind of job with its pages.

    `page` is the endpoint of a job's own page, which takes its `job_id`.  Datasets may leave it to
    `datasets.show`, and models that Caffe trains to `models.show`: these show the `template`.
    `form` has the settings as fields, and `new` is the endpoint that shows it empty, filled in with
    another job's settings (`?clone=ID`), or for a dataset (`?dataset=ID`).  Without `new` nothing
    of the kind can be made by hand or cloned.  `network_problems` of a model says of the text of a
    network, and of the rest of the request's form, why it would be refused.

    On the page's table of settings, `setting_titles` name those that no field asks for, and those
    `shown_elsewhere` are left out.  A model's page that `uses_camera` may ask for it.
    `classify` is the endpoint of a model that says what it sees in a picture of its dataset.
    """

    page: str
    template: str = ""
    form: type[DigitsForm] | None = None
    new: str = ""
    network_problems: Callable[[str], NetworkProblems] | None = None
    menu: MenuEntry | None = None
    routes: Sequence[Routes] = ()
    setting_titles: Mapping[str, str] = field(default_factory=dict)
    shown_elsewhere: Collection[str] = ()
    uses_camera: bool = False
    classify: str = ""

    @property
    def prefix(self) -> str:
        """What the addresses of its routes begin with."""
        return PREFIXES[self.category]

    def by_endpoint(self) -> dict[str, Route]:
        """What its routes ask."""
        return {name: row for part in self.routes for name, row in part.by_endpoint().items()}


class Kinds:
    """Every kind of job that a server knows, in the order in which menus offer them."""

    def __init__(self, kinds: Sequence[JobKind]) -> None:
        self._kinds = tuple(kinds)
        self._by_name = {kind.name: kind for kind in kinds}
        rows = {name: row for kind in kinds for name, row in kind.by_endpoint().items()}
        # Who may ask for what: the rows of all kinds, and of what is no kind's.
        self.policies: Mapping[str, Access] = {
            **{endpoint: row.access for endpoint, row in rows.items()},
            **POLICIES,
        }
        self._bodies = {endpoint: row.body for endpoint, row in rows.items()}

    def __iter__(self) -> Iterator[JobKind]:
        return iter(self._kinds)

    @property
    def job_types(self) -> tuple[type[Job], ...]:
        """The classes of all jobs, for the jobs directory."""
        return tuple(kind.job_type for kind in self._kinds)

    def of(self, job: Job) -> JobKind:
        """The kind of a job."""
        return self._by_name[job.type_name]

    def body_of(self, endpoint: str | None) -> Body:
        """What may be sent to an endpoint."""
        return self._bodies.get(endpoint or "", Body.FORM)

    def to_make(self, category: str) -> list[JobKind]:
        """The kinds of a category that a form makes."""
        return [kind for kind in self._kinds if kind.category == category and kind.new]

    def menu(self, category: str) -> list[tuple[str, list[JobKind]]]:
        """The same by the groups of the home page's menu, in the order of the groups' firsts."""
        offered = [(kind.menu.group, kind) for kind in self.to_make(category) if kind.menu]
        order = list(dict.fromkeys(group for group, _ in offered))
        offered.sort(key=lambda pair: order.index(pair[0]))
        return [
            (group, [kind for _, kind in pairs])
            for group, pairs in groupby(offered, key=lambda pair: pair[0])
        ]

    def to_train_on(self, dataset: Job | None) -> JobKind | None:
        """The first kind of model that can learn from a dataset; None: from any."""
        models = self.to_make("model")
        fitting = [kind for kind in models if dataset is None or kind.can_learn_from(dataset)]
        return next(iter(fitting), None)
