"""The settings, in one place: defaults, then `digits.cfg` (TOML), then environment, then flags.

In: a file, an environment and command-line values.  Out: a frozen `Config`, or a ConfigError that
lists every bad line.  Only entry points call `load_config`; everyone else is handed values.
Environment names are `DIGITS_<FIELD>` in capitals, and `CAFFE_ROOT`.
"""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import math
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from digits.errors import ConfigError

CONFIG_FILE = "digits.cfg"
ALMOST_THE_SAME = 0.85  # of 1.0, by difflib
_URL_PREFIX = re.compile(r"(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)*")
_UMASK = re.compile("0?0[0-7][0-7]")
MOST_WARM_S = 31_536_000  # a year
MOST_DAYS = 36500
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")


def default_jobs_dir() -> Path:
    """`jobs` where one starts a checkout; for an installed package one's own folder for data.

    Wherever an installed program is started, it finds its jobs, and they are never among its code.
    """
    package = Path(__file__).resolve().parent
    if (package.parent / "setup.py").exists():
        return Path("jobs")
    try:
        return Path("~/.local/share/digits/jobs").expanduser()
    except RuntimeError:  # somebody without a home
        return Path("jobs")


def _setting(default: Any, help: str) -> Any:
    factory = default if callable(default) else lambda: default
    return field(default_factory=factory, metadata={"help": help})


