"""Look at a folder of pictures before a dataset is made of it.

A worker does it, some moments at each request, so that neither a folder of a million files nor a
broken picture holds up the server; who asks goes on asking until it is `finished`.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from digits.inference.operations.messages import IN_A_PART
from digits.inference.operations.request import Request


@dataclass(frozen=True)
class FoundCategory:
    """A category and how many pictures there are of it; `set` is empty, or train, val or test."""

    label: str
    set: str
    pictures: int


@dataclass(frozen=True)
class FoundSample:
    """A small picture (`kind` png or jpeg) of the category with this number in the report."""

    category: int
    name: str
    kind: str
    data: bytes

    @property
    def url(self) -> str:
        """The picture as a `data:` address."""
        return f"data:image/{self.kind};base64,{base64.b64encode(self.data).decode()}"


@dataclass(frozen=True)
class FoundOdd:
    """A file that cannot become a part of the dataset, below the folder, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class FolderReport:
    """What is known so far.

    `problem` says why no dataset can be made of the folder.  There are `pictures` of which
    `looked_at` were read; `is_cut` says that there are more, or that the time was over.  `broken`
    and `left_out` hold the first of `broken_count` and `left_out_count`.  `warnings` are whole
    sentences.
    """

    finished: bool = False
    problem: str = ""
    pictures: int = 0
    looked_at: int = 0
    is_cut: bool = False
    category_count: int = 0
    categories: Annotated[tuple[FoundCategory, ...], IN_A_PART] = ()
    samples: tuple[FoundSample, ...] = ()
    broken: Annotated[tuple[FoundOdd, ...], IN_A_PART] = ()
    broken_count: int = 0
    left_out: Annotated[tuple[FoundOdd, ...], IN_A_PART] = ()
    left_out_count: int = 0
    warnings: Annotated[tuple[str, ...], IN_A_PART] = ()


@dataclass(frozen=True)
class ExamineFolder(Request[FolderReport]):
    """Look at `folder` for a moment more; samples from number `samples_from` on.

    `run` tells those apart who look at the same folder.  Links are followed into `roots` alone
    (none: anywhere); what the server hides in `jobs_dir` is not looked at.
    """

    folder: Path
    run: str = ""
    samples_from: int = 0
    as_sets: bool = True  # whether folders train, val and test in it are sets
    unwrap: bool = False  # whether a single folder around all others counts as the folder
    roots: tuple[str, ...] = field(default=())
    jobs_dir: Path | None = None
