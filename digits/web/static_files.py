"""Static files under addresses that change with their contents, so that browsers may keep them.

`url_for("static", filename="js/web/page.js")` answers `/static/v-<digest>/js/web/page.js`, where
the digest is that of all static files together: the scripts name each other by relative addresses,
so one that changes must take the others to a new address.  nginx.site serves the same addresses.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Any

from flask import Flask, Response

DIGEST_DIGITS = 12
A_YEAR = "public, max-age=31536000, immutable"
# To be asked for again each time: an address without digest, or with that of another version.
ASK_AGAIN = "no-cache"
VERSIONED = re.compile(rf"v-([0-9a-f]{{{DIGEST_DIGITS}}})/(.+)", re.DOTALL)


def connect(app: Flask) -> None:
    """Serve the static files of `app` so; in debug mode as they are, since they change often."""
    folder = app.static_folder
    if folder is None or app.debug:
        return
    digest = contents_digest(Path(folder))

    @app.url_defaults
    def add_digest(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static":
            values["filename"] = f"v-{digest}/{values['filename']}"

    def serve(filename: str) -> Response:
        found = VERSIONED.fullmatch(filename)
        response = app.send_static_file(found[2] if found else filename)
        is_current = found is not None and found[1] == digest
        response.headers["Cache-Control"] = A_YEAR if is_current else ASK_AGAIN
        return response

    app.view_functions["static"] = serve


def contents_digest(folder: Path) -> str:
    """Some digits that differ when a file below `folder` differs in name or contents."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:DIGEST_DIGITS]
