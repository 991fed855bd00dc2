"""The rest of a net above what is frozen, as a net of its own that is fed with features.

In: the net of a training, and its frozen part.  Out: nets for training and testing whose Input
layer takes features and labels, so that the head can learn from any records, as often as one likes.
Elsewhere: what is frozen, its features (the engine's `nets/frozen.py`, `solving/features.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from digits.caffe.blob import Blob
from digits.caffe.errors import NetError
from digits.caffe.layers.base import LayerContext
from digits.caffe.nets.frozen import FrozenPart
from digits.caffe.nets.rules import is_included
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter, SolverParameter
from digits.caffe.solver import Solver, get_solver
from digits.caffe.solving.solver_options import Options

Floats = npt.NDArray[np.float32]
Integers = npt.NDArray[np.int64]

INPUT = "features"
# No test comes by itself.
NEVER = 1 << 30


@dataclass(frozen=True)
class Records:
    """Features of some records, each (variants, n, *shape), and their labels (n)."""

    features: list[Floats]
    labels: Integers

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, numbers: Integers) -> Records:
        """Some of them."""
        return Records([each[:, numbers] for each in self.features], self.labels[numbers])


class HeadNet:
    """The head of a training, as often as it is wanted: each `train` begins anew."""

    def __init__(self, net: NetParameter, part: FrozenPart, batch_size: int) -> None:
        """`net` is that of the solver, with all its phases.  Raises NetError."""
        self.batch_size = batch_size
        self._names, self._shapes = part.names, part.shapes
        if len(set(self._names)) < len(self._names):
            raise NetError(f"two of the features have the same name: {', '.join(self._names)}")
        labels = part.data.param.top[1:]
        if not labels:
            raise NetError("the Data layer has no labels")
        self._label = labels[0]
        gone = {node.name for node in part.nodes}
        self._train = self._in_phase(net, caffe_pb2.TRAIN, gone)
        self._test = self._in_phase(net, caffe_pb2.TEST, gone)

    def train(self, solver: SolverParameter, records: Records, context: LayerContext) -> Solver:
        """A solver whose head has learned `max_iter` iterations of the records, round and round.

        Raises SolverError when the loss becomes nan.
        """
        made = get_solver(self._param(solver), options=Options(context=context, keep_blobs=False))
        try:
            batches = _Batches(records, self.batch_size * max(1, solver.iter_size), made)
            made.add_callback(lambda: self._feed(made.net.blobs, *batches.next()), lambda: None)
            made.step(solver.max_iter)
        except BaseException:
            made.close()
            raise
        return made

    def test(self, solver: Solver, records: Records) -> dict[str, float]:
        """The outputs of the test net for records, all in one batch, without chance."""
        net = solver.test_nets[0]
        net.share_with(solver.net)
        self._feed(net.blobs, [each[0] for each in records.features], records.labels)
        net.forward_pass()
        return {name: float(np.mean(net.blobs[name].data)) for name in net.outputs}

    def _param(self, solver: SolverParameter) -> SolverParameter:
        param = SolverParameter()
        param.CopyFrom(solver)
        for name in ("net", "net_param", "train_net", "test_net", "test_net_param", "weights"):
            param.ClearField(name)
        for name in ("test_iter", "test_state", "display", "snapshot", "iter_size", "solver_mode"):
            param.ClearField(name)
        param.train_net_param.CopyFrom(self._train)
        param.test_net_param.add().CopyFrom(self._test)
        param.test_iter.append(1)
        param.test_interval, param.test_initialization = NEVER, False
        return param

    def _in_phase(
        self, net: NetParameter, phase: caffe_pb2.Phase, gone: Collection[str]
    ) -> NetParameter:
        state = caffe_pb2.NetState()
        state.CopyFrom(net.state)
        state.phase = phase
        head = NetParameter(name=net.name)
        head.layer.add().CopyFrom(self._input())
        for layer in net.layer:
            if layer.type != "Data" and layer.name not in gone and is_included(layer, state):
                head.layer.add().CopyFrom(layer)
        return head

    def _input(self) -> LayerParameter:
        layer = LayerParameter(name=INPUT, type="Input", top=[*self._names, self._label])
        for shape in self._shapes:
            layer.input_param.shape.add(dim=[self.batch_size, *shape])
        layer.input_param.shape.add(dim=[self.batch_size])
        return layer

    def _feed(self, blobs: Mapping[str, Blob], features: list[Floats], labels: Integers) -> None:
        for name, values in zip(self._names, features, strict=True):
            _fill(blobs[name], values)
        _fill(blobs[self._label], labels)


def _fill(blob: Blob, values: Floats | Integers) -> None:
    blob.reshape(*values.shape)
    blob.data[...] = values


class _Batches:
    """Records in their order, round and round, each in a variant that chance chooses."""

    def __init__(self, records: Records, size: int, solver: Solver) -> None:
        self._records, self._size, self._at = records, size, 0
        self._random = np.random.default_rng(max(0, solver.param.random_seed))

    def next(self) -> tuple[list[Floats], Integers]:
        numbers = np.arange(self._at, self._at + self._size) % len(self._records)
        self._at = (self._at + self._size) % len(self._records)
        variants = self._random.integers(len(self._records.features[0]), size=self._size)
        features = [each[variants, numbers] for each in self._records.features]
        return features, self._records.labels[numbers]
