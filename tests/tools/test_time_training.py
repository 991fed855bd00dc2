"""Iterations are timed with small batches, and the time of a large one follows from them."""

from __future__ import annotations

import pytest

from digits.caffe.formats.prototxt import parse_text
from digits.caffe.proto.caffe_pb2 import NetParameter
from digits.tools.time_training import at_size, with_batches
from tests.tools.programs import run

NET = """
layer { name: "train" type: "Data" top: "data" include { phase: TRAIN }
  data_param { batch_size: 64 source: "a" } }
layer { name: "val" type: "HDF5Data" top: "data" include { phase: TEST }
  hdf5_data_param { batch_size: 32 source: "b" } }
"""


@pytest.mark.parametrize(
    ("batch", "small", "large", "seconds"),
    [
        (4, (4, 1.0), (4, 1.0), 1.0),  # measured as it is
        (100, (4, 1.4), (12, 2.2), 11.0),  # 1 s for each iteration, 0.1 s for each picture
        (100, (4, 1.0), (4, 1.0), 25.0),  # one measurement says that it grows with the batch
        (100, (4, 2.0), (8, 1.0), 1.0),  # noise: it does not shrink
        (100, (4, 0.1), (8, 1.0), 12.5),  # noise: no picture takes longer than on average
    ],
)
def test_a_large_batch_lies_on_the_line_through_two_small_ones(
    batch: int, small: tuple[int, float], large: tuple[int, float], seconds: float
) -> None:
    assert at_size(batch, small, large) == pytest.approx(seconds)


def test_all_data_layers_get_the_batch() -> None:
    net = parse_text(NET, NetParameter())
    small = with_batches(net, 3)
    assert [layer.data_param.batch_size for layer in small.layer] == [3, 0]
    assert small.layer[1].hdf5_data_param.batch_size == 3
    assert net.layer[0].data_param.batch_size == 64


@pytest.mark.slow
def test_a_network_that_cannot_be_run_is_an_error_in_words(tmp_path) -> None:
    (tmp_path / "net.prototxt").write_text("layer { name: 'a' type: 'Nonsense' top: 'a' }")
    finished = run("time_training", tmp_path / "net.prototxt")
    assert finished.status == 1
    assert "Error: The training cannot be timed" in finished.log
    assert "Nonsense" in finished.log
