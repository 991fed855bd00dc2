"""Batches of data layers recorded from Caffe: every kind of record and transformation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits.caffe.data import datum, db
from digits.caffe.data.means import read_mean_file
from digits.caffe.layers.base import LayerContext, Phase
from digits.caffe.net import Net
from digits.caffe.proto.caffe_pb2 import BlobProto
from digits.caffe.tools import compute_image_mean, convert_imageset
from tests.golden.cases import DATA, Case, recorded_arrays
from tests.golden.compare import TRANSFORMS, Tolerance, assert_close

TOLERANCES = {
    "integer_1": Tolerance(0, 1 + 1e-5),
    "integer_3": Tolerance(0, 3 + 1e-5),
}


def load(folder: str) -> list[Case]:
    index = json.loads((DATA / folder / "index.json").read_text())
    return [Case(folder, name, facts) for name, facts in index.items() if "prototxt" in facts]


CASES = load("solvers/transforms")
EXACT = [case for case in CASES if not case.facts.get("stochastic")]
RANDOM = [case for case in CASES if case.facts.get("stochastic")]
WINDOWS = load("windows")


def batches(case: Case, seed: int = 1, **context: Any) -> list[dict[str, np.ndarray]]:
    """The outputs of each pass of a case's net."""
    phase = Phase[case.facts["phase"]]
    own = LayerContext(phase=phase, **context)
    own.random.seed(seed)
    net = Net(case.facts["prototxt"], phase, context=own)
    try:
        return [
            {name: values.copy() for name, values in net.forward().items()}
            for _ in range(case.facts["steps"])
        ]
    finally:
        net.close()


def recorded(case: Case, step: int, name: str) -> np.ndarray:
    return case.arrays()[f"step{step + 1}.out.{name}" if step else f"out.{name}"]


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("case", EXACT + WINDOWS, ids=lambda case: case.name)
def test_batches_equal_the_recorded_ones(
    case: Case, channels_last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(case.folder)
    tolerance = TOLERANCES.get(case.facts.get("tolerance", ""), TRANSFORMS)
    for step, outputs in enumerate(batches(case, channels_last=channels_last)):
        assert set(outputs) == {"data", "label"}
        for name, values in outputs.items():
            assert_close(values, recorded(case, step, name), tolerance, f"{name} of pass {step}")


@pytest.mark.parametrize("case", RANDOM, ids=lambda case: case.name)
def test_random_batches_are_made_of_the_same_pictures(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where Caffe chose a place of the picture by chance, ours chooses another one of the same.

    A recorded item that some seed of ours meets exactly shows that both cut, mirror and subtract
    in the same way.
    """
    monkeypatch.chdir(case.folder)
    met = np.zeros(len(recorded(case, 0, "label")), bool)
    for seed in range(40):
        (first, *_) = batches(case, seed)
        np.testing.assert_array_equal(first["label"], recorded(case, 0, "label"))
        same = np.isclose(first["data"], recorded(case, 0, "data"), rtol=1e-6, atol=1e-5)
        met |= same.reshape(len(met), -1).all(axis=1)
    # Mirroring alone: two ways; with 25 places to crop: fifty, so a half is met in 40 trials.
    assert met.mean() > (0.99 if case.name == "mirror_test_phase" else 0.25)


TOOLS: dict[str, Any] = json.loads((DATA / "solvers/transforms/tools.expected.json").read_text())


@pytest.mark.parametrize("name", TOOLS["convert_imageset"])
def test_convert_imageset_writes_the_recorded_records(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(DATA / "solvers" / "transforms")
    facts = TOOLS["convert_imageset"][name]
    words = [
        str(tmp_path / "db") if word == "<db>" else word for word in facts["command"].split()[1:]
    ]
    assert convert_imageset.main(words) == facts["exit_code"] == 0
    logged = [line.split("] ", 1)[1] for line in capsys.readouterr().err.splitlines()]
    assert logged == [
        f"Opened lmdb {tmp_path / 'db'}" if "Opened" in line else line for line in facts["log"]
    ]
    expected = recorded_arrays(f"solvers/transforms/{facts['npz']}")
    with db.Reader(str(tmp_path / "db")) as reader:
        records = list(reader.records())
    assert [key.decode() for key, _ in records] == facts["keys"]
    for index, (_, value) in enumerate(records):
        found = datum.Datum.FromString(value)
        meta = [found.channels, found.height, found.width, found.label, found.encoded]
        np.testing.assert_array_equal(meta, expected[f"datum{index}.meta"])
        ours, theirs = found.data, expected[f"datum{index}.data"].tobytes()
        if found.encoded and ours != theirs:
            # Two PNG writers: other bytes, the same pixels.
            ours, theirs = (
                datum.sample(datum.Datum(data=data, encoded=True), name).values.tobytes()
                for data in (ours, theirs)
            )
        gap = np.abs(np.frombuffer(ours, np.uint8).astype(int) - np.frombuffer(theirs, np.uint8))
        assert gap.max() <= 1


@pytest.mark.parametrize("name", TOOLS["compute_image_mean"])
def test_compute_image_mean_gives_the_recorded_mean(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(DATA / "solvers" / "transforms")
    facts = TOOLS["compute_image_mean"][name]
    out = tmp_path / "mean.binaryproto"
    assert compute_image_mean.main([f"../data/{name}", str(out)]) == 0
    assert_close(read_mean_file(str(out)), read_mean_file(facts["file"]), TRANSFORMS, "mean")
    blob = BlobProto.FromString(out.read_bytes())
    assert [blob.num, blob.channels, blob.height, blob.width] == facts["shape"]
    assert blob.HasField("shape") is facts["has_shape"]
    logged = [line for line in capsys.readouterr().err.splitlines() if "mean_value channel" in line]
    means = [float(line.rsplit(" ", 1)[1]) for line in logged]
    np.testing.assert_allclose(means, facts["channel_means"], rtol=1e-5)
