"""Layer types as ONNX where Caffe's recordings have no case: edges of fields, free batches."""

from __future__ import annotations

import pytest

from digits.caffe.errors import LayerError, NetError
from digits.caffe.export.net import FREE, model_of
from digits.caffe.export.registry import MEASURES, written_types
from digits.caffe.layers.registry import layer_types
from tests.caffe.export.running import assert_equal, net_of, one_layer, random_feeds

FILLED = 'weight_filler { type: "gaussian" std: 0.3 } bias_filler { type: "gaussian" }'
# What a layer is, and the shapes of its bottoms.
LAYERS = {
    "convolution over later axes": (
        'type: "Convolution" convolution_param { axis: 2 num_output: 4 kernel_size: 3 '
        f"pad: 1 {FILLED} }}",
        "2 3 4 6 5",
    ),
    "convolution without spatial axes": (
        f'type: "Convolution" convolution_param {{ num_output: 4 kernel_size: 1 {FILLED} }}',
        "2 6",
    ),
    "convolution in groups with dilation": (
        'type: "Convolution" convolution_param { num_output: 4 group: 2 kernel_size: 3 dilation: 2 '
        f"stride: 2 pad: 3 {FILLED} }}",
        "2 6 9 8",
    ),
    "convolution whose window hangs over": (
        'type: "Convolution" convolution_param { num_output: 3 kernel_size: 5 stride: 3 '
        f"{FILLED} }}",
        "2 4 3 9",
    ),
    "im2col whose window hangs over": (
        'type: "Im2col" convolution_param { kernel_size: 5 stride: 3 pad_w: 1 pad_h: 0 }',
        "2 4 3 9",
    ),
    "deconvolution in groups with dilation": (
        'type: "Deconvolution" convolution_param { num_output: 6 group: 3 kernel_size: 3 '
        f"dilation: 2 stride: 3 pad: 2 {FILLED} }}",
        "2 3 5 4",
    ),
    "deconvolution of one axis": (
        'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 4 stride: 2 '
        f"pad: 1 {FILLED} }}",
        "2 3 5",
    ),
    "im2col with infinities near": (
        'type: "Im2col" convolution_param { kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 }',
        "2 3 6 5",
    ),
    "max pooling whose last window is cut": (
        'type: "Pooling" pooling_param { pool: MAX kernel_size: 3 stride: 2 pad: 1 }',
        "2 3 8 7",
    ),
    "mean of windows that reach beyond the padding": (
        'type: "Pooling" pooling_param { pool: AVE kernel_h: 4 kernel_w: 3 stride: 3 '
        "pad_h: 2 pad_w: 1 }",
        "2 3 8 7",
    ),
    "max pooling with windows outside": (
        'type: "Pooling" pooling_param { pool: MAX kernel_size: 1 stride: 3 }',
        "2 3 5 5",
    ),
    "mean of the plane": (
        'type: "Pooling" pooling_param { pool: AVE global_pooling: true }',
        "2 3 7 5",
    ),
    "stochastic pooling": (
        'type: "Pooling" pooling_param { pool: STOCHASTIC kernel_size: 3 stride: 2 }',
        "2 3 7 6",
    ),
    "pooling rounded down": (
        'type: "Pooling" pooling_param { pool: AVE kernel_size: 3 stride: 3 pad: 1 '
        "round_mode: FLOOR }",
        "2 3 7 6",
    ),
    "pyramid of means": ('type: "SPP" spp_param { pyramid_height: 3 pool: AVE }', "2 3 10 9"),
    "LRN with a negative alpha": (
        'type: "LRN" lrn_param { local_size: 3 alpha: -0.1 beta: 0.75 k: 3 }',
        "2 5 4 4",
    ),
    "LRN within channels": (
        'type: "LRN" lrn_param { local_size: 5 alpha: 2 beta: 0.5 norm_region: WITHIN_CHANNEL }',
        "2 3 6 4",
    ),
    "MVN of three axes": ('type: "MVN" mvn_param { across_channels: true }', "2 3 5"),
    "MVN without variance": ('type: "MVN" mvn_param { normalize_variance: false }', "2 3 5 4"),
    "BatchNorm by the batch": (
        'type: "BatchNorm" batch_norm_param { use_global_stats: false eps: 0.01 }',
        "4 3 5",
    ),
    "scale along later axes": (
        'type: "Scale" scale_param { axis: -2 num_axes: 1 bias_term: true '
        'filler { type: "gaussian" } bias_filler { type: "gaussian" } }',
        "2 3 4 5",
    ),
    "bias of the second bottom": ('type: "Bias" bias_param { axis: 0 }', "2 3 4 5", "2 3"),
    "scale by a blob of the batch": ('type: "Scale" scale_param { axis: 0 }', "2 3 4", "2"),
    "inner product of later axes": (
        f'type: "InnerProduct" inner_product_param {{ axis: -1 num_output: 4 {FILLED} }}',
        "2 3 4 5",
    ),
    "inner product, transposed": (
        f'type: "InnerProduct" inner_product_param {{ transpose: true num_output: 4 {FILLED} }}',
        "2 3 4",
    ),
    "sum with coefficients": (
        'type: "Eltwise" eltwise_param { coeff: 2 coeff: -1 coeff: 0.5 }',
        "2 3",
        "2 3",
        "2 3",
    ),
    "largest of three": ('type: "Eltwise" eltwise_param { operation: MAX }', "2 3", "2 3", "2 3"),
    "mean of later axes, times a number": (
        'type: "Reduction" reduction_param { operation: MEAN axis: -2 coeff: 3 }',
        "2 3 4 5",
    ),
    "sum of absolute values of all": (
        'type: "Reduction" reduction_param { operation: ASUM }',
        "2 3 4",
    ),
    "positions along the batch": ('type: "ArgMax" argmax_param { axis: 0 }', "4 3"),
    "the best values": (
        'type: "ArgMax" argmax_param { axis: -1 top_k: 2 out_max_val: true }',
        "2 3 5",
    ),
    "positions and values": ('type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }', "2 3 4"),
    "crop of one axis": ('type: "Crop" crop_param { axis: 3 offset: 2 }', "2 3 5 6", "2 1 1 3"),
    "crop to a smaller batch": ('type: "Crop" crop_param { axis: 0 }', "4 3", "2 2"),
    "crop of all axes": (
        'type: "Crop" crop_param { axis: 0 offset: 0 offset: 1 offset: 0 offset: 2 }',
        "2 3 5 6",
        "2 2 5 3",
    ),
    "flattened batch": ('type: "Flatten" flatten_param { axis: 0 end_axis: 1 }', "2 3 4"),
    "reshaped with a 0 and a -1": (
        'type: "Reshape" reshape_param { shape { dim: 0 dim: -1 dim: 2 } }',
        "3 4 6",
    ),
    "axes put in": (
        'type: "Reshape" reshape_param { axis: -1 num_axes: 0 shape { dim: 1 dim: 1 } }',
        "2 3 4",
    ),
    "tiled batch": ('type: "Tile" tile_param { axis: 0 tiles: 3 }', "2 3"),
    "joined batches": ('type: "Concat" concat_param { axis: 0 }', "2 3", "2 3"),
    "softmax over the last axis": ('type: "Softmax" softmax_param { axis: -1 }', "2 3 4"),
    "shared slope": ('type: "PReLU" prelu_param { channel_shared: true }', "2 3 4 4"),
    "negative slope": ('type: "ReLU" relu_param { negative_slope: -0.5 }', "2 3"),
    "power without effect of the bottom": (
        'type: "Power" power_param { power: 0.5 scale: 0 shift: 4 }',
        "2 3",
    ),
    "power of three": ('type: "Power" power_param { power: 3 scale: 2 shift: 1 }', "2 3"),
    "exponential to base 2": ('type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', "2 3"),
    "items by number": ('type: "BatchReindex"', "3 4", "3"),
    "BNLL": ('type: "BNLL"', "2 50"),
    "swish": ('type: "Swish" swish_param { beta: 2 }', "2 50"),
    "ELU": ('type: "ELU" elu_param { alpha: 0.5 }', "2 50"),
    "threshold": ('type: "Threshold" threshold_param { threshold: 0.2 }', "2 50"),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_gives_what_the_engine_gives_in_any_batch(name: str) -> None:
    layer, *shapes = LAYERS[name]
    net = net_of(one_layer(layer, *shapes))
    model = model_of(net, FREE)
    for times in (1, 3):
        feeds = random_feeds(net, times)
        if name == "items by number":
            feeds["in1"] = abs(feeds["in1"]).clip(0, 2).round()
        assert_equal(net, model, feeds)


def test_every_layer_type_is_written_left_out_or_refused_with_its_reason() -> None:
    refused = set(layer_types()) - {*written_types(), *MEASURES, "Input"}
    assert refused == {
        "Data", "HDF5Data", "HDF5Output", "ImageData", "MemoryData", "Python", "WindowData",
    }  # fmt: skip
    for kind in refused:
        with pytest.raises(
            LayerError, match=rf"layer 'x' \({kind}\): cannot become ONNX: it \w+s "
        ):
            net_of(one_layer(f'type: "{kind}"'))


def test_layers_that_work_in_place_leave_the_outputs_their_names() -> None:
    text = one_layer('type: "TanH"', "2 3")
    text += (
        'layer { name: "twice" type: "Power" bottom: "out" top: "out" power_param { scale: 2 } }'
    )
    text += 'layer { name: "drop" type: "Dropout" bottom: "out" top: "out" }'
    text += 'layer { name: "same" type: "Split" bottom: "out" top: "a" top: "b" }'
    net = net_of(text)
    model = model_of(net)
    assert [port.name for port in model.graph.output] == ["a", "b"]
    assert_equal(net, model, random_feeds(net))


def test_an_input_that_is_changed_in_place_keeps_its_name() -> None:
    net = net_of('layer { name: "i" type: "Input" top: "x" input_param { shape { dim: 2 } } }'
                 'layer { name: "p" type: "TanH" bottom: "x" top: "x" }')  # fmt: skip
    model = model_of(net)
    assert [port.name for port in model.graph.input] == ["x"]
    assert [port.name for port in model.graph.output] == ["x/p"]


def test_layers_of_one_name_and_blobs_of_strange_names_can_be_written() -> None:
    text = one_layer('type: "TanH"', "2 3").replace('"out"', '"a/TanH"')
    text += 'layer { name: "x" type: "TanH" bottom: "a/TanH" top: "x/TanH" }'
    net = net_of(text)
    assert_equal(net, model_of(net), random_feeds(net))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (one_layer('type: "Reshape" reshape_param { shape { dim: 2 dim: 12 } }', "2 3 4"), "'x'"),
        (
            one_layer('type: "LSTM" recurrent_param { num_output: 2 }', "3 2 4", "3 2"),
            "expected",
        ),
    ],
)
def test_a_batch_that_cannot_be_free_stays_as_it_is_or_is_refused(text: str, reason: str) -> None:
    net = net_of(text)
    model = model_of(net)
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_value in (2, 3)
    assert_equal(net, model, random_feeds(net))
    with pytest.raises(NetError, match=f"The batch size cannot be free.*{reason}.*Give a number"):
        model_of(net, FREE)


