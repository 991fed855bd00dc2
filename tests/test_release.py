"""A release: its version and date, and a wheel that works where there is nothing but the wheel."""

from __future__ import annotations

import datetime
import hashlib
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import lock_files
import pytest
import release
from PIL import Image

import digits
from digits.inference.exporting.page import RUNTIME_FILES
from tests.server_process import ServerProcess

TOP = Path(__file__).parent.parent
DAY = datetime.date(2026, 3, 2)
LOG = """\
# Changelog

## Unreleased

Networks draw themselves.

### Added

- Drawings.

## 1.0.0 - 2026-01-01

The first one.
"""


# Version and changelog -------------------------------------------------------------------------


def test_the_version_is_the_newest_of_the_changelog_or_on_the_way_to_the_next() -> None:
    version, newest = release.version_of(TOP), release.newest((TOP / "CHANGELOG.md").read_text())
    assert version == digits.__version__
    if ".dev" in version:
        assert not newest or release.numbers(version.partition(".dev")[0]) > release.numbers(newest)
    else:
        assert version == newest


def test_the_changelog_can_be_released() -> None:
    """It begins with Unreleased; what stands there begins with a sentence."""
    changelog = (TOP / "CHANGELOG.md").read_text()
    assert changelog.startswith("# Changelog\n\n## Unreleased\n")
    sections = re.findall(r"(?m)^## (.*)$", changelog)
    assert all(re.fullmatch(r"\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", title) for title in sections[1:])
    found = re.search(r"(?ms)^## Unreleased\n(.*?)(?=^## |\Z)", changelog)
    if found and found[1].strip():
        assert release.newest(release.dated(changelog, "999.0.0", DAY)) == "999.0.0"


def test_a_release_dates_what_was_unreleased_and_leaves_an_empty_section_above() -> None:
    expected = LOG.replace("## Unreleased\n\n", "## Unreleased\n\n## 1.1.0 - 2026-03-02\n\n")
    assert release.dated(LOG, "1.1.0", DAY) == expected


@pytest.mark.parametrize(
    ("log", "version", "message"),
    [
        (LOG, "1.0.0", "1.0.0 is not later than 1.0.0"),
        (LOG, "0.9.9", "0.9.9 is not later than 1.0.0"),
        (LOG, "1.1", "'1.1' is no version such as 1.2.0"),
        (LOG, "1.01.0", "'1.01.0' is no version such as 1.2.0"),
        (LOG, "1.1.0rc1", "is no version such as 1.2.0"),
        (LOG.replace("Networks draw themselves.\n\n", ""), "1.1.0", "begin Unreleased in .* with"),
        ("# Changelog\n\n## Unreleased\n\n## 1.0.0 - 2026-01-01\n\nx\n", "1.1.0", "has nothing"),
        ("# Changelog\n", "1.1.0", "has nothing under Unreleased"),
    ],
)
def test_what_cannot_be_released_is_told(log: str, version: str, message: str) -> None:
    with pytest.raises(release.ReleaseError, match=message):
        release.dated(log, version, DAY)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "CHANGELOG.md").write_text(LOG)
    (tmp_path / "digits").mkdir()
    (tmp_path / "digits" / "__init__.py").write_text('"""Doc."""\n\n__version__ = "1.1.0.dev0"\n')
    return tmp_path


def test_version_and_changelog_are_set_together_and_a_second_time_changes_nothing(
    checkout: Path,
) -> None:
    release.prepare(checkout, "1.1.0", DAY)
    texts = [(checkout / name).read_text() for name in ("CHANGELOG.md", "digits/__init__.py")]
    assert release.newest(texts[0]) == release.version_of(checkout) == "1.1.0"
    release.prepare(checkout, "1.1.0", datetime.date(2030, 1, 1))
    assert [(checkout / n).read_text() for n in ("CHANGELOG.md", "digits/__init__.py")] == texts


@pytest.mark.parametrize("version", ["0.1.0", "1.0.1", "1.0.0"])
def test_a_release_that_is_refused_changes_no_file(checkout: Path, version: str) -> None:
    """What used to happen: 1.0.1 was released in the midst of work on 1.1.0, and 1.0.0 again."""
    with pytest.raises(release.ReleaseError):
        release.prepare(checkout, version, DAY)
    assert (checkout / "CHANGELOG.md").read_text() == LOG
    assert release.version_of(checkout) == "1.1.0.dev0"


