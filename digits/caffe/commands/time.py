"""`caffe time`: measure how long the layers of a model take.  Source: time() in caffe.cpp."""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable
from functools import partial

import torch

from digits.caffe.commands.devices import one_device
from digits.caffe.commands.flags import Flags
from digits.caffe.commands.test import open_net
from digits.caffe.errors import NetError
from digits.caffe.layers.base import Phase
from digits.caffe.machine.device import memory_errors
from digits.caffe.machine.log import at, number
from digits.caffe.net import Net
from digits.caffe.solving.precision import precision_named

log = logging.getLogger(__name__)


def time(flags: Flags) -> int:
    """Run all layers forward and backward and show the mean times; raises CaffeError."""
    if not flags.model:
        raise NetError("Need a model definition to time. Give it by --model=FILE")
    phase = _phase(flags.phase)
    device = one_device(flags.gpu, 343)
    precision = precision_named(flags.precision)
    precision.settle(device)
    net = open_net(flags, phase, device, keep_blobs=True)
    try:
        with memory_errors(device), precision.autocast(device):
            _measure(net, flags.iterations, device)
    finally:
        net.close()
    return 0


def _phase(name: str) -> Phase:
    if name not in ("", "TRAIN", "TEST"):
        raise NetError(f'phase must be "TRAIN" or "TEST", received {name!r}')
    return Phase[name or "TRAIN"]


def _measure(net: Net, iterations: int, device: torch.device) -> None:
    last = len(net.layers) - 1
    _say(351, "Performing Forward")
    loss = net.forward_pass()
    _say(356, f"Initial loss: {number(float(loss))}")
    _say(357, "Performing Backward")
    net.backward_pass()
    _say(365, "*** Benchmark begins ***")
    _say(366, f"Testing for {iterations} iterations.")
    forward, backward = [0.0] * (last + 1), [0.0] * (last + 1)
    start = clock.perf_counter()
    for iteration in range(iterations):
        begun = clock.perf_counter()
        for layer in range(last + 1):
            forward[layer] += _timed_ms(partial(net._forward, layer, layer), device)
        for layer in range(last, -1, -1):
            backward[layer] += _timed_ms(partial(net._backward, layer, layer), device)
        lapse = (clock.perf_counter() - begun) * 1e3
        _say(394, f"Iteration: {iteration + 1} forward-backward time: {number(lapse)} ms.")
    total = (clock.perf_counter() - start) * 1e3
    _show(list(net.layer_dict), forward, backward, iterations, total)


def _timed_ms(run: Callable[[], object], device: torch.device) -> float:
    start = clock.perf_counter()
    run()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return (clock.perf_counter() - start) * 1e3


def _show(
    names: list[str], forward: list[float], backward: list[float], iterations: int, total: float
) -> None:
    _say(397, "Average time per layer: ")
    for name, ahead, back in zip(names, forward, backward, strict=True):
        _say(400, f"{name:>10}\tforward: {_mean(ahead, iterations)} ms.")
        _say(403, f"{name:>10}\tbackward: {_mean(back, iterations)} ms.")
    _say(408, f"Average Forward pass: {_mean(sum(forward), iterations)} ms.")
    _say(410, f"Average Backward pass: {_mean(sum(backward), iterations)} ms.")
    _say(412, f"Average Forward-Backward: {_mean(total, iterations)} ms.")
    _say(414, f"Total Time: {number(total)} ms.")
    _say(415, "*** Benchmark ends ***")


def _mean(total: float, iterations: int) -> str:
    """A mean as C++ prints it, also of no iterations, which Caffe takes."""
    if iterations:
        return number(total / iterations)
    return "inf" if total else "-nan"


def _say(line: int, message: str) -> None:
    log.info("%s", message, extra=at(f"caffe.cpp:{line}"))