@dataclass(frozen=True)
class Config:
    """Every setting; `help` of each field is what docs/configuration.md says of it."""

    jobs_dir: Path = _setting(default_jobs_dir, "the folder that holds one folder per job")
    host: str = _setting("127.0.0.1", "the address to listen on; 0.0.0.0 lets others in")
    port: int = _setting(5000, "the port to listen on; 0 takes any free one")
    server_name: str = _setting("", "the name of this server, shown on its pages")
    url_prefix: str = _setting("", "the path below which a proxy serves DIGITS, such as /digits")
    debug: bool = _setting(False, "show tracebacks on error pages; never on a public server")
    secret_key: str = _setting(
        "",
        "the key that signs forms and cookies; empty: one is made, kept in the jobs directory",
    )
    logfile_filename: str = _setting("", "the server's log file; empty: the log goes to stderr")
    logfile_level: str = _setting("info", "how much is logged: " + ", ".join(LOG_LEVELS))
    gpu_list: tuple[str, ...] = _setting(
        (), "the GPUs to train on, by index, such as 0,1; empty: all that the driver reports"
    )
    caffe_root: str = _setting(
        "", "a real Caffe to train with: its build or install folder, or <PATHS> for the PATH's"
    )
    data_roots: tuple[str, ...] = _setting(
        (),
        "the folders that forms and lists may read; empty: every readable folder, or none but the "
        "jobs where others have access",
    )
    url_allow: tuple[str, ...] = _setting(
        (),
        "hosts and networks of one's own that may be fetched from, such as "
        "images.lab,10.1.0.0/16,127.0.0.1:8080",
    )
    python_layers: bool = _setting(
        False, "let networks have Python layers, which run any code that Python finds"
    )
    allowed_hosts: tuple[str, ...] = _setting(
        (),
        "the names, beside its own and addresses, by which browsers may reach a server without "
        "users; * is any",
    )
    trusted_proxies: tuple[str, ...] = _setting(
        ("127.0.0.0/8", "::1"),
        "the addresses or networks of proxies whose X-Forwarded-For and -Proto are believed",
    )
    umask: str = _setting(
        "027",
        "permissions that files of jobs are made without: 027 keeps other local accounts out, 077 "
        "the group as well, 022 nobody",
    )
    keep_tasks: bool = _setting(
        False, "leave running tasks alone when the server stops (digits-server: true)"
    )
    keep_deleted_days: float = _setting(
        7.0, "days that deleted jobs stay in the bin, from 0 (gone at once) to 36500"
    )
    grace_s: float = _setting(5.0, "seconds between SIGTERM and SIGKILL when a task is stopped")
    parse_folder_slots: int = _setting(1, "how many folders are read at a time")
    create_db_slots: int = _setting(2, "how many databases are written at a time")
    train_slots: int = _setting(1, "how many models train at a time where there is no GPU")
    light_slots: int = _setting(
        1,
        "how many pieces of light work run at a time beside them: last layers that learn, their "
        "search, features",
    )
    max_upload_mb: int = _setting(2048, "the largest upload, in megabytes")
    max_folder_upload_mb: int = _setting(
        20480, "the largest folder that is uploaded for a dataset, file by file, in megabytes"
    )
    client_timeout_s: float = _setting(
        30.0, "seconds that a client may take for a request's headers, or keep quiet in its body"
    )
    inference_workers: int = _setting(2, "how many networks are kept ready for classifying")
    inference_idle_s: float = _setting(600.0, "seconds after which an idle network is let go")
    inference_timeout_s: float = _setting(120.0, "seconds that one classification may take")
    inference_memory_mb: int = _setting(4096, "memory that one classifying process may take")
    decoding_memory_mb: int = _setting(
        5000,
        "memory that large pictures may take while they are decoded, in all processes together",
    )
    warm_start_idle_s: float = _setting(
        900.0,
        "seconds without a use after which the process that new trainings and networks begin from "
        "is let go; 0: there is none, and each loads its libraries itself",
    )
    warm_start_dir: str = _setting(
        "", "a folder of this user's; servers that are given the same one share that process"
    )
    inference_direct_images: int = _setting(
        500, "the longest list that a page answers at once; a longer one becomes a job of its own"
    )
    inference_slots: int = _setting(1, "how many such jobs run at a time")

    def __post_init__(self) -> None:
        problems = list(_range_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def umask_bits(self) -> int:
        """`umask` as os.umask takes it."""
        return int(self.umask, 8)

    @property
    def is_public(self) -> bool:
        """Whether other machines reach the server without a proxy."""
        return not is_loopback(self.host)


def load_config(
    path: Path | None, environment: Mapping[str, str], flags: Mapping[str, Any] | None = None
) -> Config:
    """The settings from all sources, the later ones winning; a flag that is None was not given.

    `path` None: no file is read.  Raises ConfigError with every problem found.
    """
    problems: list[str] = []
    values: dict[str, Any] = {}
    for source, given in (
        (str(path), _from_file(path, problems)),
        ("environment", _from_environment(environment, problems)),
        ("command line", {k: v for k, v in (flags or {}).items() if v is not None}),
    ):
        for name, raw in given.items():
            try:
                values[name] = _convert(name, raw)
            except ValueError as error:
                problems.append(f"{source}: {error}")
    try:
        config = Config(**values)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(problems)
    return config


def _from_file(path: Path | None, problems: list[str]) -> dict[str, Any]:
    if path is None:
        return {}
    try:
        return tomllib.loads(path.read_text())
    except (OSError, UnicodeDecodeError) as error:
        problems.append(f"{path} cannot be read: {error}")
    except RecursionError:
        problems.append(f"{path} is nested too deeply")
    except tomllib.TOMLDecodeError as error:
        problems.append(f"{path} is not valid TOML: {error}")
    return {}


def _from_environment(environment: Mapping[str, str], problems: list[str]) -> dict[str, str]:
    names = {f"DIGITS_{name.upper()}": name for name in _FIELDS if name != "caffe_root"}
    names["CAFFE_ROOT"] = "caffe_root"
    for name in sorted(environment):
        # Only what looks like a slip: other programs may have names of their own that begin so.
        if name.startswith("DIGITS_") and name not in names:
            for near in difflib.get_close_matches(name, names, n=1, cutoff=ALMOST_THE_SAME):
                problems.append(f"environment: there is no setting {name}. Did you mean {near}?")
    return {field: environment[name] for name, field in names.items() if name in environment}


def _convert(name: str, raw: Any) -> Any:
    """A setting's value as its type; ValueError says what was received and what fits."""
    if name not in _FIELDS:
        near = difflib.get_close_matches(name, _FIELDS, n=1)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no setting {name!r}.{hint}")
    kind = str(_FIELDS[name].type)
    try:
        value = _CONVERTERS[kind](raw)
        return value.rstrip("/") if name == "url_prefix" else value
    except (TypeError, ValueError, RuntimeError):  # the last one: ~ of somebody without a home
        raise ValueError(f"{name} must be {_KIND_NAMES[kind]}, received {raw!r}") from None


def _to_bool(raw: Any) -> bool:
    if isinstance(raw, bool):
        return raw
    words = {"1": True, "true": True, "yes": True, "on": True}
    words |= {"": False, "0": False, "false": False, "no": False, "off": False}
    try:
        return words[str(raw).strip().lower()]
    except KeyError:
        raise ValueError(raw) from None


def _to_tuple(raw: Any) -> tuple[str, ...]:
    parts = raw.split(",") if isinstance(raw, str) else list(raw)
    return tuple(text for part in parts if (text := str(part).strip()))


def _to_int(raw: Any) -> int:
    if isinstance(raw, bool | float):
        raise TypeError(raw)
    return int(raw)


def _to_float(raw: Any) -> float:
    if isinstance(raw, bool) or not math.isfinite(number := float(raw)):
        raise ValueError(raw)
    return number


def _to_str(raw: Any) -> str:
    if not isinstance(raw, str):
        raise TypeError(raw)
    return raw


def _range_problems(config: Config) -> list[str]:
    problems = []
    if not 0 <= config.port <= 65535:
        problems.append(f"port must be between 0 and 65535, received {config.port}")
    if config.logfile_level.lower() not in LOG_LEVELS:
        problems.append(
            f"logfile_level must be one of {', '.join(LOG_LEVELS)}, received "
            f"{config.logfile_level!r}"
        )
    if not _UMASK.fullmatch(config.umask):
        problems.append(
            "umask must be three octal digits that leave all to the owner, such as 027, received "
            f"{config.umask!r}"
        )
    if not all(index.isascii() and index.isdigit() for index in config.gpu_list):
        problems.append(f"gpu_list must hold indices such as 0,1, received {config.gpu_list}")
    elif len(set(config.gpu_list)) < len(config.gpu_list):
        problems.append(f"gpu_list names a GPU twice: {', '.join(config.gpu_list)}")
    if not _URL_PREFIX.fullmatch(config.url_prefix):
        problems.append(
            "url_prefix must start with a slash and be a plain path such as /digits, received "
            f"{config.url_prefix!r}"
        )
    if not 0 <= config.keep_deleted_days <= MOST_DAYS:
        problems.append(
            f"keep_deleted_days must be between 0 and {MOST_DAYS}, received "
            f"{config.keep_deleted_days}"
        )
    if not 0 <= config.warm_start_idle_s <= MOST_WARM_S:
        problems.append(
            f"warm_start_idle_s must be between 0 and {MOST_WARM_S}, received "
            f"{config.warm_start_idle_s}"
        )
    for name in _POSITIVE:
        value = getattr(config, name)
        if not value > 0:
            problems.append(f"{name} must be above 0, received {value}")
    return problems


def is_loopback(host: str) -> bool:
    """Whether a host to listen on is this machine alone."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host.startswith("unix:")  # a socket of this machine


_FIELDS = {item.name: item for item in dataclasses.fields(Config)}
_POSITIVE = (
    "grace_s", "parse_folder_slots", "create_db_slots", "train_slots", "light_slots",
    "max_upload_mb", "max_folder_upload_mb", "client_timeout_s",
    "inference_workers", "inference_idle_s", "inference_timeout_s", "inference_memory_mb",
    "inference_direct_images", "inference_slots", "decoding_memory_mb",
)  # fmt: skip
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "Path": lambda raw: Path(_to_str(raw) if not isinstance(raw, Path) else raw).expanduser(),
    "str": _to_str,
    "int": _to_int,
    "float": _to_float,
    "bool": _to_bool,
    "tuple[str, ...]": _to_tuple,
}
_KIND_NAMES = {
    "Path": "a path",
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "tuple[str, ...]": "a list, or text with commas",
}
