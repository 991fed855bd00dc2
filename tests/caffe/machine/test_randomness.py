"""The engine's random numbers: seeds, and going on from a saved state."""

from __future__ import annotations

import pytest
import torch

from digits.caffe.machine.randomness import Randomness, default_randomness
from tests.gpus import GPU, needs_gpu


def test_restored_state_goes_on_with_the_same_numbers() -> None:
    random = Randomness(7)
    random.draw_seed()
    state = random.state()
    following = [random.draw_seed() for _ in range(3)]
    random.seed(1)
    random.restore(state)
    assert [random.draw_seed() for _ in range(3)] == following


def test_state_of_a_device_that_is_not_here_is_passed_over() -> None:
    random = Randomness(7)
    state = random.state() | {"cuda:63": random.state()["cpu"]}
    random.restore(state)
    assert random.draw_seed() == Randomness(7).draw_seed()


def test_negative_seed_takes_one_by_chance() -> None:
    assert Randomness(-1).draw_seed() != Randomness(-1).draw_seed()


def test_numpy_generators_follow_the_seed() -> None:
    first, second = Randomness(7).numpy(), Randomness(7).numpy()
    assert first.integers(1 << 30) == second.integers(1 << 30)


def test_cpu_generator_is_the_one_that_layers_get() -> None:
    random = Randomness(7)
    assert random.on(torch.device("cpu")) is random.cpu
    assert default_randomness() is default_randomness()


@needs_gpu
@pytest.mark.gpu
def test_another_gpu_goes_on_where_one_stopped() -> None:
    random = Randomness(5)
    torch.rand(3, generator=random.on(GPU), device=GPU)
    state = random.state()
    state["cuda:7"] = state.pop("cuda:0")
    expected = torch.rand(3, generator=random.on(GPU), device=GPU)
    other = Randomness(6)
    other.on(GPU)
    other.restore(state)
    assert set(other.state()) == {"cpu", "cuda:7"}
    assert torch.equal(torch.rand(3, generator=other.on(GPU), device=GPU), expected)
    assert other.draw_seed() == random.draw_seed()
