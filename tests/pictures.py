"""Tiny real pictures for tests."""

from __future__ import annotations

from pathlib import Path

from PIL import Image


def make_class_folders(
    folder: Path, classes: int = 2, pictures: int = 8, size: int = 16, mode: str = "RGB"
) -> Path:
    """Class folders `class_0`, `class_1` ... with pictures of a colour of their own."""
    for label in range(classes):
        class_folder = folder / f"class_{label}"
        class_folder.mkdir(parents=True)
        for number in range(pictures):
            grey = (label * 97 + number * 3) % 256
            colour = (grey, 255 - grey, label * 40 % 256) if mode == "RGB" else grey
            Image.new(mode, (size, size), colour).save(class_folder / f"{number}.png")
    return folder
