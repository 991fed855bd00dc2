"""What scripts use of scikit-image by way of `caffe.io`: `io.skimage`, and `io.resize`.

pycaffe imports scikit-image, so scripts reach for `caffe.io.skimage.img_as_float`,
`caffe.io.skimage.io.imread`, `caffe.io.skimage.transform.resize`.  Where the package is installed
they get it; these stand for it elsewhere.  Source: the behaviour of scikit-image.
"""

from __future__ import annotations

import importlib
import os
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image

AnyArray = npt.NDArray[Any]
FloatArray = npt.NDArray[np.floating[Any]]

# What lies beyond the border, in scikit-image's words and in SciPy's (for blurring, for zooming).
_BORDERS = {
    "constant": ("constant", "grid-constant"),
    "edge": ("nearest", "nearest"),
    "symmetric": ("reflect", "reflect"),
    "reflect": ("mirror", "mirror"),
    "wrap": ("wrap", "grid-wrap"),
}


def package() -> Any:
    """The installed scikit-image with its modules io and transform, or what stands for it here."""
    try:
        found = importlib.import_module("skimage")
        importlib.import_module("skimage.io")
        importlib.import_module("skimage.transform")
    except ImportError:
        return SimpleNamespace(
            img_as_float=img_as_float,
            img_as_ubyte=img_as_ubyte,
            io=SimpleNamespace(imread=imread, imsave=imsave),
            transform=SimpleNamespace(resize=resize),
        )
    return found


def img_as_float(image: AnyArray) -> FloatArray:
    """Whole numbers divided by the largest of their type, so that they go to 1; floats as is."""
    values = np.asarray(image)
    if values.dtype.kind == "f":
        return values
    if values.dtype.kind == "b":
        return values.astype(np.float64)
    unit: FloatArray = np.divide(values, np.iinfo(values.dtype).max, dtype=np.float64)
    return unit


def img_as_ubyte(image: AnyArray) -> npt.NDArray[np.uint8]:
    """0 to 1 as 0 to 255."""
    values = np.asarray(image)
    if values.dtype == np.uint8:
        return values
    return np.rint(np.clip(img_as_float(values), 0, 1) * 255).astype(np.uint8)


def imread(fname: str | os.PathLike[str] | IO[bytes], as_gray: bool = False) -> AnyArray:
    """A picture file as it is: uint8 (H, W), (H, W, 3) or (H, W, 4), R,G,B; grey: 0 to 1."""
    with Image.open(fname) as image:
        plain = image.convert("RGBA" if "transparency" in image.info else "RGB")
        pixels = np.asarray(plain if image.mode in ("P", "CMYK", "YCbCr") else image)
    if as_gray and pixels.ndim == 3:
        grey: AnyArray = img_as_float(pixels[..., :3]) @ np.array([0.2125, 0.7154, 0.0721])
        return grey
    return pixels


def imsave(fname: str | os.PathLike[str], arr: AnyArray) -> None:
    """Write a picture (H, W) or (H, W, C), whose floats go from 0 to 1."""
    Image.fromarray(img_as_ubyte(arr)).save(fname)


def resize(
    image: AnyArray,
    output_shape: tuple[int, ...],
    order: int = 1,
    mode: str = "reflect",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool | None = None,
) -> FloatArray:
    """A picture at another height and width; blurred before it shrinks, unless told otherwise.

    Whole numbers become 0 to 1 unless `preserve_range`.  Raises ValueError for an unknown `mode`.
    """
    if mode not in _BORDERS:
        raise ValueError(f"mode is one of {', '.join(_BORDERS)}. Received: {mode!r}")
    # SciPy takes half a second to load, and few scripts come here.
    filters = importlib.import_module("scipy.ndimage")
    values = np.asarray(image, dtype=np.float64) if preserve_range else img_as_float(image)
    wanted = (*output_shape, *values.shape[len(output_shape) :])
    factors = np.divide(values.shape, wanted)
    blurs, zooms = _BORDERS[mode]
    blurred = values
    if anti_aliasing or (anti_aliasing is None and order and (factors > 1).any()):
        sigma = np.maximum(0, (factors - 1) / 2)
        blurred = filters.gaussian_filter(values, sigma, mode=blurs, cval=cval)
    zoomed: FloatArray = filters.zoom(
        blurred, 1 / factors, order=order, mode=zooms, cval=cval, grid_mode=True
    )
    return np.clip(zoomed, values.min(), values.max()) if clip and order else zoomed
