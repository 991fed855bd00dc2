"""Look at a folder of pictures before a dataset is made of it: count, show, read, compare.

An examination is a generator: each step takes a moment, and a request runs as many as fit into its
time.  What a worker forgets (it is restarted, or others ask for more folders) is begun again.
Sources: the same search and the same reading as the programs that make the dataset.
"""

from __future__ import annotations

import os
import time
import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from digits.base.formatting import count as count_words
from digits.base.progress import ProgressMeter, printable
from digits.errors import ImageError, ToolError
from digits.images import read_resized
from digits.inference.operations.folders import (
    ExamineFolder,
    FolderReport,
    FoundCategory,
    FoundOdd,
    FoundSample,
)
from digits.inference.work.state import State
from digits.inference.work.thumbnails import preview
from digits.sources.folders import (
    Category,
    Search,
    checked,
    folders_of_categories,
    has_picture_extension,
    unwrapped,
)
from digits.sources.paths import PathPolicy
from digits.sources.same_files import Twins, groups_of_same, note_twins
from digits.sources.split_folders import split_categories
from digits.sources.unequal import words_of_unequal

# A request is answered after so long; whoever asks sees it move.
SLICE_S = 0.7
# More is not looked at before a dataset is made: the programs that make it look at all.
MOST_PICTURES = 200_000
MOST_LOOKING_S = 60.0
MOST_CATEGORIES = 1000  # that are reported
MOST_SAMPLED = 24
SAMPLES_EACH = 4
MOST_NAMED = 20
_SAMPLE_SIDE = 64
# Small enough for a JPEG to be decoded at an eighth, and all of its file is read.
_LOOK_SIDE = 16
_KEPT = 4
_STEP = 200


def examine_folder(state: State, request: ExamineFolder) -> FolderReport:
    """Go on with the examination of a folder, and say what is known of it."""
    key = (str(request.folder), request.run, request.as_sets)
    kept = state.examinations
    examination = kept.pop(key, None) or Examination(request)
    until_s = time.monotonic() + SLICE_S
    while not examination.finished:
        examination.step()
        if time.monotonic() >= until_s:
            break
    if not examination.finished:
        kept[key] = examination
        while len(kept) > _KEPT:
            kept.popitem(last=False)
    return examination.report(request.samples_from)


