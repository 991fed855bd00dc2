"""Networks of Caffe's public examples, pasted as a custom network: checked, trained, used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image

from digits.caffe.formats import prototxt
from digits.jobs.scheduler import Scheduler
from digits.jobs.status import Status
from digits.model.images.classification.job import ImageClassificationModelJob
from tests.conftest import wait_for_status
from tests.model.requests import create, dataset_form

NETWORKS = Path(__file__).parent / "networks"
CLASSES = 3
# The network's file, the side of the dataset's pictures, and the side of what the network sees.
SIDES = {
    "cifar10_quick": (32, 32),
    "nin": (32, 32),
    "resnet": (32, 28),
    "squeezenet": (64, 59),
}


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour pictures of noise, of each class around another colour."""
    folder = tmp_path_factory.mktemp("colours")
    rng = np.random.default_rng(1)
    for number in range(CLASSES):
        (folder / f"class_{number}").mkdir()
        for index in range(12):
            pixels = rng.integers(0, 120, (40, 40, 3))
            pixels[..., number] += 120
            picture = Image.fromarray(pixels.astype(np.uint8))
            picture.save(folder / f"class_{number}" / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def datasets(app: Any, models: Scheduler, colours: Path) -> dict[int, str]:
    """Finished colour datasets by the side of their pictures."""
    made = {}
    for side in {side for side, _ in SIDES.values()}:
        size = {"resize_width": str(side), "resize_height": str(side), "resize_channels": "3"}
        route = "/datasets/images/classification.json"
        answer = app.test_client().post(route, data=dataset_form(colours, **size))
        wait_for_status(models, answer.json["id"], Status.DONE)
        made[side] = answer.json["id"]
    return made


@pytest.mark.slow
@pytest.mark.parametrize("name", SIDES)
def test_a_public_network_is_trained_from_the_form(
    client: FlaskClient, models: Scheduler, datasets: dict[int, str], colours: Path, name: str
) -> None:
    side, seen = SIDES[name]
    answer = create(
        client,
        datasets[side],
        method="custom",
        custom_network=(NETWORKS / f"{name}.prototxt").read_text(),
        train_epochs="2",
        batch_size="9",
        learning_rate="0.001",
        lr_policy="fixed",
        random_seed="1",
        use_mean="y",
    )
    assert answer.status_code == 200, answer.text
    wait_for_status(models, answer.json["id"], Status.DONE, Status.ERROR)
    job = models.job(answer.json["id"])
    assert isinstance(job, ImageClassificationModelJob)
    assert job.error is None
    assert list(job.snapshots()) == [1, 2]
    loss = job.train_task.last_outputs()["val"]["loss"]
    assert loss is not None
    deploy = prototxt.read_net(job.dir / "deploy.prototxt")
    assert list(deploy.input_shape[0].dim) == [1, 3, seen, seen]
    route = f"/models/images/classification/classify_one.json?job_id={job.id}"
    picture = str(colours / "class_0" / "1.png")
    predictions: Any = client.post(route, data={"image_url": picture}).json["predictions"]
    assert sum(percent for _, percent in predictions) == pytest.approx(100, abs=0.1)
    assert {label for label, _ in predictions} == {f"class {n}" for n in range(CLASSES)}
