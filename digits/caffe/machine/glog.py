"""glog's flags: which messages are logged, and whether to stderr, to files or by mail.

Every program of Caffe's takes them, and each has its default from the environment variable GLOG_
and its name (GLOG_minloglevel=2), which scripts that use pycaffe obey as well.
In: values of flags, or the environment.  Out: `LogSettings`.

Elsewhere: writing the lines (`log.py`), files and mail (`log_files.py`).  Source: logging.cc and
vlog_is_on.cc of glog 0.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fnmatch import fnmatchcase
from pathlib import PurePath
from typing import Any

from digits.caffe.machine.gflags import Flag, Value

INFO, WARNING, ERROR, FATAL = range(4)
SEVERITY_NAMES = ("INFO", "WARNING", "ERROR", "FATAL")


@dataclass(frozen=True)
class LogSettings:
    """The value of each of glog's flags, and the name that files are called after.

    Levels are 0 INFO, 1 WARNING, 2 ERROR, 3 FATAL; `max_log_size` is in megabytes.
    """

    alsologtoemail: str = ""
    alsologtostderr: bool = False
    colorlogtostderr: bool = False
    drop_log_memory: bool = True
    log_backtrace_at: str = ""
    log_dir: str = ""
    log_link: str = ""
    log_prefix: bool = True
    logbuflevel: int = 0
    logbufsecs: int = 30
    logemaillevel: int = 999
    logfile_mode: int = 0o664
    logmailer: str = "/bin/mail"
    logtostderr: bool = False
    max_log_size: int = 1800
    minloglevel: int = 0
    stderrthreshold: int = ERROR
    stop_logging_if_full_disk: bool = False
    symbolize_stacktrace: bool = True
    v: int = 0
    vmodule: str = ""
    program: str = "caffe"

    @property
    def writes_files(self) -> bool:
        """Whether there are log files: where one is asked for, or lines would be lost without.

        Here we differ: glog writes files into the temporary folder for every program, also where
        all that they hold is on stderr.
        """
        asked = bool(self.log_dir or self.log_link)
        return not self.logtostderr and (asked or not self.alsologtostderr)

    def goes_to_stderr(self, severity: int) -> bool:
        """Whether a message of this severity does."""
        return self.logtostderr or self.alsologtostderr or severity >= self.stderrthreshold

    def verbosity(self, source: str) -> int:
        """The highest m for which VLOG(m) messages of this place (`net.cpp:86`) are shown."""
        module = PurePath(source.partition(":")[0]).stem.removesuffix("-inl")
        for part in self.vmodule.split(","):
            pattern, equals, level = part.partition("=")
            if equals and fnmatchcase(module, pattern):
                return _leading_int(level)
        return self.v


_MEANINGS = {
    "alsologtoemail": "log messages go to these email addresses in addition to logfiles",
    "alsologtostderr": "log messages go to stderr in addition to logfiles",
    "colorlogtostderr": "color messages logged to stderr (if supported by terminal)",
    "drop_log_memory": "Drop in-memory buffers of log contents. Logs can grow very quickly and "
    "they are rarely read before they need to be evicted from memory. Instead, drop them from "
    "memory as soon as they are flushed to disk.",
    "log_backtrace_at": "Emit a backtrace when logging at file:linenum.",
    "log_dir": "If specified, logfiles are written into this directory instead of the default "
    "logging directory.",
    "log_link": "Put additional links to the log files in this directory",
    "log_prefix": "Prepend the log prefix to the start of each log line",
    "logbuflevel": "Buffer log messages logged at this level or lower (-1 means don't buffer; 0 "
    "means buffer INFO only; ...)",
    "logbufsecs": "Buffer log messages for at most this many seconds",
    "logemaillevel": "Email log messages logged at this level or higher (0 means email all; 3 "
    "means email FATAL only; ...)",
    "logfile_mode": "Log file mode/permissions.",
    "logmailer": "Mailer used to send logging email",
    "logtostderr": "log messages go to stderr instead of logfiles",
    "max_log_size": "approx. maximum log file size (in MB). A value of 0 will be silently "
    "overridden to 1.",
    "minloglevel": "Messages logged at a lower level than this don't actually get logged anywhere",
    "stderrthreshold": "log messages at or above this level are copied to stderr in addition to "
    "logfiles.  This flag obsoletes --alsologtostderr.",
    "stop_logging_if_full_disk": "Stop attempting to log to disk if the disk is full.",
    "symbolize_stacktrace": "Symbolize the stack trace in the tombstone",
    "v": "Show all VLOG(m) messages for m <= this. Overridable by --vmodule.",
    "vmodule": "per-module verbose level. Argument is a comma-separated list of <module "
    "name>=<log level>. <module name> is a glob pattern, matched against the filename base (that "
    "is, name ignoring .cc/.h./-inl.h). <log level> overrides any value given by --v.",
}
_SOURCES = {
    "symbolize_stacktrace": "src/utilities.cc",
    "v": "src/vlog_is_on.cc",
    "vmodule": "src/vlog_is_on.cc",
}
_DEFAULTS: dict[str, Value] = {
    field.name: field.default  # type: ignore[misc]  # every field has one, of these types
    for field in fields(LogSettings)
    if field.name != "program"
}


def flags(environment: Mapping[str, str]) -> tuple[Flag, ...]:
    """glog's flags, with the defaults that the GLOG_ variables of this environment give them."""
    return tuple(
        Flag(
            name,
            _MEANINGS[name],
            _from(environment.get(f"GLOG_{name}"), default),
            _SOURCES.get(name, "src/logging.cc"),
        )
        for name, default in _DEFAULTS.items()
    )


def settings_of(values: Mapping[str, Value], program: str) -> LogSettings:
    """What these values of flags (those of other names are left out) ask of a program's log."""
    ours: dict[str, Any] = {name: values[name] for name in _DEFAULTS}
    return LogSettings(**ours, program=program)


def settings_from(environment: Mapping[str, str], program: str) -> LogSettings:
    """What the environment alone asks for."""
    return settings_of({flag.name: flag.default for flag in flags(environment)}, program)


def _from(text: str | None, default: Value) -> Value:
    """A variable's value as glog reads it: of words for yes and no the first letter counts."""
    if text is None:
        return default
    if isinstance(default, bool):
        return text[:1] in ("", "t", "T", "y", "Y", "1")
    return _leading_int(text) if isinstance(default, int) else text


def _leading_int(text: str) -> int:
    """The number at the start of a text, 0 if there is none, as C's strtol has it."""
    found = re.match(r"\s*[-+]?[0-9]+", text)
    return int(found[0]) if found else 0
