"""InnerProduct, Embed, Eltwise, Reduction, ArgMax, BatchReindex, Filter: edges and refusals."""

from __future__ import annotations

import pytest
import torch

from digits.caffe.errors import LayerError
from tests.caffe.layers.harness import build_layer, noise, run


def test_inner_product_of_channels_last_keeps_caffes_order() -> None:
    bottom = noise(2, 3, 4, 5)
    layer = build_layer('type: "InnerProduct" inner_product_param { num_output: 6 }', bottom.shape)
    (expected,) = run(layer, bottom)
    (top,) = run(layer, bottom.contiguous(memory_format=torch.channels_last))
    torch.testing.assert_close(top, expected)


def test_inner_product_of_a_negative_axis_keeps_the_axes_before_it() -> None:
    text = 'type: "InnerProduct" inner_product_param { num_output: 6 axis: -1 }'
    assert run(build_layer(text, (2, 3, 4)), noise(2, 3, 4))[0].shape == (2, 3, 6)


def test_eltwise_max_sends_the_gradient_of_a_tie_to_the_second_bottom() -> None:
    bottoms = [torch.ones(1).requires_grad_() for _ in range(3)]
    layer = build_layer('type: "Eltwise" eltwise_param { operation: MAX }', (1,), (1,), (1,))
    run(layer, *bottoms)[0].backward()
    assert [b.grad.item() if b.grad is not None else 0 for b in bottoms] == [0, 1, 0]


def test_unstable_product_has_a_nan_gradient_at_0() -> None:
    bottoms = [torch.zeros(1).requires_grad_(), torch.ones(1).requires_grad_()]
    text = 'type: "Eltwise" eltwise_param { operation: PROD stable_prod_grad: false }'
    run(build_layer(text, (1,), (1,)), *bottoms)[0].backward()
    assert bottoms[0].grad is not None
    assert bottoms[0].grad.isnan().all()


def test_argmax_of_equal_values_gives_the_last() -> None:
    bottom = torch.tensor([[1.0, 3.0, 3.0, 0.0]])
    text = 'type: "ArgMax" argmax_param { top_k: 3 out_max_val: true }'
    (top,) = run(build_layer(text, (1, 4)), bottom)
    assert top.tolist() == [[[2, 1, 0], [3, 3, 1]]]


def test_filter_may_select_nothing() -> None:
    layer = build_layer('type: "Filter"', (3, 2), (3,))
    (top,) = run(layer, noise(3, 2), torch.zeros(3))
    assert top.shape == (0, 2)


REFUSED = [
    ('type: "InnerProduct"', [(2, 3)], "num_output is missing or 0"),
    (
        'type: "InnerProduct" inner_product_param { num_output: 1 axis: 2 }',
        [(2, 3)],
        "axis 2 is out of range",
    ),
    ('type: "Embed" embed_param { num_output: 2 }', [(2,)], "input_dim is missing or 0"),
    (
        'type: "Eltwise"',
        [(2, 3), (2, 4)],
        "bottom 'b1' has the shape 2 4 (8); expected 2 3 (6) like bottom 'b0'",
    ),
    ('type: "Eltwise" eltwise_param { coeff: 1 }', [(2,), (2,)], "has 1 coeff for 2 bottoms"),
    (
        'type: "Eltwise" eltwise_param { operation: PROD coeff: 1 coeff: 1 }',
        [(2,), (2,)],
        "coeff is only for operation: SUM",
    ),
    ('type: "Reduction" reduction_param { axis: -3 }', [(2, 3)], "axis -3 is out of range"),
    ('type: "ArgMax" argmax_param { top_k: 4 }', [(2, 3)], "top_k is 4; expected 1 to 3"),
    ('type: "ArgMax" argmax_param { top_k: 0 axis: 0 }', [(2, 3)], "top_k is 0; expected 1 to 2"),
    (
        'type: "BatchReindex"',
        [(2, 3), (2, 1)],
        "bottom 'b1' has the shape 2 1 (2); expected 1 axis",
    ),
    ('type: "Filter"', [(2, 3), (2, 2)], "expected one value for each item"),
    ('type: "Filter"', [(2, 3), (3,)], "bottom 'b0' has the shape 2 3 (6); expected 3 items"),
    ('type: "Filter"', [(2, 3), (2,), (2,)], "has 3 bottoms and 1 tops; expected a top for each"),
    (
        'type: "Parameter" parameter_param { shape { dim: 2 dim: -1 } }',
        [],
        "shape has the size -1; expected 0 or more",
    ),
]


@pytest.mark.parametrize(("text", "shapes", "message"), REFUSED)
def test_refuses_what_does_not_fit(text: str, shapes: list[tuple[int, ...]], message: str) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, *shapes)
    assert message in str(caught.value)


def test_an_index_out_of_range_is_named() -> None:
    embed = build_layer('type: "Embed" embed_param { num_output: 2 input_dim: 3 }', (2,))
    with pytest.raises(
        LayerError, match="holds 3 at position 1; expected whole numbers from 0 to 2"
    ):
        run(embed, torch.tensor([0.0, 3.0]))
    reindex = build_layer('type: "BatchReindex"', (2, 3), (1,))
    with pytest.raises(LayerError, match="because bottom 'b0' has 2 items"):
        run(reindex, noise(2, 3), torch.tensor([-1.0]))


def test_inner_product_refuses_a_bottom_that_changes_its_size() -> None:
    layer = build_layer('type: "InnerProduct" inner_product_param { num_output: 6 }', (2, 3))
    with pytest.raises(LayerError, match="expected 3 values from axis 1 on, as when the layer was"):
        layer.reshape([(2, 4)])
