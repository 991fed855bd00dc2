"""Pictures: read them from any file, resize them, encode them.

In: bytes or paths.  Out: arrays of H x W x C, uint8, channels in R,G,B order (C is 3) or grey (1).
This is a bottom layer: the programs, the inference worker and the web process all use these
functions, so that a picture is treated alike when it is learned and when it is classified.
Nothing here is slow to import, except `fast_scaling`, which is imported by name where it pays, as
is `example`, which only the web process shows.

    read.py            JPEG, PNG, BMP, GIF, TIFF, WebP, PPM, HEIC, AVIF -> array
    budget.py          how much memory decoding may take in all processes
    levels.py          what 16-bit values become
    stripes.py         very large pictures, a stripe at a time
    resize.py          squash, crop, fill, half_crop
    fast_scaling.py    the same bilinear filter, faster, for many pictures
    encode.py          array -> PNG, JPEG or Caffe's raw bytes
    example.py         the picture that shows what a resize mode does
"""

from digits.images.encode import Encoding, encode_picture
from digits.images.levels import Levels
from digits.images.read import MAX_PIXELS, read_image, read_resized, value_range
from digits.images.resize import MAX_SIDE, ResizeMode, resize_image

__all__ = [
    "MAX_PIXELS",
    "MAX_SIDE",
    "Encoding",
    "Levels",
    "ResizeMode",
    "encode_picture",
    "read_image",
    "read_resized",
    "resize_image",
    "value_range",
]
