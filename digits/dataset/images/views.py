"""What the dataset form shows of a resize transformation before anything is made."""

from __future__ import annotations

import base64
import io

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue
from PIL import Image

from digits.dataset.images.forms import ResizeExampleForm
from digits.errors import FormError
from digits.images import encode_picture, resize_image
from digits.images.example import example_picture
from digits.web.answers import in_thread

blueprint = Blueprint("image_datasets", __name__)


@blueprint.post("/images/resize-example")
def resize_example() -> ResponseReturnValue:
    """The example picture after a transformation: an `<img>` (base64 PNG) and its stored size.

    Takes `width height channels resize_mode encoding`.
    """
    form = ResizeExampleForm.submitted()
    if not form.validate():
        raise FormError(form.all_errors)
    height, width = int(form.height.data or 0), int(form.width.data or 0)
    picture, stored_bytes = in_thread(
        _example,
        height,
        width,
        int(form.channels.data),
        form.resize_mode.data,
        form.encoding.data,
    )
    return render_template(
        "datasets/images/resize_example.html",
        picture=base64.b64encode(picture).decode(),
        stored_bytes=stored_bytes,
        width=width,
        height=height,
    )


def _example(height: int, width: int, channels: int, mode: str, encoding: str) -> tuple[bytes, int]:
    """The example picture resized, as a PNG, and its size in bytes as a dataset stores it."""
    picture = resize_image(example_picture(), height, width, channels, mode)
    stored = len(encode_picture(picture, encoding))
    shown = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(shown, "PNG", compress_level=1)
    return shown.getvalue(), stored
