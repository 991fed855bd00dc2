"""`digits-caffe run`, `env`, `build` and `digits.caffe.as_caffe`, used as scripts and shells do."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import digits
from digits.caffe.commands.programs import PROGRAMS, REPLACED

MAIN = [sys.executable, "-m", "digits.caffe"]
TOP = Path(digits.__file__).parents[1]
UNBUILT = "import sys\nsys.path.insert(0, 'caffe/python')\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with an unbuilt checkout of Caffe, whose `import caffe` would fail."""
    checkout = tmp_path / "a checkout" / "caffe" / "python" / "caffe"
    checkout.mkdir(parents=True)
    (checkout / "__init__.py").write_text("from ._caffe import Net\n")
    monkeypatch.chdir(tmp_path / "a checkout")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "the cache"))
    monkeypatch.setenv("PYTHONPATH", str(TOP))
    return tmp_path / "a checkout"


def output(*command: str, status: int = 0) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == status, done.stderr
    return done.stdout


def in_shell(script: str, shell: str = "sh") -> str:
    return output(shell, "-c", f'eval "$({sys.executable} -m digits.caffe env)"\n{script}')


def test_a_script_finds_ours_before_an_unbuilt_checkout(folder: Path) -> None:
    script = folder / "their script.py"
    script.write_text(
        UNBUILT + "import caffe, caffe.io\n"
        "from caffe.proto import caffe_pb2\n"
        "print(caffe.__name__, sys.argv[1:], __name__, caffe.io.__name__)\n"
        "sys.exit(7)\n"
    )
    said = output(*MAIN, "run", str(script), "--flag", "a word", status=7)
    assert said == "digits.caffe ['--flag', 'a word'] __main__ digits.caffe.io\n"


def test_modules_and_code_run_as_python_runs_them(folder: Path) -> None:
    (folder / "theirs.py").write_text("import caffe, sys; print(caffe.TEST, sys.argv[1:])")
    assert output(*MAIN, "run", "-m", "theirs", "x") == "1 ['x']\n"
    assert output(*MAIN, "run", "-c", "import caffe; print(caffe.TRAIN)") == "0\n"


def test_what_pycaffe_brings_along_is_there_for_scripts() -> None:
    """What used to happen: four of the ten files of Caffe's own tests ended at `import six`."""
    code = "import caffe, h5py, matplotlib, numpy, PIL, six, google.protobuf; print(six.PY3)"
    assert output(*MAIN, "run", "-c", code) == "True\n"


def test_what_a_script_starts_finds_ours_as_well(folder: Path) -> None:
    (folder / "workers.py").write_text(
        UNBUILT + "import multiprocessing, subprocess\n"
        "def name(_): import caffe; return caffe.__name__\n"
        "if __name__ == '__main__':\n"
        "    with multiprocessing.get_context('spawn').Pool(1) as pool:\n"
        "        print(pool.map(name, [0])[0], flush=True)\n"
        "    subprocess.run([sys.executable, '-c', 'import caffe; print(caffe.__name__)'])\n"
        "    subprocess.run(['caffe', '--version'])\n"
    )
    lines = output(*MAIN, "run", "workers.py").splitlines()
    assert lines == ["digits.caffe", "digits.caffe", "caffe version 1.0.0"]