def test_a_number_fixes_the_batch() -> None:
    net = net_of(one_layer('type: "TanH"', "2 3"))
    model = model_of(net, 7)
    for port in (*model.graph.input, *model.graph.output):
        assert [each.dim_value for each in port.type.tensor_type.shape.dim] == [7, 3]
    with pytest.raises(NetError, match="1 item or more"):
        model_of(net, 0)


def test_random_data_is_refused_and_constants_are_kept() -> None:
    def text(filler: str) -> str:
        return (
            'layer { name: "i" type: "Input" top: "in0" input_param { shape { dim: 2 dim: 3 } } }'
            'layer { name: "x" type: "DummyData" top: "out" dummy_data_param { '
            f"shape {{ dim: 2 dim: 3 }} data_filler {{ {filler} }} }} }}"
            'layer { name: "sum" type: "Eltwise" bottom: "in0" bottom: "out" top: "y" }'
        )

    net = net_of(text('type: "constant" value: 3'))
    assert_equal(net, model_of(net), random_feeds(net))
    with pytest.raises(LayerError, match=r"'x' \(DummyData\).*random numbers \(gaussian\)"):
        model_of(net_of(text('type: "gaussian"')))


def test_losses_go_with_what_only_they_read() -> None:
    text = one_layer('type: "TanH"', "2 3", "2").replace(' bottom: "in1"', "")
    text += 'layer { name: "loss" type: "SoftmaxWithLoss" bottom: "out" bottom: "in1" top: "loss" }'
    text += 'layer { name: "twice" type: "Power" bottom: "loss" top: "twice" }'
    text += 'layer { name: "hits" type: "Accuracy" bottom: "out" bottom: "in1" top: "hits" }'
    model = model_of(net_of(text))
    assert [port.name for port in model.graph.input] == ["in0"]
    assert [port.name for port in model.graph.output] == ["out"]


def test_a_net_of_losses_alone_is_refused() -> None:
    text = one_layer('type: "EuclideanLoss"', "2 3", "2 3")
    with pytest.raises(NetError, match="Nothing is left of the net"):
        model_of(net_of(text))
