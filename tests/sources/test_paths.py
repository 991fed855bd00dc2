"""Which paths users may name: nothing leads out of the data roots."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from digits.dataset.tasks.parse_textfile import ParseTextfileTask
from digits.sources.paths import (
    MOST_SUGGESTIONS,
    PathNotAllowed,
    PathPolicy,
    add_path_options,
    policy_of,
)
from tests.tools.programs import run, save_picture, succeed


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """data/cats/tom.jpg and data/cows inside the root `data`; secret/key outside."""
    for folder in ("data/cats", "data/cows", "secret", "jobs/one"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "data/cats/tom.jpg").touch()
    (tmp_path / "data/captions.txt").touch()
    (tmp_path / "data/.hidden").touch()
    (tmp_path / "secret/key").touch()
    return tmp_path.resolve()


@pytest.fixture
def policy(top: Path) -> PathPolicy:
    return PathPolicy([str(top / "data")], top / "jobs")


def test_a_path_inside_a_root_is_allowed(policy: PathPolicy, top: Path) -> None:
    assert policy.check(f" {top}/data/cats/../cats/tom.jpg ") == top / "data/cats/tom.jpg"
    assert policy.check(f"{top}/data") == top / "data"
    assert policy.check(f"{top}/jobs/one") == top / "jobs/one"


@pytest.mark.parametrize(
    "tail",
    ["secret/key", "data/../secret/key", "data/cats/../../secret", "database", "data/../..", ""],
)
def test_a_path_outside_the_roots_is_refused_and_the_roots_named(
    policy: PathPolicy, top: Path, tail: str
) -> None:
    with pytest.raises(PathNotAllowed, match=rf"outside the folders .*{top}/data"):
        policy.check(f"{top}/{tail}")


def test_a_link_does_not_lead_out(policy: PathPolicy, top: Path) -> None:
    (top / "data/link").symlink_to(top / "secret")
    (top / "data/inner").symlink_to(top / "data/cats")
    for path in ("link", "link/key", "link/../secret"):
        with pytest.raises(PathNotAllowed, match="outside"):
            policy.check(f"{top}/data/{path}")
    assert policy.check(f"{top}/data/inner/tom.jpg") == top / "data/cats/tom.jpg"


@pytest.mark.parametrize(
    "text",
    ["", "  ", "a\0b", "/a\nb", "/data\0", "relative/path", ".", "~nobody-here/x", "/\udce9"],
)
def test_what_is_no_path_is_refused(text: str, tmp_path: Path) -> None:
    if text == "/\udce9":  # a name that is not UTF-8 is a path all the same
        assert PathPolicy([], tmp_path).check(text) == Path(text)
        return
    with pytest.raises(PathNotAllowed):
        PathPolicy([], tmp_path).check(text)


def test_a_link_in_a_circle_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(PathNotAllowed, match="cannot be followed"):
        PathPolicy([], tmp_path).check(f"{tmp_path}/a")


def test_without_roots_every_absolute_path_is_allowed(tmp_path: Path) -> None:
    assert PathPolicy([], tmp_path / "jobs").check("/etc/passwd") == Path("/etc/passwd")


def test_where_others_have_access_only_the_jobs_are_allowed_unless_there_are_roots(
    top: Path,
) -> None:
    policy = PathPolicy([], top / "jobs", others_have_access=lambda: True)
    assert policy.check(f"{top}/jobs/one") == top / "jobs/one"
    assert policy.roots == [top / "jobs"]
    with pytest.raises(PathNotAllowed, match="setting data_roots"):
        policy.check(f"{top}/data/cats")
    assert policy.suggest("/") == []
    given = PathPolicy([str(top / "data")], top / "jobs", others_have_access=lambda: True)
    assert given.check(f"{top}/data/cats") == top / "data/cats"


def test_the_home_folder_is_completed(top: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(top / "data"))
    policy = PathPolicy([])
    assert policy.suggest("~") == ["~/"]
    assert "~/cats/" in policy.suggest("~/")
    assert policy.check("~/cats") == top / "data/cats"


@pytest.mark.parametrize("others", [True, False])
@pytest.mark.parametrize("name", [".secret_key", ".users.json", ".deleted-x/log", "one/.run/pid"])
def test_the_servers_own_files_are_allowed_to_nobody(top: Path, name: str, others: bool) -> None:
    file = top / "jobs" / name
    file.parent.mkdir(exist_ok=True)
    file.touch()
    (top / "data/link").symlink_to(file)
    for roots in ([], [str(top)]):
        policy = PathPolicy(roots, top / "jobs", others_have_access=lambda: others)
        for path in (file, top / "data/link"):
            with pytest.raises(PathNotAllowed):
                policy.check(str(path))
        folder, prefix = str(file.parent), file.name[:1]
        assert policy.suggest(f"{folder}/{prefix}") == []


@pytest.mark.parametrize("path", ["/proc/self/environ", "/proc/1/maps", "/sys/kernel"])
def test_what_the_kernel_shows_of_processes_is_allowed_to_nobody(path: str, tmp_path: Path) -> None:
    with pytest.raises(PathNotAllowed):
        PathPolicy([], tmp_path).check(path)


def test_the_pictures_of_the_demo_are_no_secret(top: Path) -> None:
    policy = PathPolicy([], top / "jobs", others_have_access=lambda: True)
    sample = top / "jobs" / ".sample-digits"
    assert policy.check(f"{sample}/0/x.png") == sample / "0/x.png"
    with pytest.raises(PathNotAllowed):
        policy.check(f"{sample}/.hidden")


def test_suggestions_are_folders_first_without_hidden_names(policy: PathPolicy, top: Path) -> None:
    assert policy.suggest(f"{top}/data/c") == [
        f"{top}/data/cats/",
        f"{top}/data/cows/",
        f"{top}/data/captions.txt",
    ]
    assert policy.suggest(f"{top}/data/.h") == [f"{top}/data/.hidden"]
    assert policy.suggest(f"{top}/data/cats/") == [f"{top}/data/cats/tom.jpg"]


def test_suggestions_begin_with_the_roots(policy: PathPolicy, top: Path) -> None:
    assert policy.suggest("") == [f"{top}/data/"]
    assert PathPolicy([], top).suggest("") == ["/"]


@pytest.mark.parametrize("tail", ["secret/", "", "data/../secret/", "data/nowhere/", "data/\0"])
def test_nothing_is_suggested_outside_the_roots(policy: PathPolicy, top: Path, tail: str) -> None:
    assert policy.suggest(f"{top}/{tail}") == []


@pytest.mark.parametrize("query", ["relative", "~nobody-here/", "\0"])
def test_nothing_is_suggested_for_what_is_no_path(tmp_path: Path, query: str) -> None:
    assert PathPolicy([], tmp_path).suggest(query) == []


def test_links_that_lead_out_or_in_a_circle_are_not_suggested(
    policy: PathPolicy, top: Path
) -> None:
    (top / "data/cut").symlink_to(top / "secret")
    (top / "data/cur").symlink_to(top / "data/cur")
    (top / "data/cup").symlink_to(top / "data/cats")
    assert policy.suggest(f"{top}/data/cu") == [f"{top}/data/cup/"]


def test_no_more_than_fifty_are_suggested(policy: PathPolicy, top: Path) -> None:
    for number in range(MOST_SUGGESTIONS + 10):
        (top / f"data/cats/{number:03}.jpg").touch()
    assert len(policy.suggest(f"{top}/data/cats/0")) == MOST_SUGGESTIONS


# What programs are told ---------------------------------------------------------------------------


def allowed_in_a_form(policy: PathPolicy, path: str) -> bool:
    try:
        policy.check(path)
    except PathNotAllowed:
        return False
    return True


def told(jobs_dir: Path, roots: list[str]) -> list[str]:
    """The options with which a task starts its program."""
    task = ParseTextfileTask(jobs_dir / "one", "parse", folders={"train": ""}, data_roots=roots)
    return task.root_options(task.data_roots)


def policy_of_a_program(jobs_dir: Path, roots: list[str]) -> PathPolicy:
    """What a program may read that a task of the job `one` starts."""
    parser = argparse.ArgumentParser()
    add_path_options(parser)
    return policy_of(parser.parse_args(told(jobs_dir, roots)))


@pytest.mark.parametrize("roots", [[], ["data"], ["data", "secret"], [""], ["jobs"]], ids=str)
@pytest.mark.parametrize(
    "path",
    [
        "data/cats/tom.jpg",
        "data/.hidden",
        "data/cats/../../secret/key",
        "data/link",
        "data/nothing.png",
        "secret/key",
        "database/x.png",
        "jobs",
        "jobs/one/x.png",
        "jobs/.secret_key",
        "jobs/one/.run/pid",
        "jobs/.sample-digits/0/x.png",
        "jobs/.sample-digits/.x.png",
        "jobs/one/../.secret_key",
        "jobs/link",
        "/proc/self/environ",
        "/sys/kernel/x.png",
    ],
)
def test_programs_may_read_what_forms_may_name(top: Path, path: str, roots: list[str]) -> None:
    (top / "data/link").symlink_to(top / "jobs/.secret_key")
    (top / "jobs/link").symlink_to(top / "secret/key")
    absolute = str(top / path)
    given = [str(top / root) for root in roots]
    form, program = PathPolicy(given, top / "jobs"), policy_of_a_program(top / "jobs", given)
    allowed = allowed_in_a_form(form, absolute)
    assert program.allows_path(absolute) is allowed
    # A link that is a file is looked at when it is read; lists hold no folders.
    if not Path(absolute).is_symlink() and not Path(absolute).is_dir():
        assert program.allows_listed(absolute) is allowed


def test_programs_are_kept_to_the_jobs_where_others_have_access(top: Path) -> None:
    form = PathPolicy([], top / "jobs", others_have_access=lambda: True)
    program = policy_of_a_program(top / "jobs", [str(root) for root in form.roots])
    for path in ("data/cats/tom.jpg", "jobs/one/x.png", "jobs/.secret_key"):
        assert program.allows_path(f"{top}/{path}") is allowed_in_a_form(form, f"{top}/{path}")


@pytest.mark.parametrize("roots", [[], ["."]], ids=["anywhere", "a root"])
def test_programs_read_nothing_of_the_servers_own(top: Path, roots: list[str]) -> None:
    options = told(top / "jobs", [str(top / root) for root in roots])
    save_picture(top / "jobs/.deleted-x/cat/0.png")
    (top / "names.txt").write_text("cat\ndog\n")
    (top / "list.txt").write_text(f"{top}/jobs/.deleted-x/cat/0.png 0\n")
    names = ["--labels", top / "names.txt", "--train", top / "list.txt"]
    listed = run("parse_textfile", top / "jobs/one", *names, *options)
    assert "outside of the folders that may be read" in listed.error
    found = run("parse_folder", top / "jobs/.deleted-x", top / "jobs/one", *options)
    assert "may be read" in found.error or "the server's own" in found.error
    picture = save_picture(top / "data/a.png")
    (top / "data/link.png").symlink_to(top / "jobs/.deleted-x/cat/0.png")
    (top / "list.txt").write_text(f"{picture} 0\n{top}/data/link.png 1\n")
    size = ["--width", 8, "--height", 8]
    made = succeed("create_db", top / "list.txt", top / "db", *size, *options)
    assert "1 skipped" in made.log
