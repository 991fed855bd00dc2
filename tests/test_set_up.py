"""The set-up of a checkout: what is done once, what again, and what a half-done one leaves."""

import os
import re
import subprocess
from pathlib import Path

import lock_files
import pytest
import release
import set_up

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A checkout with a working .venv (this one's) and two files that steps depend on."""
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(ROOT / ".venv" / "bin")
    (tmp_path / "a.txt").write_text("a")
    (tmp_path / "b.txt").write_text("b")
    return tmp_path


def recorded(name: str, done: list[str]) -> set_up.Step:
    """A step that depends on NAME.txt and makes NAME.done."""

    def work(root: Path) -> None:
        done.append(name)
        (root / f"{name}.done").touch()

    return set_up.Step(name, f"Making {name}", (f"{name}.txt",), (f"{name}.done",), work)


def test_whatever_set_up_fetches_is_fetched_again_when_it_is_gone() -> None:
    """What used to happen: without vendor/, set-up had nothing to do, and exports asked for it."""
    (front_end,) = (step for step in set_up.STEPS if step.name == "front end")
    for folder in release.FETCHED:
        assert any(result.startswith(f"{folder}/") for result in front_end.results)


def test_a_step_is_due_again_when_one_of_its_results_is_gone(checkout: Path) -> None:
    def work(root: Path) -> None:
        done.append("c")
        for name in ("one", "two"):
            (root / name).touch()

    done: list[str] = []
    step = set_up.Step("c", "Making c", ("a.txt",), ("one", "two"), work)
    set_up.set_up(checkout, [step])
    (checkout / "two").unlink()
    for _ in range(2):
        set_up.set_up(checkout, [step])
    assert done == ["c", "c"]


def test_second_start_does_nothing(checkout: Path) -> None:
    done: list[str] = []
    for _ in range(2):
        set_up.set_up(checkout, [recorded("a", done), recorded("b", done)])
    assert done == ["a", "b"]


def test_only_the_step_whose_file_changed_is_done_again(checkout: Path) -> None:
    done: list[str] = []
    steps = [recorded("a", done), recorded("b", done)]
    set_up.set_up(checkout, steps)
    (checkout / "b.txt").write_text("another version")
    set_up.set_up(checkout, steps)
    assert done == ["a", "b", "b"]


def test_a_result_that_was_removed_is_made_again(checkout: Path) -> None:
    done: list[str] = []
    set_up.set_up(checkout, [recorded("a", done)])
    (checkout / "a.done").unlink()
    set_up.set_up(checkout, [recorded("a", done)])
    assert done == ["a", "a"]


def test_a_moved_checkout_is_set_up_again(checkout: Path, tmp_path: Path) -> None:
    done: list[str] = []
    set_up.set_up(checkout, [recorded("a", done)])
    moved = checkout.rename(tmp_path.with_name(tmp_path.name + "-moved"))
    set_up.set_up(moved, [recorded("a", done)])
    assert done == ["a", "a"]


@pytest.mark.parametrize("stop", [KeyboardInterrupt, subprocess.CalledProcessError(1, "pip")])
def test_an_interrupted_set_up_goes_on_where_it_stopped(
    checkout: Path, stop: type[BaseException] | BaseException
) -> None:
    done: list[str] = []

    def interrupted(root: Path) -> None:
        (root / "b.done").touch()  # half a result
        raise stop

    half = set_up.Step("b", "Making b", ("b.txt",), ("b.done",), interrupted)
    with pytest.raises((KeyboardInterrupt, subprocess.CalledProcessError)):
        set_up.set_up(checkout, [recorded("a", done), half])
    set_up.set_up(checkout, [recorded("a", done), recorded("b", done)])
    assert done == ["a", "b"]


def test_a_broken_stamp_file_means_set_up_again(checkout: Path) -> None:
    done: list[str] = []
    set_up.set_up(checkout, [recorded("a", done)])
    (checkout / ".venv" / "set-up.json").write_text('{"a": ')
    set_up.set_up(checkout, [recorded("a", done)])
    assert done == ["a", "a"]


def test_requirements_that_have_changed_without_their_locks_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What used to happen: what had been added was not installed, without a word."""
    for name in (*lock_files.INPUTS, *lock_files.LOCKS):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    set_up.warn_of_stale_locks(tmp_path)
    assert capsys.readouterr().err == ""
    with (tmp_path / "requirements_test.txt").open("a") as file:
        file.write("another==1.0\n")
    set_up.warn_of_stale_locks(tmp_path)
    assert "`make lock` renews the locks" in capsys.readouterr().err


@pytest.mark.slow
def test_an_environment_without_python_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to("/nowhere/python3")
    set_up.make_environment(tmp_path)
    assert set_up.environment_works(tmp_path / ".venv")


def test_an_old_python_is_told_what_to_do(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    result = subprocess.run(
        [ROOT / "scripts" / "set-up"],
        env={**os.environ, "DIGITS_PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 1
    assert "needs Python 3.11 or newer; found: Python 3.9.2" in result.stderr
    assert "DIGITS_PYTHON=" in result.stderr


def test_the_lock_file_names_no_download_addresses() -> None:
    lock = (ROOT / "package-lock.json").read_text()
    assert "resolved" not in lock
    assert "integrity" in lock


def test_the_pages_find_every_icon_and_no_icon_is_fetched_for_nothing() -> None:
    pages = "".join(page.read_text() for page in ROOT.glob("templates/**/*.html"))
    fetched = set((ROOT / "scripts" / "icons.txt").read_text().split())
    shown = set(re.findall(r"""\b(?:icon|empty_state)\(["']([a-z0-9-]+)["']""", pages))
    assert shown <= fetched
    named = set(re.findall(r"""["']([a-z0-9-]+)["']""", pages))
    assert fetched - named == set()
