"""nginx.site in a real nginx, in front of a real server."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import wait_until
from tests.server_process import ServerProcess

TOP = Path(__file__).parent.parent
# What nginx.site itself says of a server below a path, as sed's.
ADDRESS = re.compile(r"(location (= |~ \^)?|auth_request )/")


@dataclass
class Site:
    """The address of nginx and the server behind it."""

    url: str
    server: ServerProcess


@contextlib.contextmanager
def running_site(folder: Path, server: ServerProcess, *, prefix: str = "") -> Iterator[Site]:
    """nginx with its files in `folder`, in front of a server that runs."""
    port = free_port()
    text = site_text(server, f"127.0.0.1:{port}")
    if prefix:
        text = ADDRESS.sub(rf"\1{prefix}/", text)
    (folder / "nginx.conf").write_text(main_configuration(folder, text))
    command = nginx_command(folder)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        wait_until(lambda: listens(port) or process.poll() is not None)
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        yield Site(f"http://127.0.0.1:{port}{prefix}", server)
    finally:
        process.terminate()
        process.communicate(timeout=30)


def open_to_nginx(folder: Path, base: Path) -> None:
    """Let nginx's workers, which run as another user, through to a folder below `base`."""
    for path in (folder, *folder.parents):
        if path.is_relative_to(base):
            path.chmod(0o755)


def nginx_command(folder: Path, *more: str) -> list[str]:
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    configuration = str(folder / "nginx.conf")
    return [nginx, "-p", str(folder), "-c", configuration, "-g", "daemon off;", *more]


def site_text(server: ServerProcess, listen: str) -> str:
    """nginx.site with the lines marked CHANGE changed."""
    text = (TOP / "nginx.site").read_text()
    host = server.url.removeprefix("http://").partition("/")[0]
    changes = {
        "server 127.0.0.1:5000;": f"server {host};",
        "    listen 80;                      #": f"    listen {listen}; #",
        "/opt/digits/static/": f"{TOP}/static/",
        "/opt/digits/jobs/": f"{server.jobs_dir}/",
    }
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


def main_configuration(folder: Path, site: str) -> str:
    """A configuration of nginx that holds the site and writes nothing outside `folder`."""
    user = "user root;\n" if os.getuid() == 0 else ""
    temporary = "".join(
        f"{kind}_temp_path {folder}/{kind};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    types = "types { text/html html; text/css css; text/javascript js; image/svg+xml svg; }"
    return (
        f"{user}pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{types}\n{temporary}{site}}}\n"
    )


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def listens(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
