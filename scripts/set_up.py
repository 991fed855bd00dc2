"""Make a checkout ready to run: .venv with the locked packages, and the front-end packages.

    python3 scripts/set_up.py [--tests]     --tests: also what the test suite needs

The three commands run this first. Each step leaves a stamp of the files that it depends on, written
only when it has succeeded: a second start finds the stamps and skips everything, a changed
lock file repeats its step alone, and an interrupted set-up goes on where it stopped.
pip's and npm's own configuration, and the environment's certificates, are used as they are; what
they bring must have a hash of the lock files (lock_files.py).
"""

from __future__ import annotations

import argparse
import ctypes
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import front_end
import lock_files

ROOT = Path(__file__).resolve().parent.parent

# program: the Debian package that brings it. The tests drive them for real.
TEST_PROGRAMS = {
    "chromium-headless-shell": "chromium-headless-shell",
    "nginx": "nginx-light",
    "dot": "graphviz",
    "openssl": "openssl",
}
# A library that Playwright's own Node.js loads, and its package.
TEST_LIBRARIES = {"libatomic.so.1": "libatomic1"}
# A file that a test draws with, and its package.
TEST_FILES = {"/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf": "fonts-noto-color-emoji"}


@dataclass(frozen=True)
class Step:
    """One thing to make ready: due again when a file it depends on changes or a result goes."""

    name: str
    title: str
    depends_on: tuple[str, ...]
    results: tuple[str, ...]
    work: Callable[[Path], None]


class Stamps:
    """Which steps succeeded, for which content of their files: .venv/set-up.json."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / ".venv" / "set-up.json"

    def holds(self, step: Step) -> bool:
        made = all((self.root / result).exists() for result in step.results)
        return made and self._read().get(step.name) == self._digest(step)

    def put(self, step: Step) -> None:
        stamps = {**self._read(), step.name: self._digest(step)}
        partial = self.path.with_suffix(".partial")
        partial.write_text(json.dumps(stamps, indent=2))
        partial.replace(self.path)

    def _read(self) -> dict[str, str]:
        try:
            stamps = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return stamps if isinstance(stamps, dict) else {}

    def _digest(self, step: Step) -> str:
        # The root is part of it: the scripts in a virtual environment name its absolute path.
        digest = hashlib.sha256(str(self.root).encode())
        for name in step.depends_on:
            digest.update((self.root / name).read_bytes())
        return digest.hexdigest()


def main() -> int:
    parser = argparse.ArgumentParser(description="Make this checkout of DIGITS ready to run.")
    parser.add_argument("--tests", action="store_true", help="also what the test suite needs")
    tests = parser.parse_args().tests
    warn_of_stale_locks(ROOT)
    try:
        set_up(ROOT, STEPS + TEST_STEPS if tests else STEPS)
        if tests:
            install_test_programs()
    except subprocess.CalledProcessError as failure:
        print(f"\nSet-up stopped, exit {failure.returncode} from this command:", file=sys.stderr)
        print("  " + " ".join(map(str, failure.cmd)), file=sys.stderr)
        print("Its message stands above. Start again to go on from here.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nSet-up interrupted. Start again to go on from here.", file=sys.stderr)
        return 130
    return 0


def warn_of_stale_locks(root: Path) -> None:
    """Say that what is installed is what the locks name, not what the requirements have become."""
    if stale := lock_files.stale_in(root):
        print(
            f"{', '.join(stale)}: made from other requirements than those that stand beside them. "
            "What is locked is installed; `make lock` renews the locks.",
            file=sys.stderr,
        )


def set_up(root: Path, steps: list[Step]) -> None:
    """Do the steps whose stamps are missing or out of date."""
    stamps = Stamps(root)
    if all(stamps.holds(step) for step in steps):
        return
    with only_one_at_a_time(root):
        due = [step for step in steps if not stamps.holds(step)]
        if due:
            make_environment(root)
        for number, step in enumerate(due, start=1):
            print(f"[{number}/{len(due)}] {step.title}", flush=True)
            step.work(root)
            stamps.put(step)


@contextmanager
def only_one_at_a_time(root: Path) -> Iterator[None]:
    """A second set-up of the same checkout waits for the first, and then finds its stamps."""
    with (root / ".set-up.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another set-up of this checkout is running; waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def make_environment(root: Path) -> None:
    """Make .venv, unless one with a working pip is there already (it may hold a chosen torch)."""
    venv = root / ".venv"
    if environment_works(venv):
        return
    print(f"Making the virtual environment {venv}", flush=True)
    command = [sys.executable, "-m", "venv", "--clear", str(venv)]
    if subprocess.run(command, capture_output=True, check=False).returncode == 0:
        return
    # Debian without its python3-venv package: no ensurepip, but pip can install into a bare one.
    subprocess.run([*command, "--without-pip"], check=True)
    pip = [sys.executable, "-m", "pip", "--python", str(venv / "bin" / "python")]
    command = [*pip, "install", "--require-hashes", "-r", str(root / "requirements_pip.lock")]
    subprocess.run(command, check=True)


def environment_works(venv: Path) -> bool:
    check = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    try:
        command = [str(venv / "bin" / "python"), "-c", check]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def pip_install(root: Path, *arguments: str) -> None:
    python = str(root / ".venv" / "bin" / "python")
    command = [python, "-m", "pip", "install", "--disable-pip-version-check", *arguments]
    subprocess.run(command, cwd=root, check=True)


def install_locked(root: Path, lock: str, *options: str) -> None:
    """Install what a lock file names; pip refuses what has another hash."""
    pip_install(root, "--require-hashes", *options, "-r", lock)


def install_torch(root: Path) -> None:
    """Install PyTorch and the libraries of its build, unless its version is there in any build.

    Which build a new environment gets is for pip's configuration to say: the hashes of both are
    locked.  Only the installed one knows whether it needs NVIDIA's libraries.
    """
    (torch,) = lock_files.read(root / "requirements_torch.lock")
    if installed_version(root, "torch") != torch.version:
        cpu_build = f"{torch.version}+cpu"
        # pip itself would take the one whose index tells its hash, which is that for CUDA.
        chosen = cpu_build if is_offered(root, "torch", cpu_build) else torch.version
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as requirement:
            requirement.write(f"{replace(torch, version=chosen)}\n")
            requirement.flush()
            # What else it needs stands in requirements.lock.
            install_locked(root, requirement.name, "--no-deps")
    locked = {package.name for package in lock_files.read(root / "requirements_cuda.lock")}
    if any(installed_version(root, name) is None for name in needs_of(root, "torch") & locked):
        install_locked(root, "requirements_cuda.lock", "--no-deps")


def is_offered(root: Path, name: str, version: str) -> bool:
    """Whether pip finds a version of a package, in whatever places it is configured for."""
    python = str(root / ".venv" / "bin" / "python")
    command = [python, "-m", "pip", "index", "versions", "--disable-pip-version-check", name]
    answer = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    return version in re.findall(r"[^\s,]+", answer.stdout)


def installed_version(root: Path, name: str) -> str | None:
    """The version of a package in .venv, without that of its build, such as +cpu."""
    version = ask_environment(root, "version", name)
    return version.partition("+")[0] if version else None


def needs_of(root: Path, name: str) -> set[str]:
    """The packages that an installed one asks for on any machine."""
    lines = ask_environment(root, "requires", name).splitlines()
    return {lock_files.name_of(line) for line in lines}


def ask_environment(root: Path, function: str, name: str) -> str:
    """What importlib.metadata in .venv says of a package; empty for one that is not installed."""
    program = (
        "import importlib.metadata, sys\n"
        "answer = getattr(importlib.metadata, sys.argv[1])(sys.argv[2]) or []\n"
        "print(answer if isinstance(answer, str) else '\\n'.join(answer))\n"
    )
    command = [str(root / ".venv" / "bin" / "python"), "-c", program, function, name]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    return answer.stdout.strip() if answer.returncode == 0 else ""


def install_requirements(root: Path) -> None:
    install_locked(root, "requirements.lock")
    # The project itself has no hash; all that it needs has just been installed.
    pip_install(root, "--no-deps", "--no-build-isolation", "-e", ".")


def install_test_requirements(root: Path) -> None:
    install_locked(root, "requirements_test.lock")


def install_front_end(root: Path) -> None:
    npm = find_npm(root)
    front_end.fetch(root, npm)
    front_end.copy(root)
    front_end.minify(root, npm)


def compile_filter(root: Path) -> None:
    """Importing it compiles it and keeps the result: the first large dataset need not wait."""
    python = str(root / ".venv" / "bin" / "python")
    subprocess.run([python, "-c", "import digits.images.fast_scaling"], cwd=root, check=True)


def find_npm(root: Path) -> str:
    """The system's npm, else one from a Python package, so that nobody has to install Node.js."""
    system = shutil.which("npm")
    if system is not None and front_end.npm_works(system):
        return system
    install_locked(root, "requirements_npm.lock")
    return str(root / ".venv" / "bin" / "npm")


