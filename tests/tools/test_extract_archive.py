"""Archives of class folders, and archives that try something."""

import io
import os
import tarfile
import zipfile
from pathlib import Path, PurePosixPath

import pytest

from digits.base.progress import Skipped
from digits.errors import ToolError
from digits.sources.archives import (
    HARMLESS_FILES,
    Budget,
    archive_errors,
    is_archive_name,
    members,
)
from tests.tools.programs import make_classes, run, succeed


def as_zip(folder: Path, path: Path, prefix: str = "") -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            archive.write(file, prefix + str(file.relative_to(folder)))
    return path


def as_tar(folder: Path, path: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as archive:
        archive.add(folder, folder.name)
    return path


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def photos(tmp_path) -> Path:
    return make_classes(tmp_path / "photos", {"cat": 2, "dog": 2, "dog/brown dog": 1})


PHOTOS = ["cat/000.png", "cat/001.png", "dog/000.png", "dog/001.png", "dog/brown dog/000.png"]


@pytest.mark.parametrize("kind", ["zip", "zip wrapped", "w", "w:gz", "w:bz2", "w:xz"])
def test_class_folders_come_out_with_or_without_a_folder_around_them(photos, tmp_path, kind):
    if kind.startswith("zip"):
        prefix = "deep/photos/" if "wrapped" in kind else ""
        archive = as_zip(photos, tmp_path / "photos.zip", prefix)
    else:
        archive = as_tar(photos, tmp_path / "photos.tar", kind)
    succeed("extract_archive", archive, tmp_path / "out")
    assert files(tmp_path / "out") == PHOTOS
    picture = (tmp_path / "out" / "cat" / "000.png").read_bytes()
    assert picture == (photos / "cat" / "000.png").read_bytes()


def test_only_pictures_are_unpacked(photos, tmp_path):
    (photos / "cat" / "page.html").write_text("<script>alert(1)</script>")
    (photos / "cat" / "._000.png").write_bytes(b"x")
    (photos / "cat" / "plain").write_bytes((photos / "cat" / "000.png").read_bytes())
    make_classes(photos, {"__MACOSX": 1})
    archive = as_zip(photos, tmp_path / "photos.zip")
    succeed("extract_archive", archive, tmp_path / "out")
    assert files(tmp_path / "out") == sorted([*PHOTOS, "cat/plain"])
    plain = (tmp_path / "out" / "cat" / "plain").read_bytes()
    assert plain == (photos / "cat" / "plain").read_bytes()


def tar_with(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as archive:
        for info, data in members:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def link(name: str, target: str, kind: bytes) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


@pytest.mark.parametrize("name", ["../evil.png", "/tmp/evil.png", "cat/../../evil.png"])
def test_names_that_lead_out_are_refused_in_tars_and_zips(tmp_path, name):
    tar = tar_with(tmp_path / "a.tar", (tarfile.TarInfo(name), b"x"))
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"x")
    for path in (tar, tmp_path / "a.zip"):
        (tmp_path / "out").mkdir(exist_ok=True)
        error = run("extract_archive", path, tmp_path / "out" / "x").error
        assert "a path that leads out of the archive" in error
    assert not list((tmp_path / "out").iterdir())
    assert not list(tmp_path.rglob("evil.png"))


def test_windows_names_are_taken_or_refused_alike(tmp_path):
    for name, refused in (("cat\\x.png", False), ("..\\x.png", True), ("C:\\x.png", True)):
        with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
            archive.writestr(name, b"\x89PNG\r\n")
        finished = run("extract_archive", tmp_path / "a.zip", tmp_path / "out")
        assert (finished.status != 0) == refused
    assert files(tmp_path / "out") == ["cat/x.png"]


@pytest.mark.parametrize(
    "info",
    [
        link("cat/x.png", "/etc/passwd", tarfile.SYMTYPE),
        link("cat/x.png", "../../secret", tarfile.LNKTYPE),
        link("cat/x.png", "", tarfile.FIFOTYPE),
        link("cat/x.png", "", tarfile.CHRTYPE),
    ],
    ids=["symbolic link", "hard link", "pipe", "device"],
)
def test_links_and_devices_are_refused(tmp_path, info):
    archive = tar_with(tmp_path / "a.tar", (info, b""))
    error = run("extract_archive", archive, tmp_path / "out").error
    assert "'cat/x.png', which is not a regular file" in error
    assert not (tmp_path / "out").exists()


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path):
    info = zipfile.ZipInfo("cat/x.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    assert (
        "not a regular file" in run("extract_archive", tmp_path / "a.zip", tmp_path / "out").error
    )


