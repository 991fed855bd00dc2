"""Why a training failed, in words for the user: what the program said, and what to do about it."""

from __future__ import annotations

import re
from pathlib import Path

from digits.jobs.log_follower import last_lines
from digits.jobs.process import describe_exit, what_to_try
from digits.model.training.history import History

DIVERGED = (
    "The loss has become infinite or nan: the training diverged. Lower the learning rate, for "
    "example to a tenth; subtracting the mean and smaller initial weights help as well."
)
LESS_MEMORY = "a smaller batch size, fewer trainings at a time"
LAST_LINES = 6
LOOK_AT_LINES = 60

# What a message is about, and what to do then.
_CURES = (
    (r"loss.*(?:nan|inf)\b|\bnan\b.*loss|diverged", DIVERGED),
    (
        r"out of memory|cudaErrorMemoryAllocation|MemoryError|bad_alloc|can't allocate memory",
        "There is not enough memory. Choose a smaller batch size, or crop the pictures.",
    ),
    (
        r"shape mismatch",
        "The pretrained weights belong to a layer of another size. Rename that layer in the custom "
        "network, so that it starts from scratch.",
    ),
    (
        r"gamma.*>= 0",
        "This Caffe takes no sigmoid decay that falls. Choose another learning-rate policy.",
    ),
    (
        r"Unknown learning rate policy: cosine",
        "A real Caffe does not know cosine decay. Choose another learning-rate policy.",
    ),
    (
        r"no field named .lr_warmup",
        "A real Caffe knows no warm-up of the learning rate. Choose a warm-up of 0.",
    ),
    (
        r"no field named .(?:label_smoothing|class_weight)",
        "A real Caffe knows no label smoothing and no class weights. Leave both out.",
    ),
    (r"No space left on device", "The disk is full. Remove jobs that are no longer needed."),
    (
        r"CPU-only Caffe|invalid device|no CUDA|CUDA driver",
        "The program that trains cannot use a GPU here. Set gpu_list to the GPUs that exist.",
    ),
    (r"mdb_status == 0|lmdb", "The dataset's database cannot be read. Is its folder still there?"),
)


def explain(history: History, log_path: Path, exit_status: int | None) -> str:
    """Why a training ended with `exit_status`, from its log: the reason, a cure, the last lines."""
    if history.diverged():
        return DIVERGED
    lines = last_lines(log_path, LOOK_AT_LINES)
    reason = _said(history, lines)
    if reason is None:
        advice = what_to_try(exit_status, LESS_MEMORY)
        ending = f"The training failed: {describe_exit(exit_status)}. {advice}"
        return "\n".join([ending.rstrip(), *lines[-LAST_LINES:]])
    cures = [cure for pattern, cure in _CURES if re.search(pattern, reason, re.IGNORECASE)]
    return "\n".join(["The training failed: " + reason.rstrip(".") + ".", *cures[:1]])


def _said(history: History, lines: list[str]) -> str | None:
    """What the program itself gave as the reason."""
    for line in reversed(lines):
        if line.startswith("Error: "):
            return line.removeprefix("Error: ")
    severe = [problem for problem in history.problems if problem.severity in "EF"]
    if not severe:
        return None
    # Real Caffe's parser says where a file is wrong in a line of its own, without glog's prefix.
    parser = [line.partition("] ")[2] for line in lines if line.startswith("[libprotobuf ERROR")]
    return " ".join([_without_check(severe[-1].message), *parser[-1:]])


def _without_check(message: str) -> str:
    """`Check failed: fd != -1 (-1 vs. -1) File not found: x` without the C++, if words are left."""
    if match := re.match(r"Check failed: .*?\([^()]* vs\. [^()]*\)\s*(.+)", message):
        return match[1]
    if match := re.match(r"Check failed: \w+\([^()]*\)\s+([A-Z].+)", message):
        return match[1]
    return message
