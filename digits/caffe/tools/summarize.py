"""Print a network as a table: `digits-caffe summarize NET.prototxt`.

Out: a line a layer: name, type, parameters that are named or learn at another rate, bottoms, tops,
and for Convolution and Pooling the kernel, /stride, +pad and number of outputs.  Blobs have colours
on a terminal; a top that nobody reads is underlined, a bottom that nobody makes is red.
Source: the columns of tools/extra/summarize.py.
"""

from __future__ import annotations

import re
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator, Sequence

from digits.caffe.formats import prototxt, upgrade
from digits.caffe.proto import caffe_pb2
from digits.caffe.tools import python_program

_COLOURS = ("92", "93", "94", "95", "96", "97", "42", "43;30", "100", "103;30", "107;30")
_MISSING = "41"
_ESCAPES = re.compile(r"\033\[[\d;]*m")
Paint = Callable[[str, str], str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run with a command line (without the program's name)."""
    parser = ArgumentParser(
        "summarize.py", description="Print a concise summary of net computation."
    )
    parser.add_argument("filename", help="net prototxt file to summarize")
    parser.add_argument("-w", "--max-width", type=int, default=30, help="maximum field width")
    return python_program.run(parser, arguments, _summarize)


def _summarize(given: Namespace) -> None:
    net = prototxt.read_net(given.filename)
    if upgrade.needs_upgrade(net):
        upgrade.upgrade_net(net, given.filename)
    paint = _in_colour if sys.stdout.isatty() else _plain
    rows = [*_rows(net, paint)]
    widths = [
        min(given.max_width, max((_length(row[column]) for row in rows), default=0) + 1)
        for column in range(7)
    ]
    for row in rows:
        line, right = "", 0
        for cell, width in zip(row, widths, strict=True):
            right += width
            line += cell + " "
            line += " " * (right - _length(line))
        print(line.rstrip())


def _rows(net: caffe_pb2.NetParameter, paint: Paint) -> Iterator[list[str]]:
    colours: dict[str, str] = {}
    unread = _unread(net)
    for layer in net.layer:
        bottoms = [paint(name, colours.get(name, _MISSING)) for name in layer.bottom]
        tops = []
        for index, name in enumerate(layer.top):
            colour = colours.setdefault(name, _COLOURS[len(colours) % len(_COLOURS)])
            top = paint(name, f"1;4;{colour}" if name in unread else colour)
            weight = layer.loss_weight[index] if index < len(layer.loss_weight) else None
            tops.append(top if weight is None else f"{weight:g} * {top}")
        kind = layer.type
        if kind == "Python":
            kind = f"{layer.python_param.module}.{layer.python_param.layer}"
        parts = [layer.name, kind, _params(layer), ", ".join(bottoms), "->", ", ".join(tops)]
        yield [*parts, _size(layer)]


def _unread(net: caffe_pb2.NetParameter) -> set[str]:
    """The tops that no later layer reads."""
    unread: set[str] = set()
    for layer in net.layer:
        unread -= set(layer.bottom)
        unread |= set(layer.top)
    return unread


def _params(layer: caffe_pb2.LayerParameter) -> str:
    said = []
    for param in layer.param:
        words = [param.name] if param.name else []
        words += [f"x{param.lr_mult:g}"] if param.lr_mult != 1 else []
        words += [f"Dx{param.decay_mult:g}"] if param.decay_mult != 1 else []
        said.append(" ".join(words))
    return f"({', '.join(said)})" if any(said) else ""


def _size(layer: caffe_pb2.LayerParameter) -> str:
    if layer.type in ("Convolution", "Deconvolution"):
        conv = layer.convolution_param
        kernel = _axes(conv.kernel_size, conv.kernel_h, conv.kernel_w)
        text = kernel + _more("/", conv.stride, conv.stride_h, conv.stride_w, "1")
        text += _more("+", conv.pad, conv.pad_h, conv.pad_w, "0") + f" {conv.num_output}"
        return text + (f"/{conv.group}" if conv.group != 1 else "")
    if layer.type == "Pooling":
        pool = layer.pooling_param
        if pool.global_pooling:
            return "global"
        kernel = _axes([pool.kernel_size], pool.kernel_h, pool.kernel_w)
        text = kernel + _more("/", [pool.stride], pool.stride_h, pool.stride_w, "1")
        return text + _more("+", [pool.pad], pool.pad_h, pool.pad_w, "0")
    return ""


def _axes(both: Sequence[int], height: int, width: int) -> str:
    if height or width:
        return f"{height}x{width}"
    return "x".join(str(number) for number in both)


def _more(mark: str, both: Sequence[int], height: int, width: int, usual: str) -> str:
    text = _axes(both, height, width)
    return "" if text in ("", usual) else mark + text


def _in_colour(name: str, colour: str) -> str:
    return f"\033[{colour}m{name}\033[0m"


def _plain(name: str, colour: str) -> str:
    """Where there are no colours, what is missing must be seen as well."""
    return f"{name}?" if colour == _MISSING else name


def _length(text: str) -> int:
    return len(_ESCAPES.sub("", text))


if __name__ == "__main__":
    sys.exit(main())
