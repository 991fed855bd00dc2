"""What the server fetches for users: nothing of its own or its network's, however it is named."""

from __future__ import annotations

import contextlib
import gzip
import ipaddress
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from digits.errors import ConfigError
from digits.sources import downloads
from digits.sources.downloads import Downloader, DownloadError
from digits.sources.url_policy import ANYWHERE, AddressRefused, Allowed, UrlPolicy
from tests.apps import running_app
from tests.security.people import add_people
from tests.tools.web import send, serving

STRICT = UrlPolicy.of((), private=False)
AT_HOME = UrlPolicy.of((), private=True)

# Addresses -> whether they are fetched from where others have access, and at home.
ADDRESSES = {
    # The world.
    "93.184.216.34": (True, True),
    "8.8.8.8": (True, True),
    "2606:2800:220:1:248:1893:25c8:1946": (True, True),
    # This machine.
    "127.0.0.1": (False, False),
    "127.8.9.1": (False, False),
    "0.0.0.0": (False, False),
    "0.1.2.3": (False, False),
    "::1": (False, False),
    "::": (False, False),
    # One's own network.
    "10.0.0.1": (False, True),
    "172.16.0.1": (False, True),
    "172.31.255.255": (False, True),
    "192.168.1.1": (False, True),
    "fc00::1": (False, True),
    "fd12:3456::1": (False, True),
    # Links, providers' networks, the clouds' metadata.
    "169.254.1.1": (False, False),
    "169.254.169.254": (False, False),
    "100.100.100.200": (False, False),
    "100.64.0.1": (False, False),
    "168.63.129.16": (False, False),
    "192.0.0.192": (False, False),
    "fe80::1": (False, False),
    "fe80::1%eth0": (False, False),
    "fec0::1": (False, False),
    "3fff::1": (False, False),
    "fd00:ec2::254": (False, False),
    # To many, to nobody.
    "224.0.0.1": (False, False),
    "239.255.255.250": (False, False),
    "255.255.255.255": (False, False),
    "240.0.0.1": (False, False),
    "ff02::1": (False, False),
    "192.0.2.1": (False, False),
    "198.18.0.1": (False, False),
    "2001:db8::1": (False, False),
    # The same, an address in the other.
    "::ffff:127.0.0.1": (False, False),
    "::ffff:169.254.169.254": (False, False),
    "::ffff:10.0.0.1": (False, True),
    "::ffff:8.8.8.8": (True, True),
    "::127.0.0.1": (False, False),
    "2002:7f00:1::": (False, False),  # 6to4 of 127.0.0.1
    "2002:a00:1::": (False, True),  # 6to4 of 10.0.0.1
    "64:ff9b::7f00:1": (False, False),  # NAT64
    "64:ff9b::a9fe:a9fe": (False, False),
    "64:ff9b:1::a9fe:a9fe": (False, False),
    "2001:0:4136:e378:8000:63bf:80ff:fffe": (False, False),  # Teredo of 127.0.0.1
}


def only(host: str) -> UrlPolicy:
    return UrlPolicy.of((host,), private=False)


def fetch(url: str, policy: UrlPolicy = ANYWHERE, **options: Any) -> tuple[bytes, str]:
    return Downloader(policy).fetch(url, **options)


@pytest.fixture
def inside() -> Iterator[str]:
    """A server of this machine, with a secret."""
    with serving(lambda request: send(request, b"secret")) as url:
        yield url


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str) -> list[str]:
    """Let every name resolve to these addresses, one a question, the last one for ever."""
    left = list(answers)
    asked: list[str] = []
    real = socket.getaddrinfo

    def stub(host: Any, port: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            ipaddress.ip_address(host)
        except ValueError:
            asked.append(host)
            host = left.pop(0) if len(left) > 1 else left[0]
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", stub)
    return asked


# Addresses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ADDRESSES)
def test_an_address_is_fetched_from_or_not(address: str) -> None:
    among_others, at_home = ADDRESSES[address]
    assert STRICT.allows("host.example", 80, address) is among_others
    assert AT_HOME.allows("host.example", 80, address) is at_home
    assert ANYWHERE.allows("host.example", 80, address)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "127.1",
        "0x7f.0.0.1",
        "0x7f000001",
        "2130706433",
        "017700000001",
        "0",
        "0.0.0.0",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "\u2460\u2461\u2466.0.0.1",
        "user@127.0.0.1",
        "images.example@127.0.0.1",
        "169.254.169.254",
        "[fe80::1]",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.0.1",
        "224.0.0.1",
    ],
)
@pytest.mark.parametrize("scheme", ["http", "https", "HTTP"])
def test_no_way_to_write_an_inside_address_is_fetched(scheme: str, host: str) -> None:
    with pytest.raises(DownloadError) as caught:
        fetch(f"{scheme}://{host}:9/x.png", STRICT)
    reasons = ("which it does not fetch from", "cannot be reached", "there can be no such address")
    assert any(reason in str(caught.value) for reason in reasons)


