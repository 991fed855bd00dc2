"""Scripts and shells in which `caffe` means this package: `digits-caffe run`, `env` and `build`.

    digits-caffe run [Python's options] SCRIPT|-m MODULE|-c CODE arguments...
    eval "$(digits-caffe env)"
    digits-caffe build [CAFFE_ROOT]

All three change nothing but what is asked for: `run` a process and those that it starts, `env` a
shell and those that it starts, `build` the folder `build` of a checkout of Caffe, where its shell
scripts look for programs.

Elsewhere: the finder behind `import caffe` (`machine/caffe_name.py`), which each Python of such a
shell installs at its start (`startup/sitecustomize.py`).
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from digits.caffe.commands.programs import PROGRAMS, REPLACED
from digits.caffe.errors import CaffeError
from digits.caffe.formats.files import written_whole

STARTUP = Path(__file__).parents[1] / "startup"
COMMANDS = {
    "run": "run a program with `import caffe` and Caffe's programs meaning these",
    "env": "print what makes them mean these in a shell",
    "build": "make the folder `build` of a checkout of Caffe",
}
_LONGEST_FIRST_LINE = 4096
_PROGRAM = """\
#!/bin/sh
exec {python} -m digits.caffe {name} "$@"
"""


def main(command: str, arguments: Sequence[str]) -> int:
    """Run one of COMMANDS; the exit status."""
    usage, most, work = _WORK[command]
    is_question = arguments[:1] in (["-h"], ["--help"])
    if is_question or len(arguments) > most or (command == "run" and not arguments):
        print(f"usage: {usage}", file=sys.stderr)
        return 0 if is_question else 1
    try:
        work(arguments)
    except CaffeError as error:
        print(f"digits-caffe {command}: {error}", file=sys.stderr)
        return 1
    return 0


def _run(arguments: Sequence[str]) -> None:
    """Replace this process by the Python, or the other interpreter, that runs the program."""
    _refuse_options_that_hide_ours(arguments)
    environment = os.environ | variables(os.environ)
    command = [*interpreter(Path(arguments[0])), *arguments]
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, environment)  # noqa: S606  # what was asked for
    except OSError as error:
        raise CaffeError(
            f"{command[0]}, which is to run {arguments[0]}, cannot be started: {error.strerror}."
        ) from error


def _env(_arguments: Sequence[str]) -> None:
    """Print the lines that a POSIX shell evaluates."""
    for name, value in variables(os.environ).items():
        print(f"export {name}={shlex.quote(value)}")


def _build(arguments: Sequence[str]) -> None:
    """Make `build` below a folder (the working directory), as Caffe's own build would."""
    made = build_folder(Path(arguments[0] if arguments else "."))
    print(f"{made}: {len(_compiled())} programs of Caffe, run by {sys.executable}")


# How each is used, how many words it takes at most, and what does it.
_WORK: dict[str, tuple[str, int, Callable[[Sequence[str]], None]]] = {
    "run": ("digits-caffe run SCRIPT|-m MODULE|-c CODE [arguments]", sys.maxsize, _run),
    "env": ('eval "$(digits-caffe env)"', 0, _env),
    "build": ("digits-caffe build [CAFFE_ROOT]", 1, _build),
}


def interpreter(script: Path) -> list[str]:
    """What runs a script: this Python, unless its first line (`#!`) names something else.

    A script of a shell without such a line, by its ending, is run by `sh`.
    """
    first = b""
    if script.is_file() and os.access(script, os.R_OK):
        with script.open("rb") as file:
            first = file.readline(_LONGEST_FIRST_LINE)
    # As the kernel reads it: a program, and all that follows as one argument.
    words = os.fsdecode(first[2:]).strip().split(maxsplit=1) if first.startswith(b"#!") else []
    if not words:
        return ["sh"] if script.suffix == ".sh" else [sys.executable]
    is_pythons = any("python" in os.path.basename(word) for word in " ".join(words).split())
    return [sys.executable] if is_pythons else words


