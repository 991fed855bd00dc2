"""Classify many pictures with one network, and write what comes of it into a folder.

REQUEST is a JSON file; paths in it are absolute or start at the folder that the program runs in:

    network       as `digits.inference.operations.Network` has it
    source        {"list": FILE, "folder": where its relative paths start, or ""}, or
                  {"folder": FOLDER} for all pictures below it, or
                  {"database": PATH, "backend": "lmdb", "count": pictures in it}, or
                  {"answers": FILE, "labels": [...]} for what a network has answered already
    limit         at most so many pictures; null: all
    top_n         how many of the best pictures of each class are kept
    data_roots, jobs_dir     where a list's paths may lead
    timeout_s, memory_mb     of the process that holds the network

  python -m digits.inference.evaluate request.json

Written: the files of `digits.inference.evaluation`.  It runs at low priority.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from digits.base.priority import lower_priority
from digits.base.program import run_program
from digits.base.progress import SECONDS_BETWEEN_LINES, ProgressMeter, log, log_skipped
from digits.errors import ToolError
from digits.inference.best import BestOfClasses
from digits.inference.evaluation import THUMBNAIL_SIDE, EvaluationWriter
from digits.inference.given_answers import Answer, given_answers, note_best
from digits.inference.many import ClassifiedPicture, classify_many
from digits.inference.opening import Opener
from digits.inference.operations import Database, Network, Source
from digits.inference.operations.messages import from_json
from digits.inference.pool import Pool, PoolSettings
from digits.sources.downloads import Downloader
from digits.sources.folders import Search, category_of_path, check_folder, pictures_below
from digits.sources.paths import PathPolicy
from digits.sources.picture_list import Entry, lines_of, parse_lines
from digits.sources.url_policy import UrlPolicy

NICENESS = 10
FOUND_FILE = "found.txt"
# Rows are made readable so often: a little before each line about the progress, which makes pages
# look at them.
_FLUSH_EVERY_S = 0.8 * SECONDS_BETWEEN_LINES


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.inference.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", type=Path, metavar="REQUEST")
    options = parser.parse_args()
    # The worker inherits it.
    lower_priority(NICENESS)
    run_program(lambda: evaluate(json.loads(options.request.read_text()), Path.cwd()))


def evaluate(request: Mapping[str, Any], folder: Path) -> str:
    """Classify what the request names into files in `folder`; answers what came of it, in words."""
    network = from_json(Network, request["network"])
    if "answers" in request["source"]:
        return _keep_answers(request, folder, network)
    settings = PoolSettings(
        workers=1, timeout_s=request["timeout_s"], memory_mb=request["memory_mb"], niceness=0
    )
    log.info("Loading %s", network.weights.name)
    # The pool is closed first, which ends the loading too.
    with ThreadPoolExecutor(1, "load") as loading, Pool(settings) as pool:
        loaded = loading.submit(pool.facts, network)
        source = request["source"]
        if "folder" in source and "list" not in source:
            _find(Path(source["folder"]), folder / FOUND_FILE, request["limit"], _paths(request))
        labels = loaded.result().labels
        best = BestOfClasses(len(labels), request["top_n"])
        evaluation = _Evaluation(request, folder, network, pool, labels, best)
        with EvaluationWriter(folder, labels, network.is_probability) as writer:
            evaluation.run(writer)
            writer.write_end(best)
    return _words(writer)


def _keep_answers(request: Mapping[str, Any], folder: Path, network: Network) -> str:
    """Write what a network has answered already; no network is loaded."""
    labels = request["source"]["labels"]
    best = BestOfClasses(len(labels), request["top_n"])
    meter = ProgressMeter("images", None)
    with EvaluationWriter(folder, labels, network.is_probability) as writer:
        for name, truth, picture, reason in given_answers(
            folder / request["source"]["answers"], labels
        ):
            if reason:
                log_skipped(name, reason)
            writer.add(name, truth, picture, reason)
            note_best(best, picture)
            meter.add()
        writer.write_end(best)
    meter.finish()
    # All of it is in the other files now.
    (folder / request["source"]["answers"]).unlink()
    return _words(writer)


def _paths(request: Mapping[str, Any]) -> PathPolicy:
    """What may be read of the disk."""
    return PathPolicy(request["data_roots"], Path(request["jobs_dir"]))


def _find(folder: Path, found: Path, limit: int | None, paths: PathPolicy) -> None:
    """Note the pictures below a folder, a line each; raises ToolError when there are none."""
    check_folder(folder)
    search = Search(ProgressMeter("images"), log_skipped, paths)
    with found.open("w", encoding="utf-8") as file:
        for picture in itertools.islice(pictures_below(folder, search), limit):
            file.write(f"{picture}\n")
        if not file.tell():
            raise ToolError(f"There is no picture in {folder}. Choose another folder.")


class _Evaluation:
    """One run of the program."""

    def __init__(
        self,
        request: Mapping[str, Any],
        folder: Path,
        network: Network,
        pool: Pool,
        labels: Sequence[str],
        best: BestOfClasses,
    ) -> None:
        self._request = request
        self._folder = folder
        self._network = network
        self._pool = pool
        self._labels = labels
        self._numbers = {label: number for number, label in enumerate(labels)}
        self._best = best

    def run(self, writer: EvaluationWriter) -> None:
        """Classify everything."""
        answers, total = self._answers()
        meter = ProgressMeter("images", total)
        flushed = time.monotonic()
        for name, truth, picture, reason in answers:
            if reason:
                log_skipped(name, reason)
            writer.add(name, truth, picture, reason)
            if time.monotonic() - flushed >= _FLUSH_EVERY_S:
                writer.flush()
                flushed = time.monotonic()
            meter.add()
        meter.finish()

    def _answers(self) -> tuple[Iterator[Answer], int | None]:
        """What the network says, picture by picture, and how many there will be."""
        source, limit = self._request["source"], self._request["limit"]
        if "database" in source:
            database = Database(Path(source["database"]), source["backend"])
            total = source["count"]
            return self._of_database(database, limit), total if limit is None else min(total, limit)
        if "list" in source:
            path, below = self._folder / source["list"], source["folder"]
        else:
            path, below = self._folder / FOUND_FILE, ""
        total = sum(1 for _ in self._entries(path))
        return self._of_list(path, below), total

    def _of_database(self, database: Database, limit: int | None) -> Iterator[Answer]:
        for picture in self._classify(database, limit):
            truth = picture.label
            known = truth is not None and 0 <= truth < len(self._labels)
            yield picture.key, truth if known else None, picture, picture.reason

    def _of_list(self, path: Path, below: str) -> Iterator[Answer]:
        downloader = Downloader(UrlPolicy.from_environment(os.environ))
        opener = Opener(below, _paths(self._request), downloader)
        pictures = opener.open_all(self._entries(path))
        # The list is read a second time, so that nothing of it is held meanwhile.
        for entry, picture in zip(self._entries(path), self._classify(pictures, None), strict=True):
            reason = opener.reasons.pop(picture.number, "") or picture.reason
            yield entry.path, entry.label, picture, reason

    def _classify(
        self, pictures: Iterable[Source] | Database, limit: int | None
    ) -> Iterator[ClassifiedPicture]:
        return classify_many(
            self._pool,
            self._network,
            pictures,
            limit=limit,
            thumbnail_side=THUMBNAIL_SIDE,
            best=self._best,
        )

    def _entries(self, path: Path) -> Iterator[Entry]:
        with path.open("rb") as file:
            if path.name == FOUND_FILE:
                root = os.path.abspath(self._request["source"]["folder"])
                yield from (self._found_entry(line.decode().rstrip("\n"), root) for line in file)
            else:
                parsed = parse_lines(lines_of(file), len(self._labels), self._request["limit"])
                yield from (entry for entry in parsed if entry is not None)

    def _found_entry(self, path: str, root: str) -> Entry:
        """A picture found below `root`: class folders tell its class, the outermost wins."""
        below = path.removeprefix(root).lstrip("/")
        return Entry(path, category_of_path(below, self._numbers))


def _words(writer: EvaluationWriter) -> str:
    text = f"{writer.count - writer.unreadable} of {writer.count} pictures classified"
    if writer.labelled:
        text += f", {100 * writer.right / writer.labelled:.2f} % of {writer.labelled} right"
    return f"{text}."


if __name__ == "__main__":
    main()
