"""RNN, LSTM and LSTMUnit: against PyTorch's own, the state between passes, and refusals."""

from __future__ import annotations

import pytest
import torch

from digits.caffe.errors import LayerError
from digits.caffe.layers.base import Phase
from tests.caffe.layers.harness import build_layer, noise, run


def test_lstm_of_whole_sequences_equals_pytorchs() -> None:
    layer = build_layer('type: "LSTM" recurrent_param { num_output: 4 }', (5, 2, 3), (5, 2))
    x, cont = noise(5, 2, 3), torch.ones(5, 2)
    cont[0] = 0
    (top,) = run(layer, x, cont)
    theirs = torch.nn.LSTM(3, 4)
    # Their gates go i, f, g, o; Caffe's i, f, o, g.
    order = torch.tensor([0, 1, 3, 2])

    def reordered(param: torch.Tensor) -> torch.Tensor:
        return param.reshape(4, 4, *param.shape[1:])[order].reshape(param.shape)

    with torch.no_grad():
        theirs.weight_ih_l0.copy_(reordered(layer.params[0]))
        theirs.bias_ih_l0.copy_(reordered(layer.params[1]))
        theirs.bias_hh_l0.zero_()
        theirs.weight_hh_l0.copy_(reordered(layer.params[2]))
        expected, _ = theirs(x)
    torch.testing.assert_close(top, expected)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_state_goes_on_from_pass_to_pass(kind: str) -> None:
    text = f'type: "{kind}" recurrent_param {{ num_output: 4 }}'
    x, cont = noise(6, 2, 3), torch.ones(6, 2)
    cont[0] = 0
    (whole,) = run(build_layer(text, (6, 2, 3), (6, 2)), x, cont)
    layer = build_layer(text, (3, 2, 3), (3, 2))
    halves = [run(layer, x[:3], cont[:3])[0], run(layer, x[3:], cont[3:])[0]]
    torch.testing.assert_close(torch.cat(halves), whole)


@pytest.mark.parametrize("kind", ["RNN", "LSTM"])
def test_state_can_be_saved_and_restored(kind: str) -> None:
    text = f'type: "{kind}" recurrent_param {{ num_output: 4 }}'
    x, cont = noise(3, 2, 3), torch.ones(3, 2)
    first, second = (build_layer(text, (3, 2, 3), (3, 2)) for _ in range(2))
    run(first, x, cont)
    second.restore(first.state())
    torch.testing.assert_close(run(second, x, cont)[0], run(first, x, cont)[0])


def test_gradients_do_not_cross_passes() -> None:
    layer = build_layer('type: "LSTM" recurrent_param { num_output: 4 }', (1, 2, 3), (1, 2))
    first, second = noise(1, 2, 3).requires_grad_(), noise(1, 2, 3).requires_grad_()
    run(layer, first, torch.ones(1, 2))
    run(layer, second, torch.ones(1, 2))[0].sum().backward()
    assert first.grad is None
    assert second.grad is not None


@pytest.mark.parametrize(("kind", "states"), [("RNN", 1), ("LSTM", 2)])
def test_exposed_states_go_in_and_out_without_gradient(kind: str, states: int) -> None:
    text = f'type: "{kind}" recurrent_param {{ num_output: 4 expose_hidden: true }}'
    shapes = [(3, 2, 3), (3, 2), *[(1, 2, 4)] * states]
    layer = build_layer(text, *shapes, tops=1 + states, phase=Phase.TRAIN)
    x = noise(3, 2, 3).requires_grad_()
    begin = [noise(1, 2, 4) for _ in range(states)]
    tops = run(layer, x, torch.ones(3, 2), *begin)
    assert [top.requires_grad for top in tops] == [True] + [False] * states
    zero = run(layer, x, torch.ones(3, 2), *(torch.zeros_like(b) for b in begin))
    assert not torch.equal(tops[0], zero[0])
    if kind == "LSTM":
        torch.testing.assert_close(tops[1][0], tops[0][-1].detach())


def test_debug_info_logs_the_states_of_every_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    text = 'type: "LSTM" recurrent_param { num_output: 4 debug_info: true }'
    run(build_layer(text, (2, 1, 3), (2, 1)), noise(2, 1, 3), torch.ones(2, 1))
    names = [record.getMessage().split("top blob ")[1].split(" ")[0] for record in caplog.records]
    assert names == ["h_1", "c_1", "h_2", "c_2"]


REFUSED = [
    ('type: "LSTM"', [(3, 2, 3), (3, 2)], 1, "num_output is missing or 0"),
    ('type: "LSTM" recurrent_param { num_output: 2 }', [(3, 2, 3), (2, 3)], 1, "expected 3 2 (6)"),
    ('type: "LSTM" recurrent_param { num_output: 2 }', [(3, 2), (3, 2)], 1, "at least 3 axes"),
    ('type: "RNN" recurrent_param { num_output: 2 }', [(3, 2, 3)], 1, "has 1 bottoms; expected 2"),
    (
        'type: "RNN" recurrent_param { num_output: 2 }',
        [(3, 2, 3), (3, 2)],
        2,
        "has 2 tops; expected 1",
    ),
    (
        'type: "RNN" recurrent_param { num_output: 2 }',
        [(3, 2, 3), (3, 2), (3, 2)],
        1,
        "2 axes or more, first the 2 streams",
    ),
    (
        'type: "RNN" recurrent_param { num_output: 2 expose_hidden: true }',
        [(3, 2, 3), (3, 2), (1, 2, 3)],
        2,
        "bottom 'b2' has the shape 1 2 3 (6); expected 1 2 2 (4)",
    ),
    ('type: "LSTMUnit"', [(1, 2, 3), (1, 2, 11), (1, 2)], 2, "expected 1 2 12 (24)"),
    ('type: "LSTMUnit"', [(2, 2, 3), (1, 2, 12), (1, 2)], 2, "3 axes (1, streams, outputs)"),
    ('type: "LSTMUnit"', [(1, 2, 3), (1, 2, 12), (2,)], 2, "expected 1 2 (2)"),
]


@pytest.mark.parametrize(("text", "shapes", "tops", "message"), REFUSED)
def test_refuses_what_does_not_fit(
    text: str, shapes: list[tuple[int, ...]], tops: int, message: str
) -> None:
    with pytest.raises(LayerError) as caught:
        build_layer(text, *shapes, tops=tops)
    assert message in str(caught.value)


def test_refuses_another_number_of_steps() -> None:
    layer = build_layer('type: "LSTM" recurrent_param { num_output: 2 }', (3, 2, 3), (3, 2))
    layer.reshape([(3, 5, 3), (3, 5)])
    with pytest.raises(LayerError, match=r"expected \(3, streams, ...\) with 3 values"):
        layer.reshape([(4, 2, 3), (4, 2)])
