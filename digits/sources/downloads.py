"""Fetch pages and pictures politely: few connections, kept open, with retries that wait.

A server that answers 429 or 503 is asked again after as long as it wishes (`Retry-After`), within
limits.  Hosts that are not fetched from (`url_policy.py`) are refused at each connection, so that
neither a redirect nor a name that changes its address leads to one.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util import connection as urllib3_connection
from urllib3.util.retry import Retry

from digits.errors import ToolError
from digits.sources.url_policy import AddressRefused, UrlPolicy

# At most this many requests run at once, whatever the number of cores.
CONNECTIONS = 8
USER_AGENT = "DIGITS (image dataset import)"
MAX_PICTURE_BYTES = 1 << 28
MOST_REDIRECTS = 5
_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S = 10.0, 30.0
# A server that sends a byte now and then never runs into the read timeout.
_TOTAL_TIMEOUT_S = 300.0
_LONGEST_WAIT_S = 60
_BLOCK_BYTES = 1 << 16


class DownloadError(ToolError):
    """A URL cannot be fetched; the message is the reason, without the URL."""


class TooSlow(Exception):
    """The time for a download is up."""


class Downloader:
    """Fetches from where `policy` allows; for any number of threads.

    A server makes one with the policy that holds at the time; a program one with the policy that it
    was started with (`UrlPolicy.from_environment`).
    """

    def __init__(self, policy: UrlPolicy) -> None:
        self.policy = policy
        self._of_thread = threading.local()

    def fetch(
        self,
        url: str,
        max_bytes: int = MAX_PICTURE_BYTES,
        total_s: float = _TOTAL_TIMEOUT_S,
        *,
        again: bool = True,
    ) -> tuple[bytes, str]:
        """What is at `url`, and the URL that it came from after redirects.

        A server that fails is asked again, unless `again` is False because a person waits.
        Raises DownloadError: the URL cannot be fetched or may not be, it is larger than
        `max_bytes`, or it takes longer than `total_s` seconds in all.
        """
        body = bytearray()
        place = self.fetch_into(body.extend, url, max_bytes, total_s, again=again)
        return bytes(body), place

    def fetch_into(
        self,
        write: Callable[[bytes], object],
        url: str,
        max_bytes: int,
        total_s: float = _TOTAL_TIMEOUT_S,
        *,
        again: bool = True,
    ) -> str:
        """Hand what is at `url` to `write`, a piece at a time; the URL that it came from."""
        session = self._session()
        try:
            session.ask_again(again)
            return _answer(session, url, write, max_bytes, total_s)
        except AddressRefused as error:
            raise DownloadError(str(error)) from error
        except TooSlow as error:
            raise DownloadError(f"it took longer than {total_s:g} s") from error
        except (requests.RequestException, ValueError) as error:  # ValueError: a malformed URL
            if session.is_late():
                raise DownloadError(f"it took longer than {total_s:g} s") from error
            raise DownloadError(_reason(error)) from error

    def _session(self) -> Session:
        """This thread's session."""
        session: Session | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = Session(self.policy)
        return session


def _answer(
    session: Session, url: str, write: Callable[[bytes], object], max_bytes: int, total_s: float
) -> str:
    timeouts = (_CONNECT_TIMEOUT_S, _READ_TIMEOUT_S)
    with session.within(total_s), _asked(session, url, timeouts) as response:
        if response.status_code != requests.codes.ok:
            raise DownloadError(f"the server answered {response.status_code} {response.reason}")
        _copy_body(response, write, max_bytes, session)
        return response.url


def _asked(session: Session, url: str, timeouts: tuple[float, float]) -> requests.Response:
    if urlsplit(url.strip()).scheme.lower() not in ("http", "https"):
        raise DownloadError("it is not an http or https address")
    return session.get(url, stream=True, timeout=timeouts)


def _copy_body(
    response: requests.Response,
    write: Callable[[bytes], object],
    max_bytes: int,
    session: Session,
) -> None:
    size = 0
    said = response.headers.get("Content-Length", "")
    if said.isascii() and said.isdigit() and int(said[:20]) > max_bytes:
        raise DownloadError(f"it is larger than {max_bytes:,} bytes")
    for block in response.iter_content(_BLOCK_BYTES):
        size += len(block)
        if size > max_bytes:
            raise DownloadError(f"it is larger than {max_bytes:,} bytes")
        write(block)
        session.check_time()
    session.check_time()


