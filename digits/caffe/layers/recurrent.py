"""RNN, LSTM and LSTMUnit.

Shapes: T steps of N independent streams.  Bottoms of RNN and LSTM: x (T, N, ...), cont (T, N),
then a static input (N, ...) if there is one, then with `expose_hidden` the first state(s)
(1, N, num_output): h for RNN, h and c for LSTM.  Tops: the outputs
(T, N, num_output), then with `expose_hidden` the last state(s).

cont is 0 where a sequence starts: it scales the state that a step takes from the one before (and
LSTM's forget gate).  Without `expose_hidden` the last state of one pass is the first of the next;
gradients never cross passes.  Source: recurrent_layer.cpp, rnn_layer.cpp, lstm_layer.cpp,
lstm_unit_layer.cpp.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.autograd import apply_function, evaluated_at
from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.shapes import bottom_error, count, show
from digits.caffe.machine.log import at, number

log = logging.getLogger(__name__)

_LOG_LINE = "net.cpp:593"


class _Recurrent(Layer):
    """The bottoms, tops, parameters and carried state that RNN and LSTM share."""

    # The blobs of (1, N, num_output) that go from step to step.
    state_names: tuple[str, ...] = ("h",)
    # Rows of the gate matrix for each output.
    gates = 1

    @property
    def states(self) -> int:
        """How many blobs go from step to step."""
        return len(self.state_names)

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.recurrent_param
        self.outputs, self.exposed = field.num_output, field.expose_hidden
        if self.outputs == 0:
            raise self.error("num_output is missing or 0; expected 1 or more")
        self._check_counts(len(bottoms))
        if len(bottoms[0]) < 3:
            raise bottom_error(self, 0, bottoms[0], "at least 3 axes (steps, streams, inputs)")
        self.steps = bottoms[0][0]
        self.inputs = count(bottoms[0][2:])
        # The static input is the third bottom, unless that is already the exposed first state.
        self.static = len(bottoms) > 2 + (self.states if self.exposed else 0)
        self.carried: list[Tensor] = []

    def _check_counts(self, bottoms: int) -> None:
        extra = self.states if self.exposed else 0
        fewest, most = 2 + extra, 3 + extra
        if not fewest <= bottoms <= most:
            raise self.error(f"has {bottoms} bottoms; expected {fewest} or {most}")
        if len(self.param.top) != 1 + extra:
            raise self.error(f"has {len(self.param.top)} tops; expected {1 + extra}")

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        x = bottoms[0]
        if len(x) < 3 or x[0] != self.steps or count(x[2:]) != self.inputs:
            expected = (
                f"({self.steps}, streams, ...) with {self.inputs} values a step and stream, "
                "as when the layer was built"
            )
            raise bottom_error(self, 0, x, expected)
        streams = x[1]
        if bottoms[1] != (self.steps, streams):
            raise bottom_error(self, 1, bottoms[1], show((self.steps, streams)))
        if self.static and (len(bottoms[2]) < 2 or bottoms[2][0] != streams):
            raise bottom_error(self, 2, bottoms[2], f"2 axes or more, first the {streams} streams")
        state = (1, streams, self.outputs)
        tops: list[Shape] = [(self.steps, streams, self.outputs)]
        if self.exposed:
            first = 2 + self.static
            for index in range(first, len(bottoms)):
                if bottoms[index] != state:
                    raise bottom_error(self, index, bottoms[index], show(state))
            tops += [state] * self.states
        return tops

    def weight(self, rows: int, columns: int) -> ParamSlot:
        """A slot for a matrix, filled by `weight_filler`."""
        return ParamSlot((rows, columns), self.param.recurrent_param.weight_filler)

    def bias(self, size: int) -> ParamSlot:
        """A slot for a bias, filled by `bias_filler`."""
        return ParamSlot((size,), self.param.recurrent_param.bias_filler)

    def input_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        """The parameters for x, its bias, and the static input."""
        rows = self.gates * self.outputs
        slots = [self.weight(rows, self.inputs), self.bias(rows)]
        if self.static:
            slots.append(self.weight(rows, count(bottoms[2][1:])))
        return slots

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        driven, cont = self._driven(bottoms), bottoms[1].detach().unsqueeze(-1)  # cont: (T, N, 1)
        states = self._first_states(bottoms, bottoms[0])
        if self.remembers:
            self.memory = (driven.detach(), cont.clone(), *(state.clone() for state in states))
        top, states = self._unrolled(driven, cont, states)
        if self.exposed:
            # Gradients of these tops are ignored, as in Caffe.
            return [top, *(state.detach().unsqueeze(0) for state in states)]
        self.carried = [state.detach() for state in states]
        return [top]

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        driven = self._driven(bottoms)
        empty = driven.new_zeros(driven.shape[1], self.outputs)
        cont = driven.new_zeros(*driven.shape[:2], 1)
        before, cont, *states = self.memory or (
            torch.zeros_like(driven), cont, *[empty] * self.states,
        )  # fmt: skip
        top, _ = self._unrolled(evaluated_at(before, driven), cont, states)
        return [top, *tops[1:]]

    def _driven(self, bottoms: Sequence[Tensor]) -> Tensor:
        """What the inputs alone bring into the gates, (T, N, gates * num_output)."""
        driven = functional.linear(bottoms[0].flatten(2), self.params[0], self.params[1])
        if self.static:
            driven = driven + functional.linear(bottoms[2].flatten(1), self.params[2])
        return driven

    def _unrolled(
        self, driven: Tensor, cont: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The outputs of all steps, (T, N, num_output), and the last states."""
        outputs = []
        for step in range(self.steps):
            output, states = self.step(driven[step], cont[step], states)
            outputs.append(output)
            if self.param.recurrent_param.debug_info:
                self._log_states(step, states)
        return torch.stack(outputs), states

    def _log_states(self, step: int, states: Sequence[Tensor]) -> None:
        """What `debug_info` of a net logs, for the blobs inside this layer."""
        for name, state in zip(self.state_names, states, strict=True):
            mean = number(float(state.detach().abs().mean()))
            what = f"top blob {name}_{step + 1} data"
            log.info("    [Forward] Layer %s, %s: %s", self.name, what, mean, extra=at(_LOG_LINE))

    def _first_states(self, bottoms: Sequence[Tensor], x: Tensor) -> list[Tensor]:
        """Each (N, num_output): from the last pass, zeros at first, or the extra bottoms."""
        if self.exposed:
            return [bottom.detach().squeeze(0) for bottom in bottoms[2 + self.static :]]
        shape = (x.shape[1], self.outputs)
        if self.carried and self.carried[0].shape == shape:
            return self.carried
        return [x.new_zeros(shape) for _ in range(self.states)]

    def step(
        self, driven: Tensor, cont: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        """The output and new states of a step; driven (N, gates * num_output), cont (N, 1)."""
        raise NotImplementedError

    def state(self) -> dict[str, Any]:
        """The states that the next pass starts from."""
        return {str(index): state.cpu().numpy() for index, state in enumerate(self.carried)}

    def restore(self, state: dict[str, Any]) -> None:
        """Start the next pass from these states."""
        self.carried = [
            torch.from_numpy(state[str(index)]).to(self.context.device)
            for index in range(len(state))
        ]

    def accepts_gradient(self, index: int) -> bool:
        # Not cont, nor the exposed first states.
        return index == 0 or (self.static and index == 2)


@register("RNN")
class RNN(_Recurrent):
    """h = tanh(W_hh cont h' + W_xh x + b_h [+ W_xh_static s]); output = tanh(W_ho h + b_o).

    Parameters: W_xh, b_h, (W_xh_static), W_hh, W_ho, b_o.
    """

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        square = self.weight(self.outputs, self.outputs)
        return [*self.input_slots(bottoms), square, square, self.bias(self.outputs)]

    def step(
        self, driven: Tensor, cont: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        hidden_weight, output_weight, output_bias = self.params[-3:]
        hidden = (driven + functional.linear(cont * states[0], hidden_weight)).tanh()
        return functional.linear(hidden, output_weight, output_bias).tanh(), [hidden]


@register("LSTM")
class LSTM(_Recurrent):
    """An LSTMUnit a step, its gates W_hc cont h' + W_xc x + b_c [+ W_xc_static s].

    Parameters: W_xc, b_c, (W_xc_static), W_hc, each with 4 * num_output rows: gates i, f, o, g.
    """

    state_names = ("h", "c")
    gates = 4

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        hidden = self.weight(self.gates * self.outputs, self.outputs)
        return [*self.input_slots(bottoms), hidden]

    def step(
        self, driven: Tensor, cont: Tensor, states: list[Tensor]
    ) -> tuple[Tensor, list[Tensor]]:
        hidden, cell = states
        gates = driven + functional.linear(cont * hidden, self.params[-1])
        cell, hidden = lstm_unit(cell, gates, cont)
        return hidden, [hidden, cell]


@register("LSTMUnit")
class LSTMUnit(Layer):
    """One step of an LSTM.  Bottoms: c' (1, N, D), gates (1, N, 4 D), cont (1, N); tops: c, h.

    c = f c' + i g and h = o tanh(c), with f = cont * sigmoid(f's gate).
    """

    exact_bottoms = 3
    exact_tops = 2

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        cell, gates, cont = bottoms
        if len(cell) != 3 or cell[0] != 1:
            raise bottom_error(self, 0, cell, "3 axes (1, streams, outputs)")
        if gates != (1, cell[1], 4 * cell[2]):
            raise bottom_error(self, 1, gates, show((1, cell[1], 4 * cell[2])))
        if cont != (1, cell[1]):
            raise bottom_error(self, 2, cont, show((1, cell[1])))
        return [cell, cell]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        cell, gates, cont = bottoms
        return list(lstm_unit(cell, gates, cont.detach().unsqueeze(-1)))

    def replay(self, bottoms: Sequence[Tensor], tops: Sequence[Tensor]) -> list[Tensor]:
        cell, gates, cont = bottoms
        return list(lstm_unit(cell, gates, cont.detach().unsqueeze(-1), tops[0]))

    def accepts_gradient(self, index: int) -> bool:
        return index != 2


def lstm_unit(
    cell: Tensor, gates: Tensor, cont: Tensor, given: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The new c and h, (..., D), from c (..., D), gates (..., 4 D) and cont (..., 1).

    `given`: a value that c has all the same.
    """
    input_gate, forget, output, candidate = gates.chunk(4, -1)
    kept = apply_function(_ForgetGate, forget, cont)
    cell = kept * cell + input_gate.sigmoid() * candidate.tanh()
    if given is not None:
        cell = evaluated_at(given, cell)
    return cell, output.sigmoid() * cell.tanh()


class _ForgetGate(torch.autograd.Function):
    """f = cont * sigmoid(x); the derivative is f (1 - f), as in Caffe, for any cont."""

    @staticmethod
    def forward(ctx: Any, gate: Tensor, cont: Tensor) -> Tensor:
        kept = cont * gate.sigmoid()
        ctx.save_for_backward(kept)
        return kept

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (kept,) = ctx.saved_tensors
        return grads[0] * kept * (1 - kept), None
