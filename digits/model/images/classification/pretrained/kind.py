"""What pretrained models are, for every list and menu."""

from digits.model.images.classification.pretrained import views
from digits.model.images.classification.pretrained.forms import PretrainedModelForm
from digits.model.images.classification.pretrained.job import PretrainedModelJob
from digits.model.images.classification.upload.kind import KIND as UPLOADED
from digits.web.access import Access
from digits.web.kind import Body, JobKind, MenuEntry, Route, Routes

KIND = JobKind(
    job_type=PretrainedModelJob,
    page="pretrained_models.show",
    template="models/images/classification/pretrained/show.html",
    form=PretrainedModelForm,
    new="pretrained_models.new",
    menu=MenuEntry("Images", "Classification", "Pretrained classification model", "diagram-3"),
    routes=(
        Routes(
            views.blueprint,
            {
                "new": Route(Access.MAKE),
                "create": Route(Access.MAKE, Body.FILES),
                "upload_archive": Route(Access.MAKE, Body.FILES),
                "show": Route(Access.SEE),
            },
        ),
        Routes(views.model_blueprint, {"to_pretrained": Route(Access.MAKE)}, prefix="/models"),
    ),
    setting_titles={**UPLOADED.setting_titles, "archive_name": "File"},
    uses_camera=True,
    shown_elsewhere={*UPLOADED.shown_elsewhere, "card"},
)
