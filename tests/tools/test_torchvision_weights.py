"""state_dicts of torchvision's networks as weights of Caffe: the same scores, or what is wrong."""

from __future__ import annotations

import pickle
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from digits.caffe import TEST, Net
from digits.caffe.formats import prototxt
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.errors import ToolError
from digits.tools.state_dicts import Tensors, read_tensors
from digits.tools.torchvision_networks import NETWORKS, TITLES
from digits.tools.torchvision_weights import deployed, tensor_names, write_weights
from scripts import torchvision_networks
from scripts.record_torchvision import NAMES, RECORDING, drawn, picture

SMALL = {"squeezenet1_1", "resnet18", "mobilenet_v2"}


def training_network(name: str) -> NetParameter:
    return prototxt.parse_text(NETWORKS[name].text(), NetParameter())


def tensors_of(name: str) -> dict[str, torch.Tensor]:
    """The tensors that a network takes, drawn as the recording drew them."""
    text = deployed(training_network(name))
    net = Net(text, TEST)
    found = {}
    for layer in text.layer:
        names = tensor_names(layer)
        shapes = [tuple(blob.shape) for blob in net.params[layer.name]] if names else []
        for each, shape in zip(names, shapes, strict=False):
            found[each] = drawn(name, each, shape)
    return found


@pytest.fixture(scope="module")
def squeezenet() -> Tensors:
    return tensors_of("squeezenet1_1")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[object], Path]:
    """Writes what PyTorch saves."""

    def save(content: object) -> Path:
        path = tmp_path / "weights.pth"
        torch.save(content, path)
        return path

    return save


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in SMALL else pytest.mark.slow) for n in NAMES],
)
def test_it_gives_the_scores_that_torchvision_gave(
    name: str, tmp_path: Path, saved: Callable[[object], Path]
) -> None:
    out = tmp_path / "weights.caffemodel"
    write_weights(saved(tensors_of(name)), out)
    training = training_network(name)
    transform = training.layer[0].transform_param
    means = np.array(transform.mean_value, np.float32)
    pixels = (picture()[:, :, ::-1].astype(np.float32) - means) * np.float32(transform.scale)
    net = Net(deployed(training), TEST, weights=out)
    net.forward(data=pixels.transpose(2, 0, 1)[None])
    scores = list(net.blobs.values())[-1].data.reshape(-1)
    with np.load(RECORDING) as recorded:
        expected = recorded[name]
    assert np.abs(scores - expected).max() < 1e-5 * np.abs(expected).max()


def test_the_prototxts_are_what_their_script_writes() -> None:
    assert set(NAMES) == set(NETWORKS)
    for name, network in NETWORKS.items():
        assert network.text() == torchvision_networks.text(name)
        assert training_network(name).name in TITLES


@pytest.mark.parametrize("side", [129, 160])
def test_a_pooling_has_the_size_that_torchvision_gives_it(side: int) -> None:
    """Where Caffe's would have one more row and column."""
    text = deployed(training_network("resnet18"))
    text.layer[0].input_param.shape[0].dim[2:] = [side, side]
    net = Net(text, TEST)
    conv, pooled = (net.blobs[name].shape[-1] for name in ("conv1", "maxpool_crop"))
    assert pooled == (conv - 1) // 2 + 1


@pytest.mark.parametrize("wrap", [
    lambda tensors: {"epoch": 3, "state_dict": tensors},
    lambda tensors: {f"module.{name}": tensor for name, tensor in tensors.items()},
    lambda tensors: {name: tensor.half() for name, tensor in tensors.items()},
    lambda tensors: {**tensors, "features.0.num_batches_tracked": torch.zeros(())},
])  # fmt: skip
def test_trainings_checkpoints_and_other_precisions_are_read(
    wrap: Callable[[Tensors], object],
    squeezenet: Tensors,
    tmp_path: Path,
    saved: Callable[[object], Path],
) -> None:
    told = write_weights(saved(wrap(squeezenet)), tmp_path / "out.caffemodel")
    assert told.startswith("SqueezeNet 1.1 (torchvision), 1000 categories")


def test_a_network_with_other_categories_keeps_their_number(
    squeezenet: Tensors, tmp_path: Path, saved: Callable[[object], Path]
) -> None:
    out = tmp_path / "out.caffemodel"
    few = {"classifier.1.weight": torch.zeros(7, 512, 1, 1), "classifier.1.bias": torch.zeros(7)}
    write_weights(saved({**squeezenet, **few}), out)
    assert Path(f"{out}.json").read_text() == '{"network": "squeezenet1_1", "classes": 7}'