@pytest.mark.parametrize(
    "url",
    [
        "file:///etc/passwd",
        "ftp://127.0.0.1/x",
        "gopher://127.0.0.1:70/_x",
        "data:image/png;base64,AAAA",
        "dict://127.0.0.1:11211/stat",
        "unix:///var/run/docker.sock",
        "http+unix://%2Fvar%2Frun/x",
        "javascript:1",
        "//127.0.0.1/",
        "",
        "http://",
        "http:///x",
        "http://[",
        "http://[::1",
        "http://a b/",
        "http://\r\nX: y/",
        "http://127.0.0.1:99999999/",
        "http://127.0.0.1:-1/",
        "http://" + "a" * 300 + "/",
        "http://\udcff/",
        "\thttp://127.0.0.1:9/",
        "http:127.0.0.1:9",
        "http:/127.0.0.1:9/",
        "http:\\\\127.0.0.1:9\\",
    ],
)
def test_what_is_no_web_address_is_no_download_and_no_crash(url: str) -> None:
    with pytest.raises(DownloadError):
        fetch(url, STRICT)


# Names --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [ANYWHERE, STRICT], ids=["by hand", "by the server"])
@pytest.mark.parametrize(
    "url",
    [
        f"http://{'a' * 64}.com/x", "http://a..b/x", "http://.a/", "http://*.a/", "http://[::1/x",
        "http://host:99999/", "http://host:x/", "http:///x", "http://a b/", "http://\ud800/",
        "http://%zz/",
    ],
)  # fmt: skip
def test_a_host_that_there_cannot_be_is_told_in_plain_words(policy: UrlPolicy, url: str) -> None:
    """They were told in the words of the libraries: UnicodeError, idna, InvalidURL."""
    with pytest.raises(DownloadError) as caught:
        Downloader(policy).fetch(url, again=False)
    assert str(caught.value) == (
        "there can be no such address: check the name of its host, and its port"
    )


def test_a_name_that_stands_for_an_inside_address_is_refused(
    monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    resolving(monkeypatch, "127.0.0.1")
    with pytest.raises(DownloadError, match="does not fetch from"):
        fetch(inside.replace("127.0.0.1", "images.example"), STRICT)


def test_a_name_is_asked_for_once_and_its_address_is_the_one_that_is_connected_to(
    monkeypatch: pytest.MonkeyPatch, inside: str
) -> None:
    """DNS rebinding: the first answer is harmless, the next ones are this machine."""
    asked = resolving(monkeypatch, "192.0.2.1", "127.0.0.1")
    monkeypatch.setattr(UrlPolicy, "allows", lambda self, host, port, text: text == "192.0.2.1")
    connected: list[str] = []

    def no_network(address: tuple[str, int], *args: Any, **options: Any) -> socket.socket:
        connected.append(address[0])
        raise OSError("no network in this test")

    monkeypatch.setattr(downloads.urllib3_connection, "create_connection", no_network)
    with pytest.raises(DownloadError):
        fetch(inside.replace("127.0.0.1", "images.example"), STRICT)
    # Each try asks once, checks that answer, and connects to it as a number or not at all.
    assert set(connected) == {"192.0.2.1"}
    assert len(connected) <= len(asked)


def test_of_several_addresses_only_those_that_may_be_are_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    entries = [
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80))
        for address in ("127.0.0.1", "8.8.8.8", "10.0.0.1", "1.1.1.1")
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries)
    assert STRICT.addresses("images.example", 80) == ["8.8.8.8", "1.1.1.1"]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **options: entries[:1])
    with pytest.raises(AddressRefused, match="images.example is an address of this server"):
        STRICT.addresses("images.example", 80)


def test_the_host_that_was_asked_for_is_named_to_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[str] = []

    def answer(request: BaseHTTPRequestHandler) -> None:
        seen.append(request.headers["Host"])
        send(request, b"picture")

    with serving(answer) as url:
        resolving(monkeypatch, "127.0.0.1")
        named = url.replace("127.0.0.1", "images.example")
        assert fetch(named, only("127.0.0.1"))[0] == b"picture"
    assert seen[0].startswith("images.example:")


