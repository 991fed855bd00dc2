"""What deploy/ names exists: the unit of systemd and the image."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest

TOP = Path(__file__).parent.parent
DOCKERFILE = (TOP / "deploy" / "Dockerfile").read_text()
UNIT = (TOP / "deploy" / "digits.service").read_text()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    unit = tmp_path / "digits.service"
    unit.write_text(UNIT.replace("/opt/digits/.venv/bin/python", "/bin/true"))
    result = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, timeout=60
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_the_unit_starts_what_the_script_starts() -> None:
    script = (TOP / "digits-server").read_text()
    (command,) = re.findall(r"(?m)^ExecStart=/opt/digits/(.*)$", UNIT)
    program, _, arguments = command.partition(" ")
    assert f'exec "$here/{program}" {arguments} "$@"' in script
    (in_image,) = re.findall(r"(?m)^CMD (.*)$", DOCKERFILE)
    assert json.loads(in_image) == [Path(program).name, *arguments.split()]
    assert importlib.util.find_spec(arguments.split()[-1]) is not None


def copied() -> list[str]:
    """What the Dockerfile takes from the checkout."""
    names: list[str] = []
    for line in re.findall(r"(?m)^COPY (.*)$", DOCKERFILE):
        if "--from=" not in line:
            names += [word for word in line.split()[:-1] if not word.startswith("--")]
    return names


def test_the_image_is_made_of_files_that_exist() -> None:
    assert len(copied()) > 8
    assert [name for name in copied() if not (TOP / name).exists()] == []


def test_nothing_that_the_image_needs_is_kept_out_of_it() -> None:
    lines = (TOP / "deploy" / "Dockerfile.dockerignore").read_text().splitlines()
    wanted = [line[1:] for line in lines if line.startswith("!")]
    assert lines[1] == "*"
    assert [name for name in copied() if not any(fnmatch(name, rule) for rule in wanted)] == []
    assert "static/vendor" in lines


def test_the_image_has_every_part_of_the_program() -> None:
    needed = ["digits", "templates", "static", "docs", "gunicorn_config.py"]
    last = DOCKERFILE.rpartition("FROM ")[2]
    assert [name for name in needed if not re.search(rf"(?m)^COPY .*\b{name}\b", last)] == []


def test_the_image_runs_a_python_that_the_program_takes() -> None:
    (version,) = re.findall(r"ARG PYTHON=(\d+\.\d+)", DOCKERFILE)
    ruff = tomllib.loads((TOP / "pyproject.toml").read_text())["tool"]["ruff"]
    oldest = re.fullmatch(r"py3(\d+)", ruff["target-version"])
    assert oldest is not None
    assert int(version.partition(".")[2]) >= int(oldest[1])


def test_the_stages_of_the_image_are_named_before_they_are_used() -> None:
    stages: set[str] = set()
    for line in DOCKERFILE.splitlines():
        if found := re.match(r"FROM \S+ AS (\w+)", line):
            stages.add(found[1])
        if found := re.match(r"COPY (?:--chown=0:0 )?--from=(\w+)", line):
            assert found[1] in stages


def test_only_packages_of_debian_and_users_need_root_in_the_image() -> None:
    """npm and pip run what others wrote, and the program what users send: as a user, all three."""
    user, as_root, last = "root", [], ""
    for line in DOCKERFILE.replace("\\\n", " ").splitlines():
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            user = "root"
        elif instruction == "USER":
            user = rest.partition(":")[0]
        elif instruction == "RUN" and user == "root":
            as_root += [command.split()[0] for command in rest.split("&&")]
        last = user
    assert set(as_root) == {"apt-get", "rm", "useradd", "install"}
    assert last not in ("root", "0")


def test_the_program_in_the_image_belongs_to_root() -> None:
    final = DOCKERFILE.rpartition("FROM ")[2]
    copies = re.findall(r"(?m)^COPY (.*)$", final)
    assert len(copies) > 4
    # Some builders keep the owner that a file has in the stage before.
    assert all(line.startswith("--chown=0:0 ") for line in copies if "--from" in line)
    assert not any("--chown" in line for line in copies if "--from" not in line)


def test_the_image_has_caffes_programs_and_compiled_modules() -> None:
    """What used to happen: each task compiled the program anew, since it may not write."""
    assert "-m digits.caffe" in DOCKERFILE.replace("\\\n", " ")
    (compiled,) = re.findall(r"-m compileall .*? (\w+) ", DOCKERFILE)
    assert f"COPY --chown=0:0 --from=build /opt/digits/{compiled} {compiled}" in DOCKERFILE


def test_npm_writes_into_a_folder_that_its_user_has_already() -> None:
    """What used to happen: builders that make a WORKDIR as root left nothing that npm could use."""
    front = DOCKERFILE.partition("FROM node")[2].partition("\nFROM ")[0]
    assert re.findall(r"(?m)^WORKDIR (.*)$", front) == ["/home/node"]


def test_a_training_that_is_killed_for_memory_does_not_end_the_unit() -> None:
    """What used to happen: systemd stopped the server and all other trainings with it."""
    assert "OOMPolicy=continue" in UNIT.splitlines()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_the_unit_is_fenced_in(tmp_path: Path) -> None:
    """systemd's own measure, from 0 to 10; GPUs, network and compilers keep it from being lower."""
    unit = tmp_path / "digits.service"
    unit.write_text(UNIT)
    result = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("hides_gpus", ["PrivateDevices", "ProtectClock", "DeviceAllow"])
def test_the_unit_leaves_the_gpus(hides_gpus: str) -> None:
    assert not re.search(rf"(?m)^{hides_gpus}=", UNIT)
