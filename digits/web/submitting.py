"""What the form of any new job answers when it is sent: the job, or what is wrong.

In: a form with what was sent, and functions of its kind that make the job and draw the page.
Out: one answer for browsers and scripts.  Nothing that was typed is lost.
"""

from __future__ import annotations

from collections.abc import Callable

from flask.typing import ResponseReturnValue

from digits.errors import FormError, StorageError
from digits.inference.errors import InferenceError
from digits.jobs.job import Job
from digits.web.answers import form_errors, wants_json
from digits.web.error_pages import code_of
from digits.web.forms import DigitsForm


def answer_form(
    form: DigitsForm,
    make: Callable[[], Job],
    created: Callable[[Job], ResponseReturnValue],
    page: Callable[[], str],
) -> ResponseReturnValue:
    """What `created` says of the job that `make` answers for a valid form.

    Else `page`, the form with its errors, or the errors as JSON: 400 for what was sent (a FormError
    of `make` among it), 507 for the disk, 503 or 400 for what a worker could not do.
    """
    try:
        if form.validate():
            return created(make())
    except FormError as error:
        form.add_errors(error.errors)
    except (StorageError, InferenceError) as error:
        if wants_json():
            raise
        form.form_errors.append(str(error))
        return page(), code_of(error)
    return form_errors(form.all_errors) if wants_json() else (page(), 400)