def test_a_certificate_is_checked_against_the_name(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=images.example", "-addext",
         "subjectAltName=DNS:images.example", "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    names: list[str | None] = []
    context.sni_callback = lambda sock, name, ctx: names.append(name)
    with serving(lambda request: send(request, b"picture"), context) as url:
        port = url.rstrip("/").rpartition(":")[2]
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
        resolving(monkeypatch, "127.0.0.1")
        policy = only(f"127.0.0.1:{port}")
        assert fetch(f"https://images.example:{port}/x.png", policy)[0] == b"picture"
        assert names == ["images.example"]
        with pytest.raises(DownloadError):
            fetch(f"https://other.example:{port}/x.png", policy)


# Redirects ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "target",
    [
        "INSIDE",
        "http://localhost:PORT/",
        "http://[::ffff:127.0.0.1]:PORT/",
        "//127.0.0.2:PORT/",
        "http://169.254.169.254/latest/meta-data/",
        "http://10.0.0.1/",
        "file:///etc/passwd",
        "ftp://127.0.0.1/",
        "gopher://127.0.0.1/",
        "http://[",
    ],
)
@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_a_redirect_leads_nowhere_that_is_not_fetched_from(
    inside: str, target: str, code: int
) -> None:
    target = target.replace("INSIDE", inside).replace("PORT", inside.rstrip("/").rpartition(":")[2])

    with serving(lambda request: send(request, b"", code, Location=target)) as url:
        port = url.rstrip("/").rpartition(":")[2]
        with pytest.raises(DownloadError) as caught:
            fetch(url, only(f"127.0.0.1:{port}"))
    assert "secret" not in str(caught.value)


def test_redirects_end(inside: str) -> None:
    with (
        serving(lambda request: send(request, b"", 302, Location=request.path + "x")) as url,
        pytest.raises(DownloadError, match="too often"),
    ):
        fetch(url)


# Limits -------------------------------------------------------------------------------------------


