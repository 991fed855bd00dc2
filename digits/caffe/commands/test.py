"""`caffe test`: score a model.  Source: test() in caffe.cpp."""

from __future__ import annotations

import logging

import torch

from digits.caffe.commands.devices import one_device
from digits.caffe.commands.flags import Flags
from digits.caffe.errors import NetError
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.machine.device import memory_errors
from digits.caffe.machine.log import at, number
from digits.caffe.net import Net
from digits.caffe.solving.outputs import MeanOutputs
from digits.caffe.solving.precision import precision_named

log = logging.getLogger(__name__)


def test(flags: Flags) -> int:
    """Run the net in the TEST phase and show the means of its outputs; raises CaffeError."""
    if not flags.model:
        raise NetError("Need a model definition to score. Give it by --model=FILE")
    if not flags.weights:
        raise NetError("Need model weights to score. Give them by --weights=FILE")
    device = one_device(flags.gpu, 275)
    precision = precision_named(flags.precision)
    precision.settle(device)
    net = open_net(flags, Phase.TEST, device, keep_blobs=False)
    try:
        for path in flags.weights.split(","):
            net.copy_from(path.strip())
        with memory_errors(device), precision.autocast(device):
            _score(net, flags.iterations)
    finally:
        net.close()
    return 0


def open_net(flags: Flags, phase: Phase, device: torch.device, keep_blobs: bool) -> Net:
    """The net of --model in the state of --level and --stage."""
    context = LayerContext(
        phase=phase, device=device, allow_python=flags.allow_python, channels_last=True
    )
    return Net(
        flags.model, phase, flags.level, flags.stages, context=context, keep_blobs=keep_blobs
    )


def _score(net: Net, iterations: int) -> None:
    log.info("Running for %d iterations.", iterations, extra=at("caffe.cpp:281"))
    if iterations < 1:
        # Caffe runs none, and divides the sum of none by their number.
        nothing = "-nan" if iterations == 0 else "-0"
        log.info("Loss: %s", nothing, extra=at("caffe.cpp:309"))
        return
    means = MeanOutputs(net)
    for index in range(iterations):
        loss = float(net.forward_pass())
        for output in means.add(loss):
            log.info(
                "Batch %d, %s = %s", index, output.name, number(output.value),
                extra=at("caffe.cpp:304"),
            )  # fmt: skip
    log.info("Loss: %s", number(means.loss), extra=at("caffe.cpp:309"))
    for mean in means.means():
        log.info("%s", mean.text(), extra=at("caffe.cpp:321"))
