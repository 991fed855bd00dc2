"""What classification models are, for every list and menu."""

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.images.classification import augmentation_views, views
from digits.model.images.classification.forms import ImageClassificationModelForm
from digits.model.images.classification.job import ImageClassificationModelJob
from digits.web.access import Access
from digits.web.kind import Body, JobKind, MenuEntry, Route, Routes

KIND = JobKind(
    job_type=ImageClassificationModelJob,
    learns_from=ImageClassificationDatasetJob,
    page="models.show",
    template="models/images/classification/show.html",
    form=ImageClassificationModelForm,
    new="classification_models.new",
    network_problems=views.network_problems,
    menu=MenuEntry("Images", "Classification", "Image classification model", "diagram-3"),
    routes=(
        Routes(augmentation_views.blueprint, {"augment_example": Route(Access.MAKE)}),
        Routes(
            views.blueprint,
            {
                "new": Route(Access.MAKE),
                "create": Route(Access.MAKE, Body.FILES),
                "fit": Route(Access.SEE),
                "estimate": Route(Access.MAKE),
                "large_graph": Route(Access.SEE),
                # Trying a model changes nothing; where it becomes a job, the view asks for more.
                "classify_one": Route(Access.SEE, Body.PICTURE),
                "layer_pictures": Route(Access.SEE, Body.PICTURE),
                "explain": Route(Access.SEE, Body.PICTURE),
                "classify_many": Route(Access.SEE, Body.PICTURE),
                "top_n": Route(Access.SEE, Body.PICTURE),
                "pictures_to_try": Route(Access.SEE),
                "classify_pictures": Route(Access.SEE, Body.PICTURE),
                "keep_answers": Route(Access.MAKE, Body.FILES),
                # What came of many pictures.
                "evaluation": Route(Access.SEE),
                "evaluation_classifications": Route(Access.SEE),
                "evaluation_matrix": Route(Access.SEE),
                "evaluation_thumbnail": Route(Access.SEE),
                "evaluation_top_n": Route(Access.SEE),
                "compared_evaluations": Route(Access.SEE),
                "evaluated_picture": Route(Access.SEE),
                "evaluated_original": Route(Access.SEE),
            },
        ),
    ),
    setting_titles={
        "use_gpu": "Trained on a GPU",
        "caffe_root": "Caffe",
        "caffe_version": "Version of Caffe",
        "previous_snapshot": "Snapshot of the previous network",
    },
    # They have places of their own on the model's page, or are the dataset's.
    uses_camera=True,
    classify="classification_models.classify_one",
    shown_elsewhere=("weights_report", "warnings", "previous_labels", "has_own_input", "card"),
)