def drip(piece: bytes, begin: bytes = b"") -> Callable[[BaseHTTPRequestHandler], None]:
    """An answer that never ends, a piece at a time."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        with contextlib.suppress(OSError):
            request.wfile.write(begin)
            while True:
                request.wfile.write(piece)
                request.wfile.flush()
                time.sleep(0.02)

    return answer


@pytest.mark.parametrize(
    "answer",
    [
        drip(b"x"),
        drip(b"X-A: b\r\n", b"HTTP/1.1 200 OK\r\n"),
        drip(b"x", b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n"),
        drip(b"1\r\nx\r\n", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
    ids=["first line", "headers", "body", "chunks"],
)
def test_a_server_that_drips_is_left_in_time(answer: Any) -> None:
    with serving(answer) as url, pytest.raises(DownloadError):
        fetch(url, total_s=1.0)


@pytest.mark.parametrize("encoding", [None, "gzip"])
def test_a_body_larger_than_the_limit_is_not_taken(encoding: str | None) -> None:
    body = bytes(5_000_000)
    headers = {"Content_Encoding": encoding} if encoding else {}
    body = gzip.compress(body) if encoding else body
    with (
        serving(lambda request: send(request, body, **headers)) as url,
        pytest.raises(DownloadError, match="larger than 1,000,000 bytes"),
    ):
        fetch(url, max_bytes=1_000_000)


# The allow list -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "host", "port", "address", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1", 80, "127.0.0.1", True),
        ("127.0.0.1", "127.0.0.2", 80, "127.0.0.2", False),
        ("127.0.0.1:8080", "127.0.0.1", 8080, "127.0.0.1", True),
        ("127.0.0.1:8080", "127.0.0.1", 80, "127.0.0.1", False),
        ("10.1.0.0/16", "nas.lab", 80, "10.1.2.3", True),
        ("10.1.0.0/16", "nas.lab", 80, "10.2.2.3", False),
        ("10.1.0.0/16", "nas.lab", 80, "::ffff:10.1.2.3", True),
        ("nas.lab", "nas.lab", 80, "10.2.2.3", True),
        ("nas.lab", "NAS.lab.", 80, "10.2.2.3", True),
        ("nas.lab", "evil-nas.lab", 80, "10.2.2.3", False),
        ("*.lab", "nas.lab", 80, "10.2.2.3", True),
        ("*.lab", "lab", 80, "10.2.2.3", False),
        ("*.lab", "evillab", 80, "10.2.2.3", False),
        ("[::1]:80", "::1", 80, "::1", True),
        ("::1", "::1", 81, "::1", True),
        ("fd00::/8", "nas", 80, "fd00::5", True),
    ],
)
def test_the_allow_list(entry: str, host: str, port: int, address: str, allowed: bool) -> None:
    policy = UrlPolicy.of((entry,), private=False)
    assert policy.allows(host, port, address) is allowed
    told = UrlPolicy.from_environment(policy.to_environment())
    assert told == policy


@pytest.mark.parametrize(
    "entry", ["", "http://x", "a b", "10.0.0.0/99", "x:0", "x:99999", "[::1", "*", "x/y", "x:y"]
)
def test_an_entry_that_is_none_is_told_at_the_start(entry: str) -> None:
    with pytest.raises(ConfigError, match="url_allow must hold hosts or networks"):
        UrlPolicy.of((entry,), private=False)
    with pytest.raises(ValueError):  # noqa: PT011 - the config's message is the one that is shown
        Allowed.parse(entry)


# Through the server -------------------------------------------------------------------------------


def test_programs_are_told_what_the_server_may_fetch(tmp_path: Path, inside: str) -> None:
    with running_app(tmp_path / "jobs", url_allow=("nas.lab",), host="0.0.0.0") as app:
        environment = app.extensions["digits"].policies.environment()
    for told, ending in ((environment, "does not fetch from"), ({}, "")):
        done = subprocess.run(
            [sys.executable, "-m", "digits.tools.parse_folder", inside, str(tmp_path)],
            env={**os.environ, **told},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 1
        assert (ending in done.stderr) is True
        assert "secret" not in done.stderr
    assert json.loads(environment["DIGITS_FETCH_FROM"]) == {
        "allow": ["[nas.lab]"],
        "private": False,
    }


@pytest.mark.parametrize(
    "command",
    [
        "parse_folder URL OUT",
        "create_db LIST OUT/db --width 8 --height 8",
        "resize_image URL OUT/small.png --width 8 --height 8",
    ],
)
def test_every_program_that_fetches_keeps_to_what_it_was_told(
    tmp_path: Path, inside: str, command: str
) -> None:
    (tmp_path / "list.txt").write_text(f"{inside}a.png 0\n{inside}b.png 1\n")
    places = {"URL": inside, "OUT": str(tmp_path), "LIST": str(tmp_path / "list.txt")}
    for name, place in places.items():
        command = command.replace(name, place)
    done = subprocess.run(
        [sys.executable, "-m", *f"digits.tools.{command}".split()],
        env={**os.environ, **STRICT.to_environment()},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "does not fetch from" in done.stdout + done.stderr


# A server as its entry points make it; its jobs' programs are started before anybody asks it.
SERVER = """
import sys
from pathlib import Path
from digits.config import Config
from digits.jobs.status import Status
from digits.server import build
from tests.conftest import wait_until
from tests.program_jobs import ProgramJob, program

server = build(Config(jobs_dir=Path(sys.argv[1]), host="0.0.0.0", url_allow=("nas.lab",)))
server.scheduler.wait_until_loaded()
job = server.scheduler.add_job(ProgramJob, "one", program('echo "$DIGITS_FETCH_FROM"'))
wait_until(lambda: job.status is Status.DONE)
print(*job.tasks[0].lines)
server.stop()
"""


@pytest.mark.slow
def test_programs_are_told_before_the_first_request(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SERVER, str(tmp_path / "jobs")],
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
        text=True,
    )
    assert json.loads(done.stdout) == {"allow": ["[nas.lab]"], "private": False}


def test_what_is_fetched_depends_on_who_has_access(tmp_path: Path) -> None:
    jobs_dir = tmp_path / "jobs"
    with running_app(jobs_dir, url_allow=()) as app:
        policies = app.extensions["digits"].policies
        assert UrlPolicy.from_environment(policies.environment()) == AT_HOME
        assert policies.downloader().policy == AT_HOME
        add_people(jobs_dir)
        assert UrlPolicy.from_environment(policies.environment()) == STRICT
        assert policies.downloader().policy == STRICT


def test_downloads_of_several_threads_do_not_share_connections(inside: str) -> None:
    downloader, sessions, bodies = Downloader(only("127.0.0.1")), set(), []

    def download() -> None:
        bodies.append(downloader.fetch(inside)[0])
        sessions.add(downloader._session())
        everybody.wait()

    everybody = threading.Barrier(4)
    threads = [threading.Thread(target=download) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert bodies == [b"secret"] * 4
    assert len(sessions) == 4
