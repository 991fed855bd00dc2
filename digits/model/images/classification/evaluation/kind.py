"""What evaluations are: no form makes them, and their routes are those of their models."""

from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.web.kind import JobKind

KIND = JobKind(job_type=ImageClassificationEvaluationJob, page="classification_models.evaluation")
