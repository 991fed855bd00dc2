"""Opening the pictures of a list, one by one, and why some cannot be."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from digits.inference.opening import Opener
from digits.sources.downloads import Downloader
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import Entry
from digits.sources.url_policy import ANYWHERE


def test_pictures_are_opened_as_they_are_needed_and_reasons_kept(tmp_path: Path) -> None:
    (tmp_path / "0.png").touch()
    opener = Opener(str(tmp_path), PathPolicy([str(tmp_path)], tmp_path), Downloader(ANYWHERE))
    asked: list[int] = []

    def endless() -> Iterator[Entry]:
        for number in range(1_000_000):
            asked.append(number)
            yield Entry(f"{number % 3}.png" if number % 3 < 2 else "/etc/passwd")

    found = list(islice(opener.open_all(endless()), 3))
    assert found == [tmp_path / "0.png", b"", b""]
    assert len(asked) < 100
    assert opener.reasons[1] == "There is no such file on the server."
    assert "outside the folders that may be read" in opener.reasons[2]
