"""The two ways in which a net runs, changed between passes: gradients, callbacks, refusals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from digits.caffe.errors import NetError
from digits.caffe.net import Net
from tests.caffe.networks import TWO_LAYERS, build


def gradients(net: Net) -> list[np.ndarray]:
    """Those of the parameters after one more forward and backward pass."""
    net.clear_param_diffs()
    net.forward_pass()
    net.backward_pass()
    return [blob.diff.copy() for blob in net.learnable_blobs]


@pytest.mark.parametrize("keep_blobs", [True, False])
def test_a_net_that_keeps_its_blobs_from_now_on_or_no_longer_has_the_same_gradients(
    tmp_path: Path, keep_blobs: bool
) -> None:
    net = build(tmp_path, TWO_LAYERS, keep_blobs=keep_blobs)
    expected = gradients(net)
    for keep in (not keep_blobs, keep_blobs):
        net.keep_blobs = keep
        for ours, theirs in zip(gradients(net), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)


def test_blobs_are_there_to_look_at_as_soon_as_they_are_kept(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS, keep_blobs=False)
    gradients(net)
    net.keep_blobs = True
    gradients(net)
    assert net.blobs["ip1"].data.any()
    assert net.blobs["ip1"].diff.any()


def test_callbacks_stay_when_blobs_are_kept_from_now_on(tmp_path: Path) -> None:
    net = build(tmp_path, TWO_LAYERS, keep_blobs=False)
    seen: list[int] = []
    net.before_forward(seen.append)
    net.keep_blobs = True
    net.after_backward(seen.append)
    gradients(net)
    layers = list(range(len(net.layers)))
    assert seen == [*layers, *reversed(layers)]


def test_a_graph_of_a_net_that_kept_its_blobs_is_not_mistaken_for_one_of_the_whole_net(
    tmp_path: Path,
) -> None:
    net = build(tmp_path, TWO_LAYERS)
    net.forward_pass()
    net.keep_blobs = False
    with pytest.raises(NetError, match="needs a forward pass before it"):
        net.backward_pass()
