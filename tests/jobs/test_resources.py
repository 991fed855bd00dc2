"""Slots and GPUs: what satisfies a need, and who holds what."""

from __future__ import annotations

import pytest

from digits.jobs.resources import CREATE_DB, GPU, TRAIN, Need, Resources

HOLDER = ("job", "task")


@pytest.fixture
def machine() -> Resources:
    """Four pretend GPUs."""
    return Resources.of(gpus=["0", "1", "2", "3"])


@pytest.mark.parametrize(
    ("need", "units"),
    [
        (Need(GPU), ["0"]),
        (Need(GPU, 2), ["0", "1"]),
        (Need(GPU, 4), ["0", "1", "2", "3"]),
        (Need(GPU, 5), None),
        (Need(GPU, 1, ("2",)), ["2"]),
        (Need(GPU, 2, ("3", "1")), ["1", "3"]),
        (Need(GPU, 1, ("7",)), None),
        (Need(TRAIN), ["0"]),
        (Need("unknown"), None),
    ],
)
def test_free_units_that_satisfy_a_need(
    machine: Resources, need: Need, units: list[str] | None
) -> None:
    assert machine.find(need) == units
    assert machine.is_possible(need) == (units is not None)


def test_what_is_held_or_kept_for_others_is_not_found(machine: Resources) -> None:
    machine.take(GPU, ["0"], HOLDER)
    assert machine.find(Need(GPU)) == ["1"]
    assert machine.find(Need(GPU), reserved={"1", "2"}) == ["3"]
    assert machine.find(Need(GPU, 2), reserved={"1", "2"}) is None
    assert machine.is_possible(Need(GPU, 4))


def test_giving_back_frees_all_that_a_task_holds(machine: Resources) -> None:
    machine.take(GPU, ["0", "1"], HOLDER)
    machine.take(CREATE_DB, ["1"], HOLDER)
    machine.take(GPU, ["2"], ("job", "other"))
    machine.give_back(HOLDER)
    held = [unit for units in machine.units.values() for unit in units if unit.holder]
    assert [(unit.identifier, unit.holder) for unit in held] == [("2", ("job", "other"))]


def test_a_gpu_that_is_gone_cannot_be_taken(machine: Resources) -> None:
    machine.take(GPU, ["9"], HOLDER)  # it was there when an earlier server started the task
    assert machine.find(Need(GPU, 4)) == ["0", "1", "2", "3"]


@pytest.mark.parametrize(
    ("need", "words"),
    [
        (Need(GPU), "1 GPU"),
        (Need(GPU, 2), "2 GPUs"),
        (Need(GPU, 2, ("0", "3")), "2 GPUs out of 0, 3"),
        (Need(CREATE_DB), "1 create db slot"),
    ],
)
def test_a_need_in_words(need: Need, words: str) -> None:
    assert str(need) == words
