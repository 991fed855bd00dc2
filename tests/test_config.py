"""Settings: every source in its order, every bad value listed, slips recognised."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from digits import config as config_module
from digits.config import Config, load_config
from digits.errors import ConfigError


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "digits.cfg"


def problems(path: Path | None = None, environment: Any = (), flags: Any = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, dict(environment), flags)
    return caught.value.problems


def test_without_anything_the_defaults_hold() -> None:
    assert load_config(None, {}) == Config()


def test_jobs_are_kept_where_a_checkout_is_started_and_at_home_for_an_installed_package(
    tmp_path: Path,
) -> None:
    package = tmp_path / "site-packages" / "digits"
    package.mkdir(parents=True)
    for name in ("__init__.py", "config.py", "errors.py"):
        shutil.copy(Path(config_module.__file__).with_name(name), package)
    code = "from digits.config import Config; print(Config().jobs_dir)"
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "HOME": str(tmp_path)}
    result = subprocess.run(
        [sys.executable, "-P", "-c", code], env=environment, capture_output=True, text=True
    )
    assert result.stdout == f"{tmp_path}/.local/share/digits/jobs\n", result.stderr
    assert Config().jobs_dir == Path("jobs")


def test_a_later_source_wins(file: Path) -> None:
    file.write_text('port = 1\nhost = "file"\nserver_name = "file"\n')
    environment = {"DIGITS_PORT": "2", "DIGITS_HOST": "environment"}
    config = load_config(file, environment, {"port": "3", "host": None})
    assert (config.port, config.host, config.server_name) == (3, "environment", "file")


@pytest.mark.parametrize("field", dataclasses.fields(Config), ids=lambda field: field.name)
def test_every_setting_can_come_from_the_environment(field: Any) -> None:
    example = {
        "Path": ("/data", Path("/data")),
        "int": ("7", 7),
        "float": ("7.5", 7.5),
        "bool": ("yes", True),
        "tuple[str, ...]": (" 1, 2 ", ("1", "2")),
        "str": ("/text", "/text"),
    }
    own = {"logfile_level": ("debug", "debug"), "umask": ("077", "077")}
    text, value = own.get(field.name, example[field.type])
    name = "CAFFE_ROOT" if field.name == "caffe_root" else f"DIGITS_{field.name.upper()}"
    assert getattr(load_config(None, {name: text}), field.name) == value


def test_every_setting_can_come_from_the_file(file: Path) -> None:
    defaults = Config()
    lines = []
    for field in dataclasses.fields(Config):
        value = getattr(defaults, field.name)
        text = str(value).lower() if isinstance(value, bool) else f'"{value}"'
        if isinstance(value, int | float) and not isinstance(value, bool):
            text = str(value)
        lines.append(f"{field.name} = {list(value) if isinstance(value, tuple) else text}")
    file.write_text("\n".join(lines))
    assert load_config(file, {}) == defaults


def test_a_list_may_hold_numbers(file: Path) -> None:
    file.write_text("gpu_list = [0, 2]")
    assert load_config(file, {}).gpu_list == ("0", "2")


def test_the_user_s_home_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/ada")
    assert load_config(None, {"DIGITS_JOBS_DIR": "~/jobs"}).jobs_dir == Path("/home/ada/jobs")


@pytest.mark.parametrize(
    ("name", "raw", "words"),
    [
        ("port", "many", "port must be a whole number, received 'many'"),
        ("port", "1.5", "a whole number"),
        ("port", "", "a whole number"),
        ("port", "70000", "port must be between 0 and 65535, received 70000"),
        ("port", "-1", "between 0 and 65535"),
        ("debug", "perhaps", "debug must be true or false, received 'perhaps'"),
        ("grace_s", "soon", "grace_s must be a number"),
        ("grace_s", "nan", "grace_s must be a number, received 'nan'"),
        ("grace_s", "inf", "grace_s must be a number, received 'inf'"),
        ("grace_s", "0", "grace_s must be above 0"),
        ("create_db_slots", "-3", "create_db_slots must be above 0, received -3"),
        ("logfile_level", "chatty", "logfile_level must be one of debug, info"),
        ("url_prefix", "digits", "url_prefix must start with a slash"),
        ("url_prefix", "//elsewhere", "url_prefix must start with a slash and be a plain path"),
        ("url_prefix", "/../up", "url_prefix must start with a slash and be a plain path"),
        ("umask", "27", "umask must be three octal digits"),
        ("umask", "777", "umask must be three octal digits that leave all to the owner"),
        ("umask", "028", "such as 027, received '028'"),
        ("gpu_list", "first", "gpu_list must hold indices such as 0,1"),
        ("gpu_list", "0,0", "gpu_list names a GPU twice: 0, 0"),
    ],
)
def test_a_bad_value_is_told_with_what_was_received(name: str, raw: str, words: str) -> None:
    [problem] = problems(environment={f"DIGITS_{name.upper()}": raw})
    assert words in problem


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("port = 1.0", "port must be a whole number, received 1.0"),
        ("port = true", "a whole number"),
        ("grace_s = true", "a number"),
        ("host = 7", "host must be text, received 7"),
        ("jobs_dir = 7", "jobs_dir must be a path"),
        ("gpu_list = 7", "gpu_list must be a list"),
        ("debug = 7", "true or false"),
        ("job_dir = 'x'", "there is no setting 'job_dir'. Did you mean jobs_dir?"),
        ("colour = 'red'", "there is no setting 'colour'."),
        ("[digits]\nport = 1", "there is no setting 'digits'."),
        ("port =", "is not valid TOML"),
    ],
)
def test_a_bad_line_of_the_file_is_told_with_the_file(file: Path, line: str, words: str) -> None:
    file.write_text(line)
    [problem] = problems(file)
    assert problem.startswith(str(file))
    assert words in problem


def test_all_problems_of_all_sources_are_listed_together(file: Path) -> None:
    file.write_text("prot = 1\ngrace_s = -1")
    environment = {"DIGITS_DEBUG": "x", "DIGITS_JOB_DIR": "y", "DIGITS_TRAIN_SLOTS": "0"}
    told = " | ".join(problems(file, environment, {"port": "z"}))
    for name in ("prot", "grace_s", "debug", "DIGITS_JOB_DIR", "train_slots", "port must be"):
        assert name in told


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DIGITS_JOB_DIR", "DIGITS_JOBS_DIR"),
        ("DIGITS_DATA_ROOT", "DIGITS_DATA_ROOTS"),
        ("DIGITS_GPULIST", "DIGITS_GPU_LIST"),
    ],
)
def test_a_slip_in_an_environment_name_is_an_error(name: str, meant: str) -> None:
    assert problems(environment={name: "x"}) == [
        f"environment: there is no setting {name}. Did you mean {meant}?"
    ]


@pytest.mark.parametrize("name", ["DIGITS_TASK_RUN", "DIGITS_PYTHON", "DIGITS_HOME", "PORT"])
def test_names_of_other_programs_are_left_alone(name: str) -> None:
    assert load_config(None, {name: "x"}) == Config()


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    [problem] = problems(tmp_path / "missing.cfg")
    assert "missing.cfg cannot be read" in problem
    (tmp_path / "latin.cfg").write_bytes(b'host = "\xe9"')
    [problem] = problems(tmp_path / "latin.cfg")
    assert "latin.cfg cannot be read" in problem
