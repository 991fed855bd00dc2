"""Networks of users reach nothing but the dataset: no other file, no code."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from digits.inference import (
    BadNetwork,
    ClassifyOne,
    NetSource,
    Network,
    Pool,
    PoolSettings,
    check_network,
    parse_net,
)
from digits.model.network.errors import NetworkError
from digits.model.network.text import network_to_text, parse_network
from digits.model.network.training import NetworkOptions, make_networks
from tests.model.cases import facts
from tests.model.requests import TINY

SECRET = "/etc/passwd"
LAYERS = {
    "an image list": 'type: "ImageData" image_data_param { source: "SECRET" }',
    "an image list without a source": 'type: "ImageData"',
    "an HDF5 list": 'type: "HDF5Data" hdf5_data_param { source: "SECRET" }',
    "a window list": 'type: "WindowData" window_data_param { source: "SECRET" }',
    "memory": 'type: "MemoryData" memory_data_param { batch_size: 1 }',
    "a file to write": 'type: "HDF5Output" hdf5_output_param { file_name: "SECRET" } bottom: "ip"',
    "a matrix": 'type: "InfogainLoss" infogain_loss_param { source: "SECRET" } '
    'bottom: "ip" bottom: "label"',
    "a matrix of a layer of another type": 'type: "ReLU" bottom: "ip" '
    'infogain_loss_param { source: "SECRET" }',
    "code": 'type: "Python" python_param { module: "os" layer: "x" }',
    "code with another case": 'type: "Python" python_param { module: "os" layer: "system" '
    'param_str: "id" share_in_parallel: true }',
}
PHASES = ("", "include { phase: TRAIN }", "include { phase: TEST }", 'include { stage: "x" }')
OLD = {
    "an HDF5 list of the old format": 'layers { name: "x" type: HDF5_DATA top: "x" '
    'hdf5_data_param { source: "SECRET" } }',
    "an image list of the old format": 'layers { name: "x" type: IMAGE_DATA top: "x" '
    'image_data_param { source: "SECRET" } }',
    "a matrix of the old format": 'layers { name: "x" type: INFOGAIN_LOSS bottom: "ip" '
    'bottom: "label" top: "x" infogain_loss_param { source: "SECRET" } }',
    "a window list of the old format": 'layers { name: "x" type: WINDOW_DATA top: "x" '
    'window_data_param { source: "SECRET" } }',
}


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_reaches_out_is_refused_in_every_phase(name: str, phase: str) -> None:
    layer = f'layer {{ name: "x" top: "x" {LAYERS[name].replace("SECRET", SECRET)} {phase} }}\n'
    with pytest.raises(NetworkError, match="Layer 'x'") as caught:
        make_networks(parse_network(TINY + layer), facts(), NetworkOptions())
    assert "root:" not in str(caught.value)


@pytest.mark.parametrize("name", OLD)
def test_the_same_in_the_old_format(name: str) -> None:
    old = 'layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip" ' \
          "inner_product_param { num_output: 4 } }\n" \
          'layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" }\n'  # fmt: skip
    text = old + OLD[name].replace("SECRET", SECRET)
    with pytest.raises(NetworkError, match="Layer 'x'"):
        make_networks(parse_network(text), facts(), NetworkOptions())


def test_a_data_layers_own_files_are_written_over() -> None:
    data = (
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        f'data_param {{ source: "{SECRET}" batch_size: 2 }} '
        f'transform_param {{ mean_file: "{SECRET}" }} }}\n'
    )
    for use_mean in (True, False):
        networks = make_networks(
            parse_network(data + TINY), facts(), NetworkOptions(use_mean=use_mean)
        )
        for net in (networks.train_val, networks.deploy):
            assert SECRET not in network_to_text(net)


def test_a_setting_lets_python_layers_pass() -> None:
    layer = f'layer {{ name: "x" top: "x" bottom: "ip" {LAYERS["code"]} }}\n'
    networks = make_networks(
        parse_network(TINY + layer), facts(), NetworkOptions(python_layers=True)
    )
    assert 'type: "Python"' in network_to_text(networks.train_val)


# In the workers -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pools() -> Iterator[dict[bool, Pool]]:
    """A pool whose workers may run Python layers, and one whose workers may not."""
    pools = {
        allowed: Pool(PoolSettings(workers=1, python_layers=allowed)) for allowed in (True, False)
    }
    for pool in pools.values():
        # The pool's thread is there before a test counts threads.
        parse_net(pool, 'layer { name: "a" }')
    yield pools
    for pool in pools.values():
        pool.close()


@pytest.mark.parametrize(
    ("allowed", "message"),
    [(False, "which is not allowed here"), (True, "module 'os' has no attribute 'x'")],
)
def test_a_worker_runs_python_layers_only_where_they_are_allowed(
    pools: dict[bool, Pool], allowed: bool, message: str
) -> None:
    text = (
        'layer { name: "in" type: "Input" top: "ip" input_param { shape { dim: 1 } } }\n'
        f'layer {{ name: "x" top: "x" bottom: "ip" {LAYERS["code"]} }}\n'
    )
    result = check_network(pools[allowed], [NetSource(text)])
    assert message in result.problems[0].message


@pytest.mark.parametrize(
    "layer",
    [
        LAYERS["a matrix"].replace("SECRET", SECRET),
        LAYERS["an HDF5 list"].replace("SECRET", SECRET),
        LAYERS["code"],
    ],
)
def test_a_worker_loads_no_network_that_reaches_out_though_its_job_was_copied_in(
    pools: dict[bool, Pool], tmp_path: Path, layer: str
) -> None:
    deploy = tmp_path / "deploy.prototxt"
    deploy.write_text(
        'layer { name: "in" type: "Input" top: "data" '
        "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }\n"
        'layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip" '
        "inner_product_param { num_output: 2 } }\n"
        f'layer {{ name: "x" top: "x" {layer} }}\n'
    )
    weights = tmp_path / "w.caffemodel"
    weights.write_bytes(b"")
    labels = tmp_path / "labels.txt"
    labels.write_text("a\nb\n")
    network = Network(
        deploy=deploy, weights=weights, labels=labels, resize_mode="squash", channels=3,
        width=8, height=8,
    )  # fmt: skip
    with pytest.raises(BadNetwork) as caught:
        pools[False].ask(ClassifyOne(b""), network=network)
    assert "root:" not in str(caught.value)
