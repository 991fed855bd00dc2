"""Caffe's programs beside `caffe` itself, and how they are run by their names.

Each is a module of `digits.caffe.tools` with a function `main(arguments)`.  It is loaded only when
it is run, so the command line knows of them without loading what they need.
"""

from __future__ import annotations

import importlib

PROGRAMS = {
    "classification": "classify a picture (examples/cpp_classification)",
    "classify": "classify pictures, as Caffe's classify.py does",
    "compute_image_mean": "compute the mean picture of a database",
    "convert_cifar_data": "make databases of the CIFAR-10 files",
    "convert_imageset": "make a database of a list of pictures",
    "convert_mnist_data": "make a database of MNIST's files",
    "convert_mnist_siamese_data": "make a database of pairs of MNIST's pictures",
    "detect": "score windows of pictures, as Caffe's detect.py does",
    "draw_net": "draw a network, as Caffe's draw_net.py does",
    "extract_features": "write what a network makes of its data into databases",
    "upgrade_net_proto_binary": "upgrade old weights",
    "upgrade_net_proto_text": "upgrade an old network",
    "upgrade_solver_proto_text": "upgrade an old solver",
}


def named(word: str) -> str | None:
    """The program that a word of a command line names; as files, they end in .bin or .py."""
    name = word.removesuffix(".bin").removesuffix(".py")
    return name if name in PROGRAMS else None


def run(program: str, arguments: list[str]) -> int:
    """Run a program with its arguments; its exit status."""
    module = importlib.import_module(f"digits.caffe.tools.{program}")
    return int(module.main(arguments))
