"""InnerProduct (a fully connected layer) and Embed (a row of a table for each index).

Source: inner_product_layer.cpp, embed_layer.cpp.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor
from torch.nn import functional

from digits.caffe.layers.base import Layer, ParamSlot, Shape, register
from digits.caffe.layers.labels import whole_numbers
from digits.caffe.layers.shapes import bottom_error, canonical_axis, count


@register("InnerProduct")
class InnerProduct(Layer):
    """The axes from `axis` on, flattened, times a matrix, plus a bias.

    Shapes: (*leading, *rest) -> (*leading, num_output).  Parameters: weights
    (num_output, inputs), with `transpose` (inputs, num_output); bias (num_output).
    """

    exact_bottoms = 1
    exact_tops = 1
    top_may_be_overwritten = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.inner_product_param
        self.outputs, self.transpose = field.num_output, field.transpose
        if self.outputs == 0:
            raise self.error("num_output is missing or 0; expected 1 or more")
        self.inputs = count(bottoms[0][canonical_axis(self, field.axis, bottoms[0]) :])

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        field = self.param.inner_product_param
        shape = (self.inputs, self.outputs) if self.transpose else (self.outputs, self.inputs)
        slots = [ParamSlot(shape, field.weight_filler)]
        if field.bias_term:
            slots.append(ParamSlot((self.outputs,), field.bias_filler))
        return slots

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        shape = bottoms[0]
        axis = canonical_axis(self, self.param.inner_product_param.axis, shape)
        if count(shape[axis:]) != self.inputs:
            expected = f"{self.inputs} values from axis {axis} on, as when the layer was built"
            raise bottom_error(self, 0, shape, expected)
        self.leading = shape[:axis]
        return [(*self.leading, self.outputs)]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        rows = bottoms[0].reshape(-1, self.inputs)
        weight = self.params[0].t() if self.transpose else self.params[0]
        bias = self.params[1] if len(self.params) > 1 else None
        top = functional.linear(rows, weight, bias)
        return [top if len(self.leading) == 1 else top.reshape(*self.leading, self.outputs)]


@register("Embed")
class Embed(Layer):
    """Each index becomes that row of a table, plus a bias.

    Shapes: (*any) of indices -> (*any, num_output).  Parameters: the table
    (input_dim, num_output); bias (num_output).  Raises LayerError for an index outside the table.
    """

    exact_bottoms = 1
    exact_tops = 1

    def setup(self, bottoms: Sequence[Shape]) -> None:
        field = self.param.embed_param
        self.outputs, self.rows = field.num_output, field.input_dim
        for name in ("num_output", "input_dim"):
            if getattr(field, name) == 0:
                raise self.error(f"{name} is missing or 0; expected 1 or more")

    def param_slots(self, bottoms: Sequence[Shape]) -> list[ParamSlot]:
        field = self.param.embed_param
        slots = [ParamSlot((self.rows, self.outputs), field.weight_filler)]
        if field.bias_term:
            slots.append(ParamSlot((self.outputs,), field.bias_filler))
        return slots

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape]:
        return [(*bottoms[0], self.outputs)]

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor]:
        index = whole_numbers(self, 0, bottoms[0], self.rows, f"the table has {self.rows} rows")
        top = functional.embedding(index, self.params[0])
        return [top + self.params[1] if len(self.params) > 1 else top]

    def accepts_gradient(self, index: int) -> bool:
        return False
