"""Web listings: the pages of nginx and Apache, a real nginx, and servers that misbehave."""

import shutil
import threading
import time
from urllib.parse import unquote

import pytest

from digits.base.progress import Skipped, Warned
from digits.sources.listing import Listing, parse_listing
from digits.sources.picture_list import PictureList, read_labels
from tests.tools.programs import datum_pixels, make_classes, read_lmdb, run, save_picture, succeed
from tests.tools.web import nginx, send, serving

BASE = "http://host/photos/"
NGINX_PAGE = """<html>
<head><title>Index of /photos/</title></head>
<body>
<h1>Index of /photos/</h1><hr><pre><a href="../">../</a>
<a href="big%20cat/">big cat/</a>                     21-Apr-2015 14:06                   -
<a href="%C3%BCber.jpg">über.jpg</a>                  21-Apr-2015 14:06                1234
<a href="a%26b%23c.png">a&amp;b#c.png</a>             21-Apr-2015 14:06                1234
</pre><hr></body>
</html>"""
APACHE_PAGE = """<!DOCTYPE HTML PUBLIC "-//W3C//DTD HTML 3.2 Final//EN">
<html><body><h1>Index of /photos</h1>
<table><tr><th><a href="?C=N;O=D">Name</a></th><th><a href="?C=M;O=A">Last modified</a></th></tr>
<tr><td valign="top"><img src="/icons/back.gif" alt="[PARENTDIR]"></td>
<td><a href="/">Parent Directory</a></td></tr>
<tr><td><img src="/icons/folder.gif"></td><td><a href="big%20cat/">big cat/</a></td></tr>
<tr><td><A HREF="/photos/x.jpg">x.jpg</A></td><td><a href="x.jpg">x.jpg</a></td></tr>
<tr><td><a href="http://elsewhere/photos/y.jpg">y</a><a href="mailto:me">me</a></td></tr>
<tr><td><a href="cat/deeper/z.jpg">z</a><a href="http://[broken">b</a><a>none</a></td></tr>
</table></body></html>"""


def test_the_pages_of_nginx_and_apache_are_understood():
    assert parse_listing(NGINX_PAGE, BASE) == Listing(
        [BASE + "big%20cat/"], [BASE + "%C3%BCber.jpg", BASE + "a%26b%23c.png"]
    )
    assert parse_listing(APACHE_PAGE, BASE) == Listing([BASE + "big%20cat/"], [BASE + "x.jpg"])


@pytest.mark.parametrize(
    "page", ["", "no links", "<a href='", '<a href="\x00%zz">x</a>', "<" * 999]
)
def test_pages_that_are_no_listings_have_no_entries(page):
    assert parse_listing(page, BASE).folders == []


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_pictures_are_listed_and_fetched_from_a_real_nginx(tmp_path):
    source = make_classes(
        tmp_path / "site" / "my photos", {"big_cat": 6, "dog": 3, "dog/älter & #1": 3}
    )
    save_picture(source / "dog" / "100%.png")
    (source / "dog" / "notes.txt").write_text("no picture")
    (source / "dog" / "broken.png").write_text("no picture")
    (source / "empty").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    with nginx(tmp_path / "site", tmp_path) as url:
        succeed("parse_folder", f"{url}my photos", out, "--pct-val", 0)
        assert read_labels(out / "labels.txt") == ["big cat", "dog"]
        listed = [unquote(entry.path).removeprefix(url) for entry in PictureList(out / "train.txt")]
        expected = [str(path.relative_to(tmp_path / "site")) for path in source.rglob("*.png")]
        assert sorted(listed) == sorted(expected)
        options = ["--width", 8, "--height", 6, "--encoding", "none"]
        finished = succeed("create_db", out / "train.txt", out / "train_db", *options)
    (skipped,) = finished.events(Skipped)
    assert skipped.path.endswith("broken.png")
    assert skipped.reason.startswith("not a picture")
    records = list(read_lmdb(out / "train_db"))
    assert [datum.label for _, datum in records] == [0] * 6 + [1] * 7
    assert datum_pixels(records[0][1])[0, 0].tolist() == [1, 0, 0]


def page_of(*links: str) -> bytes:
    return "".join(f'<a href="{link}">{link}</a>' for link in links).encode()


def test_a_listing_whose_folders_nest_for_ever_comes_to_an_end(tmp_path):
    def answer(request):
        send(request, page_of("a/", "b/") if request.path == "/" else page_of("x.png", "loop/"))

    with serving(answer) as url:
        finished = succeed("parse_folder", url, tmp_path, "--pct-val", 0)
    assert len(PictureList(tmp_path / "train.txt")) == 2 * 16
    assert len(finished.events(Skipped)) == 2


def test_a_listing_that_fails_inside_is_told_and_the_rest_is_used(tmp_path):
    def answer(request):
        pages = {"/": page_of("a/", "b/"), "/a/": page_of("1.png", "2.png", "gone/")}
        body = pages.get(request.path, page_of("3.png", "4.png") if request.path == "/b/" else None)
        send(request, body or b"", 200 if body else 404)

    with serving(answer) as url:
        finished = succeed("parse_folder", url, tmp_path, "--pct-val", 0)
    (skipped,) = finished.events(Skipped)
    assert skipped.reason == "the listing cannot be read: the server answered 404 Not Found"
    assert len(PictureList(tmp_path / "train.txt")) == 4
    assert finished.events(Warned) == []


@pytest.mark.slow
def test_listings_that_cannot_be_read_end_with_one_clear_line(tmp_path):
    def answer(request):
        send(
            request,
            b"<h1>Welcome</h1>" if request.path == "/" else b"",
            200 if request.path == "/" else 403,
        )

    with serving(answer) as url:
        assert "must have at least 2 sub-folders" in run("parse_folder", url, tmp_path).error
        assert (
            "the server answered 403 Forbidden" in run("parse_folder", url + "x/", tmp_path).error
        )
    assert "the server cannot be reached" in run("parse_folder", url, tmp_path).error
    assert "cannot be read" in run("parse_folder", "http://[broken", tmp_path).error
    assert not list(tmp_path.iterdir())


def test_downloading_is_parallel_but_polite_and_waits_when_it_is_told(tmp_path):
    picture = save_picture(tmp_path / "x.png").read_bytes()
    lock, now_running, most_running, refused = threading.Lock(), 0, 0, []
    agents = set()

    def answer(request):
        nonlocal now_running, most_running
        agents.add(request.headers["User-Agent"])
        with lock:
            now_running += 1
            most_running = max(most_running, now_running)
        time.sleep(0.02)  # as a distant server takes its time
        if request.path == "/30.png" and len(refused) < 2:
            refused.append(time.monotonic())
            send(request, b"", 503, Retry_After="1")
        else:
            send(request, picture)
        with lock:
            now_running -= 1

    with serving(answer) as url:
        (tmp_path / "list.txt").write_text("".join(f"{url}{i}.png {i % 2}\n" for i in range(100)))
        options = ["--width", 8, "--height", 6]
        succeed("create_db", tmp_path / "list.txt", tmp_path / "db", *options)
    assert 1 < most_running <= 8
    assert refused[1] - refused[0] >= 1
    assert agents == {"DIGITS (image dataset import)"}
    assert [int(key[:8]) % 2 for key, _ in read_lmdb(tmp_path / "db")] == [0, 1] * 50
    assert [datum.label for _, datum in read_lmdb(tmp_path / "db")] == [0, 1] * 50
