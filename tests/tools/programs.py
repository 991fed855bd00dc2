"""Start the programs as the job layer does, and make pictures for them."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import lmdb
import numpy as np
from PIL import Image

from digits.base.progress import Event, Failed, parse_line
from digits.caffe.proto import caffe_pb2


class Finished:
    """A program that has run: its exit status and what its log says."""

    def __init__(self, status: int, log: str) -> None:
        self.status, self.log = status, log

    def events(self, kind: type[Event]) -> list[Event]:
        return [
            event for line in self.log.splitlines() if isinstance(event := parse_line(line), kind)
        ]

    @property
    def error(self) -> str:
        """The text of the one line `Error: ...`, which is the last of the log."""
        assert self.status != 0, self.log
        assert "Traceback" not in self.log, self.log
        (failed,) = self.events(Failed)
        assert parse_line(self.log.splitlines()[-1]) == failed
        return failed.text


def start(program: str, *arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", f"digits.tools.{program}", *map(str, arguments)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def run(program: str, *arguments: object) -> Finished:
    """Run a program to its end."""
    with start(program, *arguments) as process:
        _, log = process.communicate()
    return Finished(process.returncode, log)


def succeed(program: str, *arguments: object) -> Finished:
    """Run a program that must succeed."""
    finished = run(program, *arguments)
    assert finished.status == 0, finished.log
    return finished


def save_picture(
    path: Path, colour: object = (200, 30, 60), size: tuple[int, int] = (8, 6)
) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB" if isinstance(colour, tuple) else "L", size, colour).save(path)
    return path


def make_classes(folder: Path, counts: dict[str, int], size: tuple[int, int] = (8, 6)) -> Path:
    """A folder of class folders; each picture is of a different colour."""
    shade = 0
    for name, count in counts.items():
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            shade += 1
            save_picture(
                folder / name / f"{index:03d}.png", (shade % 256, shade // 256, index % 256)
            )
    return folder


def read_lmdb(folder: Path) -> Iterator[tuple[str, caffe_pb2.Datum]]:
    with (
        lmdb.open(str(folder), readonly=True, lock=False) as environment,
        environment.begin() as transaction,
    ):
        for key, value in transaction.cursor():
            yield key.decode(), caffe_pb2.Datum.FromString(value)


def datum_pixels(datum: caffe_pb2.Datum) -> np.ndarray:
    """H x W x C in R,G,B of a Datum, as Caffe understands it."""
    if datum.encoded:
        return np.asarray(Image.open(io.BytesIO(datum.data))).reshape(datum.height, datum.width, -1)
    planes = np.frombuffer(datum.data, np.uint8)
    return planes.reshape(datum.channels, datum.height, datum.width)[::-1].transpose(1, 2, 0)
