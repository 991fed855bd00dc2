"""Hostile requests, as tables: what is sent, and which answers are right.

Words in capitals (JOBS, OUTSIDE, DATASET, MODEL, PICTURES) stand for names of `world.World`.
Nothing here has a 5xx among its right answers.
"""

from __future__ import annotations

import io
import itertools
import json
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

NOT_FOUND = (404,)
# A path that werkzeug would write otherwise is redirected to the plain one.
NOT_SERVED = (301, 308, 404)
BAD = (400,)
DATASETS = "/datasets/images/classification.json"
MODELS = "/models/images/classification.json"
CLASSIFY = "/models/images/classification/classify_one.json?job_id=MODEL"
CLASSIFY_MANY = "/models/images/classification/classify_many.json?job_id=MODEL"
TOP_N = "/models/images/classification/top_n.json?job_id=MODEL"


@dataclass(frozen=True)
class Hostile:
    """A request and the status codes that answer it rightly."""

    method: str
    path: str
    codes: tuple[int, ...]
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    data: Any = None
    # Called for each request, since an upload is read but once.
    upload: Callable[[], tuple[Any, str]] | None = None
    upload_field: str = ""
    content_type: str | None = None
    json: Any = None
    # What the answer must say; empty: anything.
    says: str = ""


# Paths in addresses -------------------------------------------------------------------------------

UPS = (
    "../", "..%2f", "%2e%2e/", "%2e%2e%2f", ".%2e/", "..\\", "..%5c", "%252e%252e%252f", "..%252f",
    "..%c0%af", "%c0%ae%c0%ae/", "..%ef%bc%8f", "%u002e%u002e/", "..;/", "....//", "../\0", "./../",
    "..%00/", "//../", "/./../", "..%09/", "%2e%2e%5c", "\u2025/", "\uff0e\uff0e/",
)  # fmt: skip
SECRETS = ("outside/secret.txt", "jobs/.secret_key", "jobs/DATASET/.hidden", "etc/passwd")


def traversals() -> Iterator[Hostile]:
    for up, secret in itertools.product(UPS, SECRETS):
        yield Hostile("GET", f"/files/{up * 8}{secret}", NOT_SERVED)
        yield Hostile("GET", f"/files/DATASET/{up}{up}{secret}", NOT_SERVED)
        yield Hostile("GET", f"/static/{up * 8}{secret}", NOT_SERVED)


HIDDEN = (
    ".secret_key", "./.secret_key", "DATASET/../.secret_key", ".users.json.part", "DATASET/.hidden",
    "DATASET/link.txt", "DATASET/link/secret.txt", "DATASET/./.hidden", ".SECRET_KEY",
    "%2esecret_key",
    "DATASET/%2ehidden", "DATASET//.hidden", "DATASET/train_db/../.hidden", "", ".", "..", "/",
    "OUTSIDE/secret.txt", "/OUTSIDE/secret.txt", "//OUTSIDE/secret.txt", "file:///etc/passwd",
    "~/.ssh/id_rsa", "~root/.bashrc", "DATASET/labels.txt/", "DATASET/labels.txt/..", "\0",
    "DATASET/labels.txt\0.png", "DATASET/" + "a/" * 500, "x" * 5000, "con", "DATASET/%00",
    "DATASET/labels.txt::$DATA", "%", "%zz", "DATASET/\r\nSet-Cookie: a=b",
)  # fmt: skip


def hidden_files() -> Iterator[Hostile]:
    for path in HIDDEN:
        yield Hostile("GET", f"/files/{path}", NOT_SERVED)


IDS = (
    "..", "%2e%2e", "../DATASET", "DATASET/..", "%2fetc%2fpasswd", "OUTSIDE", "nothing", "0", "-1",
    "' OR 1=1 --", "{{7*7}}", "${7*7}", "<script>alert(1)</script>", "%00", "DATASET%00",
    "DATASET%0a", "DATASET ", " DATASET", "x" * 3000, "\u202e", "__class__", "DATASET.json.json",
    "%ff", "null", "*", "DATASET;MODEL",
)  # fmt: skip


def job_ids() -> Iterator[Hostile]:
    """Ids of no job, wherever an id goes.  405: as a path it may be another route's."""
    right = (301, 308, 404, 405)
    for text in IDS:
        for prefix in ("jobs", "datasets", "models"):
            yield Hostile("GET", f"/{prefix}/{text}/status", right)
        yield Hostile("DELETE", f"/jobs/{text}", right)
        yield Hostile("GET", f"/models/{text}/download.zip", right)
        yield Hostile("GET", "/datasets/summary", NOT_FOUND, query={"job_id": text})


