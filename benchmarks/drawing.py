"""How long drawing a network takes, as the form's "Visualize" asks for it.

    python -m benchmarks.drawing [--layers 150] [--repeats 5]

A residual network of that many layers is sent to a warm worker, which builds it for its shapes and
has Graphviz draw it; the median of the seconds until the picture is there, as PNG and as SVG.  The
figure to stay below is 3 s for 150 layers.
"""

from __future__ import annotations

import argparse
import statistics
import time

from digits.caffe import net_spec
from digits.caffe.formats import prototxt
from digits.caffe.net_spec import layers as L
from digits.caffe.net_spec import params as P
from digits.inference import NetSource, Pool, draw_network

SHAPES = {"data": (16, 3, 64, 64), "label": (16,)}
LAYERS_A_BLOCK = 7


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    text, layers = residual_network(options.layers)
    source = NetSource(text, phase="TRAIN", data_shapes=SHAPES)
    with Pool() as pool:
        for format in ("png", "svg"):
            draw_network(pool, source, format, all_states=True, timeout_s=60)
            times = []
            for _ in range(options.repeats):
                start = time.perf_counter()
                draw_network(pool, source, format, all_states=True, timeout_s=60)
                times.append(time.perf_counter() - start)
            print(f"{layers} layers as {format}: {statistics.median(times):.2f} s")


def residual_network(layers: int) -> tuple[str, int]:
    """A network of at least so many layers as prototxt, and how many it has."""
    net = net_spec.NetSpec()
    net.data, net.label = L.Data(ntop=2)
    top = L.Convolution(net.data, num_output=16, kernel_size=3, pad=1)
    net.first = top
    for number in range(max(1, -(-(layers - 5) // LAYERS_A_BLOCK))):
        top = _block(net, f"block{number}", top)
    net.pool = L.Pooling(top, pool=P.Pooling.AVE, global_pooling=True)
    net.scores = L.InnerProduct(net.pool, num_output=10)
    net.loss = L.SoftmaxWithLoss(net.scores, net.label)
    proto = net.to_proto()
    return prototxt.to_text(proto), len(proto.layer)


def _block(net: net_spec.NetSpec, name: str, bottom: net_spec.Top) -> net_spec.Top:
    top = bottom
    for part in ("a", "b"):
        top = L.Convolution(top, num_output=16, kernel_size=3, pad=1)
        net[f"{name}{part}_conv"] = top
        top = L.BatchNorm(top)
        net[f"{name}{part}_norm"] = top
        top = L.Scale(top, bias_term=True)
        net[f"{name}{part}_scale"] = top
    net[f"{name}_sum"] = L.Eltwise(bottom, top)
    return net[f"{name}_sum"]


if __name__ == "__main__":
    main()
