"""The blueprint of classification models, which `views.py` and `try_out/views.py` fill."""

from flask import Blueprint

blueprint = Blueprint("classification_models", __name__)
