"""Which pictures an evaluation finds below a folder."""

from __future__ import annotations

from pathlib import Path

from digits.inference.evaluate import _find
from digits.sources.paths import PathPolicy
from tests.tools.programs import save_picture


def test_links_out_of_what_may_be_read_are_left_out(tmp_path: Path) -> None:
    inside = save_picture(tmp_path / "photos/a.png")
    outside = save_picture(tmp_path / "secret/b.png")
    (tmp_path / "photos/link.png").symlink_to(outside)
    (tmp_path / "photos/folder").symlink_to(outside.parent)
    _find(tmp_path / "photos", tmp_path / "found", None, PathPolicy([tmp_path / "photos"]))
    assert (tmp_path / "found").read_text() == f"{inside}\n"
