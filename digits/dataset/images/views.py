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
    picture = resize_image(
        example_picture(),
        height,
        width,
        int(form.channels.data),
        form.resize_mode.data,
    )
    stored = len(encode_picture(picture, form.encoding.data))
    shown = io.BytesIO()
    Image.fromarray(picture.squeeze()).save(shown, "PNG", compress_level=1)
    return render_template(
        "datasets/images/resize_example.html",
        picture=base64.b64encode(shown.getvalue()).decode(),
        stored_bytes=stored,
        width=width,
        height=height,
    )
