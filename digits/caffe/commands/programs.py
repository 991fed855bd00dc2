"""Caffe's programs beside `caffe` itself, and how they are run by their names.

Each is a module of `digits.caffe.tools` with a function `main(arguments)`.  It is loaded only when
it is run, so the command line knows of them without loading what they need.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class CaffeProgram:
    """What a program does, and the folder of Caffe's sources that it stands in ("": in none)."""

    says: str
    folder: str

    @property
    def is_python(self) -> bool:
        """Whether Caffe has it as a file of Python; the others are compiled."""
        return self.folder in ("python", "tools/extra")


PROGRAMS = {
    "classification": CaffeProgram("classify a picture", "examples/cpp_classification"),
    "classify": CaffeProgram("classify pictures", "python"),
    "compute_image_mean": CaffeProgram("compute the mean picture of a database", "tools"),
    "convert_cifar_data": CaffeProgram("make databases of CIFAR-10's files", "examples/cifar10"),
    "convert_imageset": CaffeProgram("make a database of a list of pictures", "tools"),
    "convert_mnist_data": CaffeProgram("make a database of MNIST's files", "examples/mnist"),
    "convert_mnist_siamese_data": CaffeProgram(
        "make a database of pairs of MNIST's pictures", "examples/siamese"
    ),
    "detect": CaffeProgram("score windows of pictures", "python"),
    "draw_net": CaffeProgram("draw a network", "python"),
    "export_onnx": CaffeProgram("write a network as an ONNX file", ""),
    "extract_seconds": CaffeProgram("write when the iterations of a log were", "tools/extra"),
    "extract_features": CaffeProgram("write what a network makes of its data", "tools"),
    "parse_log": CaffeProgram("write what a log says as tables", "tools/extra"),
    "plot_training_log": CaffeProgram("plot what logs say", "tools/extra"),
    "summarize": CaffeProgram("print a network as a table", "tools/extra"),
    "train": CaffeProgram("train on several GPUs, as Caffe's train.py does", "python"),
    "upgrade_net_proto_binary": CaffeProgram("upgrade old weights", "tools"),
    "upgrade_net_proto_text": CaffeProgram("upgrade an old network", "tools"),
    "upgrade_solver_proto_text": CaffeProgram("upgrade an old solver", "tools"),
}
# Caffe still has programs of these names, which do nothing but say what to use.
REPLACED = {
    "device_query": "caffe device_query [--device_id=0]",
    "finetune_net": "caffe train --solver=... [--weights=...]",
    "net_speed_benchmark": "caffe time --model=... [--iterations=50] [--gpu] [--device_id=0]",
    "test_net": "caffe test --model=... --weights=...",
    "train_net": "caffe train --solver=... [--snapshot=...]",
}


def named(word: str) -> str | None:
    """The program that a word of a command line names; as files, they end in .bin or .py."""
    name = word.removesuffix(".bin").removesuffix(".py")
    # `train` is a command of `caffe`; Caffe's program of that name is always called train.py.
    return name if name in PROGRAMS and word != "train" else None


def run(program: str, arguments: list[str]) -> int:
    """Run a program with its arguments; its exit status."""
    module = importlib.import_module(f"digits.caffe.tools.{program}")
    return int(module.main(arguments))
