"""Tables stay small, however long a training is, and keep what pages ask for."""

from __future__ import annotations

import pytest

from digits.model.training import history
from digits.model.training.history import Table
from digits.model.training.thinning import rows_to_keep


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """How many cells tables have that are made in the test."""
    monkeypatch.setattr(history, "MOST_CELLS", 3000)
    monkeypatch.setattr(history, "MOST_COLUMNS", 20)
    return 3000


def long_table(rows: int) -> Table:
    table = Table()
    for iteration in range(rows):
        value = {7: -9.0, 12_345: 9.0}.get(iteration, iteration % 100 / 100)
        table.add(iteration, float(iteration), "loss", value)
    return table


def test_a_long_table_keeps_its_ends_and_extremes(small: int) -> None:
    table = long_table(50_000)
    assert len(table.iterations) <= small // 3
    assert (table.iterations[0], table.iterations[-1]) == (0, 49_999)
    assert (min(table.columns["loss"]), max(table.columns["loss"])) == (-9.0, 9.0)  # type: ignore[type-var]
    assert table.iterations[table.columns["loss"].index(9.0)] == 12_345
    assert table.iterations == [int(time_s) for time_s in table.times_s]


def test_early_and_late_rows_are_kept_in_the_same_density(small: int) -> None:
    table = long_table(50_000)
    tenths = [sum(1 for n in table.iterations if n // 5000 == tenth) for tenth in range(9)]
    assert max(tenths) < 4 * min(tenths)


def test_a_table_of_very_many_columns_is_bounded_too(small: int) -> None:
    table = Table()
    for number in range(2000):
        table.add(number, 0.0, f"output{number}", 1.0)
    assert len(table.columns) == 20
    assert len(table.iterations) * len(table.columns) <= small


def test_rows_that_a_resumed_training_repeats_go_from_a_thinned_table(small: int) -> None:
    table = long_table(50_000)
    table.add(20_000, 1.0, "loss", 5.0)
    assert table.iterations[-1] == 20_000
    assert table.columns["loss"][-1] == 5.0
    assert len(table.iterations) == len(table.columns["loss"]) == len(table.times_s)


def test_a_single_row_is_kept() -> None:
    assert rows_to_keep([5], [[1.0]], 10) == [0]
    assert rows_to_keep([5], [], 10) == [0]