def install_test_programs() -> None:
    """Install the programs that the tests drive, or say how."""
    packages = [package for name, package in TEST_PROGRAMS.items() if shutil.which(name) is None]
    packages += [package for name, package in TEST_LIBRARIES.items() if not loads(name)]
    packages += [package for name, package in TEST_FILES.items() if not Path(name).is_file()]
    if not packages:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    if shutil.which("apt-get") is None or os.geteuid() != 0:
        print("The tests that need these packages will fail until they are installed, as root:")
        print("  " + " ".join(command), flush=True)
        return
    print(f"Installing {', '.join(packages)}", flush=True)
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-q"], check=True, env=quiet)
    subprocess.run(command, check=True, env=quiet)


def loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


STEPS = [
    Step(
        "torch",
        "Installing PyTorch, unless it is there; it is the big one, and takes a minute or two",
        ("requirements_torch.lock", "requirements_cuda.lock"),
        (".venv/bin/python",),
        install_torch,
    ),
    Step(
        "requirements",
        "Installing the other Python packages",
        ("requirements.lock", "setup.py"),
        (".venv/bin/python",),
        install_requirements,
    ),
    Step(
        "front end",
        "Fetching the browser's packages",
        (
            "package.json",
            "package-lock.json",
            "requirements_npm.lock",
            "scripts/front_end.py",
            "scripts/icons.txt",
        ),
        ("static/vendor/icons.svg", "vendor/onnxruntime-web/LICENSE"),
        install_front_end,
    ),
    Step(
        "filter",
        "Compiling the filter that scales pictures",
        ("digits/images/fast_scaling.py", "requirements.lock"),
        (".venv/bin/python",),
        compile_filter,
    ),
]
TEST_STEPS = [
    Step(
        "test requirements",
        "Installing the packages of the tests",
        ("requirements_test.lock",),
        (".venv/bin/pytest",),
        install_test_requirements,
    ),
]


if __name__ == "__main__":
    sys.exit(main())
