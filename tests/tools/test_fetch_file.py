"""A file from an address: whole on the disk, or not there at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.errors import ToolError
from digits.sources.downloads import Downloader
from digits.sources.url_policy import ANYWHERE
from digits.tools.fetch_file import fetch
from tests.disks import mounted_disk
from tests.tools.web import send, serving

CONTENT = bytes(range(256)) * 1000


def test_a_file_is_fetched_as_it_is(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with serving(lambda request: send(request, CONTENT)) as url:
        assert fetch(f"{url}weights", out, Downloader(ANYWHERE)) == f"256,000 bytes in {out}."
    assert out.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("status", "most_bytes", "words"),
    [(404, 1 << 20, "the server answered 404"), (200, 1000, "larger than 1,000 bytes")],
)
def test_what_cannot_be_fetched_leaves_no_file(
    tmp_path: Path, status: int, most_bytes: int, words: str
) -> None:
    with (
        serving(lambda request: send(request, CONTENT, status)) as url,
        pytest.raises(ToolError, match=words),
    ):
        fetch(f"{url}weights", tmp_path / "out", Downloader(ANYWHERE), most_bytes)
    assert not (tmp_path / "out").exists()


def test_a_full_disk_leaves_no_file(tmp_path: Path) -> None:
    with (
        mounted_disk(tmp_path / "small") as disk,
        serving(lambda request: send(request, CONTENT)) as url,
    ):
        disk.fill()
        with pytest.raises(OSError, match="No space left"):
            fetch(f"{url}weights", disk.path / "out", Downloader(ANYWHERE))
        assert not (disk.path / "out").exists()
