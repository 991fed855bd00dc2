"""What is generated for a training: the standard networks' files, and the rules one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from digits.caffe.formats import prototxt
from digits.caffe.proto import caffe_pb2
from digits.caffe.proto.caffe_pb2 import LayerParameter, NetParameter
from digits.errors import FormError
from digits.model.network.errors import NetworkError
from digits.model.network.text import parse_network, standard_network_text
from digits.model.network.training import NetworkOptions, Networks, make_networks
from tests.model.cases import CASES, EXPECTED, facts

SCORES = """
layer { name: "ip" type: "InnerProduct" bottom: "data" top: "ip"
        inner_product_param { num_output: 7 } }
"""
LOSS = 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "label" top: "loss" }'


def made(text: str, options: NetworkOptions | None = None, **dataset: object) -> Networks:
    return make_networks(
        parse_network(text),
        facts(**dataset),  # type: ignore[arg-type]
        options or NetworkOptions(),
    )


def data_layers(net: NetParameter) -> dict[int, LayerParameter]:
    """The Data layers by their phase."""
    return {layer.include[0].phase: layer for layer in net.layer if layer.type == "Data"}


def names(net: NetParameter) -> list[str]:
    return [layer.name for layer in net.layer]


def layer(net: NetParameter, name: str) -> LayerParameter:
    return next(layer for layer in net.layer if layer.name == name)


@pytest.mark.parametrize("name", CASES)
def test_generated_files_are_the_expected_ones(name: str) -> None:
    for file_name, text in CASES[name].generate().items():
        assert text == (EXPECTED / name / file_name).read_text(), file_name


@pytest.mark.parametrize("network", ["lenet", "alexnet", "googlenet"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("val", [True, False])
@pytest.mark.parametrize("mean", [True, False])
def test_data_layers_are_filled_in_for_each_kind_of_dataset(
    network: str, channels: int, val: bool, mean: bool
) -> None:
    networks = made(standard_network_text(network), channels=channels, val=val, mean=mean)
    found = data_layers(networks.train_val)
    assert set(found) == ({caffe_pb2.TRAIN, caffe_pb2.TEST} if val else {caffe_pb2.TRAIN})
    for phase, data in found.items():
        source = "train_db" if phase == caffe_pb2.TRAIN else "val_db"
        assert data.data_param.source == f"../dataset/{source}"
        assert data.data_param.backend == caffe_pb2.DataParameter.LMDB
        expected_mean = "../dataset/mean.binaryproto" if mean else ""
        assert data.transform_param.mean_file == expected_mean
    batch_size = {"lenet": 100, "alexnet": 100, "googlenet": 16}[network]
    assert networks.val_batch_size == (batch_size if val else None)
    side = {"lenet": 256, "alexnet": 227, "googlenet": 224}[network]
    assert list(networks.deploy.input_shape[0].dim) == [1, channels, side, side]


def test_the_given_network_is_not_changed() -> None:
    given = parse_network(standard_network_text("googlenet"))
    before = prototxt.to_text(given)
    make_networks(given, facts(labels=3), NetworkOptions(retrain=True))
    assert prototxt.to_text(given) == before


def test_data_layers_are_added_where_the_network_has_none() -> None:
    networks = made(SCORES + LOSS)
    found = data_layers(networks.train_val)
    assert [list(data.top) for data in found.values()] == [["data", "label"]] * 2
    assert networks.train_batch_size == networks.val_batch_size == 16


@pytest.mark.parametrize(
    ("form", "train", "val", "expected"),
    [
        (None, 0, 0, (16, 16)),
        (None, 32, 8, (32, 8)),
        (None, 32, 0, (32, 32)),
        (5, 32, 8, (5, 5)),
    ],
)
def test_batch_size_is_the_forms_else_the_networks_else_16(
    form: int | None, train: int, val: int, expected: tuple[int, int]
) -> None:
    text = "".join(
        f'layer {{ name: "d" type: "Data" top: "data" top: "label" include {{ phase: {phase} }} '
        f"data_param {{ batch_size: {size} }} }}"
        for phase, size in (("TRAIN", train), ("TEST", val))
    )
    networks = made(text + SCORES + LOSS, NetworkOptions(batch_size=form))
    assert (networks.train_batch_size, networks.val_batch_size) == expected


def test_one_data_layer_without_rules_serves_both_phases() -> None:
    data = (
        'layer { name: "d" type: "Data" top: "pixels" top: "class" data_param { batch_size: 9 } }'
    )
    text = data + SCORES.replace('"data"', '"pixels"') + LOSS.replace('"label"', '"class"')
    networks = made(text)
    found = data_layers(networks.train_val)
    assert {data.data_param.source for data in found.values()} == {
        "../dataset/train_db",
        "../dataset/val_db",
    }
    assert list(networks.deploy.input) == ["pixels"]


@pytest.mark.parametrize(
    ("form", "network", "side", "expected"),
    [(None, 0, 64, 0), (None, 32, 64, 32), (48, 32, 64, 48), (None, 100, 64, 64), (64, 0, 64, 64)],
)
def test_crop_is_the_forms_else_the_networks_made_to_fit(
    form: int | None, network: int, side: int, expected: int
) -> None:
    data = (
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        f"transform_param {{ crop_size: {network} }} }}"
    )
    networks = made(data + SCORES + LOSS, NetworkOptions(crop_size=form), side=side)
    for found in data_layers(networks.train_val).values():
        assert found.transform_param.crop_size == expected
    assert list(networks.deploy.input_shape[0].dim) == [1, 3, expected or side, expected or side]


def test_a_crop_from_the_form_larger_than_the_images_is_an_error() -> None:
    with pytest.raises(FormError, match=r"crop size 65 is larger .*64x64.* at most 64") as caught:
        made(SCORES + LOSS, NetworkOptions(crop_size=65), side=64)
    assert list(caught.value.errors) == ["crop_size"]


def test_mean_values_of_the_network_give_way_to_the_mean_file() -> None:
    data = (
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        'transform_param { mean_value: 104 mean_value: 117 mean_value: 123 mean_file: "old" } }'
    )
    with_mean = data_layers(made(data + SCORES + LOSS).train_val)[caffe_pb2.TRAIN]
    assert with_mean.transform_param.mean_file == "../dataset/mean.binaryproto"
    assert not with_mean.transform_param.mean_value
    without = made(data + SCORES + LOSS, NetworkOptions(use_mean=False)).train_val
    transform = data_layers(without)[caffe_pb2.TRAIN].transform_param
    assert not transform.HasField("mean_file")
    assert list(transform.mean_value) == [104, 117, 123]


@pytest.mark.parametrize("kind", ["MemoryData", "HDF5Data", "ImageData", "WindowData"])
def test_other_data_layers_are_refused(kind: str) -> None:
    text = f'layer {{ name: "mine" type: "{kind}" top: "data" top: "label" }}' + SCORES + LOSS
    with pytest.raises(NetworkError, match=rf"'mine' has the type {kind}") as caught:
        made(text)
    assert caught.value.layer == "mine"


def test_a_layer_that_writes_files_is_refused() -> None:
    text = 'layer { name: "out" type: "HDF5Output" bottom: "ip" bottom: "label" }'
    with pytest.raises(NetworkError, match="'out' has the type HDF5Output.*write files"):
        made(SCORES + LOSS + text)


AUGMENTED = """
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TRAIN }
        transform_param { mirror: true scale: 0.5 mean_value: 9 } }
