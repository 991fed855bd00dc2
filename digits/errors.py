"""What DIGITS raises, and the web layer answers with a status code (`web/error_pages.py`).

    DigitsError
    ├── ConfigError        the configuration: a list of every bad line
    ├── JobNotFound        no job has this id
    │   ├── NotInBin       what is not in the bin, or not any more
    │   └── UploadNotFound what is not uploaded, or not any more
    ├── JobNotRunning      abort or pause of a job that does not run
    ├── JobInUse           delete of a dataset that models still need
    ├── JobUnreadable      a job.json that is none, or holds what no job can
    ├── JobRefused         what the job's state does not allow, such as resuming a running job
    ├── UploadInUse        an upload of which a dataset is being made, or that still comes in
    ├── FormError          values that a form cannot take: {field: [message, ...]}
    ├── StorageError       the jobs directory cannot be written: full, read-only
    │   └── BinUnusable    deleted jobs cannot be moved into the bin, or out of it
    ├── TaskFailed         a task that cannot go on; its message is what the page shows
    ├── NotPossible        what was asked cannot be done, however often it is asked
    │   └── NotComparable  what was chosen to be compared is no two to ten models
    ├── MustBeMade         a file that takes longer to make: `address` says where
    ├── Unavailable        what was asked cannot be done just now; another try may do
    ├── UserError          a user, password or token that cannot be added, changed or found
    ├── LoginRefused       a name and password that do not belong together
    ├── TooManyTries       passwords are guessed too often; `wait_s` says when to try again
    ├── KindRefused        a kind of job that cannot be used as its package describes it
    ├── ImageError         a picture that cannot be read, or a size that it cannot get
    └── ToolError          input that a program of `digits/tools/` cannot work with

Every message says what was received and what to do.  Lower layers know no status codes.
"""

from collections.abc import Mapping, Sequence


class DigitsError(Exception):
    """The root of what DIGITS itself raises; the message is fit for the user's eyes."""


class ConfigError(DigitsError):
    """Settings that cannot be used; `problems` lists every one."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = list(problems)


class JobNotFound(DigitsError):
    """No job has this id."""

    def __init__(self, job_id: str = "") -> None:
        super().__init__("Job not found.")
        self.job_id = job_id


class NotInBin(JobNotFound):
    """No deleted job has this id, or it has just left the bin."""

    def __init__(self, job_id: str = "") -> None:
        DigitsError.__init__(self, "It is not in the bin: it was restored or deleted for good.")
        self.job_id = job_id


class UploadNotFound(JobNotFound):
    """No upload has this id, or a dataset was made of it, or nobody went on for a day."""

    def __init__(self) -> None:
        DigitsError.__init__(
            self,
            "There is no such upload: a dataset was made of it, it was removed, or nobody went on "
            "with it for a day. Upload the folder again.",
        )
        self.job_id = ""


class JobNotRunning(DigitsError):
    """The job neither runs nor waits, so there is nothing to stop."""


class JobInUse(DigitsError):
    """Other jobs need this one; the message names them."""


class JobRefused(DigitsError):
    """The job's state does not allow what was asked."""


class UploadInUse(DigitsError):
    """Somebody uses the upload just now."""

    def __init__(self) -> None:
        super().__init__(
            "Files of this upload are still coming, or a dataset is being made of it. "
            "Wait until that has ended."
        )


class JobUnreadable(DigitsError):
    """A job on disk that cannot be used; the message says what of it, and is fit for a page."""


class FormError(DigitsError):
    """Values that cannot be taken: `errors` maps a field's name to its messages."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: list(messages) for field, messages in errors.items()}
        super().__init__(
            "; ".join(f"{field}: {' '.join(texts)}" for field, texts in self.errors.items())
        )

    @property
    def words(self) -> str:
        """The same for a page, on which fields have no such names."""
        return " ".join(f"{_title(name)}: {' '.join(texts)}" for name, texts in self.errors.items())

    @property
    def lines(self) -> list[str]:
        """The same, a line for each message, for a list."""
        return [f"{_title(name)}: {text}" for name, texts in self.errors.items() for text in texts]


def _title(field: str) -> str:
    text = field.replace("_", " ").replace(" url", " URL")
    return text[:1].upper() + text[1:]


class StorageError(DigitsError):
    """The jobs directory cannot be written."""


class BinUnusable(StorageError):
    """Jobs cannot be moved into the bin, or out of it; the message says why, and what to do."""


class TaskFailed(DigitsError):
    """A task cannot start or go on; the message tells the user why and what to do."""


class NotPossible(DigitsError):
    """What was asked cannot be done; asking again will not help."""


class NotComparable(NotPossible):
    """What was chosen cannot be compared; the message says what can."""


class MustBeMade(DigitsError):
    """A file that takes longer to make; `address` is where it is made, or on its way."""

    def __init__(self, message: str, address: str) -> None:
        super().__init__(message)
        self.address = address


class Unavailable(DigitsError):
    """What was asked cannot be done just now; another try may do."""


class UserError(DigitsError):
    """A user, password or token cannot be added, changed or found."""


class LoginRefused(DigitsError):
    """A name and password that do not belong together; not said which of them is wrong."""

    def __init__(self) -> None:
        super().__init__("The name or the password is wrong.")


class TooManyTries(DigitsError):
    """Too many wrong passwords; the next try is heard after `wait_s` seconds."""

    def __init__(self, wait_s: int) -> None:
        minutes = -(-wait_s // 60)
        super().__init__(
            "Too many wrong passwords. Try again in "
            f"{'a minute' if minutes <= 1 else f'{minutes} minutes'}."
        )
        self.wait_s = wait_s


class KindRefused(DigitsError):
    """A kind of job cannot be used; the message says what its package has to mend."""


class ImageError(DigitsError):
    """A picture cannot be read or resized; the message is the reason, without the file's name."""


class ToolError(DigitsError):
    """What a program was given cannot be used; it prints this as its one line `Error: ...`."""
