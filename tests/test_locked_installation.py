"""What set-up installs from the lock files, with the real pip: only what has a locked hash."""

from __future__ import annotations

import hashlib
import re
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path

import lock_files
import pytest
import set_up
from lock_files import Locked

pytestmark = pytest.mark.slow

TOP = Path(__file__).parent.parent
NAME = "tiny_package"


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """A wheel in a folder that pip is told to look into, and nowhere else."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    return make_wheel(folder, NAME, "1.0")


def make_wheel(folder: Path, name: str, version: str) -> Path:
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
        )
        archive.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{name}.py", "")
        archive.writestr(f"{info}/RECORD", "")
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Checkout:
    """A folder with a .venv whose Python is this one, and writes down what it is asked to run."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "commands.log"
        self.target = root / "installed"
        python = root / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(
            f'#!/bin/sh\necho "$@" >> {shlex.quote(str(self.log))}\n'
            f'exec {shlex.quote(sys.executable)} "$@"\n'
        )
        python.chmod(0o755)

    def lock(self, name: str, *packages: Locked) -> None:
        (self.root / name).write_text(lock_files.text_of(name, packages, "abc"))

    def installations(self) -> list[str]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [line for line in lines if line.startswith("-m pip install")]


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Checkout:
    made = Checkout(tmp_path / "checkout")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_TARGET", str(made.target))
    return made


def locked(name: str, version: str, *hashes: str) -> Locked:
    return Locked(name, version, hashes, "any machine", ("requirements.txt",))


def test_what_has_the_locked_hash_is_installed(checkout: Checkout, wheel: Path) -> None:
    checkout.lock("requirements.lock", locked("tiny-package", "1.0", sha256(wheel)))
    set_up.install_locked(checkout.root, "requirements.lock")
    assert (checkout.target / f"{NAME}.py").exists()


def test_what_has_another_hash_is_refused(
    checkout: Checkout, wheel: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    checkout.lock("requirements.lock", locked("tiny-package", "1.0", "0" * 64))
    with pytest.raises(subprocess.CalledProcessError):
        set_up.install_locked(checkout.root, "requirements.lock")
    assert "DO NOT MATCH THE HASHES" in capfd.readouterr().err
    assert not checkout.target.exists()


def test_every_installation_of_the_project_asks_for_hashes() -> None:
    """All but that of the project itself, which brings nothing else with it."""
    own = {"--no-deps", "--no-build-isolation"}
    found = [command for name in INSTALLERS for command in installations((TOP / name).read_text())]
    assert len(found) == 4
    assert [c for c in found if "--require-hashes" not in c and not own <= set(c.split())] == []


INSTALLERS = (
    "scripts/set_up.py", "deploy/Dockerfile", ".ci/run", "Makefile", "digits-test", "digits-server",
    "digits-devserver", "scripts/set-up",
)  # fmt: skip


def installations(text: str) -> list[str]:
    """The calls of pip in a program, a shell script or a Dockerfile, as words."""
    joined = text.replace("\\\n", " ")
    calls = re.findall(
        r"\bpip_install\(root, (.*)\)|\*pip, (\"install\".*)\]|pip (install .*)", joined
    )
    return [re.sub(r"[\",;]+", " ", "".join(call)) for call in calls]


# PyTorch ---------------------------------------------------------------------------------------


def with_torch(checkout: Checkout, version: str, *needs: str) -> None:
    """Let the checkout's environment have a PyTorch of this version."""
    folder = checkout.root / "packages" / f"torch-{version}.dist-info"
    folder.mkdir(parents=True)
    lines = [f"Requires-Dist: {need}" for need in needs]
    head = ["Metadata-Version: 2.1", "Name: torch", f"Version: {version}"]
    (folder / "METADATA").write_text("\n".join([*head, *lines, ""]))
    python = checkout.root / ".venv" / "bin" / "python"
    path = shlex.quote(str(folder.parent))
    python.write_text(python.read_text().replace("exec ", f"PYTHONPATH={path} exec "))


def lock_torch(checkout: Checkout, torch: Path | None = None, cuda: Path | None = None) -> None:
    hashes = [sha256(torch)] if torch else ["1" * 64]
    checkout.lock("requirements_torch.lock", locked("torch", "3.0", *hashes))
    needed = locked("nvidia-tiny", "1.0", sha256(cuda) if cuda else "2" * 64)
    checkout.lock("requirements_cuda.lock", needed)


@pytest.mark.parametrize("version", ["3.0", "3.0+cpu", "3.0+cu999"])
def test_a_pytorch_that_is_there_is_kept_in_any_build(checkout: Checkout, version: str) -> None:
    with_torch(checkout, version, "sympy", "jinja2; extra == 'more'")
    lock_torch(checkout)
    set_up.install_torch(checkout.root)
    assert checkout.installations() == []


@pytest.mark.parametrize(("offered", "taken"), [(["3.0"], "3.0"), (["3.0", "3.0+cpu"], "3.0+cpu")])
def test_a_new_environment_gets_the_build_that_pip_is_configured_for(
    checkout: Checkout, wheel: Path, offered: list[str], taken: str
) -> None:
    """What used to happen with hashes: gigabytes for CUDA, as that index alone tells its hashes."""
    wheels = {version: make_wheel(wheel.parent, "torch", version) for version in offered}
    lock_torch(checkout)
    hashes = [sha256(path) for path in wheels.values()]
    checkout.lock("requirements_torch.lock", locked("torch", "3.0", *hashes))
    with_torch(checkout, "2.0")
    set_up.install_torch(checkout.root)
    assert [path.name for path in checkout.target.glob("torch-*")] == [f"torch-{taken}.dist-info"]


def test_a_build_for_cuda_gets_the_libraries_that_it_lacks(checkout: Checkout, wheel: Path) -> None:
    with_torch(checkout, "3.0", "nvidia_tiny==1.0; platform_system == 'Linux'", "sympy")
    lock_torch(checkout, cuda=make_wheel(wheel.parent, "nvidia_tiny", "1.0"))
    set_up.install_torch(checkout.root)
    (command,) = checkout.installations()
    assert command.endswith("--require-hashes --no-deps -r requirements_cuda.lock")
    assert (checkout.target / "nvidia_tiny.py").exists()
