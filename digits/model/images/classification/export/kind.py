"""What exports are: no form of their own makes them, they stand on their models' pages."""

from digits.model.images.classification.export import views
from digits.model.images.classification.export.job import ImageClassificationExportJob
from digits.web.access import Access
from digits.web.kind import JobKind, Route, Routes

KIND = JobKind(
    job_type=ImageClassificationExportJob,
    page="exports.show",
    routes=(
        Routes(
            views.blueprint,
            {
                "exports": Route(Access.SEE),
                "create": Route(Access.MAKE),
                # A small file is made for whoever may see the model, and not kept.
                "download_onnx": Route(Access.SEE),
                "show": Route(Access.SEE),
                "download": Route(Access.SEE),
            },
        ),
    ),
)
