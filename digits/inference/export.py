"""Export a trained network: an ONNX file, with numbers of 8 bits if wanted, or a page around it.

REQUEST is a JSON file, an `ExportRequest` of `digits.inference.exporting.request`; the program runs
in the folder that it writes into.

  python -m digits.inference.export request.json

Written: model.onnx or a page, whole or not at all, and figures.json.  It runs at low
priority, and takes no more memory than `memory_limit` says.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from digits.base.atomic import write_text
from digits.base.formatting import file_size
from digits.base.priority import lower_priority
from digits.base.program import limit_memory, run_program
from digits.base.progress import ProgressMeter, log
from digits.errors import ToolError
from digits.inference.exporting.figures import ExportFigures
from digits.inference.exporting.memory import memory_limit, memory_needed
from digits.inference.exporting.page import missing_runtime, page_facts, write_page
from digits.inference.exporting.request import (
    FIGURES_FILE,
    MODEL_FILE,
    PAGE_FILE,
    ExportRequest,
)
from digits.inference.operations.messages import from_json
from digits.inference.protocol import ProtocolError

if TYPE_CHECKING:
    import onnx

    from digits.inference.exporting.measuring import Measured
    from digits.inference.exporting.pictures import Example, Feeder, Feeds

NICENESS = 10


def main() -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(
        prog="python -m digits.inference.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", type=Path, metavar="REQUEST")
    options = parser.parse_args()
    lower_priority(NICENESS)
    run_program(lambda: _within_its_memory(_request(options.request), Path.cwd()))


def _request(path: Path) -> ExportRequest:
    try:
        return from_json(ExportRequest, json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, RecursionError, ProtocolError) as error:
        raise ToolError(f"{path} is no request to export a network: {error}") from error


def _within_its_memory(request: ExportRequest, folder: Path) -> str:
    weights = request.network.weights
    size = weights.stat().st_size if weights.is_file() else 0
    needed = memory_needed(size, is_int8=request.is_int8)
    log.info("Exporting %s takes about %s of memory", weights.name, file_size(needed))
    limit = memory_limit(size, is_int8=request.is_int8)
    limit_memory(limit)
    try:
        return export(request, folder)
    except MemoryError as error:
        raise ToolError(
            f"Exporting it needs more than the {file_size(limit)} of memory that it may take. "
            "Export it without int8, or a smaller network."
        ) from error


def export(request: ExportRequest, folder: Path) -> str:
    """Make what the request asks for in `folder`; answers what came of it, in words."""
    if request.is_page and (problem := missing_runtime(request.runtime or folder)):
        raise ToolError(problem)
    # What a program that is stopped leaves half made goes with this folder.
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder) as making:
        return _Export(request, folder, Path(making)).run()


class _Export:
    """One run of the program; `making` is a folder for files that are not kept."""

    def __init__(self, request: ExportRequest, folder: Path, making: Path) -> None:
        self._request, self._folder, self._making = request, folder, making

    def run(self) -> str:
        """Make the model, make it smaller, measure it, put a page around it."""
        model = self._made()
        learned = self._making / MODEL_FILE
        learned.write_bytes(model.SerializeToString())
        for initializer in model.graph.initializer:  # the weights are in the file now
            initializer.ClearField("raw_data")
        path = self._quantized(model, learned) if self._request.is_int8 else learned
        figures = self._figures(model, learned, path)
        target = self._folder / (PAGE_FILE if self._request.is_page else MODEL_FILE)
        if self._request.is_page:
            self._write_page(model, path, target)
        else:
            _keep(path, target)
        figures = replace(figures, file_bytes=target.stat().st_size)
        write_text(self._folder / FIGURES_FILE, json.dumps(figures.to_json(), indent=1))
        return _words(target, figures)

    def _made(self) -> onnx.ModelProto:
        # Only now: a request that cannot be met is refused before PyTorch is loaded.
        from digits.inference.exporting.making import made_model  # noqa: PLC0415

        request = self._request
        return made_model(request.network, request.metadata, takes_pictures=request.takes_pictures)

    def _feeder(self, model: onnx.ModelProto) -> Feeder:
        from digits.inference.exporting.pictures import Feeder  # noqa: PLC0415

        request = self._request
        return Feeder(request.network, model, takes_pictures=request.takes_pictures)

    def _quantized(self, model: onnx.ModelProto, learned: Path) -> Path:
        from digits.inference.exporting import quantizing  # noqa: PLC0415

        feeder, count = self._feeder(model), quantizing.CALIBRATION_PICTURES
        smaller = self._making / "int8.onnx"
        meter = ProgressMeter("calibration pictures", min(count, self._pictures_there()))

        def feeds() -> Iterator[Feeds]:
            for example in self._examples(count):
                yield feeder.feeds(example.sample)
                meter.add()

        quantizing.quantize(learned, smaller, feeds())
        meter.finish()
        return smaller

    def _figures(self, model: onnx.ModelProto, learned: Path, path: Path) -> ExportFigures:
        from digits.inference.exporting import measuring, quantizing  # noqa: PLC0415
        from digits.inference.exporting.ports import ports_in_words  # noqa: PLC0415

        request = self._request
        after = self._measured(model, path)
        before = self._measured(model, learned) if request.is_int8 else None
        return ExportFigures(
            file_bytes=0,
            opset=model.opset_import[0].version,
            memory_bytes=1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
            model=after.figures(path),
            before=before.figures(learned) if before else None,
            largest_difference=measuring.largest_difference(after, before) if before else None,
            pictures=len(after.scores) if request.pictures else 0,
            split=request.pictures.split if request.pictures else "",
            calibration_pictures=min(quantizing.CALIBRATION_PICTURES, self._pictures_there())
            if request.is_int8
            else 0,
            inputs=ports_in_words(model.graph.input),
            outputs=ports_in_words(model.graph.output),
        )

    def _measured(self, model: onnx.ModelProto, path: Path) -> Measured:
        from digits.inference.exporting import measuring  # noqa: PLC0415

        feeder = self._feeder(model)
        output = self._request.network.output
        names = [port.name for port in model.graph.output]
        running = measuring.Running(path, output if output in names else None)
        most = measuring.MOST_PICTURES
        total = min(most, self._pictures_there())
        if not total:
            return measuring.measure_time(running, feeder.blank(), feeder.feeds)
        meter = ProgressMeter("images", total)
        measured = measuring.measure(running, self._examples(most), feeder.feeds, meter.add)
        meter.finish()
        return measured

    def _pictures_there(self) -> int:
        return self._request.pictures.count if self._request.pictures else 0

    def _examples(self, most: int) -> Iterator[Example]:
        from digits.inference.exporting.pictures import chosen_examples  # noqa: PLC0415

        pictures = self._request.pictures
        if pictures is None:
            raise ToolError(
                "int8 needs pictures to calibrate with, and the dataset of this model is not here. "
                "Export it without int8."
            )
        return islice(chosen_examples(pictures, most), most)

    def _write_page(self, model: onnx.ModelProto, path: Path, target: Path) -> None:
        request = self._request
        said = {prop.key: prop.value for prop in model.metadata_props}
        facts = page_facts(
            json.loads(said["labels"]),
            [(name, str(value)) for name, value in json.loads(said.get("about", "{}")).items()],
            is_probability=request.network.is_probability,
        )
        write_page(path, target, request.runtime or self._folder, request.name, facts)


def _keep(path: Path, target: Path) -> None:
    """Put a finished file at its place: flushed, so that it survives a power cut."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    shutil.move(path, target)


def _words(target: Path, figures: ExportFigures) -> str:
    text = f"{target.name}: {file_size(figures.file_bytes)}"
    model, before = figures.model, figures.before
    text += f", {model.ms_a_picture:.1f} ms a picture here"
    if model.accuracy is not None:
        text += f", {100 * model.accuracy:.2f} % of {figures.pictures} pictures right"
    if before is not None and before.accuracy is not None:
        text += f" ({100 * before.accuracy:.2f} % without int8)"
    return f"{text}."


if __name__ == "__main__":
    main()
