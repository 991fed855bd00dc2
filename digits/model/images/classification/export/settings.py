"""What an export was asked for, in the words of the form that it comes from."""

from __future__ import annotations

from dataclasses import dataclass

from digits.inference.operations.exports import AS_LEARNED, ONNX, PAGE, Format, Numbers
from digits.jobs.settings import JobSettings


@dataclass(frozen=True, kw_only=True)
class ExportSettings(JobSettings):
    """A snapshot of a model, and what it becomes."""

    model: str  # its id
    model_name: str  # as it was called then
    epoch: float
    format: Format = ONNX
    preprocess: bool = True
    quantize: Numbers = AS_LEARNED

    @property
    def words(self) -> str:
        """What it is called in lists: "ONNX for pictures, int8"."""
        if self.format == PAGE:
            text = "Page for any browser"
        else:
            text = "ONNX for pictures" if self.preprocess else "ONNX of the network alone"
        return text if self.quantize == AS_LEARNED else f"{text}, {self.quantize}"

    def is_same(self, other: ExportSettings) -> bool:
        """Whether both ask for the same, of whatever the model is called now."""
        return (
            self.model == other.model
            and self.epoch == other.epoch
            and self.format == other.format
            and self.preprocess == other.preprocess
            and self.quantize == other.quantize
        )
