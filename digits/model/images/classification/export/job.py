"""An export: a snapshot of a model becomes an ONNX file, or a page that classifies by itself.

The folder holds `request.json`, what the program was asked for, the file to download, and
`figures.json`, what is known of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from digits.errors import JobUnreadable
from digits.inference.exporting.figures import ExportFigures, read_figures
from digits.inference.exporting.request import MODEL_FILE, PAGE_FILE
from digits.inference.operations.exports import INT8, PAGE
from digits.jobs.job import Job
from digits.jobs.status import Status
from digits.jobs.task import Task
from digits.model.images.classification.export.settings import ExportSettings
from digits.model.images.classification.export.tasks import ExportTask


class ImageClassificationExportJob(Job):
    """What a model is elsewhere; it belongs to the model and goes with it."""

    type_name = "image-classification-export"
    title = "Image Classification Export"
    category = "export"
    settings_type = ExportSettings
    settings: ExportSettings
    task_types = (ExportTask,)

    def check(self) -> None:
        if len(self.tasks) != 1:
            raise JobUnreadable(f"an export has one task; this one has {len(self.tasks)}")
        super().check()

    @property
    def belongs_to(self) -> str | None:
        return self.settings.model

    def create_tasks(self) -> list[Task]:
        return [ExportTask(self.dir, "export")]

    @property
    def file(self) -> Path:
        """The file that it makes."""
        return self.dir / (PAGE_FILE if self.settings.format == PAGE else MODEL_FILE)

    @property
    def is_made(self) -> bool:
        """Whether there is something to download."""
        return self.status is Status.DONE and self.file.is_file()

    @property
    def download_name(self) -> str:
        """What the file is called where it is downloaded."""
        numbers = "_int8" if self.settings.quantize == INT8 else ""
        return f"{self.settings.model}_epoch_{self.settings.epoch:g}{numbers}{self.file.suffix}"

    def figures(self) -> ExportFigures | None:
        """What is known of the file; None until it is made."""
        return read_figures(self.dir) if self.is_made else None

    def facts(self) -> dict[str, Any]:
        """What it was asked for and what came of it, as plain JSON."""
        settings, figures = self.settings, self.figures()
        return {
            "model": settings.model,
            "epoch": settings.epoch,
            "format": settings.format,
            "preprocess": settings.preprocess,
            "quantize": settings.quantize,
            "figures": figures.to_json() if figures else None,
        }
