"""The life of a job: which steps are allowed, and what pages read from the history."""

from __future__ import annotations

import itertools
import time
from typing import Any

import pytest

from digits.errors import JobUnreadable
from digits.jobs.status import ALLOWED_STEPS, Status, StatusChange, StatusHistory

S = Status
ALLOWED = {
    (S.INITIALIZED, S.WAITING),
    (S.INITIALIZED, S.ABORTED),
    (S.INITIALIZED, S.ERROR),
    (S.WAITING, S.RUNNING),
    (S.WAITING, S.ABORTED),
    (S.WAITING, S.ERROR),
    (S.RUNNING, S.WAITING),
    (S.RUNNING, S.DONE),
    (S.RUNNING, S.ABORTED),
    (S.RUNNING, S.ERROR),
    (S.DONE, S.WAITING),
    (S.ABORTED, S.WAITING),
    (S.ERROR, S.WAITING),
}


def history(*changes: tuple[Status, float]) -> StatusHistory:
    return StatusHistory([StatusChange(status, time_s) for status, time_s in changes])


@pytest.mark.parametrize(("before", "after"), list(itertools.permutations(Status, 2)))
def test_a_status_moves_along_allowed_edges_only(before: Status, after: Status) -> None:
    past = history((before, 1.0))
    if (before, after) in ALLOWED:
        assert past.move_to(after, 2.0)
        assert past.status is after
    else:
        with pytest.raises(ValueError, match=f"{before} to {after}"):
            past.move_to(after, 2.0)
        assert past.changes == [StatusChange(before, 1.0)]


def test_every_status_has_its_steps_and_its_colour() -> None:
    assert set(ALLOWED_STEPS) == set(Status)
    assert all(status.css for status in Status)


@pytest.mark.parametrize("status", Status)
def test_a_step_to_the_present_status_changes_nothing(status: Status) -> None:
    past = history((status, 1.0))
    assert not past.move_to(status, 2.0)
    assert past.since_s == 1.0


def test_a_new_history_begins_with_initialized_now() -> None:
    before = time.time()
    past = StatusHistory()
    assert past.status is S.INITIALIZED
    assert before <= past.created_s <= time.time()


def test_spans_tell_how_long_each_status_lasted() -> None:
    past = history((S.INITIALIZED, 10.0), (S.WAITING, 11.0), (S.RUNNING, 15.5))
    assert [(span.status, span.time_s, span.duration_s) for span in past.spans()] == [
        (S.INITIALIZED, 10.0, 1.0),
        (S.WAITING, 11.0, 4.5),
        (S.RUNNING, 15.5, None),
    ]


def test_running_time_leaves_out_the_waits() -> None:
    past = history(
        (S.INITIALIZED, 0.0), (S.WAITING, 1.0), (S.RUNNING, 2.0), (S.WAITING, 5.0),
        (S.RUNNING, 10.0), (S.DONE, 14.0),
    )  # fmt: skip
    assert past.running_s() == 7.0


@pytest.mark.parametrize(
    ("steps", "queued_s"),
    [
        ([], 0.0),
        ([(S.WAITING, 1.0)], 1.0),
        # The server stopped it, or it waited for a slot between two of its tasks: its place stays.
        ([(S.WAITING, 1.0), (S.RUNNING, 2.0), (S.WAITING, 3.0)], 1.0),
        # The user resumed it: it joins the queue anew.
        ([(S.WAITING, 1.0), (S.RUNNING, 2.0), (S.ABORTED, 3.0), (S.WAITING, 4.0)], 4.0),
        ([(S.WAITING, 1.0), (S.ABORTED, 3.0), (S.WAITING, 4.0)], 4.0),
    ],
)
def test_the_place_in_the_queue_is_when_the_user_asked(
    steps: list[tuple[Status, float]], queued_s: float
) -> None:
    assert history((S.INITIALIZED, 0.0), *steps).queued_s == queued_s


def test_a_history_survives_json() -> None:
    past = history((S.INITIALIZED, 10.25), (S.WAITING, 11.0))
    assert StatusHistory.from_json(past.to_json()) == past


@pytest.mark.parametrize(
    "data",
    [
        [],
        "",
        [["Lost", 1.0]],
        [[["Done"], 1.0]],
        [["Done", "yesterday"]],
        [["Done"]],
        [["Done", 1e308]],
        [["Done", -1.0]],
        [["Done", float("nan")]],
        [["Done", float("inf")]],
        [["Done", True]],
        [["Done", 10**400]],
    ],
)
def test_a_history_that_is_none_is_refused(data: Any) -> None:
    with pytest.raises(JobUnreadable):
        StatusHistory.from_json(data)


def test_durations_do_not_go_by_a_clock_that_is_set() -> None:
    """What used to happen: a step of the wall clock made a job take minus an hour."""
    times = [(S.INITIALIZED, 5000.0, 10.0), (S.WAITING, 1400.0, 11.0), (S.RUNNING, 9000.0, 13.0)]
    past = StatusHistory([StatusChange(*each) for each in [*times, (S.DONE, 8000.0, 20.0)]])
    assert [span.duration_s for span in past.spans()] == [1.0, 2.0, 7.0, None]
    assert past.running_s() == 7.0
    # Of what an earlier server did only the times are known.
    read = StatusHistory.from_json(past.to_json())
    assert [span.duration_s for span in read.spans()] == [0.0, 7600.0, 0.0, None]


def test_a_status_of_this_server_has_both_clocks() -> None:
    now = StatusHistory()
    now.move_to(Status.WAITING)
    assert all(change.ticks_s is not None for change in now.changes)
