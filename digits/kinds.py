"""Every kind of job that this version knows; a new kind is added here."""

from digits.dataset.images.classification.job import ImageClassificationDatasetJob
from digits.model.images.classification.evaluation.job import ImageClassificationEvaluationJob
from digits.model.images.classification.job import ImageClassificationModelJob

JOB_TYPES = (
    ImageClassificationDatasetJob,
    ImageClassificationModelJob,
    ImageClassificationEvaluationJob,
)
