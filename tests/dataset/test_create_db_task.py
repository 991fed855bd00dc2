"""What the task that writes a database says of itself while it runs, and after it has failed."""

from __future__ import annotations

from pathlib import Path

from digits.base.progress import printable
from digits.dataset.tasks.create_db import CreateDbTask


def a_task(folder: Path) -> CreateDbTask:
    return CreateDbTask(
        folder, "create_db_train", split="train", width=8, height=8, channels=3,
        resize_mode="squash", encoding="png", backend="lmdb", shuffle=False, seed=0,
    )  # fmt: skip


def test_the_errors_of_a_bad_list_stand_on_lines_of_their_own(tmp_path: Path) -> None:
    """They ran together in one paragraph."""
    problems = [f"t.txt:{number}: the label is 7" for number in range(1, 11)]
    task = a_task(tmp_path)
    written = printable("\n".join(problems))
    task.process_line(f"2015-04-21 14:06:49 [ERROR] Error: {written}")
    assert task.explain_failure(1).split("\n") == problems


def test_a_database_that_failed_early_has_no_pictures_and_not_fewer(tmp_path: Path) -> None:
    task = a_task(tmp_path)
    for number in range(12):
        task.process_line(
            f'2015-04-21 14:06:49 [WARNING] Skipped "/data/{number}.jpg": the file is empty'
        )
    assert task.skipped_count == 12
    assert task.written == 0