def test_a_run_without_a_program_says_how(folder: Path) -> None:
    done = subprocess.run([*MAIN, "run"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.split(":")[0]) == (1, "usage")
    assert (
        "can't open file"
        in subprocess.run(
            [*MAIN, "run", "none.py"], capture_output=True, text=True, check=False
        ).stderr
    )


@pytest.mark.parametrize(
    ("first_line", "rest", "says"),
    [
        ("#!/bin/bash", "words=(one two); echo ${words[1]} $1", "two x"),
        ("#!/usr/bin/env -S bash -e", "false; echo goes on", ""),
        ("#!/usr/bin/env python2", "import caffe, sys; print(caffe.__name__, sys.argv[1])", None),
        ("#!/usr/bin/awk -f", 'BEGIN { print "awk", ARGV[1] }', "awk x"),
        ("", "echo ${words:-plain}", "plain"),
    ],
)
def test_a_script_is_run_by_what_its_first_line_names(
    first_line: str, rest: str, says: str | None, folder: Path
) -> None:
    """What used to happen: sh ran scripts of bash, and stumbled over its words."""
    (folder / "a script.sh").write_text(f"{first_line}\n{rest}\n")
    status = 0 if says != "" else 1
    said = output(*MAIN, "run", "a script.sh", "x", status=status).strip()
    assert said == (says if says is not None else "digits.caffe x")


@pytest.mark.parametrize(
    ("options", "option"),
    [
        (["-I", "script.py"], "-I"),
        (["-uS", "script.py"], "-S"),
        (["-W", "error", "-E", "-c", "1"], "-E"),
        (["--check-hash-based-pycs", "never", "-BIm", "this"], "-I"),
    ],
)
def test_options_under_which_python_finds_no_caffe_are_refused(
    options: list[str], option: str, folder: Path
) -> None:
    """What used to happen: the script ended at `import caffe`, which said that there is none."""
    done = subprocess.run([*MAIN, "run", *options], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"With Python's option {option}, `import caffe` finds nothing" in done.stderr


def test_options_of_the_program_and_other_ones_of_pythons_are_passed_on(folder: Path) -> None:
    (folder / "script.py").write_text("import caffe, sys; print(sys.argv[1:], sys.flags.utf8_mode)")
    options = ["-Werror", "-X", "utf8", "-B"]
    assert output(*MAIN, "run", *options, "script.py", "-I", "-E") == "['-I', '-E'] 1\n"
    assert output(*MAIN, "run", "-c", "import sys; print(sys.argv)", "-S") == "['-c', '-S']\n"


def test_an_interpreter_that_is_not_there_is_named(folder: Path) -> None:
    (folder / "script.sh").write_text("#!/nowhere/bash\n")
    command = [*MAIN, "run", "script.sh"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "/nowhere/bash, which is to run script.sh, cannot be started: No such" in done.stderr


def test_modules_that_caffe_does_not_have_are_not_found(folder: Path) -> None:
    """What used to happen: find_spec found any name."""
    code = (
        "import caffe, importlib.util as u\n"
        "print([n for n in ('caffe', 'caffe.io', 'caffe.none') if u.find_spec(n)])\n"
        "try: import caffe.none\n"
        "except ImportError as error: print(error.name)"
    )
    assert output(*MAIN, "run", "-c", code) == "['caffe', 'caffe.io']\ncaffe.none\n"


def test_asking_twice_changes_nothing_more_and_what_stood_there_stays(folder: Path) -> None:
    """What used to happen: an empty part of PYTHONPATH, the working directory, was lost."""
    again = f'eval "$({sys.executable} -m digits.caffe env)"'
    show = 'echo "$PATH//$PYTHONPATH"'
    first, second = in_shell(f"{show}; {again}; {show}").splitlines()
    assert first == second
    (folder / "theirs.py").write_text("print('found')")
    (folder / "scripts").mkdir()
    (folder / "scripts" / "script.py").write_text("import theirs")
    assert in_shell(f"export PYTHONPATH={TOP}:; {again}; python scripts/script.py") == "found\n"


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_programs_and_imports_mean_ours_in_a_shell_that_asks_for_it(
    shell: str, folder: Path
) -> None:
    (folder / "script.py").write_text(UNBUILT + "import caffe; print(caffe.__name__)")
    said = in_shell("caffe --version; python script.py; convert_imageset --version", shell)
    assert said.splitlines() == [
        "caffe version 1.0.0",
        "digits.caffe",
        "convert_imageset version 1.0.0",
    ]


def test_every_program_of_caffes_is_on_the_path_of_such_a_shell(folder: Path) -> None:
    names = ["caffe", *(f"{n}.py" if p.is_python else n for n, p in PROGRAMS.items())]
    found = in_shell("; ".join(f"command -v {name}" for name in names)).splitlines()
    assert [os.path.basename(path) for path in found] == names
    assert len({os.path.dirname(path) for path in found}) == 1


def test_another_sitecustomize_still_runs(folder: Path) -> None:
    theirs = folder / "site"
    theirs.mkdir()
    (theirs / "sitecustomize.py").write_text("print('theirs ran')")
    said = in_shell(
        f"PYTHONPATH=$PYTHONPATH:'{theirs}' python -c 'import caffe; print(caffe.__name__)'"
    )
    assert said.splitlines() == ["theirs ran", "digits.caffe"]


def test_a_python_without_digits_is_left_as_it_is(folder: Path) -> None:
    (folder / "caffe" / "python" / "caffe" / "__init__.py").write_text("print('the real one')")
    startup = TOP / "digits" / "caffe" / "startup"
    said = subprocess.run(
        [sys.executable, "-S", "-c", UNBUILT + "import sitecustomize, caffe"],
        env={"PYTHONPATH": str(startup)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert said.stdout == "the real one\n"


def test_nobody_else_finds_a_caffe(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder / "caffe")
    code = "import digits.caffe, importlib.util; print(importlib.util.find_spec('caffe'))"
    assert output(sys.executable, "-c", code) == "None\n"
    scripts = Path(sys.executable).parent
    assert [name for name in ("caffe", "convert_imageset") if (scripts / name).exists()] == []


def test_a_notebook_asks_for_it_by_an_import(folder: Path) -> None:
    code = (
        "import digits.caffe.as_caffe, caffe, caffe.io, digits.caffe\n"
        "assert caffe is digits.caffe\n"
        "import pickle; print(pickle.loads(pickle.dumps(caffe.io.Transformer)).__module__)"
    )
    assert output(sys.executable, "-c", UNBUILT + code) == "digits.caffe.io\n"


def test_a_folder_that_cannot_be_written_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "file"))
    for command in ("run", "env"):
        words = [*MAIN, command, *(["x.py"] if command == "run" else [])]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 1
        assert "Set XDG_CACHE_HOME" in done.stderr


def test_the_build_of_a_checkout_has_the_programs_where_caffes_scripts_call_them(
    folder: Path,
) -> None:
    assert "programs of Caffe" in output(*MAIN, "build", "caffe")
    build = folder / "caffe" / "build"
    assert output(str(build / "tools" / "caffe"), "--version") == "caffe version 1.0.0\n"
    for name, program in PROGRAMS.items():
        if program.folder and not program.is_python:
            for suffix in ("", ".bin"):
                assert os.access(build / program.folder / (name + suffix), os.X_OK)
    assert list(build.rglob("export_onnx*")) == []  # ours alone
    output(*MAIN, "build", "caffe")  # again


def test_a_real_build_is_left_alone(folder: Path) -> None:
    (folder / "caffe" / "build").mkdir()
    done = subprocess.run([*MAIN, "build", "caffe"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is there already" in done.stderr
    assert list((folder / "caffe" / "build").iterdir()) == []


@pytest.mark.parametrize("name", sorted(set(REPLACED) - {"device_query"}))
def test_programs_that_caffe_has_replaced_say_by_what(name: str, folder: Path) -> None:
    done = subprocess.run([*MAIN, name], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"Deprecated. Use {REPLACED[name]} instead." in done.stderr


def test_the_word_caffe_may_stand_before_its_commands(folder: Path) -> None:
    assert output(*MAIN, "caffe", "--version") == "caffe version 1.0.0\n"
