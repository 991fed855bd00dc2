"""nginx.site in a real nginx, in front of the real server."""

from __future__ import annotations

import contextlib
import http.client
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
import socketio

from tests.conftest import wait_until
from tests.nginx import (
    Site,
    free_port,
    listens,
    main_configuration,
    nginx_command,
    open_to_nginx,
    running_site,
    site_text,
)
from tests.pictures import make_class_folders
from tests.security.people import add_people, bearer
from tests.server_process import ProductionServer

PREFIX = "/digits"
A_YEAR = "public, max-age=31536000, immutable"
PAGES = ["/", "/datasets/images/classification/new", "/models/images/classification/new"]
# More than may stand in the memory, and what the largest datasets have.
UPLOADS_MB = [300, pytest.param(2000, marks=pytest.mark.slow)]
MEGABYTE = 1 << 20
# Of all that passes through.
MOST_GROWTH_MB = 100


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ProductionServer]:
    folder = tmp_path_factory.mktemp("nginx")
    open_to_nginx(folder, tmp_path_factory.getbasetemp())
    running = ProductionServer(folder / "jobs")
    running.start()
    running.get("/")
    yield running
    running.stop()


@pytest.fixture(scope="module")
def site(server: ProductionServer) -> Iterator[Site]:
    with running_site(server.jobs_dir.parent, server) as running:
        yield running


