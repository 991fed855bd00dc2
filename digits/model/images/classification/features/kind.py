"""What files of features are: no form makes them, and they belong to their models."""

from digits.model.images.classification.features import views
from digits.model.images.classification.features.job import ImageClassificationFeaturesJob
from digits.web.access import Access
from digits.web.kind import JobKind, Route, Routes

KIND = JobKind(
    job_type=ImageClassificationFeaturesJob,
    page="classification_features.show",
    routes=(Routes(views.blueprint, {"create": Route(Access.MAKE), "show": Route(Access.SEE)}),),
)
