"""What tests of a GPU have in common: the mark that skips them where there is none."""

from __future__ import annotations

import pytest
import torch

from digits.caffe.layers.base import LayerContext
from digits.caffe.machine.randomness import Randomness

NO_GPU = not torch.cuda.is_available()
# For `pytestmark`, or for one test as `@needs_gpu`.
needs_gpu = pytest.mark.skipif(NO_GPU, reason="needs a CUDA device, this machine has none")
GPU = torch.device("cuda", 0)


def gpu_context(**more: object) -> LayerContext:
    """What a net on the GPU is told; Python layers may run."""
    return LayerContext(device=GPU, allow_python=True, random=Randomness(), **more)  # type: ignore[arg-type]
