"""What glog's flags and variables ask of the log, beside what real Caffe's programs did."""

from __future__ import annotations

import pytest

from digits.caffe.machine import glog
from digits.caffe.machine.glog import LogSettings


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("minloglevel", "2", 2),
        ("minloglevel", "x", 0),
        ("minloglevel", " 1 or so", 1),
        ("logtostderr", "1", True),
        ("logtostderr", "yes", True),
        ("logtostderr", "", True),
        ("logtostderr", "no", False),
        ("logtostderr", "0", False),
        ("log_prefix", "0", False),
        ("log_dir", "/some/where", "/some/where"),
        ("vmodule", "net=1", "net=1"),
    ],
)
def test_variables_are_defaults_of_flags(name: str, text: str, value: object) -> None:
    assert getattr(glog.settings_from({f"GLOG_{name}": text}, "caffe"), name) == value
    (flag,) = (f for f in glog.flags({f"GLOG_{name}": text}) if f.name == name)
    assert flag.default == value


def test_every_flag_has_its_meaning_and_its_variable() -> None:
    for flag in glog.flags({}):
        assert flag.text
        opposite = {str: "text", int: "7", bool: "f" if flag.default else "t"}[type(flag.default)]
        assert glog.settings_from({f"GLOG_{flag.name}": opposite}, "") != LogSettings(program="")


@pytest.mark.parametrize(
    ("settings", "severities"),
    [
        (LogSettings(), [2, 3]),
        (LogSettings(logtostderr=True), [0, 1, 2, 3]),
        (LogSettings(alsologtostderr=True, stderrthreshold=3), [0, 1, 2, 3]),
        (LogSettings(stderrthreshold=1), [1, 2, 3]),
    ],
)
def test_what_goes_to_stderr(settings: LogSettings, severities: list[int]) -> None:
    assert [s for s in range(4) if settings.goes_to_stderr(s)] == severities


@pytest.mark.parametrize(
    ("settings", "written"),
    [
        (LogSettings(alsologtostderr=True), False),
        (LogSettings(alsologtostderr=True, log_dir="x"), True),
        (LogSettings(alsologtostderr=True, log_link="x"), True),
        (LogSettings(), True),
        (LogSettings(logtostderr=True, log_dir="x"), False),
    ],
)
def test_files_are_written_where_asked_for_or_lines_would_be_lost(
    settings: LogSettings, written: bool
) -> None:
    assert settings.writes_files is written


@pytest.mark.parametrize(
    ("flags", "source", "level"),
    [
        (LogSettings(v=2), "net.cpp:86", 2),
        (LogSettings(v=2, vmodule="net=0"), "net.cpp:86", 0),
        (LogSettings(vmodule="solver=3,n?t=1,net=2"), "net.cpp:86", 1),
        (LogSettings(vmodule="net=4"), "net-inl.h:3", 4),
        (LogSettings(vmodule="net=x,solver"), "solver.cpp:3", 0),
    ],
)
def test_how_verbose_a_module_is(flags: LogSettings, source: str, level: int) -> None:
    assert flags.verbosity(source) == level
