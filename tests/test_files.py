"""Files of the jobs directory: what a path can name, and that no trick leads out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from digits.files import find_file
from tests.apps import running_app


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    """A jobs directory with one job, and things beside it that are nobody's business."""
    jobs = tmp_path / "jobs"
    (jobs / "one/train_db").mkdir(parents=True)
    (jobs / "one/labels.txt").write_text("cat\n")
    (jobs / "one/train_db/data.mdb").touch()
    (jobs / "one/.run").mkdir()
    (jobs / "one/.run/main.1.pid").touch()
    (jobs / ".secret_key").touch()
    (tmp_path / "jobs-elsewhere").mkdir()
    (tmp_path / "jobs-elsewhere/labels.txt").touch()
    (tmp_path / "secret").touch()
    return jobs.resolve()


@pytest.mark.parametrize("path", ["one/labels.txt", "one/train_db/data.mdb", "one/train_db"])
def test_files_and_folders_of_a_job_are_found(jobs: Path, path: str) -> None:
    assert find_file(jobs, path) == jobs / path


@pytest.mark.parametrize(
    "path",
    [
        "", ".", "./one/labels.txt", "one/./labels.txt", "one/../one/labels.txt",
        "../secret", "one/../../secret", "..", "/etc/passwd", "//etc/passwd",
        "one/labels.txt\0", "\0", "one/nothing", "one/labels.txt/x", "../jobs-elsewhere/labels.txt",
        ".secret_key", "one/.run/main.1.pid", "x" * 5000, "x/" * 3000, "%2e%2e/secret",
        "..\\secret", "one/\udce9",
    ],
)  # fmt: skip
def test_no_trick_leads_anywhere_else(jobs: Path, path: str) -> None:
    assert find_file(jobs, path) is None


@pytest.mark.parametrize(
    "target", ["../../secret", "/etc/passwd", "../.secret_key", ".run/main.1.pid", "..", "link"]
)
def test_a_link_in_a_job_leads_neither_out_nor_to_hidden_files(jobs: Path, target: str) -> None:
    (jobs / "one/link").symlink_to(target)
    assert find_file(jobs, "one/link") is None


def test_a_link_to_a_file_of_a_job_is_followed(jobs: Path) -> None:
    (jobs / "one/link").symlink_to("labels.txt")
    assert find_file(jobs, "one/link") == jobs / "one/labels.txt"


def test_a_pipe_is_not_served(jobs: Path) -> None:
    os.mkfifo(jobs / "one/pipe")
    assert find_file(jobs, "one/pipe") is None


def test_a_range_is_cut_out_and_what_cannot_be_has_the_whole_file(jobs: Path) -> None:
    asked: dict[str, tuple[int, bytes | None]] = {
        "bytes=0-1": (206, b"ca"),
        "bytes=-2": (206, b"t\n"),
        "bytes=9-": (416, None),
        "bytes=2-1": (416, None),
        "x": (200, b"cat\n"),
        "lines=0-1": (200, b"cat\n"),
        "bytes=0-0,2-2": (200, b"cat\n"),
    }
    with running_app(jobs) as app:
        for wanted, (code, data) in asked.items():
            headers = {"Range": wanted}
            with app.test_client().get("/files/one/labels.txt", headers=headers) as answer:
                assert answer.status_code == code, wanted
                assert data is None or answer.data == data, wanted
