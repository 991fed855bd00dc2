"""What the access log says of a request, and what it keeps to itself."""

from __future__ import annotations

import pytest

from digits.serving.access_log import client_address, masked


@pytest.mark.parametrize(
    ("line", "logged"),
    [
        ("GET /?search=red+cars HTTP/1.1", "GET /?search=red+cars HTTP/1.1"),
        ("GET /files/x?token=abc&y=1 HTTP/1.1", "GET /files/x?token=***&y=1 HTTP/1.1"),
        ("GET /?api_key=abc;Password=x HTTP/1.1", "GET /?api_key=***;Password=*** HTTP/1.1"),
        ("GET /?%74oken=abc HTTP/1.1", "GET /?%74oken=*** HTTP/1.1"),
        ("GET /socket.io/?EIO=4&sid=Xy12 HTTP/1.1", "GET /socket.io/?EIO=4&sid=*** HTTP/1.1"),
        (
            "GET /?image_url=http://me:pw@host/ HTTP/1.1",
            "GET /?image_url=http://***@host/ HTTP/1.1",
        ),
        ("GET /?u=http%3A%2F%2Fme:pw%40host HTTP/1.1", "GET /?u=http%3A%2F%2F***%40host HTTP/1.1"),
    ],
)
def test_secrets_in_addresses_are_masked(line: str, logged: str) -> None:
    assert masked(line) == logged


@pytest.mark.parametrize(
    ("peer", "forwarded", "client"),
    [
        ("127.0.0.1", "203.0.113.9", "203.0.113.9"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("203.0.113.7", "198.51.100.1", "203.0.113.7"),
    ],
)
def test_the_client_of_a_proxy_is_named(peer: str, forwarded: str, client: str) -> None:
    environ = {"REMOTE_ADDR": peer, "HTTP_X_FORWARDED_FOR": forwarded}
    assert client_address(environ) == client
