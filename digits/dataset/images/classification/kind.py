"""What classification datasets are, for every list and menu."""

from digits.dataset.images.classification import picture_views, views
from digits.dataset.images.classification.choosing import folder_views, upload_views
from digits.dataset.images.classification.forms import ImageClassificationDatasetForm
from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.jobs.kind import Record
from digits.web.access import Access
from digits.web.kind import Body, JobKind, MenuEntry, Route, Routes

KIND = JobKind(
    job_type=ImageClassificationDatasetJob,
    record=Record(input="picture", target="category"),
    page="datasets.show",
    template="datasets/images/classification/show.html",
    form=ImageClassificationDatasetForm,
    new="classification_datasets.new",
    menu=MenuEntry("Images", "Classification", "Image classification dataset", "images"),
    routes=(
        Routes(
            views.blueprint,
            {"new": Route(Access.MAKE), "create": Route(Access.MAKE, Body.FILES)},
        ),
        Routes(
            upload_views.blueprint,
            {
                "begin": Route(Access.MAKE),
                "index": Route(Access.MAKE),
                "show": Route(Access.MAKE),
                "remove": Route(Access.MAKE),
                "files": Route(Access.MAKE),
                "add": Route(Access.MAKE, Body.FILES),
                "look": Route(Access.MAKE),
            },
        ),
        Routes(
            folder_views.blueprint,
            {"show": Route(Access.MAKE), "look": Route(Access.MAKE)},
        ),
        Routes(
            picture_views.blueprint,
            {
                "show": Route(Access.SEE),
                "explore": Route(Access.SEE),
                "show_samples": Route(Access.SEE),
                "picture": Route(Access.SEE),
                "show_picture": Route(Access.SEE),
            },
        ),
    ),
)
