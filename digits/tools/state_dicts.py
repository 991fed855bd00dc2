"""Read the tensors of a state_dict, a file that PyTorch wrote, without running anything in it.

In: a file as `torch.save(model.state_dict(), path)` writes it, or a training's checkpoint that has
one.  Out: tensors by their names, or ToolError that says what the file is instead.  What a file
says of its sizes is counted before anything is read: a zip's table of contents must fit into the
file that it stands in.  Tensors may say that they are larger than their values: whoever takes one
compares its shape first.

Elsewhere: a program limits its memory before it calls this (`digits.base.program.limit_memory`).
"""

from __future__ import annotations

import pickle
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from digits.errors import ToolError

Tensors = Mapping[str, torch.Tensor]

# VGG-19, the largest that is known here, has 0.6 GB.
MOST_BYTES = 2 << 30
# Of an archive: a few for each tensor.  A ResNet of 152 layers has a thousand tensors.
MOST_ENTRIES = 20_000
# Where trainings keep a state_dict in their checkpoints.
CHECKPOINT_KEYS = ("state_dict", "model_state_dict", "model")
# What torch.nn.DataParallel puts before each name.
PARALLEL_PREFIX = "module."
_LONGEST_REASON = 200
_CODE = re.compile(r"Unsupported (?:global|operand|class)[^:]*: (?:GLOBAL )?([\w.]+)")


def read_tensors(source: Path) -> Tensors:
    """The tensors of a state_dict by name; ToolError for a file that is none."""
    _check_sizes(source)
    try:
        # It warns of pickles that it may not know all of, and then reads or refuses them.
        with warnings.catch_warnings(action="ignore"):
            found = torch.load(source, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ToolError(_would_run(source, str(error))) from error
    except MemoryError as error:
        raise _no_weights(source, "it needs more memory than such a file can") from error
    # A pickle of somebody else's can make the reader fail in any way.
    except Exception as error:
        raise _no_weights(source, str(error) or type(error).__name__) from error
    return _named(found, source)


def _check_sizes(source: Path) -> None:
    """ToolError for a file that is not there, is too large, or is an archive of something else."""
    try:
        size = source.stat().st_size
        is_zip = zipfile.is_zipfile(source)
    except FileNotFoundError:
        raise ToolError(f"There is no file {source}.") from None
    if not size:
        raise _no_weights(source, "it is empty. Was it downloaded to its end?")
    if size > MOST_BYTES:
        raise ToolError(
            f"{source.name} has {size:,} bytes; weights of up to {MOST_BYTES:,} bytes are read."
        )
    if is_zip:
        _check_archive(source, size)


def _check_archive(source: Path, size: int) -> None:
    """ToolError unless a zip is one of PyTorch's, and what it says that it holds is in it."""
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, OSError, NotImplementedError) as error:
        raise _no_weights(source, str(error)) from error
    if len(entries) > MOST_ENTRIES:
        raise _no_weights(source, f"it is an archive of {len(entries):,} files")
    if sum(entry.file_size for entry in entries) > size:
        raise _no_weights(
            source, "it says that it holds more than the file has bytes; PyTorch packs nothing"
        )
    names = {PurePosixPath(entry.filename).name for entry in entries}
    if "data.pkl" not in names:
        raise _no_weights(
            source, "it is a zip of other files. Unpack it, and give the file of weights in it"
        )
    if "constants.pkl" in names:
        raise _no_weights(
            source, "it is a program (TorchScript). Save its state_dict() with torch.save instead"
        )


def _named(found: Any, source: Path) -> Tensors:
    """The state_dict in what was read, with the names that the network's modules have."""
    for key in CHECKPOINT_KEYS:
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
            break
    if (
        not isinstance(found, dict)
        or not found
        or not all(
            isinstance(name, str) and isinstance(tensor, torch.Tensor)
            for name, tensor in found.items()
        )
    ):
        raise ToolError(f"{source.name} holds something else than tensors by their names.")
    for name, tensor in found.items():
        if tensor.layout != torch.strided or tensor.is_quantized or tensor.device.type != "cpu":
            raise ToolError(
                f"{source.name}: the tensor {name!r} is sparse, quantized or without values. Save "
                "plain ones."
            )
    if all(name.startswith(PARALLEL_PREFIX) for name in found):
        return {name.removeprefix(PARALLEL_PREFIX): tensor for name, tensor in found.items()}
    return found


def _would_run(source: Path, reason: str) -> str:
    found = _CODE.search(reason)
    if found is None:
        return str(_no_weights(source, reason))
    return (
        f"{source.name} is no file of weights of PyTorch alone: to read it would run code "
        f"({found[1][:80]}), and it was not read. Save model.state_dict(), not the model."
    )


def _no_weights(source: Path, reason: str) -> ToolError:
    line = reason.strip().split("\n", 1)[0][:_LONGEST_REASON].rstrip(". ")
    end = "" if line.endswith("?") else "."
    return ToolError(f"{source.name} is no file of weights of PyTorch: {line}{end}")
