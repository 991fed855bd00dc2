"""The programs of docs/export.md: the one in Python runs as it is printed."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto
from PIL import Image

from digits.caffe.export.classifier import classifier_of
from digits.caffe.export.pictures import Preparation
from digits.caffe.export.saving import save
from tests.caffe.export.running import net_of, run_model

GUIDE = (Path(__file__).parent.parent / "docs" / "export.md").read_text()
NET = """
layer { name: "data" type: "Input" top: "data"
  input_param { shape { dim: 1 dim: 3 dim: 12 dim: 12 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
  inner_product_param { num_output: 3 weight_filler { type: "gaussian" std: 0.01 } } }
layer { name: "soft" type: "Softmax" bottom: "ip" top: "soft" }
"""


def program(language: str) -> str:
    """The first program of the guide in a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.M | re.S)[0]


@pytest.fixture(scope="module")
def model() -> ModelProto:
    return classifier_of(net_of(NET), Preparation(12, 12, 3), labels=["rose", "tulip", "daisy"])


def test_the_python_program_runs_as_it_is_printed(model: ModelProto, tmp_path: Path) -> None:
    save(model, tmp_path / "flowers.onnx")
    pixels = np.random.default_rng(2).integers(0, 256, (9, 20, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.jpg", quality=95)
    (tmp_path / "classify.py").write_text(program("python"))
    said = subprocess.run(
        [sys.executable, "classify.py"], cwd=tmp_path, capture_output=True, text=True, check=True
    ).stdout
    decoded = np.asarray(Image.open(tmp_path / "picture.jpg"))
    (probabilities,) = run_model(model, {"image": decoded}).values()
    label, share = said.split()
    assert label == ["rose", "tulip", "daisy"][probabilities.argmax()]
    assert float(share) == pytest.approx(probabilities.max(), abs=1e-5)


def test_the_program_in_c_speaks_of_the_inputs_and_outputs_that_a_file_has(
    model: ModelProto,
) -> None:
    text = program("cpp")
    (image,), (output,) = model.graph.input, model.graph.output
    assert f'*in = "{image.name}", *out = "{output.name}"' in text
    kind = image.type.tensor_type
    assert kind.elem_type == TensorProto.UINT8
    assert "CreateTensor<uint8_t>" in text
    assert len(kind.shape.dim) == 3
    assert "{picture.rows, picture.cols, 3}" in text
    assert output.type.tensor_type.elem_type == TensorProto.FLOAT
    assert "GetTensorData<float>" in text
    assert "COLOR_BGR2RGB" in text
