"""The operation `CheckNets`: build nets and say what is wrong with them.

Nets are built on PyTorch's meta device: every layer is made and asked for its shapes, but nothing
is computed and no parameter takes memory, whatever sizes a user wrote.
In: texts.  Out: for each net its shapes, or its problem with layer and line; for weights, which
layers take them and which do not, and why.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import torch

from digits.base.job_files import require_file
from digits.caffe.errors import CaffeError, LayerError, PrototxtError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.nets.building import build
from digits.caffe.nets.nodes import Parts
from digits.caffe.proto import caffe_pb2
from digits.inference.operations import (
    CheckNets,
    CheckResult,
    NetCheck,
    NetProblem,
    NetSource,
)
from digits.inference.work.layer_lines import layer_lines
from digits.inference.work.net_texts import filtered, parse, without_files
from digits.inference.work.state import State
from digits.inference.work.weights_check import CURE, compare_weights

_PLACE = re.compile(r"(?P<source>.*?):(?P<line>\d+):\d+: (?P<problem>.*)", re.DOTALL)
_LAYER = re.compile(r"layer '(?P<name>[^']*)'")


def check_nets(state: State, request: CheckNets) -> CheckResult:
    """Build each net, and compare the weights with the first that can be built."""
    nets: dict[str, NetCheck] = {}
    problems: list[NetProblem] = []
    weights = request.weights
    for source in request.nets:
        try:
            net = filtered(parse(source.text, source.name), source)
            parts = build_net(net, source, python_layers=state.python_layers)
        except CaffeError as error:
            problems.append(_located(error, source.text, source.name))
            continue
        found = _facts(net, parts)
        if weights is not None:
            found, misfits = _compared(found, parts, weights, source.text)
            problems += misfits
            weights = None
        nets[source.name] = found
    return CheckResult(nets, tuple(problems))


def build_net(
    net: caffe_pb2.NetParameter, source: NetSource, *, python_layers: bool = False
) -> Parts:
    """The parts of a net in its state, without memory behind them.  Raises CaffeError."""
    phase = Phase.TRAIN if source.phase == "TRAIN" else Phase.TEST
    nowhere = torch.device("meta")
    with nowhere:  # fillers make their values on the default device
        return build(
            without_files(net, source),
            LayerContext(
                phase=phase,
                device=nowhere,
                allow_python=python_layers,
                wrap_python_errors=True,
            ),
        )


def inferred_shapes(
    net: caffe_pb2.NetParameter, source: NetSource, *, python_layers: bool = False
) -> dict[str, tuple[int, ...]]:
    """Blob names to shapes.  Raises CaffeError where the net cannot be built."""
    return dict(_facts(net, build_net(net, source, python_layers=python_layers)).shapes)


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
    found: NetCheck, parts: Parts, path: Path, text: str
) -> tuple[NetCheck, list[NetProblem]]:
    """With which layers take weights of a file, which do not; and what training would end with."""
    try:
        require_file(path)  # a worker would wait for a pipe for ever
        comparison = compare_weights(parts, path)
    except OSError as error:
        return found, [NetProblem(f"{path.name} cannot be read: {error.strerror}.", net="weights")]
    except CaffeError as error:
        # An upload's place is nobody's business.
        message = str(error).replace(str(path), path.name)
        return found, [NetProblem(message, net="weights")]
    lines = layer_lines(text)
    misfits = [
        NetProblem(f"{misfit.reason}. {CURE}", misfit.layer, lines.get(misfit.layer), "weights")
        for misfit in comparison.misfits
    ]
    told = replace(
        found,
        loaded_layers=comparison.loaded,
        skipped_weights=comparison.skipped,
        unfit_weights=comparison.misfits,
        untold_layers=comparison.untold,
    )
    return told, misfits


def _located(error: CaffeError, text: str, net: str) -> NetProblem:
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
    lines = layer_lines(text)
    return NetProblem(message, layer, lines.get(layer or ""), net)