def git(folder: Path, *words: str) -> None:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *who, *words], cwd=folder, check=True, capture_output=True)


def test_what_no_commit_has_is_not_released(checkout: Path) -> None:
    """What used to happen: any file that lay in a folder of the package was in the wheel."""
    with pytest.raises(release.ReleaseError, match="is made of a git checkout"):
        release.require_committed(checkout)
    (checkout / ".gitignore").write_text("dist\n")
    git(checkout, "init", "-q")
    git(checkout, "add", ".")
    git(checkout, "commit", "-qm", "x")
    release.prepare(checkout, "1.1.0", DAY)
    (checkout / "dist").mkdir()
    (checkout / "dist" / "built").touch()
    release.require_committed(checkout)  # what a release has changed itself, and its files
    (checkout / ".gitignore").write_text("")
    (checkout / "digits" / "a stray.py").touch()
    with pytest.raises(release.ReleaseError, match=r"\.gitignore, digits/a stray\.py, dist/built"):
        release.require_committed(checkout)


def test_a_release_needs_locks_of_the_requirements_as_they_stand(tmp_path: Path) -> None:
    for name in (*lock_files.INPUTS, *lock_files.LOCKS):
        (tmp_path / name).write_bytes((TOP / name).read_bytes())
    release.require_locks(tmp_path)
    with (tmp_path / "requirements.txt").open("a") as file:
        file.write("another==1.0\n")
    with pytest.raises(release.ReleaseError, match=r"requirements\.lock.*run `make lock`"):
        release.require_locks(tmp_path)


def test_the_program_tells_its_version() -> None:
    command = [sys.executable, "-m", "digits.server", "--version"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert result.stdout == f"DIGITS {digits.__version__}\n"


# Archives --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of a release, of the checkout as it stands."""
    folder = tmp_path_factory.mktemp("release") / "dist"
    release.build(TOP, folder)
    return folder


@pytest.fixture(scope="module")
def installed(dist: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A virtual environment with the wheel: this one's packages, but nothing of the checkout."""
    venv = tmp_path_factory.mktemp("elsewhere") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    packages = venv / "packages"
    packages.mkdir()
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if not path.name.startswith(("digits", "__editable__")) and path.suffix != ".pth":
            (packages / path.name).symlink_to(path)
    (site,) = venv.glob("lib/python3*/site-packages")
    (site / "packages.pth").write_text(f"{packages}\n")
    (wheel,) = dist.glob("*.whl")
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python"), "install"]
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True, capture_output=True)
    return venv


class InstalledServer(ServerProcess):
    """`digits-devserver` of an environment, without settings, started in another folder."""

    def __init__(self, venv: Path, home: Path) -> None:
        # Nothing of the checkout, and no other home.
        own = {"HOME": str(home), "PYTHONPATH": "", "DIGITS_PORT": "0"}
        super().__init__(home / ".local" / "share" / "digits" / "jobs", environment=own)
        self.program = venv / "bin" / "digits-devserver"
        self.folder = home

    def command(self) -> list[str]:
        return [str(self.program)]


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InstalledServer]:
    running = InstalledServer(installed, tmp_path_factory.mktemp("home"))
    running.start()
    yield running
    running.stop()


