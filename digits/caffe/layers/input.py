"""Input: tops that the user fills, `net.blobs["data"].data[...] = x`.  Source: input_layer.cpp."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from digits.caffe.layers.base import Layer, Shape, register


@register("Input")
class Input(Layer):
    """Tops of the shapes given: one for all, or one each.  Their values are the user's."""

    exact_bottoms = 0
    min_tops = 1
    keeps_tops = True

    def setup(self, bottoms: Sequence[Shape]) -> None:
        shapes = [tuple(shape.dim) for shape in self.param.input_param.shape]
        tops = len(self.param.top)
        if len(shapes) not in (0, 1, tops):
            raise self.error(
                f"Must specify 'shape' once, once per top blob, or not at all: {tops} tops vs. "
                f"{len(shapes)} shapes."
            )
        self._shapes: list[Shape] = shapes * tops if len(shapes) == 1 else shapes
        self._given = False

    def reshape(self, bottoms: Sequence[Shape]) -> list[Shape | None]:
        # Later the tops have what shape their user gave them.
        if self._given:
            return [None] * len(self.param.top)
        self._given = True
        return list(self._shapes) or [()] * len(self.param.top)

    def forward(self, bottoms: Sequence[Tensor]) -> list[Tensor | None]:
        return [None] * len(self.param.top)
