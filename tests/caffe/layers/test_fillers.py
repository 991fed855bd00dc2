"""Fillers: what they refuse, seeds, and that layout and device do not change the numbers.

Their distributions are compared with Caffe's in tests/golden/test_nets.py.
"""

from __future__ import annotations

import pytest
import torch

from digits.caffe.errors import NetError
from digits.caffe.layers import fillers
from digits.caffe.machine.randomness import Randomness
from digits.caffe.proto import caffe_pb2

Filler = caffe_pb2.FillerParameter


def _drawn(filler: Filler, *shape: int, seed: int = 3) -> torch.Tensor:
    tensor = torch.empty(shape)
    fillers.fill(tensor, filler, Randomness(seed))
    return tensor


@pytest.mark.parametrize(
    ("filler", "shape", "message"),
    [
        (Filler(type="gausian"), (2, 3), "Unknown filler name: gausian. Did you mean 'gaussian'?"),
        (Filler(type="xavier", sparse=3), (2, 3), "Sparsity not supported by this Filler"),
        (Filler(type="uniform", min=2, max=1), (2,), "min must not be above max"),
        (Filler(type="gaussian", std=-1), (2,), "std must not be negative"),
        (Filler(type="gaussian", sparse=1), (), "at least one axis"),
        (Filler(type="bilinear"), (2, 3), "Blob must be 4 dim., received the shape (2, 3)"),
        (Filler(type="bilinear"), (1, 1, 2, 3), "Filter must be square"),
        (Filler(type="msra"), (2, 0), "cannot fill the empty shape"),
    ],
)
def test_filler_that_does_not_fit_is_refused(
    filler: Filler, shape: tuple[int, ...], message: str
) -> None:
    with pytest.raises(NetError) as refusal:
        _drawn(filler, *shape)
    assert message in str(refusal.value)


@pytest.mark.parametrize("kind", ["uniform", "gaussian", "xavier", "msra", "positive_unitball"])
def test_same_seed_gives_the_same_numbers(kind: str) -> None:
    filler = Filler(type=kind)
    assert torch.equal(_drawn(filler, 4, 5), _drawn(filler, 4, 5))
    assert not torch.equal(_drawn(filler, 4, 5), _drawn(filler, 4, 5, seed=4))


def test_layout_and_type_do_not_change_the_numbers() -> None:
    filler = Filler(type="xavier")
    plain = _drawn(filler, 2, 3, 4, 5)
    pictures = torch.empty(2, 3, 4, 5).to(memory_format=torch.channels_last)
    doubles = torch.empty(2, 3, 4, 5, dtype=torch.float64)
    for tensor in (pictures, doubles):
        fillers.fill(tensor, filler, Randomness(3))
        assert torch.equal(tensor.float(), plain)


def test_global_generators_are_left_alone() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    _drawn(Filler(type="gaussian", sparse=2), 6, 7)
    assert torch.equal(torch.get_rng_state(), before)
