"""Files that the engine writes are whole, or as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.formats.files import written_whole


def test_a_file_whose_writing_fails_stays_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    def fail_in_the_middle() -> None:
        with written_whole(path) as part:
            Path(part).write_text("half of the n")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_in_the_middle()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
