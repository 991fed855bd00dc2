"""A server with something to steal: pictures that may be read, secrets beside them, jobs.

The secrets hold CANARY; an answer that holds it has leaked one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flask import Flask

from digits.inference import parse_net
from digits.jobs.status import Status
from tests.apps import running_app
from tests.conftest import wait_for_status
from tests.model.requests import TINY, create, dataset_form
from tests.pictures import make_class_folders

CANARY = "CANARY-1f9c"


@dataclass(frozen=True)
class World:
    """`pictures` is the only data root; `outside` is a folder with a secret."""

    app: Flask
    pictures: Path
    outside: Path
    dataset: str
    model: str

    @property
    def jobs_dir(self) -> Path:
        folder: Path = self.app.extensions["digits"].scheduler.store.jobs_dir
        return folder

    def fill_in(self, text: str) -> str:
        """A text of the corpus with this world's names in it."""
        names = {
            "PICTURES": str(self.pictures),
            "OUTSIDE": str(self.outside),
            "JOBS": str(self.jobs_dir),
            "DATASET": self.dataset,
            "MODEL": self.model,
        }
        for name, value in names.items():
            text = text.replace(name, value)
        return text


@contextmanager
def a_world(top: Path) -> Iterator[World]:
    """A running application with a dataset and a model that was trained on it."""
    top = top.resolve()
    pictures, outside = make_class_folders(top / "pictures", 2, 6, mode="L"), top / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text(f"{CANARY} 0\n{CANARY}\n")
    (outside / "secret.caffemodel").write_text(CANARY)
    os.symlink(outside, pictures / "way_out")
    with running_app(top / "jobs", data_roots=(str(pictures),), url_allow=()) as app:
        scheduler = app.extensions["digits"].scheduler
        # The pool's threads are there before the first test counts them.
        parse_net(app.extensions["digits"].pool, 'layer { name: "a" }')
        client = app.test_client()
        made = client.post(
            "/datasets/images/classification.json", data=dataset_form(pictures)
        ).get_json()
        wait_for_status(scheduler, made["id"], Status.DONE)
        trained = create(
            client,
            made["id"],
            method="custom",
            custom_network=TINY,
            train_epochs="1",
            batch_size="9",
            use_mean="y",
        ).get_json()
        wait_for_status(scheduler, trained["id"], Status.DONE)
        job_dir = scheduler.job(made["id"]).dir
        os.symlink(outside / "secret.txt", job_dir / "link.txt")
        os.symlink(outside, job_dir / "link")
        (job_dir / ".hidden").write_text(CANARY)
        (top / "jobs" / ".users.json.part").write_text(CANARY)
        yield World(app, pictures, outside, made["id"], trained["id"])