class Session(requests.Session):
    """Connections that a policy allows; used by one thread, so that they are kept and not shared.

    Where hosts are checked, nothing else decides where a connection goes or what it carries: no
    proxy of the environment, no passwords of a .netrc.
    """

    def __init__(self, policy: UrlPolicy) -> None:
        super().__init__()
        self.policy = policy
        self.headers["User-Agent"] = USER_AGENT
        self.max_redirects = MOST_REDIRECTS
        if not policy.anywhere:
            self.trust_env = False
            self.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        self.deadline = 0.0
        self.sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        retry = Retry(
            total=4,
            connect=1,
            other=0,  # a certificate that does not fit
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
            retry_after_max=_LONGEST_WAIT_S,
        )
        self._retries = {True: retry, False: Retry(total=0, other=0, raise_on_status=False)}
        for scheme in ("http://", "https://"):
            self.mount(scheme, _Adapter(self, retry))

    def ask_again(self, again: bool) -> None:
        """Whether servers that fail are asked again from now on."""
        for adapter in self.adapters.values():
            if isinstance(adapter, _Adapter):
                adapter.max_retries = self._retries[again]

    @contextlib.contextmanager
    def within(self, total_s: float) -> Iterator[None]:
        """End what the block fetches after so many seconds, also a server that drips headers."""
        self.deadline = time.monotonic() + total_s
        timer = threading.Timer(total_s, self._close_all)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def is_late(self) -> bool:
        return time.monotonic() >= self.deadline

    def check_time(self) -> None:
        """Raise TooSlow when the time is up."""
        if self.is_late():
            raise TooSlow

    def connect(self, host: str, port: int, connection: Any) -> socket.socket:
        """A socket to one of the host's addresses, which were looked at.

        Raises AddressRefused, TooSlow, OSError.
        """
        self.check_time()
        problem: OSError | None = None
        for address in self.policy.addresses(host, port):
            try:
                return urllib3_connection.create_connection(
                    (address, port),
                    connection.timeout,
                    source_address=connection.source_address,
                    socket_options=connection.socket_options,
                )
            except OSError as error:
                problem = error
        raise problem or OSError(f"{host} has no address")

    def _close_all(self) -> None:
        for each in list(self.sockets):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


class _Adapter(HTTPAdapter):
    """Makes the connections of a session."""

    def __init__(self, session: Session, retry: Retry) -> None:
        self.classes = _pool_classes(session)
        super().__init__(max_retries=retry)

    def init_poolmanager(self, *arguments: Any, **options: Any) -> None:
        super().init_poolmanager(*arguments, **options)
        self.poolmanager.pool_classes_by_scheme = self.classes


def _pool_classes(session: Session) -> dict[str, type[HTTPConnectionPool]]:
    """urllib3's pools, whose connections the session makes."""
    # Weakly: else a session would hold itself, and its sockets would stay open when it is dropped.
    reference = weakref.ref(session)

    class Connecting(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            try:
                owner = reference()
                if owner is None:
                    raise OSError("the session is over")
                return owner.connect(self._dns_host, self.port, self)
            except socket.gaierror as error:
                raise NameResolutionError(self.host, self, error) from error
            except TimeoutError as error:
                raise ConnectTimeoutError(self, f"{self.host} did not answer in time") from error
            except OSError as error:
                raise NewConnectionError(self, str(error)) from error

        def connect(self) -> None:
            super().connect()
            owner = reference()
            if owner is not None and self.sock is not None:
                owner.sockets.add(self.sock)

    class Plain(Connecting):
        pass

    class Encrypted(Connecting, HTTPSConnection):
        # The certificate is checked against the name, not the address.
        pass

    class PlainPool(HTTPConnectionPool):
        ConnectionCls = Plain

    class EncryptedPool(HTTPSConnectionPool):
        ConnectionCls = Encrypted

    return {"http": PlainPool, "https": EncryptedPool}


def _reason(error: Exception) -> str:
    """Why nothing came, without the words of the libraries that found out."""
    kinds: list[tuple[type[Exception], str]] = [
        (
            requests.exceptions.InvalidProxyURL,
            "the proxy that the server's environment names is none",
        ),
        (requests.exceptions.ConnectionError, "the server cannot be reached"),
        (requests.exceptions.Timeout, "the server did not answer in time"),
        (requests.exceptions.TooManyRedirects, "it is redirected in a circle, or too often"),
        (requests.exceptions.InvalidSchema, "it redirects to an address that is not http or https"),
        (requests.exceptions.ChunkedEncodingError, "the server broke off its answer"),
        (requests.exceptions.ContentDecodingError, "what the server sent cannot be unpacked"),
        # A name that no host can have (a part of it is empty or longer than 63 letters), a port
        # beyond 65535, half a bracket: of what was given, or of where that leads to.
        (ValueError, "there can be no such address: check the name of its host, and its port"),
    ]
    for kind, words in kinds:
        if isinstance(error, kind):
            return words
    return "the server's answer cannot be understood"
