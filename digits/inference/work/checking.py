"""The `check` operation: build nets and say what is wrong with them.

Nets are built on PyTorch's meta device: every layer is made and asked for its shapes, but nothing
is computed and no parameter takes memory, whatever sizes a user wrote.
In: texts.  Out: for each net its shapes, or its problem with layer and line; for weights, which
layers take them and which do not, and why.
"""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch

from digits.caffe.errors import CaffeError, LayerError, PrototxtError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.nets.building import build
from digits.caffe.nets.nodes import Parts
from digits.caffe.proto import caffe_pb2
from digits.inference.protocol import Message
from digits.inference.results import NetCheck, NetProblem, SkippedWeights
from digits.inference.work import permissions
from digits.inference.work.layer_lines import layer_lines
from digits.inference.work.requested import RequestedNet, filtered, parse, without_files
from digits.inference.work.weights_check import compare_weights

_PLACE = re.compile(r"(?P<source>.*?):(?P<line>\d+):\d+: (?P<problem>.*)", re.DOTALL)
_LAYER = re.compile(r"layer '(?P<name>[^']*)'")


def check(request: Message) -> Message:
    """Header: nets, weights; a part a net: its text.  Answers nets and problems."""
    nets: dict[str, Any] = {}
    problems: list[NetProblem] = []
    weights = request.header["weights"]
    for values, text in zip(request.header["nets"], request.parts, strict=True):
        wanted = RequestedNet.from_json(values)
        try:
            net = filtered(parse(text, wanted.name), wanted)
            parts = build_net(net, wanted)
        except CaffeError as error:
            problems.append(_located(error, text, wanted.name))
            continue
        found = _facts(net, parts)
        if weights is not None:
            loaded, skipped, misfits = _compared(parts, Path(weights), text)
            found = replace(found, loaded_layers=loaded, skipped_weights=skipped)
            problems += misfits
            weights = None
        nets[wanted.name] = asdict(found)
    return Message({"nets": nets, "problems": [asdict(problem) for problem in problems]})


def build_net(net: caffe_pb2.NetParameter, wanted: RequestedNet) -> Parts:
    """The parts of a net in the wanted state, without memory behind them.  Raises CaffeError."""
    phase = Phase.TRAIN if wanted.phase == "TRAIN" else Phase.TEST
    nowhere = torch.device("meta")
    with nowhere:  # fillers make their values on the default device
        return build(
            without_files(net, wanted),
            LayerContext(phase=phase, device=nowhere, allow_python=permissions.python_layers),
        )


def inferred_shapes(
    net: caffe_pb2.NetParameter, wanted: RequestedNet
) -> dict[str, tuple[int, ...]]:
    """Blob names to shapes.  Raises CaffeError where the net cannot be built."""
    return dict(_facts(net, build_net(net, wanted)).shapes)


def _facts(net: caffe_pb2.NetParameter, parts: Parts) -> NetCheck:
    # Without the copies of blobs that the net makes for several readers.
    own = {top for layer in net.layer for top in layer.top}
    shapes = zip(parts.blob_names, (blob.shape for blob in parts.blobs), strict=True)
    return NetCheck(
        shapes={name: shape for name, shape in shapes if name in own},
        outputs=tuple(parts.blob_names[index] for index in parts.outputs),
        param_count=sum(use.blob.count for use in parts.params if use.owner < 0),
    )


def _compared(
    parts: Parts, path: Path, text: bytes
) -> tuple[tuple[str, ...], tuple[SkippedWeights, ...], list[NetProblem]]:
    """Which layers take weights of a file, which do not; and what training would end with."""
    try:
        comparison = compare_weights(parts, path)
    except CaffeError as error:
        return (), (), [NetProblem(str(error), net="weights")]
    lines = layer_lines(text.decode("utf-8", "replace"))
    misfits = [
        NetProblem(misfit.reason, misfit.layer, lines.get(misfit.layer), "weights")
        for misfit in comparison.misfits
    ]
    return comparison.loaded, comparison.skipped, misfits


def _located(error: CaffeError, text: bytes, net: str) -> NetProblem:
    """The problem with its layer and line taken out of the message, or found in the text."""
    message = str(error)
    if isinstance(error, PrototxtError):
        place = _PLACE.fullmatch(message)
        if place is None:
            return NetProblem(message, net=net)
        return NetProblem(place["problem"], line=int(place["line"]), net=net)
    layer = error.layer_name if isinstance(error, LayerError) else None
    if layer is None:
        named = _LAYER.search(message)
        layer = named["name"] if named else None
    lines = layer_lines(text.decode("utf-8", "replace"))
    return NetProblem(message, layer, lines.get(layer or ""), net)
