"""A model that has classified something is no newcomer's any more."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from digits.model.images.classification.job import ImageClassificationModelJob
from digits.web.tried import TRIED_FILE, was_tried

ROUTE = "/models/images/classification"


@pytest.mark.parametrize("route", ["classify_one", "classify_many"])
def test_it_is_noted_when_a_picture_was_classified_and_not_when_none_could_be(
    client: FlaskClient, trained: ImageClassificationModelJob, pictures: Path, route: str
) -> None:
    (trained.dir / TRIED_FILE).unlink(missing_ok=True)
    address = f"{ROUTE}/{route}.json?job_id={trained.id}"
    assert client.post(address, data={}).status_code == 400
    assert not was_tried(trained)
    picture = sorted(pictures.rglob("*.png"))[0]
    if route == "classify_one":
        sent = {"image_path": str(picture)}
    else:
        listed = pictures.parent / "tried.txt"
        listed.write_text(f"{picture}\n")
        sent = {"image_list": (listed.open("rb"), "tried.txt")}
    answer = client.post(address, data=sent)
    assert answer.status_code == 200, answer.text
    assert was_tried(trained)
