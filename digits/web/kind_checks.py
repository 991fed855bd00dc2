"""Whether kinds of job that a package adds can be used: asked before any of them is.

In: what a package announces, and the kinds that are there.  Out: KindRefused, whose message says
what the package has to mend; a server that took the kind would fail later, or let somebody in.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from flask import Flask
from werkzeug.routing import Rule

from digits.errors import KindRefused
from digits.jobs.job import Job
from digits.web.access import POLICIES, Access
from digits.web.kind import PREFIXES, JobKind, Route

# What a class of jobs must say of itself.
NAMES = ("type_name", "title", "category")


def check_kinds(
    added: object, known: Sequence[JobKind], shared_pages: Mapping[str, type[Job]]
) -> None:
    """Raise KindRefused unless `added` are kinds that can stand beside those `known`.

    `shared_pages` are the pages that show jobs of several kinds, by endpoint, and the class whose
    jobs they can show.
    """
    if not isinstance(added, Sequence) or not all(isinstance(kind, JobKind) for kind in added):
        raise KindRefused(f"{added!r:.100} is neither a JobKind nor a list of them.")
    kinds: Sequence[JobKind] = added
    taken = {kind.job_type.type_name for kind in known}
    for kind in kinds:
        _check_names(kind, taken)
        taken.add(kind.name)
    app = _app_of(kinds, known)
    for kind in kinds:
        _check_routes(kind, list(_rules_of(kind, app)))
    endpoints = {rule.endpoint for rule in app.url_map.iter_rules()} | set(POLICIES)
    for kind in kinds:
        _check_pages(kind, endpoints, shared_pages)
        _check_template(kind, app)


def _check_names(kind: JobKind, taken: Collection[str]) -> None:
    job_type = kind.job_type
    if not (isinstance(job_type, type) and issubclass(job_type, Job)):
        raise KindRefused(f"its job_type, {job_type!r:.100}, is no subclass of Job.")
    for name in NAMES:
        if not isinstance(getattr(job_type, name, None), str):
            raise KindRefused(f"the class {job_type.__name__} has no text {name}.")
    if kind.category not in PREFIXES:
        raise KindRefused(
            f"the category of {kind.name} is {kind.category!r}. It can be {', '.join(PREFIXES)}."
        )
    if kind.name in taken:
        raise KindRefused(
            f"there is a kind {kind.name!r} already. Give this one another type_name."
        )


def _app_of(kinds: Sequence[JobKind], known: Sequence[JobKind]) -> Flask:
    """An application with nothing but the routes of all these kinds, to look at."""
    app = Flask("digits.kinds", static_folder=None, template_folder=None)
    taken = {endpoint.partition(".")[0] for endpoint in POLICIES}
    for kind in known:
        for part in kind.routes:
            app.register_blueprint(part.blueprint, url_prefix=part.prefix or kind.prefix)
            taken.add(part.blueprint.name)
    for kind in kinds:
        for part in kind.routes:
            if part.blueprint.name in taken:
                raise KindRefused(
                    f"there is a blueprint {part.blueprint.name!r} already. Give that of "
                    f"{kind.name} another name."
                )
            app.register_blueprint(part.blueprint, url_prefix=part.prefix or kind.prefix)
            taken.add(part.blueprint.name)
    return app


def _rules_of(kind: JobKind, app: Flask) -> Iterator[Rule]:
    names = {part.blueprint.name for part in kind.routes}
    for rule in app.url_map.iter_rules():
        if rule.endpoint.partition(".")[0] in names:
            yield rule


def _check_routes(kind: JobKind, rules: Sequence[Rule]) -> None:
    rows = kind.by_endpoint()
    endpoints = {rule.endpoint for rule in rules}
    if not all(isinstance(row, Route) for row in rows.values()):
        raise KindRefused(f"the rows of {kind.name}'s routes must be of the class Route.")
    if silent := sorted(endpoints - set(rows)):
        raise KindRefused(f"no row says who may ask for {', '.join(silent)}.")
    if stale := sorted(set(rows) - endpoints):
        raise KindRefused(f"there are rows for {', '.join(stale)}, but no such routes.")
    for rule in rules:
        # Whose job it is could not be told.
        if rows[rule.endpoint].access is Access.CHANGE and "job_id" not in rule.arguments:
            raise KindRefused(f"{rule.rule} changes a job, but has no <job_id> in its address.")


def _check_pages(
    kind: JobKind, endpoints: Collection[str], shared_pages: Mapping[str, type[Job]]
) -> None:
    for name in filter(None, (kind.page, kind.new, kind.classify)):
        if name not in endpoints:
            raise KindRefused(f"{kind.name} names a page {name!r}, but there is no such endpoint.")
    if not kind.page:
        raise KindRefused(f"{kind.name} has no page. Name the endpoint that shows such a job.")
    shown = shared_pages.get(kind.page)
    if shown is not None and not issubclass(kind.job_type, shown):
        raise KindRefused(
            f"{kind.page} shows jobs of the class {shown.__name__}, but {kind.name} is none. Give "
            "it a page of its own."
        )
    if shown is not None and not kind.template:
        raise KindRefused(f"{kind.name} is shown by {kind.page}, which needs its template.")
    if bool(kind.new) is not (kind.menu is not None):
        raise KindRefused(f"{kind.name} needs both of `new` and `menu`, or neither.")


def _check_template(kind: JobKind, app: Flask) -> None:
    loader = app.jinja_env.loader
    if kind.template and loader is not None and kind.template not in loader.list_templates():
        raise KindRefused(
            f"the template {kind.template!r} of {kind.name} is in no template_folder of its "
            "blueprints. A package must install its templates, too (package_data)."
        )
