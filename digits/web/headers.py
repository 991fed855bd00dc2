"""What the headers of a request may say, and what those of an answer tell the browser.

In: requests.  Out: a refusal of those that another site's page has sent, or that came by a name
that is not ours; and answers that browsers put nothing foreign into.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Response, request
from flask.sessions import SecureCookieSessionInterface
from flask.typing import ResponseReturnValue
from itsdangerous import BadSignature
from werkzeug.middleware.proxy_fix import ProxyFix

from digits.accounts.accounts import Accounts
from digits.config import Config
from digits.errors import ConfigError
from digits.sources.downloads import MAX_PICTURE_BYTES
from digits.web.answers import services
from digits.web.error_pages import error_answer
from digits.web.kind import Body

# Everything comes from this server; pictures also from data: addresses, as routes promise.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; font-src 'self'; "
    "connect-src 'self'; img-src 'self' data: blob:; object-src 'none'; base-uri 'none'; "
    "frame-src 'none'; worker-src 'none'; frame-ancestors 'none'; form-action 'self'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), usb=(), payment=()",
}
CAMERA_ALLOWED = "camera=(self), microphone=(), geolocation=(), usb=(), payment=()"
HSTS = "max-age=31536000"
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
ANY_HOST = "*"
MEGABYTE = 1024 * 1024
# What a form without uploads may weigh: prototxt is a form field, and a network may be long.
FORM_BYTES = 16 * MEGABYTE
# A picture that is tried is held in memory; it may be as large as one that is fetched.
PICTURE_BYTES = MAX_PICTURE_BYTES


class SecureBehindTls(SecureCookieSessionInterface):
    """Session cookies that browsers send over TLS alone, where there is TLS.

    How old a cookie says that it is, is not looked at: Flask takes one from the future for expired,
    so that a clock that steps back would log everybody out.  `accounts/sessions.py` knows when a
    login ends.
    """

    def open_session(self, app: Any, request: Any) -> Any:
        serializer = self.get_signing_serializer(app)
        if serializer is None:
            return None
        value = request.cookies.get(self.get_cookie_name(app), "")
        try:
            return self.session_class(serializer.loads(value) if value else None)
        except (BadSignature, TypeError, ValueError):
            return self.session_class()

    def get_cookie_secure(self, app: Any) -> bool:
        return request.is_secure


class TrustedProxyFix:
    """Believes X-Forwarded-For and -Proto only of a proxy that the settings trust.

    Anybody can send these headers; a stranger's would count for somebody else in limits.  A proxy
    hands on what it was sent unless it sets the header itself, as nginx.site does with these two.
    X-Forwarded-Host and -Prefix are believed of nobody: the settings say where the server is.
    Raises ConfigError for a proxy that is neither an address nor a network.
    """

    def __init__(self, app: Any, proxies: Iterable[str]) -> None:
        self.app = app
        self.fixed = ProxyFix(app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0)
        self.networks = [_network(proxy) for proxy in proxies]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        app = self.fixed if self._is_trusted(environ.get("REMOTE_ADDR", "")) else self.app
        return app(environ, start_response)

    def _is_trusted(self, peer: str) -> bool:
        if not peer:
            return True  # a Unix socket: only this machine's own programs reach it
        try:
            address = ipaddress.ip_address(peer.partition("%")[0])
        except ValueError:
            return False
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:
            address = address.ipv4_mapped
        return any(address in network for network in self.networks)


class TextResponse(Response):
    """An answer whose text may hold half characters, as file names on disk do: shown as `?`."""

    def set_data(self, value: bytes | str) -> None:
        super().set_data(value.encode("utf-8", "replace") if isinstance(value, str) else value)


def refuse_foreign_origin() -> ResponseReturnValue | None:
    """403 for a changing request that another site's page sent; scripts send neither header."""
    if request.method in SAFE_METHODS or not comes_from_elsewhere():
        return None
    return error_answer(403, "This request came from another site's page.")


def comes_from_elsewhere() -> bool:
    """Whether the headers say that another site's page sent this request."""
    site = request.headers.get("Sec-Fetch-Site")
    origin = request.headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return origin is not None and origin.partition("://")[2] != request.host


class Hosts:
    """The names by which requests may come.

    A page elsewhere can have its own name point to 127.0.0.1 and then read from a server there as
    if from its own site; its requests carry its name.  Where there are users its scripts would not
    be logged in.  An address instead of a name is harmless: nobody can redirect that.
    """

    def __init__(self, config: Config, accounts: Accounts) -> None:
        self.names = {*map(host_name, config.allowed_hosts), *own_names()}
        self.accounts = accounts
        # Said by whoever runs the server: it is the default nowhere.
        self.are_checked = ANY_HOST not in config.allowed_hosts

    def refuse_foreign(self) -> ResponseReturnValue | None:
        """403 for a request that came by a name that is not ours."""
        host = host_name(request.host)
        if self.allow(host):
            return None
        return error_answer(
            403,
            f"This server is not known as {host[:80]!r}. If it should be, name it in the setting "
            "allowed_hosts, or add users, who may come by any name.",
        )

    def allow(self, host: str) -> bool:
        """Whether a host, without its port, is ours."""
        if not self.are_checked or self.accounts.are_on:
            return True
        return host in self.names or _is_address(host) or host.endswith(".localhost")


def limit_body() -> None:
    """Only what takes files reads large bodies, and only what puts them on the disk huge ones."""
    body = services().kinds.body_of(request.endpoint)
    if body is Body.PICTURE:
        request.max_content_length = min(PICTURE_BYTES, request.max_content_length or PICTURE_BYTES)
    elif body is Body.FORM:
        request.max_content_length = FORM_BYTES


def allow_camera(response: Response) -> None:
    """Let the scripts of one page ask its reader for the camera; no other page may."""
    response.headers["Permissions-Policy"] = CAMERA_ALLOWED


def add_security_headers(response: Response) -> Response:
    """What browsers may do with an answer."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if request.endpoint != "static" and services().accounts.are_on:
        # Neither a proxy nor the browser's back button shows it to the next one.
        if "Cache-Control" in response.headers:
            response.cache_control.private = True
        else:
            response.headers["Cache-Control"] = "private, no-store"
    return response


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError:
        raise ConfigError(
            [
                "trusted_proxies must hold addresses or networks such as 10.0.0.5 or 10.0.0.0/8, "
                f"received {text!r}"
            ]
        ) from None


def own_names(resolver: Path = Path("/etc/resolv.conf")) -> set[str]:
    """This machine's names: alone, with the domains of its network, and as mDNS has it."""
    name = socket.gethostname().rstrip(".").lower()
    short = name.partition(".")[0]
    # Read, not looked up: a name server that does not answer would hold up the start.
    domains = {f"{short}.{domain}" for domain in _search_domains(resolver)}
    return {"localhost", name, short, f"{short}.local", *domains} - {""}


def _search_domains(resolver: Path) -> Iterable[str]:
    try:
        lines = resolver.read_text("utf-8", "replace").splitlines()
    except OSError:
        return
    for line in lines:
        word, *domains = line.lower().split() or [""]
        if word in ("search", "domain"):
            yield from (domain.strip(".") for domain in domains if domain.strip("."))


def host_name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".").lower()
    except ValueError:
        return host


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