layer { name: "data" type: "Data" top: "data" top: "label" include { phase: TEST }
        transform_param { scale: 0.5 mean_value: 9 } }
"""


def test_mirror_scale_and_mean_values_are_the_networks_unless_the_form_says_otherwise() -> None:
    text = AUGMENTED + SCORES + LOSS
    found = data_layers(made(text, NetworkOptions(use_mean=False)).train_val)
    train, val = found[caffe_pb2.TRAIN].transform_param, found[caffe_pb2.TEST].transform_param
    assert (train.mirror, val.mirror) == (True, False)
    assert {train.scale, val.scale} == {0.5}
    assert list(train.mean_value) == list(val.mean_value) == [9]

    options = NetworkOptions(use_mean=False, mirror=False, scale=0.25, mean_values=(1, 2, 3))
    found = data_layers(made(text, options).train_val)
    for data in found.values():
        assert not data.transform_param.mirror
        assert data.transform_param.scale == 0.25
        assert list(data.transform_param.mean_value) == [1, 2, 3]


def test_the_forms_mirror_is_for_training_alone() -> None:
    found = data_layers(made(SCORES + LOSS, NetworkOptions(mirror=True)).train_val)
    assert found[caffe_pb2.TRAIN].transform_param.mirror
    assert not found[caffe_pb2.TEST].transform_param.mirror


@pytest.mark.parametrize(
    ("options", "channels"),
    [
        (NetworkOptions(mean_values=(5.0,)), 3),  # beside the mean file
        (NetworkOptions(use_mean=False, mean_values=(1, 2, 3)), 1),
        (NetworkOptions(use_mean=False, mean_values=(1, 2)), 3),
    ],
)
def test_mean_values_that_do_not_fit_are_an_error_of_the_form(
    options: NetworkOptions, channels: int
) -> None:
    with pytest.raises(FormError) as raised:
        made(SCORES + LOSS, options, channels=channels)
    assert list(raised.value.errors) == ["mean_value"]


def test_mean_values_of_a_network_must_fit_the_channels() -> None:
    text = AUGMENTED.replace("mean_value: 9", "mean_value: 9 mean_value: 8") + SCORES + LOSS
    with pytest.raises(NetworkError, match="2 mean values"):
        made(text, NetworkOptions(use_mean=False))


def test_two_data_layers_for_a_phase_are_refused() -> None:
    text = "".join(
        f'layer {{ name: "{name}" type: "Data" top: "data" top: "label" '
        "include { phase: TRAIN } }"
        for name in "ab"
    )
    with pytest.raises(NetworkError, match="phase TRAIN has 2 Data layers: 'a' and 'b'"):
        made(text + SCORES + LOSS)


def test_a_data_layer_without_labels_is_refused() -> None:
    with pytest.raises(NetworkError, match="'d' has 1 tops; it needs two"):
        made('layer { name: "d" type: "Data" top: "data" }' + SCORES + LOSS)


def test_a_batch_that_no_memory_holds_is_refused() -> None:
    data = (
        'layer { name: "d" type: "Data" top: "data" top: "label" '
        "data_param { batch_size: 4000000000 } }"
    )
    with pytest.raises(NetworkError, match="4000000000 pictures; at most 100000"):
        made(data + SCORES + LOSS)


def test_a_network_without_loss_is_refused() -> None:
    with pytest.raises(NetworkError, match="no loss layer in the TRAIN phase"):
        made(SCORES)


OUTPUTS = {
    "an InnerProduct before the loss": (SCORES + LOSS, ["ip"]),
    "in-place layers in between": (
        SCORES + 'layer { name: "r" type: "ReLU" bottom: "ip" top: "ip" }' + LOSS,
        ["ip"],
    ),
    "a Convolution before a global pooling": (
        'layer { name: "c" type: "Convolution" bottom: "data" top: "c" '
        "convolution_param { num_output: 1000 kernel_size: 1 } }"
        'layer { name: "r" type: "ReLU" bottom: "c" top: "c" }'
        'layer { name: "ip" type: "Pooling" bottom: "c" top: "ip" '
        "pooling_param { pool: AVE global_pooling: true } }" + LOSS,
        ["c"],
    ),
    "only the last of two": (
        SCORES.replace('"ip"', '"hidden"') + SCORES.replace('bottom: "data"', 'bottom: "hidden"')
        + LOSS,
        ["ip"],
    ),
    "both heads of a network with an auxiliary loss": (
        SCORES + LOSS + SCORES.replace('"ip"', '"aux"')
        + LOSS.replace('"ip"', '"aux"').replace('"loss"', '"aux_loss"'),
        ["ip", "aux"],
    ),
    "not what a loss compares with something else than labels": (
        SCORES + LOSS + SCORES.replace('"ip"', '"decoded"')
        + 'layer { name: "e" type: "EuclideanLoss" bottom: "decoded" bottom: "data" top: "e" }',
        ["ip"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", OUTPUTS)
def test_output_layers_get_one_output_a_label(case: str) -> None:
    text, expected = OUTPUTS[case]
    net = made(text, labels=42).train_val
    counts = {
        found.name: found.inner_product_param.num_output or found.convolution_param.num_output
        for found in net.layer
        if found.type in ("InnerProduct", "Convolution")
    }
    assert [name for name, count in counts.items() if count == 42] == expected


@pytest.mark.parametrize(("labels", "kept"), [(5, False), (6, True)])
def test_an_accuracy_with_top_k_not_below_the_labels_is_left_out(labels: int, kept: bool) -> None:
    text = SCORES + LOSS
    text += 'layer { name: "a" type: "Accuracy" bottom: "ip" bottom: "label" top: "a" }'
    text += (
        'layer { name: "top5" type: "Accuracy" bottom: "ip" bottom: "label" top: "top5" '
        "accuracy_param { top_k: 5 } }"
    )
    networks = made(text, labels=labels)
    assert networks.accuracies == (("a", "top5") if kept else ("a",))
    assert ("top5" in names(networks.train_val)) is kept


def test_deploy_ends_in_a_softmax_named_prob() -> None:
    deploy = made(SCORES + LOSS).deploy
    assert names(deploy) == ["ip", "prob"]
    prob = layer(deploy, "prob")
    assert (prob.type, list(prob.bottom), list(prob.top)) == ("Softmax", ["ip"], ["prob"])


def test_the_heads_of_auxiliary_losses_are_not_deployed() -> None:
    deploy = made(standard_network_text("googlenet")).deploy
    assert not [name for name in names(deploy) if name.startswith(("loss1", "loss2"))]
    assert names(deploy)[-2:] == ["loss3/classifier", "prob"]


def test_layers_limited_to_a_phase_are_in_their_networks_only() -> None:
    text = SCORES + LOSS
    text += 'layer { name: "t" type: "Silence" bottom: "ip" include { phase: TRAIN } }'
    text += 'layer { name: "v" type: "ArgMax" bottom: "ip" top: "v" include { phase: TEST } }'
    networks = made(text)
    assert [str(rule) for rule in layer(networks.train_val, "t").include] == ["phase: TRAIN\n"]
    assert [str(rule) for rule in layer(networks.train_val, "v").include] == ["phase: TEST\n"]
    assert names(networks.deploy) == ["ip", "prob"]


def test_stages_limit_layers_to_train_val_or_deploy() -> None:
    text = """
    layer { name: "td" type: "Data" top: "data" top: "label" include { stage: "train" }
            data_param { batch_size: 8 } }
    layer { name: "vd" type: "Data" top: "data" top: "label" include { stage: "val" }
            data_param { batch_size: 4 } }
    """
    text += SCORES
    text += LOSS.replace("top: ", 'exclude { stage: "deploy" } top: ')
    text += """
    layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "label" top: "acc"
            include { stage: "val" } }
    layer { name: "softmax" type: "Softmax" bottom: "ip" top: "softmax"
            include { stage: "deploy" } }
    """
    networks = made(text)
    train_val = networks.train_val
    assert names(train_val) == ["td", "vd", "ip", "loss", "acc"]
    assert (networks.train_batch_size, networks.val_batch_size) == (8, 4)
    assert not layer(train_val, "loss").exclude
    assert [str(rule) for rule in layer(train_val, "acc").include] == ["phase: TEST\n"]
    assert names(networks.deploy) == ["ip", "softmax"]


def test_a_loss_limited_to_training_still_gives_prob() -> None:
    deploy = made(SCORES + LOSS.replace("top: ", "include { phase: TRAIN } top: ")).deploy
    assert names(deploy) == ["ip", "prob"]


def test_a_softmax_for_an_accuracy_is_replaced_by_prob() -> None:
    text = SCORES + LOSS
    text += 'layer { name: "prob" type: "Softmax" bottom: "ip" top: "prob" }'
    text += 'layer { name: "a" type: "Accuracy" bottom: "prob" bottom: "label" top: "a" }'
    assert names(made(text).deploy) == ["ip", "prob"]


def test_layers_that_need_labels_are_not_deployed() -> None:
    text = 'layer { name: "flat" type: "Flatten" bottom: "label" top: "flat" }' + SCORES
    text += LOSS.replace('"label"', '"flat"')
    assert names(made(text).deploy) == ["ip", "prob"]


def test_the_name_prob_taken_by_another_layer_is_an_error() -> None:
    text = SCORES.replace('name: "ip"', 'name: "prob"') + LOSS
    with pytest.raises(NetworkError, match="'prob' .InnerProduct. uses the name 'prob'"):
        made(text)


def test_a_network_whose_scores_come_from_labels_alone_is_refused() -> None:
    with pytest.raises(NetworkError, match="Nothing is left of the network for deployment"):
        made(SCORES.replace('"data"', '"label"') + LOSS)


def test_other_losses_leave_their_scores_as_the_result() -> None:
    assert names(made(SCORES + LOSS.replace("SoftmaxWithLoss", "HingeLoss")).deploy) == ["ip"]


def test_an_input_layer_stands_for_the_data_layers() -> None:
    text = (
        'layer { name: "in" type: "Input" top: "pixels" '
        "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 8 } } }"
    )
    networks = made(text + SCORES.replace('"data"', '"pixels"') + LOSS)
    assert names(networks.train_val) == ["train-data", "val-data", "ip", "loss"]
    assert list(data_layers(networks.train_val)[caffe_pb2.TRAIN].top) == ["pixels", "label"]
    assert list(networks.deploy.input) == ["pixels"]


def test_the_input_fields_of_a_deployed_network_stand_for_the_data_layers() -> None:
    networks = made('input: "pixels" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8'
                    + SCORES.replace('"data"', '"pixels"') + LOSS)  # fmt: skip
    assert names(networks.train_val) == ["train-data", "val-data", "ip", "loss"]
    assert not networks.train_val.input
    assert list(networks.deploy.input) == ["pixels"]


def test_retraining_renames_the_last_inner_product() -> None:
    hidden = SCORES.replace('"ip"', '"hidden"')
    networks = made(
        hidden + SCORES.replace('"data"', '"hidden"') + LOSS, NetworkOptions(retrain=True)
    )
    assert "ip_retrain" in names(networks.train_val)
    assert "ip_retrain" in names(networks.deploy)
    assert layer(networks.deploy, "ip_retrain").top[0] == "ip"
    assert "hidden" in names(networks.train_val)


def test_retraining_renames_every_output_whose_size_changes() -> None:
    net = made(standard_network_text("googlenet"), NetworkOptions(retrain=True)).train_val
    renamed = [name for name in names(net) if name.endswith("_retrain")]
    assert renamed == [f"loss{n}/classifier_retrain" for n in (1, 2, 3)]


def test_retraining_without_inner_product_renames_the_last_convolution() -> None:
    text, _ = OUTPUTS["a Convolution before a global pooling"]
    networks = made(text, NetworkOptions(retrain=True), labels=1000)
    assert "c_retrain" in names(networks.train_val)


def test_old_formats_are_upgraded() -> None:
    text = """
    layers { name: "ip" type: INNER_PRODUCT bottom: "data" top: "ip"
             inner_product_param { num_output: 3 } }
    layers { name: "loss" type: SOFTMAX_LOSS bottom: "ip" bottom: "label" top: "loss" }
    """
    networks = made(text)
    assert names(networks.train_val) == ["train-data", "val-data", "ip", "loss"]
    assert layer(networks.train_val, "ip").inner_product_param.num_output == 10


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        ('name: "x"', "has no layers"),
        ('layer { name: "a"', "ends with 1 '{' unclosed"),
        ('layer { name: "a" tpye: "Data" }', "Line 1, column 19: .*\"tpye\".*Did you mean 'type'"),
        ("layer { }\n" * 3001, "has 3001 layers; at most 3000"),
        ("# " + "x" * 1024 * 1024, "at most 1,048,576"),
        ("\ud800", "Line 1"),
    ],
)
def test_text_that_is_no_network_is_refused(text: str, message: str) -> None:
    with pytest.raises(NetworkError, match=message):
        parse_network(text)


def test_an_error_in_the_text_has_its_place() -> None:
    with pytest.raises(NetworkError) as caught:
        parse_network('name: "x"\nlayer { foo: 1 }')
    assert (caught.value.line, caught.value.column) == (2, 9)


def test_there_is_no_standard_network_of_another_name() -> None:
    with pytest.raises(NetworkError, match="no standard network '../lenet'.*lenet, alexnet"):
        standard_network_text("../lenet")


def test_expected_files_belong_to_a_case() -> None:
    assert {folder.name for folder in Path(EXPECTED).iterdir()} == set(CASES)
