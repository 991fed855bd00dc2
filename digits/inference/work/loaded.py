"""A trained network in a worker's memory: pictures in, the scores of its classes out.

Elsewhere: how a picture is prepared (`preparing.py`), many at a time (`batches.py`), what is inside
(`layers.py`, `grad_cam.py`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from digits.base.job_files import read_bytes, require_file
from digits.caffe.errors import CaffeError
from digits.caffe.formats import upgrade
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.proto import caffe_pb2
from digits.inference.errors import BadNetwork
from digits.inference.operations import Network, Prediction
from digits.inference.work.limits import FreeCores
from digits.inference.work.net_texts import DATA_TYPES
from digits.inference.work.preparing import Pixels, Preparer
from digits.sources.picture_list import told_apart

Floats = npt.NDArray[np.float32]

# Activations of a batch: more pictures at a time are no faster, but take more memory.
_BATCH_BYTES = 256 << 20
_LARGEST_BATCH = 64


class LoadedNetwork:
    """One network, ready to run; its pictures come from the dataset that it learned from."""

    def __init__(self, network: Network, *, python_layers: bool = False) -> None:
        """Raises BadNetwork: a file is missing, the weights do not fit, there is no one input."""
        self.context = LayerContext(
            device=torch.device("cpu"),
            allow_python=python_layers,
            wrap_python_errors=True,
            channels_last=True,
        )
        self.cores = FreeCores()
        _require_files(network)
        try:
            self.param = _deploy_net(network.deploy)
            self.net = Net(
                self.param,
                Phase.TEST,
                weights=network.weights,
                context=self.context,
                keep_blobs=False,
            )
        except CaffeError as error:
            raise BadNetwork(_about(network.weights, str(error))) from error
        self.input_name, self.input_shape = _picture_input(self.net)
        self.preparer = Preparer(network, self.input_shape)
        self.output_name = self._find_output(network.output)
        classes = math.prod(self.net.blobs[self.output_name].shape[1:2])
        self.labels = _labels(network.labels, classes)
        self.batch_size = self._fitting_batch_size()

    def take_picture(self, source: str | bytes, prepared: bool) -> Pixels:
        """Put one picture into the input; answers it as the network sees it, (h, w, C) in R,G,B.

        `prepared`: it is such an answer.  Raises ImageError or BadPicture.
        """
        if prepared:
            picture = self.preparer.read_prepared(source)
            self.preparer.batch_of_prepared(picture, self.input(1))
            return picture
        sample = self.preparer.read(source)
        self.preparer.batch([sample], self.input(1))
        return self.preparer.shown(sample)

    def scores(self, count: int) -> Floats:
        """Run the net on the `count` pictures in its input; their scores (count, classes)."""
        self.use_free_cores()
        self.net.forward_pass()
        return as_scores(self.net.blobs[self.output_name].data, count)

    def input(self, count: int) -> Floats:
        """The array (count, c, h, w) that the next pass reads its pictures from."""
        blob = self.net.blobs[self.input_name]
        blob.reshape(count, *self.input_shape)
        return blob.data

    def use_free_cores(self) -> None:
        """Compute with as many threads as nobody else needs the cores for."""
        threads = self.cores.count()
        if threads != torch.get_num_threads():
            torch.set_num_threads(threads)

    def predictions(self, scores: Floats, top: int) -> list[Prediction]:
        """The best `top` classes of one picture's scores (classes,)."""
        return [
            Prediction(self.labels[index], int(index), float(scores[index]))
            for index in best_first(scores[np.newaxis], top)[0]
        ]

    def _find_output(self, wanted: str) -> str:
        """The output with the scores: the wanted one, else that of a Softmax, else the last one."""
        if not self.net.outputs:
            raise BadNetwork("The network has no output.")
        if wanted in self.net.outputs:
            return wanted
        softmax = {
            top
            for layer in self.param.layer
            if layer.type == "Softmax"
            for top in layer.top
            if top in self.net.outputs
        }
        named = [name for name in self.net.outputs if name in softmax]
        return (named or self.net.outputs)[-1]

    def _fitting_batch_size(self) -> int:
        batch = self.net.blobs[self.input_name].num
        values = sum(blob.count for blob in self.net.blobs.values()) / max(1, batch)
        return max(1, min(_LARGEST_BATCH, int(_BATCH_BYTES / (4 * values))))


def _require_files(network: Network) -> None:
    """Raise BadNetwork for what is no file: a worker would wait for a pipe for ever."""
    for path in (network.deploy, network.weights, network.labels, network.mean):
        if path is not None:
            try:
                require_file(path)
            except OSError as error:
                raise BadNetwork(f"{path.name} cannot be read: {error.strerror}.") from error


def as_scores(output: Floats, count: int) -> Floats:
    """An output blob as (count, classes); of a score a place (n, classes, h, w), the mean."""
    scores = output.reshape(count, output.shape[1] if output.ndim > 1 else 1, -1)
    return np.asarray(scores.mean(axis=2), dtype=np.float32)


def best_first(scores: Floats, top: int) -> npt.NDArray[np.int32]:
    """The indices of the `top` highest scores (n, classes) of each row; NaN comes last."""
    top = min(top, scores.shape[1])
    order = np.argsort(-np.nan_to_num(scores, nan=-np.inf), axis=1, kind="stable")
    return order[:, :top].astype(np.int32)


def _deploy_net(path: Path) -> caffe_pb2.NetParameter:
    net = upgrade.read_net(path)
    for layer in net.layer:
        if layer.infogain_loss_param.source:
            raise BadNetwork(f"{path.name}: layer {layer.name!r} names a file of its own.")
        if layer.type in DATA_TYPES or layer.type == "HDF5Output":
            raise BadNetwork(
                f"{path.name}: layer {layer.name!r} is a {layer.type}; a deployed network has an "
                "Input in its place."
            )
    return net


def _picture_input(net: Net) -> tuple[str, tuple[int, int, int]]:
    if len(net.inputs) != 1:
        names = ", ".join(net.inputs) or "none"
        raise BadNetwork(f"The network must have one input, for pictures. Its inputs: {names}.")
    shape = net.blobs[net.inputs[0]].shape
    if len(shape) != 4:
        raise BadNetwork(
            f"The network's input {net.inputs[0]!r} must be of shape (n, channels, height, width). "
            f"It is {shape}."
        )
    return net.inputs[0], (shape[1], shape[2], shape[3])


def _about(path: Path, message: str) -> str:
    """A message about a file, which it names once, and not by its place on the server."""
    return f"{path.name}: {message.replace(str(path), path.name).removeprefix(f'{path.name}: ')}"


def _labels(path: Path | None, classes: int) -> Sequence[str]:
    """A label a class; a class without one is called by its number."""
    labels: list[str] = []
    if path is not None:
        try:
            labels = read_bytes(path).decode("utf-8", "replace").splitlines()
        except OSError as error:
            raise BadNetwork(f"{path.name} cannot be read: {error.strerror}.") from error
    labels = told_apart([label.strip() for label in labels])[:classes]
    return labels + [f"class {index}" for index in range(len(labels), classes)]