# Paths in forms -----------------------------------------------------------------------------------

PATHS = (
    "/etc/passwd", "/etc", "OUTSIDE", "OUTSIDE/secret.txt", "PICTURES/../outside",
    "PICTURES/way_out", "PICTURES/way_out/secret.txt", "PICTURES/./../outside/secret.txt",
    "JOBS/.secret_key", "JOBS/.users.json.part", "JOBS/DATASET/.hidden", "JOBS/DATASET/link",
    "JOBS/DATASET/link.txt", "/proc/self/environ", "/proc/self/root/etc/passwd", "/sys/kernel",
    "/dev/stdin", "/dev/zero", "~/", "~root/.bashrc", "relative", "..", "", " ", "\0", "/\0",
    "PICTURES\0", "PICTURES\n/etc/passwd", "file:///etc/passwd", "file://PICTURES", "ftp://x/y",
    "\\\\server\\share", "C:\\windows", "/" + "x" * 5000, "PICTURES/" + "../" * 200 + "etc/passwd",
    "%2fetc%2fpasswd", "PICTURES/nothing",
)  # fmt: skip


def form_paths() -> Iterator[Hostile]:
    for path in PATHS:
        yield Hostile(
            "POST", DATASETS, BAD, data={"dataset_name": "x", "folder_train": path},
            says="folder_train",
        )  # fmt: skip
        textfile = {
            "dataset_name": "x",
            "method": "textfile",
            "textfile_use_local_files": "y",
            "textfile_local_train_images": path,
            "textfile_local_labels_file": path,
        }
        yield Hostile("POST", DATASETS, BAD, data=textfile, says="textfile_local_train_images")
        yield Hostile("POST", CLASSIFY, BAD, data={"image_url": path})
        if path.strip():
            network = {
                "model_name": "x", "dataset": "DATASET", "method": "custom",
                "custom_network": "layer { name: 'x' }", "custom_network_snapshot": path,
            }  # fmt: skip
            yield Hostile("POST", MODELS, BAD, data=network, says="custom_network")


def suggested_paths() -> Iterator[Hostile]:
    for path in PATHS:
        yield Hostile("GET", "/autocomplete/path", (200,), query={"query": path})
        yield Hostile("GET", "/autocomplete/path", (200,), query={"query": path + "/"})


def listed_paths() -> Iterator[Hostile]:
    """A list of all of them: each is told to be unreadable, none is read."""
    lines = "\n".join(path for path in PATHS if path.strip() and "\n" not in path)
    for address in (CLASSIFY_MANY, TOP_N):
        yield Hostile(
            "POST",
            address,
            (200, 400),
            upload=lambda: (io.BytesIO(lines.encode("utf-8", "surrogatepass")), "list.txt"),
            upload_field="image_list",
        )


# URLs ---------------------------------------------------------------------------------------------

INSIDE = (
    "http://127.0.0.1/", "http://127.0.0.1:22/", "http://localhost/", "http://[::1]/", "http://0/",
    "http://0x7f000001/", "http://2130706433/", "http://127.1/", "http://0177.0.0.1/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:a9fe:a9fe]/", "http://169.254.169.254/latest/",
    "http://[fd00:ec2::254]/latest/", "http://100.100.100.200/latest/", "http://168.63.129.16/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://224.0.0.1/", "http://[ff02::1]/",
    "http://255.255.255.255/", "http://0.0.0.0:5000/", "http://[::]:5000/", "http://[fe80::1]/",
    "http://evil@127.0.0.1/", "http://127.0.0.1#@example.org/", "http://127.0.0.1?@example.org/",
    "https://127.0.0.1/", "HTTP://LOCALHOST./", "http://localhost%00.example.org/",
    "http://\u2460\u2461\u2466.0.0.1/", "http://[", "http://", "http://:80/", "http://a b/",
    "http://127.0.0.1:99999/", "http://127.0.0.1:-1/", "http://x" + "y" * 3000 + "/",
    "http://127.0.0.1\r\nX-Evil: 1/",
)  # fmt: skip


