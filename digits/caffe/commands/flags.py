"""The command line of `python -m digits.caffe`: Caffe's own flags, and a few of ours.

Imports nothing heavy: help and mistakes answer at once.  Source: caffe.cpp.
Elsewhere: how flags are written (`machine/gflags.py`), those that all programs take
(`machine/command_line.py`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from digits.caffe.commands import shell
from digits.caffe.commands.programs import PROGRAMS
from digits.caffe.machine import gflags
from digits.caffe.machine.command_line import CommandLine

COMMANDS = {
    "train": "train or finetune a model",
    "test": "score a model",
    "device_query": "show GPU diagnostic information",
    "time": "benchmark model execution time",
}

HELP = {
    "gpu": "Optional; run in GPU mode on given device IDs separated by ','. Use '-gpu all' to run "
    "on all available GPUs. The effective training batch size is multiplied by the number of "
    "devices.",
    "iterations": "The number of iterations to run.",
    "level": "Optional; network level.",
    "model": "The model definition protocol buffer text file.",
    "phase": "Optional; network phase (TRAIN or TEST). Only used for 'time'.",
    "sighup_effect": "Optional; action to take when a SIGHUP signal is received: snapshot, stop or "
    "none.",
    "sigint_effect": "Optional; action to take when a SIGINT signal is received: snapshot, stop or "
    "none.",
    "snapshot": "Optional; the snapshot solver state to resume training.",
    "solver": "The solver definition protocol buffer text file.",
    "stage": "Optional; network stages (not to be confused with phase), separated by ','.",
    "weights": "Optional; the pretrained weights to initialize finetuning, separated by ','. "
    "Cannot be set simultaneously with snapshot.",
    "allow_nan": "Optional; go on training after the loss has become nan, as real Caffe does.",
    "augmentation": "Optional; a JSON file that says how training changes pictures at random "
    "(flips, turns, crops, colors, noise), before they are cropped and mirrored as the network "
    "says. Layers of the types Data and ImageData do it.",
    "allow_python": "Optional; let layers of type Python run the code that they name, as Caffe "
    "does. Use --noallow_python for networks of others.",
    "compile": "Optional; compile the network with torch.compile (needs a C++ compiler).",
    "feature_cache": "Optional; a folder for the tops of layers that do not learn, and below which "
    "none does: they are computed once for each record and read from there, by this and other "
    "trainings.",
    "feature_variants": "Optional; how many times each record is kept there where training crops "
    "or mirrors it at random; 0 is 4 then.",
    "precision": "Optional; fp32, tf32 (GPUs) or bf16 for convolutions and matrix products; "
    "weights are float32 always.",
    "test_items": "Optional; how many items the set of the first test net has. Tests then also log "
    "the exact means over them, beside Caffe's, in which some items count twice where the batch "
    "size does not divide their number.",
    "processes": "Optional; on the CPU, train in so many processes, each on its share of the data. "
    "The effective training batch size is multiplied by their number.",
}


@dataclass
class Flags:
    """The value of each flag, and the command, if one is given."""

    command: str = ""
    gpu: str = ""
    iterations: int = 50
    level: int = 0
    model: str = ""
    phase: str = ""
    sighup_effect: str = "snapshot"
    sigint_effect: str = "stop"
    snapshot: str = ""
    solver: str = ""
    stage: str = ""
    weights: str = ""
    allow_nan: bool = False
    augmentation: str = ""
    allow_python: bool = True
    compile: bool = False
    feature_cache: str = ""
    feature_variants: int = 0
    precision: str = "fp32"
    processes: int = 1
    test_items: int = 0
    help: bool = False
    version: bool = False

    @property
    def stages(self) -> list[str]:
        """The stages; one empty stage if none is named, as in Caffe."""
        return self.stage.split(",")


_DEFAULTS: dict[str, gflags.Value] = {name: getattr(Flags(), name) for name in HELP}


def command_line() -> CommandLine:
    """What the program takes, for its environment as it is now."""
    return CommandLine(
        "caffe",
        _usage(),
        "tools/caffe.cpp",
        {name: (text, _DEFAULTS[name]) for name, text in HELP.items()},
    )


def parse(arguments: list[str]) -> Flags:
    """The flags of a command line (without the program's name).

    Raises UsageError for an unknown flag, a value that does not fit, a second word.
    """
    line = command_line()
    values, words = gflags.parse(arguments, line.defaults, line.name)
    flags = flags_of(line.own(values), words)
    flags.help, flags.version = bool(values["help"]), bool(values["version"])
    return flags


def flags_of(values: Mapping[str, gflags.Value], words: Sequence[str]) -> Flags:
    """The flags of these values and words; UsageError for a second word."""
    if len(words) > 1:
        raise gflags.UsageError(f"one command is expected, received {', '.join(words)}")
    return Flags(*words, **values)  # type: ignore[arg-type]  # each is of its default's type


def written(flags: Flags) -> list[str]:
    """A command line that `parse` reads as these flags."""
    return [flags.command, *(f"--{name}={getattr(flags, name)}" for name in _DEFAULTS)]


def _usage() -> str:
    width = max(map(len, COMMANDS)) + 4
    lines = ["caffe: command line brew", "usage: caffe <command> <args>", "", "commands:"]
    lines += [f"  {name:<{width}}{text}" for name, text in COMMANDS.items()]
    lines += ["", "scripts and shells:"]
    lines += [f"  {name:<{width}}{text}" for name, text in shell.COMMANDS.items()]
    width = max(map(len, PROGRAMS)) + 4
    lines += ["", "programs:"]
    lines += [f"  {name:<{width}}{program.says}" for name, program in PROGRAMS.items()]
    return "\n".join(lines)