class Examination:
    """One look at one folder."""

    def __init__(self, request: ExamineFolder) -> None:
        self._folder = request.folder
        self._unwraps = request.unwrap
        self._as_sets = request.as_sets
        paths = PathPolicy(request.roots, request.jobs_dir)
        self._search = Search(ProgressMeter("pictures"), self._skip, paths, self._pass_over)
        self._steps = self._all_steps()
        self._spent_s = 0.0
        self.finished = False
        self._problem = ""
        self._is_cut = False
        self._counted = self._looked_at = 0
        self._found: list[Category] = []
        self._sets: list[tuple[str, Category]] = []
        self._samples: list[FoundSample] = []
        self._broken: list[FoundOdd] = []
        self._broken_count = 0
        self._left_out: list[FoundOdd] = []
        self._left_out_count = 0
        self._warnings: list[str] = []

    def step(self) -> None:
        """A moment's work."""
        began_s = time.monotonic()
        try:
            next(self._steps)
        except StopIteration:
            self.finished = True
        except ToolError as error:
            self._problem, self.finished = self._in_own_words(str(error)), True
        except OSError as error:
            self._problem, self.finished = f"It cannot be read: {error.strerror}.", True
        self._spent_s += time.monotonic() - began_s

    def report(self, samples_from: int) -> FolderReport:
        """What is known."""
        counted = self._sets or [("", category) for category in self._found]
        return FolderReport(
            finished=self.finished,
            problem=self._problem,
            pictures=sum(len(category.pictures) for _, category in counted),
            looked_at=self._looked_at,
            is_cut=self._is_cut,
            category_count=len(counted),
            categories=tuple(
                FoundCategory(printable(category.label), name, len(category.pictures))
                for name, category in counted[:MOST_CATEGORIES]
            ),
            samples=tuple(self._samples[max(0, samples_from) :]),
            broken=tuple(self._broken),
            broken_count=self._broken_count,
            left_out=tuple(self._left_out),
            left_out_count=self._left_out_count,
            warnings=tuple(self._warnings),
        )

    # The steps ----------------------------------------------------------------------------------

    def _all_steps(self) -> Iterator[None]:
        yield from self._count()
        yield
        self._divide()
        yield from self._show()
        yield from self._compare()
        yield from self._look()

    def _count(self) -> Iterator[None]:
        """Find the categories and their pictures."""
        top = unwrapped(self._folder) if self._unwraps else self._folder
        yield from self._pass_over_loose(top)
        for category, pictures in folders_of_categories(top, self._search):
            self._found.append(category)
            for number, picture in enumerate(pictures, 1):
                if picture is not None:
                    category.pictures.append(picture)
                    self._counted += 1
                if number % _STEP == 0:
                    yield
                    if self._is_over():
                        return
            yield
            if self._is_over():
                return

    def _pass_over_loose(self, top: Path) -> Iterator[None]:
        """Pictures that lie beside the folders of the categories become part of none."""
        try:
            with os.scandir(top) as entries:
                for entry in entries:
                    if has_picture_extension(entry.name) and entry.is_file():
                        self._skip(entry.path, "it lies in no category folder")
                    yield
        except OSError:
            return  # told when the folder is searched

    def _is_over(self) -> bool:
        self._is_cut = self._counted >= MOST_PICTURES or self._spent_s > MOST_LOOKING_S
        return self._is_cut

    def _divide(self) -> None:
        """Say which categories are of which set, and what is odd about them."""
        self._found = checked(self._found)
        own = split_categories(self._found) if self._as_sets else {}
        if own:
            self._sets = [(name, category) for name, each in own.items() for category in each]
            self._pass_over_others()
        else:
            self._sets = [("", category) for category in self._found]
        training = [category for name, category in self._sets if name in ("", "train")]
        if sum(bool(category.pictures) for category in training) < 2:
            where = "this folder" if self._unwraps else printable(self._folder.name)
            self._problem = _too_few(where, training)
        self._warnings += _alike([category.label for category in training])
        if not self._is_cut:  # else nobody knows what is behind what was counted
            self._warnings += [*_single(training), *_strange(own)]
        if words := words_of_unequal({each.label: len(each.pictures) for each in training}):
            self._warnings.append(words)
        if empty := [each.label for each in training if not each.pictures]:
            self._warnings.append(f"Without a picture: {_listed(empty)}.")

    def _pass_over_others(self) -> None:
        """Pictures beside the sets, or in a set but in no category of it, become part of none."""
        used = {picture for _, category in self._sets for picture in category.pictures}
        for category in self._found:
            for picture in category.pictures:
                if picture not in used:
                    self._skip(picture, "it lies in no category folder of these sets")

    def _show(self) -> Iterator[None]:
        """Small pictures of the first categories."""
        for number, (_, category) in enumerate(self._sets[:MOST_SAMPLED]):
            shown = 0
            for picture in category.pictures[: 4 * SAMPLES_EACH]:
                if shown == SAMPLES_EACH:
                    break
                shown += self._show_one(number, picture)
                yield

    def _show_one(self, number: int, picture: str) -> bool:
        try:
            data = preview(picture, _SAMPLE_SIDE)
        except ImageError:
            return False  # what is broken is told below
        kind = "png" if data.startswith(b"\x89PNG") else "jpeg"
        self._samples.append(FoundSample(number, self._below(picture), kind, data))
        return True

    def _compare(self) -> Iterator[None]:
        """Find the same picture twice, in a set and in two."""
        paths: dict[str, list[str]] = defaultdict(list)
        for name, category in self._sets:
            paths[name].extend(category.pictures)
        twins = Twins()
        for group in groups_of_same(paths):
            if group:
                note_twins(twins, group, list(paths))
            if self._spent_s > MOST_LOOKING_S / 2:
                self._is_cut = True
                break
            yield
        self._warnings += self._words_of(twins)

    def _words_of(self, twins: Twins) -> Iterator[str]:
        for (first, second), pairs in twins.between.items():
            yield (
                f"{count_words(len(pairs))} of the pictures for {first} "
                f"{'is' if len(pairs) == 1 else 'are'} for {second}, too, so a network is tested "
                f"on what it has learned: {self._named(pairs)}."
            )
        for name, pairs in twins.within.items():
            where = f" for {name}" if name else ""
            what = "picture is" if len(pairs) == 1 else "pictures are"
            yield f"{count_words(len(pairs))} {what} there twice{where}: {self._named(pairs)}."

    def _named(self, pairs: Sequence[tuple[str, str]]) -> str:
        shown = "; ".join(f"{self._below(a)} is {self._below(b)}" for a, b in pairs[:3])
        return shown + ("; …" if len(pairs) > 3 else "")

    def _look(self) -> Iterator[None]:
        """Read the pictures, as far as there is time: one of each category in turn."""
        longest = max((len(category.pictures) for _, category in self._sets), default=0)
        for place in range(longest):
            for _, category in self._sets:
                if place < len(category.pictures):
                    self._look_at(category.pictures[place])
                    yield
                    if self._spent_s > MOST_LOOKING_S:
                        self._is_cut = True
                        return

    def _look_at(self, picture: str) -> None:
        self._looked_at += 1
        try:
            read_resized(picture, _LOOK_SIDE, _LOOK_SIDE, 3)
        except ImageError as error:
            self._broken_count += 1
            if len(self._broken) < MOST_NAMED:
                self._broken.append(FoundOdd(self._below(picture), str(error)))

    # What is left out ---------------------------------------------------------------------------

    def _skip(self, path: str, reason: str) -> None:
        self._left_out_count += 1
        if len(self._left_out) < MOST_NAMED:
            self._left_out.append(FoundOdd(self._below(path), reason))

    def _pass_over(self, path: str) -> None:
        self._skip(path, "not a picture")

    def _in_own_words(self, message: str) -> str:
        """A message without the place of an upload, which only the server knows."""
        return message.replace(f"{self._folder}/", "") if self._unwraps else message

    def _below(self, path: str) -> str:
        return printable(os.path.relpath(path, self._folder))


