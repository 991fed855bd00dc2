"""The table of who may ask for what, as docs/security.md shows it: a line for every endpoint."""

from __future__ import annotations

from collections import defaultdict

from flask import Flask

from digits.web.kind import Kinds

HEAD = "| endpoint | addresses | who | may carry |\n| --- | --- | --- | --- |\n"
NO_BODY = {"GET", "HEAD", "OPTIONS"}


def access_table(app: Flask) -> str:
    """The union of what every kind of job asks and of what is no kind's, sorted by address."""
    kinds: Kinds = app.extensions["digits"].kinds
    addresses: dict[str, list[str]] = defaultdict(list)
    methods: dict[str, set[str]] = defaultdict(set)
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        addresses[rule.endpoint].append(f"`{rule.rule}`")
        methods[rule.endpoint] |= (rule.methods or set()) - {"HEAD", "OPTIONS"}
    lines = [
        f"| {endpoint} | {' '.join(sorted(methods[endpoint]))} {', '.join(addresses[endpoint])} "
        f"| {kinds.policies[endpoint].name.lower()} "
        f"| {kinds.body_of(endpoint).value if methods[endpoint] - NO_BODY else ''} |"
        for endpoint in sorted(addresses, key=lambda endpoint: addresses[endpoint])
    ]
    return HEAD + "\n".join(lines) + "\n"
