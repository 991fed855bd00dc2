"""Classify pictures with the model that lies beside this file.

    python classify.py picture.jpg ...

Prints the best labels of each picture with their confidence in percent, or with their scores where
the network gives no probabilities.  Runs with DIGITS' engine (`from digits import caffe`) or with
pycaffe (`import caffe`), whichever is installed.  Pictures are prepared as in training, which
`info.json` describes.
"""

import argparse
import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageOps

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Classify the pictures named on the command line."""
    parser = argparse.ArgumentParser(description="Classify pictures with this model.")
    parser.add_argument("pictures", nargs="+", help="image files")
    parser.add_argument("--top", type=int, default=5, help="how many labels to print")
    options = parser.parse_args()
    info = json.loads((FOLDER / "info.json").read_text())
    net = load_net(info)
    for picture in options.pictures:
        sys.stdout.write(f"{picture}\n")
        for label, score in classify(net, info, Path(picture), options.top):
            sys.stdout.write(f"  {in_words(score, info)}  {label}\n")


def in_words(score: float, info: Any) -> str:
    """A probability as percent, any other score as it is."""
    return f"{100 * score:6.2f}%" if info["output"]["is_probability"] else f"{score:.6g}"


def load_net(info: Any) -> Any:
    """The network of this folder with its weights."""
    caffe = import_caffe()
    return caffe.Net(str(FOLDER / "deploy.prototxt"), str(FOLDER / info["weights"]), caffe.TEST)


def import_caffe() -> Any:
    """DIGITS' engine, or pycaffe; both log what they build, which nobody wants to read here."""
    os.environ.setdefault("GLOG_minloglevel", "2")
    try:
        from digits import caffe  # noqa: PLC0415
    except ImportError:
        import caffe  # type: ignore[no-redef, import-not-found] # noqa: PLC0415
    return caffe


def classify(net: Any, info: Any, picture: Path, top: int) -> "list[tuple[str, float]]":
    """The `top` best labels of a picture, each with its score in the network's result."""
    labels = (FOLDER / "labels.txt").read_text(encoding="utf-8").splitlines()
    blob = net.blobs[net.inputs[0]]
    pixels = read_picture(picture, info)
    blob.reshape(1, *blob.data.shape[1:])
    blob.data[...] = to_input(pixels, info, blob.data.shape[2:])
    output = net.forward()[info["output"]["name"]]
    # Of a score a place in the picture, the mean.
    scores = output.reshape(output.shape[1] if output.ndim > 1 else 1, -1).mean(axis=1)
    best = np.argsort(-scores, kind="stable")[:top]
    return [(labels[index], float(scores[index])) for index in best]


def read_picture(path: Path, info: Any) -> Any:
    """A picture as the dataset has its pictures: uint8, H x W x C in R,G,B or grey."""
    image = info["image"]
    try:
        # DIGITS' own reader: large JPEGs are scaled while they are decoded, as on its pages.
        from digits.images import Levels, read_resized  # noqa: PLC0415
    except ImportError:
        return resize(open_picture(path, image["channels"], image["value_range"]), image)
    size = (image["height"], image["width"], image["channels"])
    return read_resized(path, *size, image["resize_mode"], levels=Levels(*image["value_range"]))


def open_picture(path: Path, channels: int, value_range: Any) -> Any:
    """A picture file, upright, transparency on white: uint8, H x W x C.

    `value_range` are the 16-bit values that become black and white.
    """
    with Image.open(path) as opened:
        image = ImageOps.exif_transpose(opened)
    if image.mode.startswith("I"):  # 16 bits of grey
        low, high = value_range
        values = np.clip(np.asarray(image).astype(np.int64), low, high) - low
        span = max(1, high - low)
        image = Image.fromarray(((values * 255 + span // 2) // span).astype(np.uint8))
    image = image.convert("RGBA")
    white = Image.new("RGBA", image.size, "white")
    image = Image.alpha_composite(white, image).convert("RGB" if channels == 3 else "L")
    return np.asarray(image).reshape(image.height, image.width, channels)


def resize(pixels: Any, image: Any) -> Any:
    """Pixels brought to the dataset's size in its way: squash, crop, fill or half_crop."""
    height, width = image["height"], image["width"]
    rows, columns = pixels.shape[:2]
    across, down = columns / width, rows / height
    ratio = {
        "crop": min(across, down),
        "fill": max(across, down),
        "half_crop": (across + down) / 2,
    }.get(image["resize_mode"])
    if ratio is not None:
        rows = height if ratio == down else evened(max(1, int(rows / ratio + 0.5)), height)
        columns = width if ratio == across else evened(max(1, int(columns / ratio + 0.5)), width)
    else:
        rows, columns = height, width
    if pixels.shape[:2] != (rows, columns):
        flat = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        bilinear = getattr(Image, "Resampling", Image).BILINEAR  # its place in old Pillows
        scaled = Image.fromarray(flat).resize((columns, rows), bilinear)
        pixels = np.asarray(scaled).reshape(rows, columns, -1)
    return padded(cropped(pixels, height, width), height, width)


def evened(scaled: int, side: int) -> int:
    """A size that leaves an even remainder when it is below `side`."""
    return scaled + 1 if scaled < side and (side - scaled) % 2 else scaled


def cropped(pixels: Any, height: int, width: int) -> Any:
    """The middle of pixels that are larger than height x width."""
    top = max(0, int((pixels.shape[0] - height) / 2 + 0.5))
    left = max(0, int((pixels.shape[1] - width) / 2 + 0.5))
    return pixels[top : top + height, left : left + width]


def padded(pixels: Any, height: int, width: int) -> Any:
    """Pixels in the middle of noise that depends on them alone."""
    rows, columns, channels = pixels.shape
    if (rows, columns) == (height, width):
        return pixels
    seed = zlib.crc32(np.ascontiguousarray(pixels).tobytes())
    noise = np.random.Generator(np.random.PCG64(seed)).integers(
        0, 256, (height, width, channels), dtype=np.uint8
    )
    top, left = (height - rows) // 2, (width - columns) // 2
    noise[top : top + rows, left : left + columns] = pixels
    return noise


def to_input(pixels: Any, info: Any, size: Any) -> Any:
    """Pixels as the network takes them: float32, C x H x W in B,G,R, less the mean.

    It multiplies them by the scale itself.
    """
    data = pixels[:, :, ::-1].astype(np.float32).transpose(2, 0, 1)
    transform = info["transform"]
    if transform["mean_file"]:
        data = data - read_mean(FOLDER / transform["mean_file"])
    elif transform["mean_values"]:
        data = data - np.array(transform["mean_values"], np.float32).reshape(-1, 1, 1)
    top, left = (data.shape[1] - size[0]) // 2, (data.shape[2] - size[1]) // 2
    return data[:, top : top + size[0], left : left + size[1]]


def read_mean(path: Path) -> Any:
    """The mean picture of the dataset, C x H x W."""
    caffe = import_caffe()
    blob = caffe.proto.caffe_pb2.BlobProto()
    blob.ParseFromString(path.read_bytes())
    shape = (blob.channels, blob.height, blob.width)
    return np.array(blob.data, dtype=np.float32).reshape(shape)


if __name__ == "__main__":
    main()
