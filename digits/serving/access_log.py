"""gunicorn's access log for DIGITS: whose request it was, and nothing that opens doors."""

from __future__ import annotations

import ipaddress
import re
from typing import Any
from urllib.parse import unquote

from gunicorn.glogging import Logger

MASK = "***"
# Parameters with one of these in their name carry secrets.  `sid` is a live connection's key.
SECRET = re.compile(r"token|secret|passw|key|auth|signature|session|^sid$|^code$", re.IGNORECASE)
_PARAMETER = re.compile(r"([?&;])([^=&;\s]+)=([^&;\s]*)")
_CREDENTIALS = re.compile(r"(//|%2F%2F)[^/@\s%]+(@|%40)", re.IGNORECASE)


class AccessLogger(Logger):  # type: ignore[misc]
    """gunicorn's logger, with addresses masked and the client of the proxy named."""

    def atoms(self, resp: Any, req: Any, environ: dict[str, Any], request_time: Any) -> Any:
        atoms = super().atoms(resp, req, environ, request_time)
        atoms["h"] = client_address(environ)
        for name in ("r", "f"):
            atoms[name] = masked(str(atoms[name]))
        atoms["q"] = masked(f"?{atoms['q'] or ''}")[1:]
        return atoms


def masked(text: str) -> str:
    """A request line or address without the values of parameters that look like secrets."""

    def mask(found: re.Match[str]) -> str:
        mark, name, value = found.groups()
        hidden = MASK if SECRET.search(unquote(name)) else value
        return f"{mark}{name}={hidden}"

    return _CREDENTIALS.sub(rf"\1{MASK}\2", _PARAMETER.sub(mask, text))


def client_address(environ: dict[str, Any]) -> str:
    """Who asked: behind a proxy on this machine, whom that one names last."""
    peer = str(environ.get("REMOTE_ADDR") or "-")
    forwarded = str(environ.get("HTTP_X_FORWARDED_FOR", "")).rpartition(",")[2].strip()
    return forwarded if forwarded and is_local(peer) else peer


def is_local(address: str) -> bool:
    """Whether a peer is this machine itself, such as a proxy on it or at a Unix socket."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return address in ("", "-")