def inside_urls() -> Iterator[Hostile]:
    for url in INSIDE:
        yield Hostile("POST", CLASSIFY, BAD, data={"image_url": url})
    lines = "\n".join(url for url in INSIDE if "\n" not in url and len(url) < 1000)
    for address in (CLASSIFY_MANY, TOP_N):
        yield Hostile(
            "POST",
            address,
            (200,),
            upload=lambda: (io.BytesIO(lines.encode("utf-8", "replace")), "list.txt"),
            upload_field="image_list",
        )


# Headers ------------------------------------------------------------------------------------------

FOREIGN = (
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost.evil.example"},
    {"Origin": "http://localhost:1"},
    {"Origin": "localhost"},
    {"Origin": ""},
    {"Origin": "http://localhost@evil.example"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Sec-Fetch-Site": "CROSS-SITE"},
    {"Sec-Fetch-Site": "nonsense"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost"},
    {"Origin": "https://evil.example", "X-Forwarded-Host": "evil.example"},
    {"Origin": "https://evil.example", "X-HTTP-Method-Override": "GET"},
)
CHANGING = (
    ("POST", "/jobs/rescan"),
    ("DELETE", "/jobs/DATASET"),
    ("PUT", "/jobs/DATASET"),
    ("POST", DATASETS),
    ("POST", CLASSIFY),
    ("POST", "/models/MODEL/snapshots/prune"),
)
HOSTS = (
    "evil.example", "evil.example:5000", "localhost.evil.example", "evil.localhost.example",
    "127.0.0.1.evil.example", "[::1].evil.example", "evil.example\\localhost",
    "localhost@evil.example",
    "x" * 3000, "evil.example.", "\u00ff.example", "http://localhost/",
)  # fmt: skip
ODD_HEADERS = (
    {"Range": "bytes=-1"}, {"Range": "bytes=99999999999999999999-"}, {"Range": "bytes=5-1"},
    {"Range": "bytes=" + ",".join(f"{n}-{n}" for n in range(2000))}, {"Range": "pages=1-2"},
    {"Range": "bytes=a-b"}, {"Range": "\u00ff"}, {"If-Modified-Since": "yesterday"},
    {"If-None-Match": '"' * 1000}, {"If-Range": "x", "Range": "bytes=0-1"},
    {"If-Modified-Since": "Thu, 99 Foo 99999 99:99:99 GMT"}, {"Accept": "a/b;q=x,,,/;q=-1"},
    {"Accept": "application/json;q=99999999999999999999"}, {"Accept": "\u00ff\u00fe"},
    {"Accept-Language": "x" * 5000}, {"Accept-Encoding": "gzip;q=nan"}, {"Cookie": "session=x"},
    {"Cookie": "session=eyJsb2dpbiI6ICJ4In0.aaaa.bbbb"}, {"Cookie": ";;;=;session;=x"},
    {"Cookie": "session=" + "A" * 20_000}, {"Cookie": "\u00ff=\u00ff"}, {"Authorization": "Bearer"},
    {"Authorization": "Basic !!!"}, {"Authorization": "Bearer \u00ff"}, {"Content-Length": "-1"},
    {"X-Forwarded-For": "1.2.3.4, \u00ff, x"}, {"X-Forwarded-Proto": "javascript"},
    {"X-Forwarded-Prefix": "//evil.example"}, {"X-Forwarded-Host": "evil.example"},
    {"Forwarded": "for=x;host=evil.example"}, {"X-Original-URL": "/jobs/rescan"},
    {"X-Rewrite-URL": "/jobs/rescan"}, {"Transfer-Encoding": "chunked"}, {"Expect": "100-continue"},
    {"Upgrade": "websocket", "Connection": "Upgrade"}, {"Referer": "\u00ff" * 100},
    {"User-Agent": "<script>alert(1)</script>"}, {"Content-Type": "application/json; charset=x"},
    {"Digits-From-Server": "1"}, {"digits.from_server": "1"},
)  # fmt: skip


def foreign_pages() -> Iterator[Hostile]:
    for headers, (method, path) in itertools.product(FOREIGN, CHANGING):
        yield Hostile(method, path, (403,), headers=headers, says="another site")


def foreign_hosts() -> Iterator[Hostile]:
    for host, path in itertools.product(HOSTS, ("/", "/index.json", "/files/DATASET/labels.txt")):
        yield Hostile("GET", path, (400, 403), headers={"Host": host})


def odd_headers() -> Iterator[Hostile]:
    right = (200, 206, 304, 400, 404, 416)
    for headers in ODD_HEADERS:
        for path in ("/", "/index.json", "/files/DATASET/labels.txt", "/nothing"):
            yield Hostile("GET", path, right, headers=headers)


# Bodies -------------------------------------------------------------------------------------------

BODIES: tuple[tuple[Any, str | None], ...] = (
    (b"", None),
    (b"", "application/json"),
    (b"{", "application/json"),
    (b"[]", "application/json"),
    (b"null", "application/json"),
    (b'"x"', "application/json"),
    (b"\xff\xfe", "application/json"),
    (b'{"a":' * 5000, "application/json"),
    (b'{"model_name": {"x": 1}, "dataset": [[[]]], "train_epochs": 1e999}', "application/json"),
    (b'{"dataset_name": "\\ud800", "folder_train": "\\u0000"}', "application/json"),
    (json.dumps({"resize_width": 10**400, "seed": -1}).encode(), "application/json"),
    (b"x", "multipart/form-data"),
    (b"x", "multipart/form-data; boundary="),
    (b"--x\r\n\r\n", "multipart/form-data; boundary=x"),
    (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n', "multipart/form-data; boundary=x"),
    (
        b'--x\r\nContent-Disposition: form-data; name="image_file"; filename="../../x"\r\n\r\ny'
        b"\r\n--x--\r\n",
        "multipart/form-data; boundary=x",
    ),
    (b"".join(b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n' for _ in range(2000)),
     "multipart/form-data; boundary=x"),
    (b"a=" + b"%" * 2000, "application/x-www-form-urlencoded"),
    (b"\xff\xfe=\x00&%ff=%00", "application/x-www-form-urlencoded"),
    (b"&".join(b"a%d=1" % n for n in range(3000)), "application/x-www-form-urlencoded"),
    (b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><a>&x;</a>",
     "application/xml"),
    (b"\x1f\x8b" + b"\x00" * 50, "application/gzip"),
)  # fmt: skip
TAKING = (
    DATASETS,
    MODELS,
    CLASSIFY,
    CLASSIFY_MANY,
    TOP_N,
    "/datasets/images/resize-example",
    "/models/visualize-network",
    "/models/visualize-lr",
    "/models/customize",
    "/login",
)


def odd_bodies() -> Iterator[Hostile]:
    # 200: what needs nothing of the body; 302: /login without users; 413 and 415 are right, too.
    right = (200, 302, 400, 404, 413, 415)
    for path, (body, content_type) in itertools.product(TAKING, BODIES):
        yield Hostile("POST", path, right, data=body, content_type=content_type)
        if path == DATASETS:
            yield Hostile("PUT", "/jobs/MODEL", (400, 413), data=body, content_type=content_type)


# Pictures -----------------------------------------------------------------------------------------


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, rows: bytes = b"", bits: int = 8, colour: int = 0) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    body = _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _saved(kind: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, kind)
    return file.getvalue()


PICTURES: dict[str, Callable[[], bytes]] = {
    "nothing": lambda: b"",
    "text": lambda: b"no picture",
    "a page": lambda: b"<html><script>alert(1)</script></html>",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/x"/></svg>',
    "svg with an entity": lambda: (
        b'<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg>&x;</svg>'
    ),
    "postscript": lambda: (
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd)(r) file\n"
    ),
    "pdf": lambda: b"%PDF-1.4\n1 0 obj<<>>endobj\ntrailer<</Root 1 0 R>>",
    "a huge png without pixels": lambda: _png(100_000, 100_000),
    "a png of four thousand million rows": lambda: _png(1, 2**31 - 1),
    "a png of no size": lambda: _png(0, 0),
    "a bomb": lambda: _png(40_000, 40_000, bytes(60_000_000)),
    "a png with a wrong sum": lambda: _png(8, 8)[:-6] + b"\0" * 6,
    "half a png": lambda: _saved("PNG")[:40],
    "half a jpeg": lambda: _saved("JPEG")[:100],
    "a huge jpeg": lambda: _saved("JPEG").replace(b"\x00\x08\x00\x08", b"\xff\xff\xff\xff", 1),
    "a huge gif": lambda: b"GIF89a\xff\xff\xff\xff\x80\0\0" + b"\0" * 6 + b"\x2c" + b"\0" * 20,
    "a huge bmp": lambda: _saved("BMP")[:18] + struct.pack("<ii", 2**30, 2**30) + b"\0" * 60,
    "a tiff that points to itself": lambda: b"II*\0\x08\0\0\0\0\0\x08\0\0\0",
    "a webp": lambda: b"RIFF\xff\xff\xff\xffWEBPVP8X\x0a\0\0\0" + b"\xff" * 16,
    "an icon": lambda: b"\0\0\1\0\xff\xff" + b"\xff" * 40,
    "a fits file": lambda: b"SIMPLE  =                    T" + b" " * 2850,
    "a zip": lambda: b"PK\3\4" + b"\0" * 100,
    "a program": lambda: b"\x7fELF" + b"\0" * 100,
    "a pixmap of a billion pixels": lambda: b"P6 100000 100000 255\n" + b"\0" * 100,
    "a pixmap with a long number": lambda: b"P6 " + b"9" * 5000 + b" 1 255\n",
    "zeros": lambda: bytes(100_000),
}  # fmt: skip


def pictures() -> Iterator[Hostile]:
    for make in PICTURES.values():
        for name in ("x.png", "../../x", "x.svg\r\nX-Evil: 1"):
            yield Hostile(
                "POST",
                CLASSIFY,
                BAD,
                upload=lambda make=make, name=name: (io.BytesIO(make()), name),  # type: ignore[misc]
                upload_field="image_file",
                says="" if "\r" in name else "cannot be",
            )


# Networks -----------------------------------------------------------------------------------------

NETWORKS = (
    "", " ", "\0", "layer {", "}", "layer { } " * 5000, "{" * 100_000, "name: '" + "x" * 100_000,
    "layer { name: 'x' type: 'Python' python_param { module: 'os' layer: 'x' } }",
    "layer { name: 'x' type: 'ImageData' image_data_param { source: '/etc/passwd' } }",
    "layer { name: 'x' type: 'HDF5Data' hdf5_data_param { source: '/etc/passwd' } }",
    "layer { name: 'x' type: 'Data' data_param { source: '/etc/passwd' } }",
    "layer { name: 'x' type: 'InfogainLoss' infogain_loss_param { source: '/etc/passwd' } }",
    "import '/etc/passwd'", "any: { [type.googleapis.com/x] { } }", "\u202e", "\xff\xfe",
    "layer { name: '<script>alert(1)</script>' type: 'X' }", "input: 'a' input_dim: 99999999999",
    "layer { name: 'a' type: 'Split' bottom: 'a' top: 'a' }", "layer: 1", "solver_mode: GPU",
    'layer { name: "\\377\\376" type: "ReLU" }', 'layer { name: "a\\" ]; system(\\"id\\")" }',
)  # fmt: skip


def networks() -> Iterator[Hostile]:
    for text in NETWORKS:
        form = {"model_name": "x", "dataset": "DATASET", "method": "custom", "custom_network": text}
        yield Hostile("POST", MODELS, BAD, data=form)
    for text in NETWORKS:
        yield Hostile(
            "POST", "/models/visualize-network", (200, 400), data={"custom_network": text}
        )


# Queries ------------------------------------------------------------------------------------------

VALUES = (
    "", "-1", "0", "1e99", "99999999999999999999", "nan", "\0", "' OR 1=1 --", "{{7*7}}",
    "<script>alert(1)</script>", "../../etc/passwd", "x" * 5000, "\u202e", "\U0001f600", "%s%n",
)  # fmt: skip


def queries() -> Iterator[Hostile]:
    right = (200, 400, 404)
    for value in VALUES:
        yield Hostile("GET", "/", right, query={"search": value, "datasets_page": value})
        yield Hostile("GET", "/models/MODEL/download.zip", right, query={"epoch": value})
        yield Hostile("GET", "/models/images/classification/new", right, query={"clone": value})
        yield Hostile("GET", "/datasets/images/classification/new", right, query={"clone": value})
        yield Hostile("POST", "/models/customize", right, query={"network": value})
        yield Hostile("DELETE", f"/models/MODEL/snapshots/{value or 'x'}", (308, 400, 404, 405))
        yield Hostile("PUT", "/jobs/MODEL", right, data={"job_name": value})


GROUPS: dict[str, Callable[[], Iterator[Hostile]]] = {
    "paths that lead out of the files": traversals,
    "files that are hidden": hidden_files,
    "ids of no job": job_ids,
    "paths in forms": form_paths,
    "paths to be completed": suggested_paths,
    "paths in lists": listed_paths,
    "addresses inside": inside_urls,
    "requests of another site's page": foreign_pages,
    "names that are not ours": foreign_hosts,
    "odd headers": odd_headers,
    "odd bodies": odd_bodies,
    "pictures": pictures,
    "networks": networks,
    "queries": queries,
}
