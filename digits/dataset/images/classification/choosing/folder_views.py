"""Choose a folder of the server: what is in one, and what a dataset of it would have.

Nothing is shown that `data_roots` does not allow.
"""

from __future__ import annotations

from pathlib import Path

from flask import Blueprint, jsonify, request
from flask.typing import ResponseReturnValue
from wtforms import ValidationError

from digits.dataset.images.classification.choosing.preview import preview
from digits.errors import FormError
from digits.inference.operations import ExamineFolder
from digits.sources.folder_list import list_folder
from digits.web.answers import in_thread, scheduler, services
from digits.web.forms import server_path

blueprint = Blueprint("dataset_folders", __name__)


@blueprint.get("/images/classification/folders.json")
def show() -> ResponseReturnValue:
    """What is in the folder `path`: `folders` by name, and how many pictures.

    Without `path` the folders that may be read.  `parent` is null where one may go no further up,
    `is_cut` says that there is more than is shown or counted.
    """
    policy = services().paths
    text = request.args.get("path", "").strip()
    if not text and policy.roots:
        tops = [str(root) for root in policy.roots]
        return jsonify(
            {"path": "", "parent": None, "folders": tops, "pictures": 0, "is_cut": False}
        )
    path = _folder(text or "/")
    found = in_thread(list_folder, str(path), policy)
    parent = str(path.parent) if path != path.parent else None
    if parent is not None and not policy.allows(path.parent):
        parent = ""
    return jsonify(
        {
            "path": str(path),
            "parent": parent,
            "folders": found.folders,
            "pictures": found.pictures,
            "is_cut": found.is_cut,
        }
    )


@blueprint.get("/images/classification/folders/preview.json")
def look() -> ResponseReturnValue:
    """What a dataset of the folder `path` would have, as far as it was looked at.

    Ask again until `finished`.
    """
    path = _folder(request.args.get("path", ""))
    policy = services().paths
    roots = tuple(str(root) for root in policy.roots)
    jobs_dir = scheduler().store.jobs_dir
    return jsonify(preview(ExamineFolder(path, roots=roots, jobs_dir=jobs_dir)))


def _folder(text: str) -> Path:
    try:
        return server_path(text, folder=True)
    except ValidationError as error:
        raise FormError({"path": [str(error)]}) from None
