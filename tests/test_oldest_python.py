"""Every 3.11 will do, 3.11.0 as well as the newest: what later ones of them have added is not used.

Debian 12, for one, has 3.11.2.  What 3.12 and later have added is found by the linters, which know
the version; they do not know of additions within 3.11.
"""

from __future__ import annotations

import ast
import io
import tarfile
from pathlib import Path

import pytest

from tests.archives import unpack

TOP = Path(__file__).parent.parent
# Added to 3.11 after its first release: keyword arguments of functions, and names.
ARGUMENTS = {
    ("extractall", "filter"),  # tarfile, 3.11.4
    ("extract", "filter"),
    ("unpack_archive", "filter"),  # shutil, 3.11.4
    ("getaddresses", "strict"),  # email.utils, 3.11.10
    ("parseaddr", "strict"),
}
NAMES = {
    # tarfile, 3.11.4
    "extraction_filter", "data_filter", "tar_filter", "fully_trusted_filter", "FilterError",
    "OutsideDestinationError", "AbsolutePathError", "SpecialFileError", "AbsoluteLinkError",
    "LinkOutsideDestinationError",
    # xml.parsers.expat, 3.11.9
    "GetReparseDeferralEnabled", "SetReparseDeferralEnabled",
}  # fmt: skip


def later_additions(source: str) -> list[str]:
    """What a program uses that 3.11.0 lacks, each with its line."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            given = {(node.func.attr, keyword.arg) for keyword in node.keywords}
            found += [f"{node.lineno}: {name}({of}=)" for name, of in given & ARGUMENTS]
        elif isinstance(node, ast.Attribute) and node.attr in NAMES:
            found.append(f"{node.lineno}: {node.attr}")
        elif isinstance(node, ast.ImportFrom):
            found += [f"{node.lineno}: {name.name}" for name in node.names if name.name in NAMES]
    return found


@pytest.mark.slow
def test_no_program_uses_what_came_after_the_first_3_11() -> None:
    """What used to happen: a test failed on Debian 12, whose tarfile knows no filters."""
    folders = ("digits", "scripts", "tests", "benchmarks")
    paths = [*TOP.glob("*.py"), *(path for name in folders for path in (TOP / name).rglob("*.py"))]
    assert len(paths) > 500
    found = {
        str(path.relative_to(TOP)): additions
        for path in paths
        if path.name != "caffe_pb2.py" and (additions := later_additions(path.read_text()))
    }
    assert found == {}


@pytest.mark.parametrize(
    "use",
    [
        "tar.extractall(folder, filter='data')",
        "import tarfile\ntarfile.data_filter",
        "from tarfile import data_filter",
        "shutil.unpack_archive(name, filter='data')",
    ],
)
def test_such_a_use_is_found(use: str) -> None:
    assert later_additions(use)


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt", "link/out.txt"])
def test_the_tests_themselves_unpack_nothing_outside_of_their_folder(
    tmp_path: Path, name: str
) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, ".."
        if name.startswith("link"):
            archive.addfile(link)
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    with pytest.raises(AssertionError):
        unpack(file.getvalue(), tmp_path / "folder")
    assert not (tmp_path / "out.txt").exists()
