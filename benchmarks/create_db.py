"""How fast pictures become a database, beside Caffe's own convert_imageset and a bare Pillow loop.

    python -m benchmarks.create_db [--pictures 10000] [--million]

Makes JPEGs of 500 x 375 pixels with the detail of photographs, and stores them at 256 x 256: raw,
as JPEG and as PNG.  convert_imageset is taken from the PATH, or from the system in the folder that
CAFFE_CHROOT names (which needs root).  `--million` adds a list of a million small pictures: seconds
until the first are done, and the memory of all processes at that time.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import psutil
from PIL import Image

WIDTH, HEIGHT, SIDE = 500, 375, 256
ENCODINGS = ("none", "jpg", "png")
_FILES = 100  # different pictures; the list repeats them


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=2, help="the best one counts [2]")
    parser.add_argument("--million", action="store_true")
    given = parser.parse_args()
    chroot = os.environ.get("CAFFE_CHROOT")
    with ExitStack() as stack:
        top = Path(chroot) / "tmp" if chroot else None
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=top)))
        names = make_photographs(folder)
        names = [names[index % len(names)] for index in range(given.pictures)]
        compare(folder, names, given.rounds)
        if given.million:
            million_lines(folder)


def compare(folder: Path, names: list[str], rounds: int) -> None:
    """Print pictures a second of each program; start-up is part of it."""
    (folder / "ours.txt").write_text("".join(f"{folder / name} 0\n" for name in names))
    (folder / "caffe.txt").write_text("".join(f"{name} 0\n" for name in names))

    def rate(run: Callable[..., None], *arguments: object) -> float:
        return max(len(names) / seconds(run, *arguments) for _ in range(rounds))

    pillow = rate(pillow_loop, folder, names)
    print(f"{len(names)} JPEGs of {WIDTH} x {HEIGHT} to {SIDE} x {SIDE}, pictures a second")
    print(f"Pillow, decode and resize only, {multiprocessing.cpu_count()} processes: {pillow:.0f}")
    for encoding in ENCODINGS:
        ours = rate(create_db, folder, encoding)
        line = f"{encoding:5} create_db {ours:6.0f} = {ours / pillow:.2f} x Pillow"
        if convert_imageset():
            caffe = rate(run_convert_imageset, folder, encoding)
            line += f" = {ours / caffe:.2f} x convert_imageset ({caffe:.0f})"
        print(line)


def seconds(run: Callable[..., None], *arguments: object) -> float:
    start = time.perf_counter()
    run(*arguments)
    return time.perf_counter() - start


def create_db(folder: Path, encoding: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "digits.tools.create_db", str(folder / "ours.txt")]
        + [
            str(folder / "ours"),
            "--width",
            str(SIDE),
            "--height",
            str(SIDE),
            "--encoding",
            encoding,
        ],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def convert_imageset() -> list[str]:
    """The command that runs Caffe's program, empty if there is none."""
    if chroot := os.environ.get("CAFFE_CHROOT"):
        return ["chroot", chroot, "convert_imageset"]
    found = shutil.which("convert_imageset")
    return [found] if found else []


def run_convert_imageset(folder: Path, encoding: str) -> None:
    shutil.rmtree(folder / "caffe", ignore_errors=True)
    inside = Path("/") / folder.relative_to(os.environ.get("CAFFE_CHROOT", "/"))
    encoded = [] if encoding == "none" else ["--encoded", f"--encode_type={encoding}"]
    subprocess.run(
        convert_imageset()
        + [f"--resize_width={SIDE}", f"--resize_height={SIDE}", *encoded]
        + [f"{inside}/", str(inside / "caffe.txt"), str(inside / "caffe")],
        check=True,
        stderr=subprocess.DEVNULL,
    )


def pillow_loop(folder: Path, names: list[str]) -> None:
    cores = multiprocessing.cpu_count()
    paths = [str(folder / name) for name in names]
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        pool.map(decode_and_resize, [paths[core::cores] for core in range(cores)], chunksize=1)


def decode_and_resize(paths: list[str]) -> None:
    for path in paths:
        with Image.open(path) as image:
            image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def make_photographs(folder: Path) -> list[str]:
    """JPEGs whose detail falls off with its fineness, as that of photographs does."""
    random = np.random.default_rng(0)
    for index in range(_FILES):
        picture = np.zeros((HEIGHT, WIDTH, 3))
        for octave in range(1, 9):
            rows, columns = HEIGHT * 2**octave // 256 + 2, WIDTH * 2**octave // 256 + 2
            noise = random.normal(size=(rows, columns, 3)).astype(np.float32)
            planes = [
                Image.fromarray(noise[:, :, channel]).resize(
                    (WIDTH, HEIGHT), Image.Resampling.BICUBIC
                )
                for channel in range(3)
            ]
            picture += np.stack([np.asarray(plane) for plane in planes], axis=2) / 1.8**octave
        low, high = np.percentile(picture, (1, 99))
        scaled = np.clip((picture - low) / (high - low) * 255, 0, 255).astype(np.uint8)
        Image.fromarray(scaled).save(folder / f"{index}.jpg", quality=90)
    return [f"{index}.jpg" for index in range(_FILES)]


def million_lines(folder: Path) -> None:
    """Print the time to the first progress on a long list, and the memory that it takes."""
    random = np.random.default_rng(1)
    for index in range(_FILES):
        pixels = random.integers(0, 256, (28, 28), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    lines = [f"{folder / f'{index}.png'} {index % 10}\n" for index in range(_FILES)]
    (folder / "million.txt").write_text("".join(lines[index % _FILES] for index in range(10**6)))
    command = [sys.executable, "-m", "digits.tools.create_db", str(folder / "million.txt")]
    size = ["--width", "28", "--height", "28", "--channels", "1", "--shuffle"]
    start = time.perf_counter()
    with subprocess.Popen(
        [*command, str(folder / "million"), *size, "--mean", str(folder / "mean.binaryproto")],
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        for line in process.stderr or ():
            if "Progress: " in line:
                break
        first_s = time.perf_counter() - start
        time.sleep(3)
        tree = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
        memory = sum(each.memory_full_info().pss for each in tree)
        process.terminate()
        process.communicate()
    print(f"A million lines: first progress after {first_s:.1f} s, {memory / 1e6:.0f} MB in all")


if __name__ == "__main__":
    main()