def _refuse_options_that_hide_ours(arguments: Sequence[str]) -> None:
    """Raise CaffeError for options of Python's under which it does not look for our `caffe`."""
    rest = iter(arguments)
    for word in rest:
        if not re.fullmatch(r"-[^-].*", word, re.DOTALL):
            if not word.startswith("--check"):
                return  # the script, or `-` for standard input
            next(rest, None)
            continue
        letters = re.split("[cmWX]", word[1:], maxsplit=1)
        if hiding := set(letters[0]) & set("EIS"):
            raise CaffeError(
                f"With Python's option -{min(hiding)}, `import caffe` finds nothing, since it "
                "leaves out what makes this package be found. Run the program without it."
            )
        if len(letters) == 2:
            option, value = word[len(letters[0]) + 1], letters[1]
            if option in "cm":
                return
            if not value:
                next(rest, None)


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """PATH and PYTHONPATH under which programs and `import caffe` are ours.

    Raises CaffeError when the folder of the programs cannot be written.
    """
    first = [str(programs_folder(environment))]
    if sys.prefix != sys.base_prefix:
        first.append(str(Path(sys.executable).parent))  # where `python` is this Python
    return {
        "PATH": _in_front(first, environment.get("PATH", os.defpath)),
        "PYTHONPATH": _in_front([str(STARTUP)], environment.get("PYTHONPATH", "")),
    }


def programs_folder(environment: Mapping[str, str]) -> Path:
    """A folder with Caffe's programs by their names, made anew each time in the user's cache."""
    home = environment.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    ours = hashlib.sha256(sys.executable.encode()).hexdigest()[:12]
    folder = Path(home, "digits", f"caffe-programs-{ours}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_program(folder / "caffe", "caffe")
        for name, program in PROGRAMS.items():
            _write_program(folder / (f"{name}.py" if program.is_python else name), name)
    except OSError as error:
        raise CaffeError(
            f"The programs cannot be put into {folder} ({error.strerror}). "
            "Set XDG_CACHE_HOME to a folder that can be written."
        ) from error
    return folder


def build_folder(root: Path) -> Path:
    """Make `root`/build; CaffeError when something else stands there, or it cannot be written."""
    if not root.is_dir():
        raise CaffeError(f"There is no folder {root}.")
    folder = root / "build"
    mark = folder / ".made-by-digits-caffe"
    if os.path.lexists(folder) and not mark.exists():
        raise CaffeError(f"{folder} is there already, perhaps a real Caffe's. Move it away first.")
    try:
        folder.mkdir(exist_ok=True)
        mark.touch()
        for name, place in _compiled().items():
            (folder / place).mkdir(parents=True, exist_ok=True)
            for suffix in ("", ".bin"):  # as CMake and as Caffe's Makefile name them
                _write_program(folder / place / (name + suffix), name)
    except OSError as error:
        raise CaffeError(f"{folder} cannot be made: {error.strerror}.") from error
    return folder


def _compiled() -> dict[str, str]:
    """The programs that Caffe's build makes, with their folders."""
    made = {n: row.folder for n, row in PROGRAMS.items() if row.folder and not row.is_python}
    return {"caffe": "tools"} | dict.fromkeys(REPLACED, "tools") | made


def _write_program(path: Path, name: str) -> None:
    """Write the small script that runs a program; whoever runs it meanwhile sees a whole one."""
    text = _PROGRAM.format(python=shlex.quote(sys.executable), name=name)
    # Made anew by the next command: a power cut may take it.
    with written_whole(path, sync=lambda _descriptor: None) as new:
        Path(new).write_text(text)
        Path(new).chmod(0o755)


def _in_front(folders: Sequence[str], path: str) -> str:
    # An empty part means the working directory, and stays: PYTHONPATH=python: is often seen.
    rest = [folder for folder in path.split(os.pathsep) if folder not in folders] if path else []
    return os.pathsep.join([*folders, *rest])
