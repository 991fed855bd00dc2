"""The weights of EfficientNet-Lite0 from the package's file, as Caffe's."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from digits.caffe import TEST, Net
from digits.errors import ToolError
from digits.tools import efficientnet_lite0 as lite0
from digits.tools.pretrained_weights import installed_file, layer_blobs, write_weights
from digits.tools.state_dicts import Tensors, read_tensors
from scripts import standard_networks

SIDE = 64


@pytest.fixture(scope="module")
def tensors() -> Tensors:
    return read_tensors(installed_file())


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "new folder" / "lite0.caffemodel"
    assert write_weights(path) == f"148 layers in {path}."
    return path


def padded_as_in_training(values: torch.Tensor, kernel: int, stride: int) -> torch.Tensor:
    """TensorFlow's SAME: what is missing at the end, half of it, the smaller one, at the front."""
    size = values.shape[-1]
    missing = max(0, (-(-size // stride) - 1) * stride + kernel - size)
    front, end = missing // 2, missing - missing // 2
    return functional.pad(values, (front, end, front, end))


def normalised(values: torch.Tensor, spec: lite0.ConvolutionSpec, tensors: Tensors) -> torch.Tensor:
    values = functional.conv2d(
        padded_as_in_training(values, spec.kernel, spec.stride),
        tensors[f"{spec.key}.weight"],
        stride=spec.stride,
        groups=spec.group,
    )
    mean, variance, factor, bias = (
        tensors[f"{spec.norm_key}.{name}"]
        for name in ("running_mean", "running_var", "weight", "bias")
    )
    values = functional.batch_norm(values, mean, variance, factor, bias, eps=0.001)
    return functional.relu6(values) if spec.is_clipped else values


def by_pytorch(pictures: torch.Tensor, tensors: Tensors) -> torch.Tensor:
    """ImageNet's scores of R,G,B pictures, by PyTorch's own layers."""
    values = normalised(pictures, lite0.stem(), tensors)
    for block in lite0.blocks():
        bottom = values
        for spec in block.convolutions:
            values = normalised(values, spec, tensors)
        values = values + bottom if block.adds_bottom else values
    features = normalised(values, lite0.head(), tensors).mean((2, 3))
    return functional.linear(features, tensors["_fc.weight"], tensors["_fc.bias"])


@pytest.mark.parametrize("side", [64, 128])
def test_it_gives_the_scores_that_pytorch_gives(weights: Path, tensors: Tensors, side: int) -> None:
    pictures = np.random.default_rng(1).normal(size=(1, 3, side, side)).astype(np.float32)
    with torch.no_grad():
        expected = by_pytorch(torch.from_numpy(pictures), tensors).numpy()
    net = Net(lite0.imagenet_network(side), TEST, weights=weights)
    net.forward(data=pictures[:, ::-1])  # B,G,R
    scores = net.blobs["imagenet"].data
    assert np.abs(scores - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_prototxt_is_what_its_script_writes() -> None:
    text = (standard_networks.FOLDER / "efficientnet-lite0.prototxt").read_text()
    assert text == standard_networks.text()


def test_a_file_that_lacks_a_layer_says_which(tensors: Tensors) -> None:
    others = {name: tensor for name, tensor in tensors.items() if name != "_blocks.3._bn1.bias"}
    with pytest.raises(ToolError, match=r"has no tensor '_blocks\.3\._bn1\.bias'"):
        layer_blobs(others, "x.pth")


def test_a_file_with_more_layers_is_another_networks(tensors: Tensors) -> None:
    with pytest.raises(ToolError, match=r"no layer takes _blocks\.16\._bn0\.bias"):
        layer_blobs({**tensors, "_blocks.16._bn0.bias": torch.zeros(1)}, "x.pth")


def test_a_tensor_of_another_shape_is_named_by_its_layer(tensors: Tensors, tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    torch.save({**tensors, "_fc.bias": torch.zeros(7)}, path)
    with pytest.raises(ToolError, match=r"blob 1 of layer 'imagenet' has the shape \(7,\)"):
        write_weights(tmp_path / "out.caffemodel", path)
    assert not (tmp_path / "out.caffemodel").exists()


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('ran', 'w')",))


def foreign_files(folder: Path) -> Iterator[tuple[Path, str]]:
    half = folder / "half.pth"
    half.write_bytes(installed_file().read_bytes()[:100_000])
    yield half, "is no file of weights"
    (folder / "empty.pth").touch()
    yield folder / "empty.pth", "is no file of weights"
    (folder / "code.pth").write_bytes(pickle.dumps(Runs()))
    yield folder / "code.pth", "is no file of weights"
    torch.save({"x": Runs()}, folder / "zipped.pth")
    yield folder / "zipped.pth", "is no file of weights"
    torch.save([1, 2], folder / "list.pth")
    yield folder / "list.pth", "something else than tensors"
    yield folder / "missing.pth", "There is no file"


def test_a_foreign_file_is_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, words in foreign_files(tmp_path):
        with pytest.raises(ToolError, match=words):
            write_weights(tmp_path / "out.caffemodel", path)
    assert not (tmp_path / "out.caffemodel").exists()
    assert not (tmp_path / "ran").exists()


def test_the_program_says_what_is_wrong_in_one_line(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "digits.tools.pretrained_weights", "out.caffemodel"]
    done = subprocess.run(
        [*command, "--source", "none.pth"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.endswith("[ERROR] Error: There is no file none.pth.\n")
    assert len(done.stderr.splitlines()) == 1
