"""Weights that users upload bring in nothing but what stands in their file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from digits.caffe.errors import WeightsError
from digits.caffe.layers.base import Phase
from digits.caffe.net import Net
from digits.caffe.nets.weights_hdf5 import check_self_contained

NET = """
layer { name: "in" type: "Input" top: "data" input_param { shape { dim: 1 dim: 4 } } }
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" inner_product_param {
  num_output: 2 bias_term: false } }
"""
SECRET = b"a secret of 32 bytes, as floats."


def external_values(file: h5py.File, folder: Path) -> None:
    secret = folder / "secret.bin"
    secret.write_bytes(SECRET)
    file.create_dataset("data/ip/0", (2, 4), dtype="f4", external=[(str(secret), 0, len(SECRET))])


def external_link(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["ip/0"] = np.ones((2, 4), "f4")
    file["data"] = h5py.ExternalLink(str(folder / "other.h5"), "/")


def link_to_a_link(file: h5py.File, folder: Path) -> None:
    external_link(file, folder)
    file["data2"] = file["/"]
    del file["data2"]
    file["more/data"] = h5py.SoftLink("/data")


def virtual_values(file: h5py.File, folder: Path) -> None:
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((2, 4), "f4")
    layout = h5py.VirtualLayout((2, 4), dtype="f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (2, 4))
    file.create_virtual_dataset("data/ip/0", layout)


def a_group_in_itself(file: h5py.File, folder: Path) -> None:
    file["data/ip/0"] = np.ones((2, 4), "f4")
    file["data/again"] = file["data"]


@pytest.mark.parametrize(
    "build", [external_values, external_link, link_to_a_link, virtual_values, a_group_in_itself]
)
def test_weights_that_lead_out_of_their_file_are_refused(
    tmp_path: Path, build: Callable[[h5py.File, Path], None]
) -> None:
    with h5py.File(tmp_path / "w.h5", "w") as file:
        build(file, tmp_path)
    with (
        h5py.File(tmp_path / "w.h5") as file,
        pytest.raises(WeightsError, match="file itself|two places"),
    ):
        check_self_contained(file, "w.h5")


def test_a_net_takes_no_secret_for_weights(tmp_path: Path) -> None:
    """What used to happen: the bytes of any file of the server became weights."""
    (tmp_path / "net.prototxt").write_text(NET)
    with h5py.File(tmp_path / "w.caffemodel.h5", "w") as file:
        external_values(file, tmp_path)
    net = Net(str(tmp_path / "net.prototxt"), Phase.TEST)
    with pytest.raises(WeightsError):
        net.copy_from(str(tmp_path / "w.caffemodel.h5"))
    assert SECRET not in net.params["ip"][0].data.tobytes()
    net.save_hdf5(str(tmp_path / "own.h5"))
    net.load_hdf5(str(tmp_path / "own.h5"))
