"""The picture of the documentation that shows what each kind of augmentation does.

    python -m scripts.augmentation_picture docs/images/augmentation.png

A row for each kind: the words, and the example picture of the dataset form as training might see it
four times.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from digits.caffe.data.augmentation import PRESETS, Augmentation
from digits.caffe.data.augmenter import Augmenter, chances
from digits.caffe.data.datum import Sample
from digits.images.example import example_picture

ROWS = {
    "as stored": PRESETS["none"],
    "aug_flip fliplr": Augmentation(aug_flip="fliplr"),
    "aug_quad_rot rotall": Augmentation(aug_quad_rot="rotall"),
    "aug_rot 20": Augmentation(aug_rot=20),
    "aug_scale 0.1": Augmentation(aug_scale=0.1),
    "aug_crop_scale 0.4": Augmentation(aug_crop_scale=0.4),
    "aug_contrast 0.6": Augmentation(aug_contrast=0.6),
    "aug_hsv 0.05 0.1 0.1": Augmentation(
        aug_hsv_use=True, aug_hsv_h=0.05, aug_hsv_s=0.1, aug_hsv_v=0.1
    ),
    "aug_noise 0.1": Augmentation(aug_noise=0.1),
    "aug_blur 4": Augmentation(aug_blur=4),
    "aug_erase 1": Augmentation(aug_erase=1),
    "light": PRESETS["light"],
    "medium": PRESETS["medium"],
    "strong": PRESETS["strong"],
}
COLUMNS, SIDE, GAP, WORDS = 5, 96, 6, 190
COLORS = 128  # of the file: enough for a small drawing


def main(path: Path) -> None:
    picture = Image.fromarray(example_picture()).crop((80, 0, 400, 320))
    square = np.asarray(picture.resize((2 * SIDE, 2 * SIDE), Image.Resampling.BOX))[:, :, ::-1]
    size = (WORDS + COLUMNS * (SIDE + GAP), len(ROWS) * (SIDE + GAP) + GAP)
    sheet = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, (words, augmentation) in enumerate(ROWS.items()):
        top = GAP + row * (SIDE + GAP)
        pen.text((GAP, top + SIDE // 2 - 9), words, fill="black", font=font)
        for column, changed in enumerate(changed_pictures(square, augmentation, row)):
            small = Image.fromarray(changed).resize((SIDE, SIDE), Image.Resampling.BOX)
            sheet.paste(small, (WORDS + column * (SIDE + GAP), top))
    sheet.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)


def changed_pictures(pixels: np.ndarray, augmentation: Augmentation, seed: int) -> list[np.ndarray]:
    """A picture in B,G,R, changed by chance several times, in R,G,B."""
    sample = Sample(np.ascontiguousarray(pixels), True, "example")
    augmenter = Augmenter(augmentation)
    drawn = chances(seed, 0, COLUMNS)
    return [
        np.ascontiguousarray(augmenter.augmented(sample, each).values[:, :, ::-1]) for each in drawn
    ]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
