"""What uploaded classification models are, for every list and menu."""

from dataclasses import fields

from digits.model.images.classification.settings import ImageClassificationModelSettings
from digits.model.images.classification.upload import views
from digits.model.images.classification.upload.forms import ArchiveUploadForm
from digits.model.images.classification.upload.job import UploadedClassificationModelJob
from digits.web.access import Access
from digits.web.kind import Body, JobKind, MenuEntry, Route, Routes

KIND = JobKind(
    job_type=UploadedClassificationModelJob,
    page="models.show",
    template="models/images/classification/uploaded.html",
    form=ArchiveUploadForm,
    new="uploaded_models.new",
    menu=MenuEntry("Images", "Upload a model", "Upload a model", "diagram-3"),
    routes=(
        Routes(
            views.blueprint,
            {
                "new": Route(Access.MAKE),
                "create": Route(Access.MAKE, Body.FILES),
                "imagenet": Route(Access.MAKE),
            },
        ),
    ),
    setting_titles={
        "archive_name": "Archive",
        "archive_files": "Files of the archive",
        "image_width": "Width of the pictures",
        "image_height": "Height of the pictures",
        "image_channels": "Channels of the pictures",
        "origin_dataset": "Dataset that it learned from",
    },
    uses_camera=True,
    # Those of a training are in the solver, where the archive has one, and were not asked for here.
    shown_elsewhere=tuple(
        {each.name for each in fields(ImageClassificationModelSettings)}
        - {"crop_size", "use_mean", "mean_value", "scale"}
    ),
)
