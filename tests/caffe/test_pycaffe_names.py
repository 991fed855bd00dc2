"""Everything that `dir()` of BVLC Caffe 1.0's pycaffe lists is there, and errors have its types."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from digits import caffe
from digits.caffe import coord_map, net_spec
from digits.caffe.errors import CaffeError
from tests.caffe.networks import TWO_LAYERS, build

# As `dir()` of Debian 11's python3-caffe lists them, without what Python itself puts there, caches,
# other packages that its modules import, and helpers of NetSpec's writing.
NAMES = {
    "caffe": (
        "AdaDeltaSolver AdaGradSolver AdamSolver Classifier Detector Layer NCCL NesterovSolver Net "
        "NetSpec RMSPropSolver SGDSolver TEST TRAIN Timer __version__ _caffe classifier coord_map "
        "detector get_solver has_nccl init_log io layer_type_list layers log net_spec params proto "
        "pycaffe set_device set_mode_cpu set_mode_gpu set_multiprocess set_random_seed "
        "set_solver_count set_solver_rank solver_count solver_rank to_proto"
    ),
    "net": (
        "_backward _batch _blob_loss_weights _blob_names _blobs _bottom_ids _forward _inputs "
        "_layer_names _outputs _set_input_arrays _top_ids after_backward after_forward backward "
        "before_backward before_forward blob_loss_weights blobs bottom_names clear_param_diffs "
        "copy_from forward forward_all forward_backward_all inputs layer_dict layers load_hdf5 "
        "outputs params reshape save save_hdf5 set_input_arrays share_with top_names"
    ),
    "layer": "blobs reshape setup type",
    "layers": "append extend __contains__ __delitem__ __getitem__ __iter__ __len__ __setitem__",
    "blob": "channels count data diff height num reshape shape width",
    "params": "add_blob append extend __getitem__ __len__",
    "solver": (
        "add_callback apply_update iter lr net param restore share_weights snapshot solve step "
        "test_nets"
    ),
    "param": "base_lr display layer_wise_reduce max_iter",
    "io": (
        "Transformer array_to_blobproto array_to_datum arraylist_to_blobprotovector_str "
        "blobproto_to_array blobprotovector_str_to_arraylist caffe_pb2 datum_to_array load_image "
        "np oversample resize resize_image skimage zoom"
    ),
    "transformer": (
        "deprocess preprocess set_channel_swap set_input_scale set_mean set_raw_scale set_transpose"
    ),
    "coord_map": (
        "AxisMismatchException L PASS_THROUGH_LAYERS UndefinedMapException compose conv_params "
        "coord_map coord_map_from_to crop crop_params inverse np"
    ),
    "net_spec": (
        "Counter Function Layers NetSpec OrderedDict Parameters Top _param_names assign_proto "
        "caffe_pb2 layers param_name_dict params to_proto"
    ),
    "timer": "ms start stop",
    "_caffe": (
        "AdaDeltaSolver AdaGradSolver AdamSolver Blob BlobVec BoolVec DtypeVec IntVec Layer "
        "LayerParameter LayerVec NCCL NesterovSolver Net NetVec RMSPropSolver RawBlobVec SGDSolver "
        "Solver SolverParameter StringVec Timer __version__ get_solver has_nccl init_log "
        "layer_type_list log set_device set_mode_cpu set_mode_gpu set_multiprocess set_random_seed "
        "set_solver_count set_solver_rank solver_count solver_rank"
    ),
    "pycaffe": (
        "AdaDeltaSolver AdaGradSolver AdamSolver NCCL NesterovSolver Net RMSPropSolver SGDSolver "
        "Timer"
    ),
}


@pytest.fixture
def things(tmp_path: Path) -> dict[str, Any]:
    net = build(tmp_path, TWO_LAYERS)
    solver = caffe.SGDSolver(
        caffe.proto.caffe_pb2.SolverParameter(
            net=str(tmp_path / "net.prototxt"), base_lr=1, lr_policy="fixed"
        )
    )
    return {
        "caffe": caffe,
        "net": net,
        "layer": net.layers[2],
        "layers": net.layers,
        "blob": net.blobs["data"],
        "params": net.params["ip1"],
        "solver": solver,
        "param": solver.param,
        "io": caffe.io,
        "transformer": caffe.io.Transformer({}),
        "coord_map": coord_map,
        "net_spec": net_spec,
        "timer": caffe.Timer(),
        "_caffe": caffe._caffe,
        "pycaffe": caffe.pycaffe,
    }


def test_all_names_are_there(things: dict[str, Any]) -> None:
    missing = {
        owner: [name for name in names.split() if not hasattr(things[owner], name)]
        for owner, names in NAMES.items()
    }
    assert {owner: names for owner, names in missing.items() if names} == {}


@pytest.mark.parametrize(
    ("owner", "name"),
    [("solver", name) for name in ("iter", "lr", "net", "param", "test_nets")]
    + [("net", name) for name in ("blobs", "params", "layers", "layer_dict", "inputs", "outputs",
                                  "top_names", "bottom_names", "blob_loss_weights", "_inputs",
                                  "_outputs", "_blob_names", "_layer_names")]
    + [("blob", name) for name in ("data", "diff", "shape", "num", "channels", "height", "width",
                                   "count")],
)  # fmt: skip
def test_what_pycaffe_lets_scripts_only_read_cannot_be_set(
    things: dict[str, Any], owner: str, name: str
) -> None:
    """Set, it would change nothing, or break the next step far from the line that is wrong."""
    before = getattr(things[owner], name)
    with pytest.raises(AttributeError, match=name):
        setattr(things[owner], name, 1)
    with pytest.raises(AttributeError):
        delattr(things[owner], name)
    assert type(getattr(things[owner], name)) is type(before)
    things[owner].of_the_script = 1  # as Python's objects take


def test_messages_are_there_right_after_the_import() -> None:
    code = "from digits import caffe; print(caffe.proto.caffe_pb2.NetParameter(name='a').name)"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert run.stdout == "a\n"


def test_layers_of_a_net_are_layers_that_can_be_reshaped(things: dict[str, Any]) -> None:
    net, layer = things["net"], things["layer"]
    assert isinstance(layer, caffe.Layer)
    assert (layer.type, len(layer.blobs)) == ("InnerProduct", 2)
    net.blobs["data"].reshape(7, 4)
    layer.reshape([net.blobs["data"]], [net.blobs["ip1"]])
    assert net.blobs["ip1"].shape == (7, 5)
    layer.setup([net.blobs["data"]], [net.blobs["ip1"]])
    layer.blobs.add_blob(1, 2)
    assert layer.blobs[2].shape == (1, 2)


def test_numbers_of_inputs_and_batches(things: dict[str, Any]) -> None:
    net = things["net"]
    names = list(net.blobs)
    assert [names[i] for i in net._inputs] == net.inputs
    assert [names[i] for i in net._outputs] == net.outputs
    batches = list(net._batch({"data": np.ones((4, 2))}))
    assert [batch["data"].shape for batch in batches] == [(3, 2), (3, 2)]
    assert batches[1]["data"].sum() == 2


@pytest.mark.parametrize(
    ("act", "error"),
    [
        (lambda net: caffe.Net("no.prototxt", caffe.TEST), RuntimeError),
        (lambda net: caffe.Net("no.prototxt", "no.caffemodel", caffe.TEST), RuntimeError),
        (lambda net: net.copy_from("no.caffemodel"), RuntimeError),
        (lambda net: caffe.SGDSolver("no.prototxt"), RuntimeError),
        (lambda net: net.forward(end="no"), ValueError),
        (lambda net: net.backward(start="no"), ValueError),
        (lambda net: net.forward(no=1), Exception),
        (lambda net: net.set_input_arrays(np.zeros(1), np.zeros(1)), RuntimeError),
        (lambda net: caffe.io.load_image("no.png"), FileNotFoundError),
        (lambda net: caffe.io.load_image(__file__), OSError),
    ],
)
def test_errors_are_caught_as_pycaffes_are(
    things: dict[str, Any], act: Any, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        act(things["net"])
    assert isinstance(caught.value, (CaffeError, FileNotFoundError))


def test_pictures_go_through_what_stands_for_scikit_image(tmp_path: Path) -> None:
    skimage = caffe.io.skimage
    picture = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    skimage.io.imsave(str(tmp_path / "a.png"), picture)
    read = skimage.io.imread(str(tmp_path / "a.png"))
    assert np.array_equal(read, picture)
    unit = skimage.img_as_float(read)
    assert (unit.dtype, unit.max()) == (np.float64, 47 / 255)
    assert np.array_equal(skimage.img_as_ubyte(unit), picture)
    half = caffe.io.resize(picture, (2, 2), anti_aliasing=False)
    assert np.allclose(half, unit.reshape(2, 2, 2, 2, 3).mean((1, 3)))  # between four pixels
    assert caffe.io.resize(picture[..., 0], (8, 8), preserve_range=True).max() <= 45
    assert caffe.io.zoom(np.ones((2, 2)), 2).shape == (4, 4)