@pytest.mark.slow
def test_a_bomb_is_stopped_long_before_it_has_gone_off(tmp_path):
    with (
        zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("cat/x.png", "w", force_zip64=True) as file,
    ):
        for _ in range(300):
            file.write(bytes(1 << 20))
    error = run("extract_archive", tmp_path / "a.zip", tmp_path / "out").error
    assert "The archive unpacks to more than 268,435,456 bytes" in error
    assert not (tmp_path / "out").exists()
    assert not (tmp_path / ".out.partial").exists()


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["{n}.png", "{n}/a.png", "d/{n}/a.png"])
def test_a_bomb_of_files_is_stopped_and_nothing_of_it_is_left(tmp_path, shape):
    """What used to happen: 1 MB of tar.gz made 200,000 files, which stayed."""
    path = tmp_path / "bomb.tar.gz"
    with tarfile.open(path, "w:gz", compresslevel=9) as archive:
        for number in range(HARMLESS_FILES + 100):
            archive.addfile(tarfile.TarInfo(shape.format(n=number)))
    assert path.stat().st_size < 1_000_000
    answer = run("extract_archive", path, tmp_path / "out")
    assert answer.status == 1
    assert "files and folders, too many for its size" in answer.error
    assert sorted(os.listdir(tmp_path)) == ["bomb.tar.gz"]


def test_many_small_pictures_are_no_bomb():
    budget = Budget(archive_bytes=60_000 * 280, free_bytes=1 << 40)
    for number in range(60_000):
        budget.add(PurePosixPath(f"{number % 10}/{number}.png"))


def test_an_archive_of_more_files_than_the_disk_can_name_is_refused():
    budget = Budget(archive_bytes=1 << 30, free_bytes=1 << 40, free_files=5)
    for name in ("a/1.png", "a/2.png", "b/c.png"):
        budget.add(PurePosixPath(name))
    with pytest.raises(ToolError, match="inodes"):
        budget.add(PurePosixPath("a/3.png"))


def test_what_is_no_sound_archive_is_refused(photos, tmp_path):
    whole_zip, whole_tar = as_zip(photos, tmp_path / "w.zip"), as_tar(photos, tmp_path / "w.tgz")
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "empty.zip").write_bytes(b"")
    (tmp_path / "cut.zip").write_bytes(whole_zip.read_bytes()[:-30])
    damaged = bytearray(whole_zip.read_bytes())
    damaged[60:70] = bytes(10)
    (tmp_path / "damaged.zip").write_bytes(damaged)
    (tmp_path / "cut.tgz").write_bytes(whole_tar.read_bytes()[:300])
    for name in ("text.zip", "empty.zip", "cut.zip", "damaged.zip", "cut.tgz"):
        assert "damaged" in run("extract_archive", tmp_path / name, tmp_path / "out").error
    assert "There is no file" in run("extract_archive", tmp_path / "no", tmp_path / "out").error
    assert not (tmp_path / "out").exists()


def test_an_archive_without_a_picture_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("cat/readme.txt", "hello")
    error = run("extract_archive", tmp_path / "a.zip", tmp_path / "out").error
    assert error == "There is no picture in a.zip."