def test_other_names_for_a_file_stand_in_messages(tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(b"x")
    with pytest.raises(ToolError, match=r"^mine\.pth is no file of weights"):
        write_weights(tmp_path / "upload", tmp_path / "out", name="mine.pth")


# What does not fit -------------------------------------------------------------------------------


def test_weights_of_another_network_say_which_layers_fit(
    squeezenet: Tensors, tmp_path: Path, saved: Callable[[object], Path]
) -> None:
    with pytest.raises(ToolError) as refused:
        write_weights(saved(squeezenet), tmp_path / "out.caffemodel", "alexnet", "mine.pth")
    message = str(refused.value)
    assert message.startswith("mine.pth does not fit AlexNet (torchvision): 0 of its 8 layers fit.")
    needed = "(features.0.weight has the shape (64, 3, 3, 3), and (64, 3, 11, 11) is needed)"
    assert f"Those that do not: features.0 {needed}; features.3 " in message
    assert "No layer takes: features.3.squeeze.weight (16, 64, 1, 1)" in message
    assert not (tmp_path / "out.caffemodel").exists()


def test_one_layer_that_does_not_fit_is_told_with_its_shape(
    squeezenet: Tensors, tmp_path: Path, saved: Callable[[object], Path]
) -> None:
    other = {"features.6.squeeze.bias": torch.zeros(3)}
    with pytest.raises(ToolError) as refused:
        write_weights(saved({**squeezenet, **other}), tmp_path / "out.caffemodel")
    message = str(refused.value)
    assert "25 of its 26 layers fit (features.0, " in message
    assert "features.6.squeeze (features.6.squeeze.bias has the shape (3,), and (32,)" in message
    assert "No layer takes" not in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features.0.bias": None}, "there is no tensor features.0.bias"),
        ({"more.weight": torch.zeros(2)}, r"No layer takes: more\.weight \(2,\)\."),
        ({"features.0.bias": torch.zeros(64, dtype=torch.int32)}, "no floating-point numbers"),
        # It says that it is as large as all memory, and has one value.
        ({"features.0.weight": torch.zeros(1).expand(1 << 40)}, r"has the shape \(1099511627776,"),
        ({"classifier.1.weight": torch.zeros(1).expand(1 << 30, 512, 1, 1)}, "has the shape"),
    ],
)
def test_missing_foreign_and_huge_tensors_are_told_by_name(
    change: dict[str, torch.Tensor | None],
    words: str,
    squeezenet: Tensors,
    tmp_path: Path,
    saved: Callable[[object], Path],
) -> None:
    changed = {k: v for k, v in {**squeezenet, **change}.items() if v is not None}
    with pytest.raises(ToolError, match=words):
        write_weights(saved(changed), tmp_path / "out.caffemodel")


def test_tensors_of_no_known_network_name_those_that_are_known(
    tmp_path: Path, saved: Callable[[object], Path]
) -> None:
    with pytest.raises(ToolError, match=r"none of the networks .*resnet50.* such as stem\.w"):
        write_weights(saved({"stem.w": torch.zeros(2)}), tmp_path / "out.caffemodel")


# Files that are none -----------------------------------------------------------------------------


class Runs:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (exec, ("open('ran', 'w')",))


def zipped(path: Path, *entries: tuple[str, bytes], pack: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", pack) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def foreign_files(folder: Path) -> Iterator[tuple[Path, str]]:
    torch.save({"a": torch.zeros(9000)}, folder / "whole.pth")
    whole = (folder / "whole.pth").read_bytes()
    for size in (1, 100, len(whole) // 2, len(whole) - 1):
        (folder / f"cut{size}.pth").write_bytes(whole[:size])
        yield folder / f"cut{size}.pth", "is no file of weights of PyTorch"
    (folder / "empty.pth").touch()
    yield folder / "empty.pth", "it is empty"
    (folder / "code.pth").write_bytes(pickle.dumps(Runs()))
    yield folder / "code.pth", "is no file of weights"
    torch.save({"x": Runs()}, folder / "new.pth")
    yield folder / "new.pth", r"would run code \((builtins\.)?exec\), and it was not read"
    torch.save({"x": Runs()}, folder / "old.pth", _use_new_zipfile_serialization=False)
    yield folder / "old.pth", r"would run code \((builtins\.)?exec\), and it was not read"
    torch.save(torch.nn.Linear(1, 1), folder / "model.pth")
    yield folder / "model.pth", r"would run code \(torch\.nn.*Save model\.state_dict\(\)"
    yield zipped(folder / "zip.pth", ("in.pth", whole)), "a zip of other files. Unpack it"
    inner = zipped(folder / "inner.zip", ("a/data.pkl", b"")).read_bytes()
    yield zipped(folder / "nested.pth", ("inner.zip", inner)), "a zip of other files"
    bomb = zipped(folder / "bomb.pth", ("a/data.pkl", bytes(1 << 20)), pack=zipfile.ZIP_DEFLATED)
    yield bomb, "says that it holds more than the file has bytes"
    many = [(f"{number}", b"") for number in range(20_001)]
    yield zipped(folder / "many.pth", *many), "an archive of 20,001 files"
    program = torch.jit.script(torch.nn.Linear(1, 1))
    torch.jit.save(program, folder / "program.pth")
    yield folder / "program.pth", r"it is a program \(TorchScript\)"
    for number, content in enumerate(([1, 2], {}, {"a": 1}, {1: torch.zeros(1)})):
        torch.save(content, folder / f"other{number}.pth")
        yield folder / f"other{number}.pth", "something else than tensors by their names"
    torch.save({"a": torch.zeros(2).to_sparse()}, folder / "sparse.pth")
    yield folder / "sparse.pth", "sparse"
    torch.save({"a": torch.zeros(2, device="meta")}, folder / "meta.pth")
    yield folder / "meta.pth", "without values|is no file of weights"
    yield folder / "missing.pth", "There is no file"


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_foreign_file_is_refused_and_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for path, words in foreign_files(tmp_path):
        with pytest.raises(ToolError, match=words):
            read_tensors(path)
    assert not (tmp_path / "ran").exists()


def test_the_program_takes_no_more_memory_than_its_limit(tmp_path: Path) -> None:
    """An old file says what its values take before they come; this one says a terabyte."""
    path = tmp_path / "huge.pth"
    torch.save({"a": torch.zeros(1234567)}, path, _use_new_zipfile_serialization=False)
    number = (1234567).to_bytes(3, "little") + b"\0"
    content = path.read_bytes()
    assert b"J" + number in content
    huge = b"\x8a\x06" + (1 << 40).to_bytes(6, "little")
    path.write_bytes(content.replace(b"J" + number, huge))
    command = [sys.executable, "-m", "digits.tools.torchvision_weights"]
    done = subprocess.run([*command, path, tmp_path / "out"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "[ERROR] Error: huge.pth is no file of weights of PyTorch: " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()
