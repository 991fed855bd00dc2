"""Draw a network: Caffe's draw_net.py, run as `python -m digits.caffe draw_net`.

In: a prototxt; old formats are upgraded.  Out: a picture, in the format that its ending names.
Source: the arguments of python/draw_net.py; what is drawn is `digits.caffe.draw`'s.
"""

from __future__ import annotations

import sys
from argparse import ArgumentDefaultsHelpFormatter, ArgumentParser, Namespace
from collections.abc import Sequence

from digits.caffe.formats import prototxt, upgrade
from digits.caffe.proto import caffe_pb2
from digits.caffe.tools import python_program

_PHASES = {"TRAIN": caffe_pb2.TRAIN, "TEST": caffe_pb2.TEST, "ALL": None}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    return python_program.run(_parser(), arguments, _draw)


def _parser() -> ArgumentParser:
    parser = ArgumentParser(
        "draw_net.py",
        description="Draw a graph of the net architecture.",
        formatter_class=ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("input_net_proto_file", help="Input network prototxt file")
    parser.add_argument("output_image_file", help="Output image file")
    parser.add_argument(
        "--rankdir",
        help="One of TB (top-bottom, i.e., vertical), RL (right-left, i.e., horizontal), or "
        "another valid dot option; see http://www.graphviz.org/doc/info/attrs.html#k:rankdir",
        default="LR",
    )
    parser.add_argument(
        "--phase",
        help="Which network phase to draw: can be TRAIN, TEST, or ALL.  If ALL, then all layers "
        "are drawn regardless of phase.",
        default="ALL",
    )
    parser.add_argument(
        "--display_lrm",
        action="store_true",
        help="Use this flag to visualize the learning rate multiplier, when non-zero, for the "
        "learning layers (Convolution, Deconvolution, InnerProduct).",
    )
    return parser


def _draw(given: Namespace) -> None:
    from digits.caffe.draw import draw_net_to_file  # noqa: PLC0415  # pydot, for this alone

    if given.phase not in _PHASES:
        raise ValueError(f"Unknown phase: {given.phase}; known are {', '.join(_PHASES)}")
    net = prototxt.read_net(given.input_net_proto_file)
    if upgrade.needs_upgrade(net):
        upgrade.upgrade_net(net, given.input_net_proto_file)
    print(f"Drawing net to {given.output_image_file}")
    phase = _PHASES[given.phase]
    draw_net_to_file(net, given.output_image_file, given.rankdir, phase, given.display_lrm)


if __name__ == "__main__":
    sys.exit(main())