def test_while_the_server_is_away_a_page_loads_itself_again(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """What used to happen: a bare "502 Bad Gateway" for as long as a restart takes."""
    folder = tmp_path_factory.mktemp("away")
    open_to_nginx(folder, tmp_path_factory.getbasetemp())
    (folder / "jobs").mkdir()
    server = ProductionServer(folder / "jobs")
    server.url = f"http://127.0.0.1:{free_port()}"  # where nobody listens
    with running_site(folder, server) as site:
        for path in ("/", "/models/x", "/files/20200101-000000-abcdef/log", "/metrics"):
            page = requests.get(f"{site.url}{path}", headers={"Accept": "text/html"}, timeout=30)
            assert page.status_code == 503
            assert page.headers["Content-Type"] == "text/html"
            assert int(page.headers["Retry-After"]) > 0
            assert 'http-equiv="refresh"' in page.text
            script = requests.get(f"{site.url}{path}", timeout=30)
            assert script.status_code == 503
            assert script.json()["error"]["code"] == 503
        sent = requests.post(f"{site.url}/jobs/rescan", timeout=30)
        assert sent.status_code == 503


def test_pages_come_through(site: Site) -> None:
    answer = requests.get(f"{site.url}/", timeout=30)
    assert answer.status_code == 200
    assert "Content-Security-Policy" in answer.headers


def test_static_files_are_served_by_nginx_compressed_and_for_a_year(site: Site) -> None:
    page = requests.get(f"{site.url}/", timeout=30).text
    (address,) = re.findall(r'"(/static/v-[0-9a-f]+/css/layout\.css)"', page)
    answer = requests.get(f"{site.url}{address}", timeout=30)
    assert answer.status_code == 200
    assert answer.headers["Server"].startswith("nginx")
    assert answer.headers["Content-Encoding"] == "gzip"
    assert answer.headers["Content-Type"] == "text/css"
    assert answer.headers["Cache-Control"] == A_YEAR
    plain = requests.get(f"{site.url}/static/css/layout.css", timeout=30)
    assert plain.text == answer.text
    assert plain.headers["Cache-Control"] == "no-cache"


def test_the_server_says_the_same_of_static_files_as_nginx(site: Site) -> None:
    page = requests.get(f"{site.url}/", timeout=30).text
    for address in re.findall(r'"(/static/[^"#]+)', page):
        by_nginx = requests.get(f"{site.url}{address}", timeout=30)
        by_server = site.server.get(address)
        assert by_nginx.content == by_server.content
        assert by_nginx.headers["Cache-Control"] == by_server.headers["Cache-Control"] == A_YEAR


def test_pages_are_compressed(site: Site) -> None:
    answer = requests.get(f"{site.url}/", timeout=30)
    assert answer.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["Vary"]


def test_another_machine_is_told_no_metrics(site: Site) -> None:
    assert requests.get(f"{site.url}/metrics", timeout=30).status_code == 200
    assert "deny all;" in (site.server.jobs_dir.parent / "nginx.conf").read_text()


def test_files_of_jobs_are_served_by_nginx_with_ranges(site: Site) -> None:
    folder = site.server.jobs_dir / "20200101-000000-abcdef"
    folder.mkdir(exist_ok=True)
    (folder / "page.html").write_text("<script>evil()</script>")
    answer = requests.get(f"{site.url}/files/{folder.name}/page.html", timeout=30)
    assert answer.text == "<script>evil()</script>"
    assert answer.headers["Content-Disposition"] == "attachment"
    assert answer.headers["Content-Type"] == "application/octet-stream"
    part = requests.get(
        f"{site.url}/files/{folder.name}/page.html", headers={"Range": "bytes=1-6"}, timeout=30
    )
    assert (part.status_code, part.text) == (206, "script")


@pytest.mark.parametrize(
    "path", [".secret_key", "20200101-000000-fedcba/link", "../outside", "%2e%2e/outside", ""]
)
def test_nothing_but_files_of_jobs_is_served(site: Site, path: str) -> None:
    (site.server.jobs_dir.parent / "outside").write_text("secret")
    folder = site.server.jobs_dir / "20200101-000000-fedcba"
    folder.mkdir(exist_ok=True)
    if not (folder / "link").is_symlink():
        (folder / "link").symlink_to(site.server.jobs_dir.parent / "outside")
    request = requests.Request("GET", "http://unused").prepare()
    request.url = f"{site.url}/files/{path}"  # as it stands: requests would tidy it up
    with requests.Session() as session:
        answer = session.send(request, timeout=30)
    assert answer.status_code in (400, 403, 404)
    assert "secret" not in answer.text


def test_live_messages_come_over_a_websocket_for_a_page_of_this_site(site: Site) -> None:
    received: list[dict[str, object]] = []
    client = socketio.Client()
    client.on("job update", received.append, namespace="/home")
    # The client sends an Origin header, as a browser does: a proxy that changed Host would fail.
    client.connect(site.url, namespaces=["/home"], transports=["websocket"])
    try:
        assert client.transport() == "websocket"
        form = {"dataset_name": "By nginx", "folder_train": str(site.server.jobs_dir)}
        answer = requests.post(
            f"{site.url}/datasets/images/classification.json", data=form, timeout=30
        )
        assert answer.status_code == 200
        wait_until(lambda: any(message["update"] == "added" for message in received))
    finally:
        client.disconnect()


def test_a_file_that_is_not_there_is_answered_by_a_page_of_ours(site: Site) -> None:
    answer = requests.get(f"{site.url}/files/20200101-000000-abcdef/no-such-file", timeout=30)
    assert answer.status_code == 404
    assert "<nav" in answer.text


@pytest.mark.slow
def test_with_users_files_are_for_those_who_are_logged_in(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("users")
    open_to_nginx(folder, tmp_path_factory.getbasetemp())
    server = ProductionServer(folder / "jobs")
    job = server.jobs_dir / "20200101-000000-abcdef"
    job.mkdir(parents=True)
    (job / "static").mkdir()
    for name in ("log.txt", "static/a.png"):
        (job / name).write_text("hush")
    tokens = add_people(server.jobs_dir)
    server.start()
    server.get("/healthz")
    address = f"/files/{job.name}/log.txt"
    try:
        with running_site(folder, server) as site:
            browser = {"Accept": "text/html"}
            stranger = requests.get(
                f"{site.url}{address}", headers=browser, timeout=30, allow_redirects=False
            )
            assert stranger.status_code == 303
            assert urlsplit(stranger.headers["Location"]).path == "/login"
            script = requests.get(f"{site.url}{address}", timeout=30)
            assert script.status_code == 401
            assert "hush" not in script.text
            for lie in (f"/files/{job.name}", "/files", f"/files/{job.name}/static"):
                for headers in ({"X-Forwarded-Prefix": lie}, {"SCRIPT_NAME": lie}):
                    for path in (address, f"/files/{job.name}/static/a.png", f"/{address}"):
                        answer = requests.get(f"{site.url}{path}", headers=headers, timeout=30)
                        assert answer.status_code == 401
                        assert "hush" not in answer.text
            known = requests.get(
                f"{site.url}{address}", headers=bearer(next(iter(tokens.values()))), timeout=30
            )
            assert known.text == "hush"
            assert known.headers["Server"].startswith("nginx")
    finally:
        server.stop()


def test_the_example_with_tls_serves_pages_whose_cookies_are_secure(
    server: ProductionServer, tmp_path: Path
) -> None:
    key, certificate = tmp_path / "privkey.pem", tmp_path / "fullchain.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    text = site_text(server, "REMOVED")
    assert "    listen REMOVED;" in text
    text = re.sub(r"    listen REMOVED;.*\n", "", text)
    text = re.sub(r"(?m)^ *# \| ?", "", text)
    text = text.replace("/etc/ssl/digits", str(tmp_path))
    text = text.replace("listen 443", f"listen 127.0.0.1:{port}")
    text = text.replace("listen 80;", f"listen 127.0.0.1:{free_port()};")
    text = re.sub(r" *listen \[::\]:.*\n", "", text)
    (tmp_path / "nginx.conf").write_text(main_configuration(tmp_path, text))
    with subprocess.Popen(nginx_command(tmp_path)) as process:
        try:
            wait_until(lambda: listens(port) or process.poll() is not None)
            answer = requests.get(
                f"https://localhost:{port}/datasets/images/classification/new",
                verify=str(certificate),
                timeout=30,
            )
            assert answer.status_code == 200
            assert "Strict-Transport-Security" in answer.headers
            assert "Secure" in answer.headers["Set-Cookie"]
        finally:
            process.terminate()


@pytest.mark.parametrize("upload_mb", UPLOADS_MB)
@pytest.mark.slow
def test_a_large_upload_goes_to_the_disk_of_the_jobs_and_not_into_the_memory(
    site: Site, upload_mb: int
) -> None:
    worker = psutil.Process(worker_pid(site))
    before = worker.memory_info().rss
    boundary = "a-boundary"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="dataset_name"\r\n\r\nBig\r\n'
        f'--{boundary}\r\nContent-Disposition: form-data; name="archive_file"; '
        f'filename="big.zip"\r\nContent-Type: application/zip\r\n\r\n'
    ).encode()
    tail = f"\r\n--{boundary}--\r\n".encode()
    piece = bytes(MEGABYTE)
    with contextlib.closing(http.client.HTTPConnection(urlsplit(site.url).netloc)) as connection:
        connection.putrequest("POST", "/datasets/images/classification.json")
        connection.putheader("Content-Type", f"multipart/form-data; boundary={boundary}")
        connection.putheader("Content-Length", str(len(head) + len(tail) + upload_mb * MEGABYTE))
        connection.endheaders(head)
        most = before
        for number in range(upload_mb):
            connection.send(piece)
            if number % 100 == 0:
                most = max(most, worker.memory_info().rss)
        assert nameless_bytes(worker.pid, site.server.jobs_dir) > 0.8 * upload_mb * MEGABYTE
        connection.send(tail)
        answer = connection.getresponse()
        assert answer.status == 400  # zeros are no archive
        assert b"errors" in answer.read()
    most = max(most, worker.memory_info().rss)
    assert most - before < MOST_GROWTH_MB * MEGABYTE
    wait_until(lambda: nameless_bytes(worker.pid, site.server.jobs_dir) == 0)


def worker_pid(site: Site) -> int:
    assert isinstance(site.server, ProductionServer)
    return site.server.worker_pid()


def nameless_bytes(pid: int, folder: Path) -> int:
    """The size of the files below `folder` that a process has open and that have no name."""
    total = 0
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            target = str(link.readlink())
            if target.startswith(str(folder)) and target.endswith(" (deleted)"):
                total += link.stat().st_size
    return total


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("prefixed")
    open_to_nginx(folder, tmp_path_factory.getbasetemp())
    server = ProductionServer(folder / "jobs", {"DIGITS_URL_PREFIX": PREFIX})
    server.start()
    server.get("/healthz")
    with running_site(folder, server, prefix=PREFIX) as site:
        yield site
    server.stop()


@pytest.mark.parametrize("path", PAGES)
def test_below_a_prefix_every_address_of_a_page_begins_with_it(prefixed: Site, path: str) -> None:
    answer = requests.get(f"{prefixed.url}{path}", timeout=30)
    assert answer.status_code == 200
    addresses = re.findall(r'(?:href|src|action|data-[a-z-]*url)="(/[^"]*)"', answer.text)
    assert len(addresses) > 5
    assert [address for address in addresses if not address.startswith(f"{PREFIX}/")] == []
    origin = prefixed.url.removesuffix(PREFIX)
    for address in addresses:
        if "/static/" in address:
            assert requests.get(f"{origin}{address.split('#')[0]}", timeout=30).status_code == 200


def test_below_a_prefix_forms_redirects_and_files_work(prefixed: Site, tmp_path: Path) -> None:
    with requests.Session() as session:
        page = session.get(f"{prefixed.url}/datasets/images/classification/new", timeout=30)
        (cookie,) = session.cookies
        assert cookie.path == PREFIX
        token = re.findall(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)[0]
        folder = make_class_folders(tmp_path / "pictures")
        form = {"csrf_token": token, "dataset_name": "Below", "folder_train": str(folder)}
        made = session.post(
            f"{prefixed.url}/datasets/images/classification",
            data=form,
            allow_redirects=False,
            timeout=60,
        )
    assert made.status_code == 303, made.text
    location = urlsplit(made.headers["Location"]).path
    assert location.startswith(f"{PREFIX}/datasets/")
    job_id = location.rpartition("/")[2]
    found = requests.get(f"{prefixed.url}/jobs/{job_id}", timeout=30, allow_redirects=False)
    assert urlsplit(found.headers["Location"]).path == location
    file = requests.get(f"{prefixed.url}/files/{job_id}/job.json", timeout=30)
    assert file.json()["name"] == "Below"
    assert file.headers["Server"].startswith("nginx")


def test_below_a_prefix_the_server_alone_serves_both_with_it_and_without(prefixed: Site) -> None:
    own = prefixed.server.url
    for path in ("/index.json", f"{PREFIX}/index.json"):
        assert requests.get(f"{own}{path}", timeout=30).status_code == 200
    assert requests.get(f"{own}{PREFIX}x/index.json", timeout=30).status_code == 404
