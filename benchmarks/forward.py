"""Speed of the forward pass: a network from prototxt against the same one written in PyTorch.

    python -m benchmarks.forward [--networks lenet resnet50] [--batches 1 32] [--seconds 5]

Prints, for each network and batch size, the milliseconds of a pass of each (the fastest of many,
taken in turns) and their ratio: 1.00 means as fast as PyTorch, more means faster.  The PyTorch
network has the same weights, runs under inference_mode, and in the memory format that is faster for
it.  The outputs are compared before anything is measured.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import Tensor, nn

from benchmarks.handwritten import NETWORKS
from benchmarks.networks import INPUTS, deploy_net
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net

LAYOUTS = (torch.contiguous_format, torch.channels_last)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS), choices=list(NETWORKS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 32])
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seconds", type=float, default=5, help="for each line [%(default)s]")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    build = build_seconds("googlenet")
    print(f"Building GoogLeNet from its message: {build:.2f} s")
    print(f"{'network':<10} {'batch':>5} {'PyTorch':>11} {'prototxt':>11} {'ratio':>6}")
    for name in options.networks:
        for batch in options.batches:
            theirs, ours = measure(name, batch, options.seconds)
            line = f"{name:<10} {batch:>5} {theirs * 1e3:>8.2f} ms {ours * 1e3:>8.2f} ms"
            print(f"{line} {theirs / ours:>6.2f}")


def build_seconds(name: str) -> float:
    """How long building the network takes, with everything imported and its message read."""
    message = deploy_net(name, 1)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        Net(message, Phase.TEST, context=LayerContext(channels_last=True), keep_blobs=False)
        times.append(time.perf_counter() - start)
    return min(times)


def measure(name: str, batch: int, seconds: float) -> tuple[float, float]:
    """Seconds of a forward pass: the PyTorch network's, and that of the one from prototxt."""
    context = LayerContext(channels_last=True)
    net = Net(deploy_net(name, batch), Phase.TEST, context=context, keep_blobs=False)
    module = NETWORKS[name]().eval()
    same_weights(net, module)
    pictures = torch.randn(batch, *INPUTS[name])
    contenders: list[Callable[[], Tensor]] = [
        _handwritten(module, pictures, layout) for layout in LAYOUTS
    ]
    contenders.append(_from_prototxt(net, pictures))
    expected, _, received = (run() for run in contenders)
    torch.testing.assert_close(received, expected.softmax(1), rtol=1e-4, atol=1e-6)
    contiguous, channels_last, ours = _fastest(contenders, seconds)
    return min(contiguous, channels_last), ours


def same_weights(net: Net, module: nn.Module) -> None:
    """Give the module the net's weights; both list them in the order of the layers."""
    for name, blobs in net.params.items():
        if name.startswith("bn_"):  # statistics: mean 0, variance 1, one observation
            blobs[1].data[...] = blobs[2].data[...] = 1
    learned = [
        torch.from_numpy(blob.data)
        for name, blobs in net.params.items()
        if not name.startswith("bn_")
        for blob in blobs
    ]
    with torch.no_grad():
        for parameter, values in zip(module.parameters(), learned, strict=True):
            parameter.copy_(values)


def _handwritten(
    module: nn.Module, pictures: Tensor, layout: torch.memory_format
) -> Callable[[], Tensor]:
    given = pictures.contiguous(memory_format=layout)

    def run() -> Tensor:
        module.to(memory_format=layout)  # nothing to do after the first time
        with torch.inference_mode():
            result: Tensor = module(given)
            return result

    return run


def _from_prototxt(net: Net, pictures: Tensor) -> Callable[[], Tensor]:
    given = pictures.contiguous(memory_format=torch.channels_last)

    def run() -> Tensor:
        net.blobs["data"].assign(given)
        net.forward_pass()
        return net.blobs["prob"].tensor()

    return run


def _fastest(contenders: list[Callable[[], Tensor]], seconds: float) -> list[float]:
    """The shortest time of each, run in turns so that all meet the same noise."""
    best = [float("inf")] * len(contenders)
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for index, run in enumerate(contenders):
            start = time.perf_counter()
            run()
            best[index] = min(best[index], time.perf_counter() - start)
    return best


if __name__ == "__main__":
    main()
