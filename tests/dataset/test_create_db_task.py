"""What the task that writes a database says of itself while it runs, and after it has failed."""

from __future__ import annotations

from pathlib import Path

from digits.dataset.tasks.create_db import CreateDbTask


def test_a_database_that_failed_early_has_no_pictures_and_not_fewer(tmp_path: Path) -> None:
    task = CreateDbTask(
        tmp_path, "create_db_train", split="train", width=8, height=8, channels=3,
        resize_mode="squash", encoding="png", backend="lmdb", shuffle=False, seed=0,
    )  # fmt: skip
    for number in range(12):
        task.process_line(
            f'2015-04-21 14:06:49 [WARNING] Skipped "/data/{number}.jpg": the file is empty'
        )
    assert task.skipped_count == 12
    assert task.written == 0