def test_a_second_file_of_the_same_name_is_skipped(tmp_path):
    archive = tar_with(
        tmp_path / "a.tar",
        (tarfile.TarInfo("cat/x.png"), b"first"),
        (tarfile.TarInfo("cat/x.png"), b"second"),
        (tarfile.TarInfo("cat/x.png/y.png"), b"third"),
    )
    finished = succeed("extract_archive", archive, tmp_path / "out")
    assert (tmp_path / "out" / "cat" / "x.png").read_bytes() == b"first"
    assert [event.path for event in finished.events(Skipped)] == ["cat/x.png", "cat/x.png/y.png"]


@pytest.mark.parametrize("name", [f"cat/{'x' * 252}.png", "a/" * 1400 + "a.png"])
def test_a_file_whose_path_no_disk_takes_is_skipped(photos, tmp_path, name):
    archive = as_zip(photos, tmp_path / "a.zip")
    with zipfile.ZipFile(archive, "a") as added:
        added.writestr(name, (photos / "cat" / "000.png").read_bytes())
    finished = succeed("extract_archive", archive, tmp_path / "out")
    assert files(tmp_path / "out") == PHOTOS
    assert [event.path for event in finished.events(Skipped)] == [name]


def test_a_class_folder_may_have_the_name_of_its_wrapper(tmp_path):
    source = make_classes(tmp_path / "pets", {"pets": 1, "wild": 1})
    succeed("extract_archive", as_tar(source, tmp_path / "a.tgz"), tmp_path / "out")
    assert files(tmp_path / "out") == ["pets/000.png", "wild/000.png"]


def test_archives_are_told_by_their_extensions():
    assert all(map(is_archive_name, ["a.zip", "a.b.TAR", "a.tar.gz", "x.tgz", "x.tar.xz"]))
    assert not any(map(is_archive_name, ["a.gz", "a.rar", "zip", "a.zip.txt"]))


def test_the_archive_is_removed_only_once_it_is_unpacked(photos, tmp_path):
    archive = as_zip(photos, tmp_path / "upload")
    broken = tmp_path / "broken"
    broken.write_bytes(archive.read_bytes()[:-30])
    options = [tmp_path / "out", "--name=my photos.zip", "--remove"]
    assert "my photos.zip is not a zip or tar" in run("extract_archive", broken, *options).error
    assert broken.exists()
    succeed("extract_archive", archive, *options)
    assert not archive.exists()
    # As after a crash just before its success was noted.
    assert "was unpacked before" in succeed("extract_archive", archive, *options).log
    assert files(tmp_path / "out") == PHOTOS


def test_what_a_folder_holds_is_replaced_only_where_it_was_unpacked_before(photos, tmp_path):
    archive = as_zip(photos, tmp_path / "a.zip")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("five years of work")
    error = run("extract_archive", archive, tmp_path / "out").error
    assert "holds 'thesis.txt', which would be lost" in error
    assert (tmp_path / "out" / "thesis.txt").exists()
    succeed("extract_archive", archive, tmp_path / "out", "--remove")
    assert files(tmp_path / "out") == PHOTOS


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_progress_is_told_by_what_is_read_of_the_archive(tmp_path, kind):
    photos = make_classes(tmp_path / "photos", {"cat": 1, "dog": 1})
    (photos / "cat" / "large.bmp").write_bytes(bytes(3_000_000))
    (photos / "zebra").mkdir()
    (photos / "zebra" / "last.bmp").write_bytes(bytes(1000))
    if kind == "zip":
        archive = as_zip(photos, tmp_path / "a")
    else:
        archive = as_tar(photos, tmp_path / "a", "w")
    with archive_errors("a"):
        offsets = [member.offset for member in members(archive) if member.file.read()]
    assert offsets == sorted(offsets)
    assert offsets[0] < 1_000_000
    assert 3_000_000 < offsets[-1] <= archive.stat().st_size
