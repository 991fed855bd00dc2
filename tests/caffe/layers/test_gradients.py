"""Every layer's gradient against finite differences, in float64."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from digits.caffe.layers.base import Phase
from digits.caffe.layers.registry import layer_types
from tests.caffe.layers.harness import build_layer

Shape = tuple[int, ...]
Bottoms = list[Shape | Tensor]  # a shape asks for normal random values

LABELS = torch.tensor([1.0, 0.0, 2.0])
SELECTOR = torch.tensor([1.0, 0.0, 3.0])

# Type and fields, bottoms, tops.
CASES: list[tuple[str, Bottoms, int]] = [
    ('type: "AbsVal"', [(2, 3)], 1),
    ('type: "BNLL"', [(2, 3)], 1),
    ('type: "BatchNorm"', [(4, 2, 3)], 1),
    ('type: "BatchNorm" batch_norm_param { use_global_stats: true }', [(4, 2, 3)], 1),
    ('type: "BatchReindex"', [(3, 2), torch.tensor([2.0, 0.0, 2.0])], 1),
    ('type: "Bias"', [(2, 3, 2)], 1),
    ('type: "Bias" bias_param { axis: 0 }', [(2, 3, 2), (2, 3)], 1),
    ('type: "Clip" clip_param { min: -0.5 max: 1 }', [(2, 3)], 1),
    ('type: "Concat"', [(2, 1, 2), (2, 3, 2)], 1),
    (
        'type: "Convolution" convolution_param { num_output: 4 kernel_size: 3 kernel_size: 2 '
        "pad: 1 stride: 2 stride: 1 dilation: 1 dilation: 2 group: 2 }",
        [(2, 2, 4, 5), (2, 2, 4, 5)],
        2,
    ),
    ('type: "Convolution" convolution_param { num_output: 2 kernel_size: 2 }', [(1, 2, 4)], 1),
    (
        'type: "Convolution" convolution_param { num_output: 2 kernel_size: 2 axis: 0 }',
        [(2, 2, 3, 2, 3)],
        1,
    ),
    ('type: "Crop" crop_param { offset: 1 }', [(1, 2, 4, 3), torch.zeros(1, 2, 2, 2)], 1),
    (
        'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 3 stride: 2 pad: 1 }',
        [(1, 2, 3, 2)],
        1,
    ),
    (
        'type: "Deconvolution" convolution_param { num_output: 2 kernel_size: 2 axis: 0 }',
        [(2, 2, 2, 2, 2)],
        1,
    ),
    ('type: "ELU" elu_param { alpha: 0.7 }', [(2, 3)], 1),
    ('type: "Eltwise" eltwise_param { coeff: 2 coeff: -1 coeff: 1 }', [(2, 3)] * 3, 1),
    ('type: "Eltwise" eltwise_param { operation: PROD }', [(2, 3)] * 3, 1),
    (
        'type: "Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }',
        [(2, 3)] * 3,
        1,
    ),
    ('type: "Eltwise" eltwise_param { operation: MAX }', [(2, 3)] * 3, 1),
    ('type: "Embed" embed_param { num_output: 2 input_dim: 3 }', [LABELS], 1),
    ('type: "EuclideanLoss"', [(3, 2), (3, 2)], 1),
    ('type: "Exp" exp_param { base: 2 scale: 0.5 shift: 1 }', [(2, 3)], 1),
    ('type: "Filter"', [(3, 2), (3,), SELECTOR], 2),
    ('type: "Flatten"', [(2, 3, 2)], 1),
    ('type: "HingeLoss"', [(3, 4), LABELS], 1),
    ('type: "HingeLoss" hinge_loss_param { norm: L2 }', [(3, 4), LABELS], 1),
    ('type: "Im2col" convolution_param { kernel_size: 2 pad: 1 stride: 2 }', [(1, 2, 3, 4)], 1),
    ('type: "InfogainLoss"', [(3, 3), LABELS, torch.rand(1, 1, 3, 3)], 1),
    ('type: "InnerProduct" inner_product_param { num_output: 2 }', [(2, 3, 2)], 1),
    (
        'type: "InnerProduct" inner_product_param { num_output: 2 transpose: true axis: 2 }',
        [(2, 3, 2)],
        1,
    ),
    ('type: "LRN" lrn_param { alpha: 2 beta: 0.75 k: 2 }', [(2, 7, 2, 3)], 1),
    ('type: "LRN" lrn_param { local_size: 3 alpha: 2 beta: 0.5 }', [(2, 4, 1, 2)], 1),
    ('type: "LRN" lrn_param { local_size: 7 alpha: 2 beta: 1.3 }', [(2, 4, 1, 2)], 1),
    (
        'type: "LRN" lrn_param { local_size: 3 alpha: 2 norm_region: WITHIN_CHANNEL }',
        [(1, 2, 3, 4)],
        1,
    ),
    (
        'type: "LSTM" recurrent_param { num_output: 2 }',
        [(3, 2, 3), torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), (2, 2)],
        1,
    ),
    ('type: "LSTMUnit"', [(1, 2, 3), (1, 2, 12), torch.tensor([[0.0, 1.0]])], 2),
    ('type: "Log" log_param { base: 3 scale: 0.1 shift: 2 }', [(2, 3)], 1),
    ('type: "MVN"', [(2, 3, 2, 3)], 1),
    ('type: "MVN" mvn_param { eps: 0.5 across_channels: true }', [(2, 3, 2, 2)], 1),
    ('type: "MVN" mvn_param { normalize_variance: false }', [(2, 3, 2, 2)], 1),
    ('type: "MultinomialLogisticLoss"', [torch.rand(3, 4), LABELS], 1),
    ('type: "PReLU"', [(2, 3, 2)], 1),
    ('type: "PReLU" prelu_param { channel_shared: true }', [(2, 3, 2)], 1),
    ('type: "Parameter" parameter_param { shape { dim: 2 dim: 3 } }', [], 1),
    ('type: "Pooling" pooling_param { kernel_size: 3 stride: 2 pad: 1 }', [(2, 2, 4, 5)], 1),
    ('type: "Pooling" pooling_param { kernel_size: 3 pad: 2 }', [(1, 2, 4, 5)], 1),
    ('type: "Pooling" pooling_param { pool: AVE kernel_size: 3 pad: 2 }', [(1, 2, 4, 5)], 1),
    ('type: "Pooling" pooling_param { pool: AVE global_pooling: true }', [(2, 2, 4, 5)], 1),
    ('type: "Power" power_param { power: 3 scale: 0.5 shift: 2 }', [(2, 3)], 1),
    ('type: "Power" power_param { power: 2 scale: 0.5 shift: 2 }', [(2, 3)], 1),
    ('type: "Power" power_param { power: 0 }', [(2, 3)], 1),
    (
        'type: "RNN" recurrent_param { num_output: 2 }',
        [(3, 2, 3), torch.tensor([[0.0, 0.0], [1.0, 1.0], [0.0, 1.0]]), (2, 2)],
        1,
    ),
    ('type: "ReLU" relu_param { negative_slope: 0.2 }', [(2, 3)], 1),
    ('type: "Reduction" reduction_param { axis: 1 }', [(2, 3, 2)], 1),
    ('type: "Reduction" reduction_param { operation: ASUM coeff: 3 }', [(2, 3, 2)], 1),
    ('type: "Reduction" reduction_param { operation: SUMSQ }', [(2, 3, 2)], 1),
    ('type: "Reduction" reduction_param { operation: MEAN }', [(2, 3, 2)], 1),
    ('type: "Reshape" reshape_param { shape { dim: -1 dim: 2 } }', [(2, 3, 2)], 1),
    ('type: "SPP" spp_param { pyramid_height: 2 }', [(1, 2, 3, 5)], 1),
    ('type: "Scale" scale_param { bias_term: true }', [(2, 3, 2)], 1),
    ('type: "Scale" scale_param { axis: 0 bias_term: true }', [(2, 3, 2), (2, 3)], 1),
    ('type: "Sigmoid"', [(2, 3)], 1),
    (
        'type: "SigmoidCrossEntropyLoss" loss_param { ignore_label: 1 }',
        [(2, 3), torch.tensor([[0.0, 0.3, 1.0], [0.9, 1.0, 0.0]])],
        1,
    ),
    ('type: "Slice" slice_param { slice_point: 1 }', [(2, 3, 2)], 2),
    ('type: "Softmax"', [(2, 3, 2)], 1),
    ('type: "SoftmaxWithLoss" loss_param { ignore_label: 1 }', [(3, 3), LABELS], 1),
    ('type: "Split"', [(2, 3)], 2),
    ('type: "Swish" swish_param { beta: 1.5 }', [(2, 3)], 1),
    ('type: "TanH"', [(2, 3)], 1),
    ('type: "Tile" tile_param { tiles: 3 }', [(2, 3, 2)], 1),
    # The margin keeps the pairs clear of the distance where Caffe's gradient differs.
    (
        'type: "ContrastiveLoss" contrastive_loss_param { margin: 9 legacy_version: true }',
        [(3, 2), (3, 2), torch.tensor([1.0, 0.0, 0.0])],
        1,
    ),
]

NO_GRADIENT = {
    "Accuracy": "counts",
    "ArgMax": "positions",
    "Data": "data",
    "Dropout": "random; tested by its mask",
    "DummyData": "data",
    "HDF5Data": "data",
    "HDF5Output": "writes a file",
    "ImageData": "data",
    "Input": "data",
    "MemoryData": "data",
    "Python": "the author's code gives the gradient; tested in test_python",
    "Silence": "no tops",
    "Threshold": "a step",
    "WindowData": "data",
}


def _name(case: tuple[str, Bottoms, int]) -> str:
    return case[0].removeprefix('type: "').replace('"', "")[:60]


@pytest.mark.parametrize("case", CASES, ids=_name)
def test_gradient_equals_finite_differences(case: tuple[str, Bottoms, int]) -> None:
    text, bottoms, tops = case
    generator = torch.Generator().manual_seed(3)
    values = [
        b.double() if isinstance(b, Tensor) else torch.randn(b, generator=generator).double()
        for b in bottoms
    ]
    shapes = [tuple(value.shape) for value in values]
    layer = build_layer(text, *shapes, tops=tops, phase=Phase.TRAIN, dtype=torch.float64)
    learns = [] if '"BatchNorm"' in text else layer.params
    leaves = [v for index, v in enumerate(values) if layer.accepts_gradient(index)] + learns
    for leaf in leaves:
        leaf.requires_grad_(True)
    if '"BatchNorm"' in text:  # its parameters are a variance and a count
        layer.params[1].abs_()
        layer.params[2].abs_()
    assert torch.autograd.gradcheck(_function(layer.forward, values), leaves, atol=1e-6)


def _function(
    forward: Callable[[list[Tensor]], object], values: list[Tensor]
) -> Callable[..., tuple[Tensor, ...]]:
    # gradcheck changes the leaves in place, and they are among the values and parameters.
    def call(*leaves: Tensor) -> tuple[Tensor, ...]:
        return tuple(top for top in forward(values) if top.requires_grad)  # type: ignore[attr-defined]

    return call


def test_every_layer_type_is_checked() -> None:
    checked = {text.split('"')[1] for text, _, _ in CASES}
    assert checked | set(NO_GRADIENT) == set(layer_types())
    assert not checked & set(NO_GRADIENT)