def _too_few(where: str, training: Sequence[Category]) -> str:
    found = [category.label for category in training if category.pictures]
    there = f"Only {printable(found[0])!r} has pictures" if found else "There are no pictures"
    return (
        f"{there} in sub-folders of {where}. Make a sub-folder for each category, two at least, "
        "and put its pictures there."
    )


def _listed(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - 10} more" if len(labels) > 10 else ""
    return f"{', '.join(map(repr, labels[:10]))}{more}"


def _single(training: Sequence[Category]) -> Iterator[str]:
    """Categories that the usual minimum leaves out."""
    single = [each.label for each in training if len(each.pictures) == 1]
    if not single:
        return
    rest = sum(len(each.pictures) > 1 for each in training)
    few = " That leaves fewer than two categories." if rest < 2 else ""
    yield (
        f"With one picture alone: {_listed(single)}. A category of fewer than two is left out, "
        f"unless you lower the minimum per category.{few}"
    )


def _strange(sets: Mapping[str, Sequence[Category]]) -> Iterator[str]:
    """Categories of the other sets that there is nothing to train with of."""
    known = {each.label for each in sets.get("train", ())}
    for name, categories in sets.items():
        if strange := [each.label for each in categories if each.label not in known]:
            yield f"Left out of {name}, because train has no such category: {_listed(strange)}."


def _alike(labels: Sequence[str]) -> Iterator[str]:
    """Names that differ in capitals alone, or in how their letters are written down."""
    by_look: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        by_look[unicodedata.normalize("NFKC", label).casefold()].append(label)
    for names in by_look.values():
        if len(names) > 1:
            shown = " and ".join(repr(printable(name)) for name in names)
            yield f"{shown} look alike, and become different categories; merge what is one."