@pytest.mark.slow
def test_the_wheel_has_the_pages_and_their_packages_with_licences(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in ("templates", "static", "docs"):
        files = [path for path in (TOP / folder).rglob("*") if path.is_file()]
        wanted = {f"digits/{path.relative_to(TOP).as_posix()}" for path in files}
        assert sorted(wanted - names) == [], folder
    scripts = {Path(name).parent for name in names if "/static/vendor/" in name}
    packages = {folder for folder in scripts if folder.name != "vendor"}
    assert len(packages) > 3
    assert [folder for folder in packages if f"{folder.as_posix()}/LICENSE" not in names] == []
    assert not [name for name in names if name.startswith(("tests/", "scripts/", "jobs/"))]


@pytest.mark.slow
def test_an_installed_wheel_can_make_pages_that_classify_offline(
    dist: Path, installed: Path
) -> None:
    """What used to happen: onnxruntime-web was not in the wheel, so there were no such pages."""
    (wheel,) = dist.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {f"digits/vendor/onnxruntime-web/{name}" for name in RUNTIME_FILES} <= names
    code = "from digits.inference.exporting.page import *; print(missing_runtime(RUNTIME))"
    found = subprocess.run(
        [str(installed / "bin" / "python"), "-c", code],
        env={**os.environ, "PYTHONPATH": ""},
        cwd=installed,
        capture_output=True,
        text=True,
    )
    assert (found.stdout, found.stderr) == ("\n", "")


def test_every_folder_that_set_up_fills_is_in_a_release() -> None:
    filled = re.findall(r"(?m)^/?((?:static/)?vendor)/$", (TOP / ".gitignore").read_text())
    assert sorted(filled) == sorted(release.FETCHED)
    assert {f"digits.{name}" for name in ("static", "vendor")} <= set(
        re.findall(r'"(digits\.\w+)": \[', (TOP / "setup.py").read_text())
    )


@pytest.mark.slow
def test_the_archives_come_with_locks_and_checksums(dist: Path) -> None:
    lines = (dist / "SHA256SUMS").read_text().splitlines()
    sums = {name: digest for digest, name in (line.split("  ") for line in lines)}
    files = {path.name: path for path in dist.iterdir() if path.name != "SHA256SUMS"}
    assert sums == {n: hashlib.sha256(p.read_bytes()).hexdigest() for n, p in files.items()}
    version = digits.__version__
    assert files.keys() == {
        *release.LOCKS,
        f"digits-{version}.tar.gz",
        f"digits-{version}-py3-none-any.whl",
    }
    with tarfile.open(files[f"digits-{version}.tar.gz"]) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names >= {"setup.py", "requirements.lock", "CHANGELOG.md", "deploy/digits.service"}
    assert names >= {"static/vendor/icons.svg", "templates/web/help.html", "docs/README.md"}


@pytest.mark.slow
def test_a_second_build_gives_the_same_files_byte_for_byte(dist: Path, tmp_path: Path) -> None:
    """What used to happen: nobody could tell by the checksums what a release was made of."""
    release.build(TOP, tmp_path / "dist")
    assert (tmp_path / "dist" / "SHA256SUMS").read_text() == (dist / "SHA256SUMS").read_text()


@pytest.mark.slow
def test_the_installed_programs_start_from_the_wheel_alone(installed: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": ""}
    where = "import digits, sys; print(digits.__file__, *sys.path)"
    command = [str(installed / "bin" / "python"), "-c", where]
    result = subprocess.run(
        command, cwd=installed, env=environment, capture_output=True, text=True, check=True
    )
    found = result.stdout.split()
    assert Path(found[0]).is_relative_to(installed)
    assert [path for path in found if path in (str(TOP), str(TOP / "scripts"))] == []
    for program, options in (
        ("digits-devserver", ["--version"]),
        ("digits-server", ["--check-config"]),
        ("digits-caffe", ["--help"]),
    ):
        command = [str(installed / "bin" / program), *options]
        result = subprocess.run(
            command, cwd=installed, env=environment, capture_output=True, text=True, check=False
        )
        assert result.returncode == 0, result.stderr


@pytest.mark.slow
def test_an_installed_wheel_serves_its_pages(server: InstalledServer) -> None:
    assert "DIGITS" in server.get("/").text
    for name in ("css/tokens.css", "js/home/home.js", "vendor/icons.svg", "img/logo.svg"):
        assert server.get(f"/static/{name}").status_code == 200, name
    assert "REST guide" in server.get("/help/api").text
    network = {"network": "lenet"}
    assert "LeNet" in server.post("/models/customize", params=network).json()["network"]
    assert server.get("/index.json").json()["version"] == digits.__version__


@pytest.mark.slow
def test_an_installed_wheel_makes_a_dataset_trains_and_classifies(
    server: InstalledServer, tmp_path: Path
) -> None:
    dataset = server.post("/datasets/sample.json").json()["id"]
    server.wait_for_status(dataset, "Done")
    # Beside the code nothing is written: the jobs are in the home folder.
    assert (server.jobs_dir / dataset / "job.json").exists()
    form = {"model_name": "m", "dataset": dataset, "standard_networks": "lenet", "train_epochs": 1}
    model = server.post("/models/images/classification.json", data=form).json()["id"]
    server.wait_for_status(model, "Done")
    picture = tmp_path / "picture.png"
    Image.new("L", (28, 28), 128).save(picture)
    address = f"/models/images/classification/classify_one.json?job_id={model}"
    with picture.open("rb") as file:
        answer = server.post(address, files={"image_file": file})
    labels = {label for label, _ in answer.json()["predictions"]}
    assert labels <= set("0123456789")
    assert labels
