"""What a request to a worker may raise.

    DigitsError
    └── InferenceError
        ├── BadRequest        what was asked cannot be done: an option, a class, a layer
        │   ├── BadPicture    the picture cannot be read
        │   └── BadNetwork    the network cannot be loaded: a file, a layer, the weights
        ├── WorkerError       the process failed; the next request gets a fresh one
        │   ├── WorkerDied    it crashed or was killed, or needed more memory than it may take
        │   ├── WorkerTimeout it did not answer in time and was ended
        │   └── WorkerNotStarted   it did not come up
        ├── PoolBusy          no worker became free in time
        └── PoolClosed        the server is stopping

A BadRequest is NotPossible as well; all others are Unavailable (`digits/errors.py`).  Messages are
fit for the user's eyes.  A worker sends an error by its class name (`BY_NAME`).
"""

from __future__ import annotations

from digits.errors import DigitsError, NotPossible, Unavailable


class InferenceError(DigitsError):
    """The root: what can go wrong when a worker is asked."""


class BadRequest(InferenceError, NotPossible):
    """What was asked cannot be done; asking again will not help."""


class BadPicture(BadRequest):
    """A picture that cannot be read."""


class BadNetwork(BadRequest):
    """A network that cannot be loaded."""


class WorkerError(InferenceError, Unavailable):
    """The worker process failed; the next request gets a fresh one."""


class WorkerDied(WorkerError):
    """The process ended in the middle of a request; or, if not `begun`, before it took it.

    `log` is the end of what the process printed.
    """

    def __init__(self, message: str, log: str = "", begun: bool = True) -> None:
        super().__init__(message)
        self.log = log
        self.begun = begun


class WorkerTimeout(WorkerError):
    """The process did not answer in time and was ended."""


class WorkerNotStarted(WorkerError):
    """The process did not come up."""


class PoolBusy(InferenceError, Unavailable):
    """No worker became free in time."""


class PoolClosed(InferenceError, Unavailable):
    """The pool has been closed."""


BY_NAME: dict[str, type[InferenceError]] = {
    error.__name__: error for error in (BadRequest, BadPicture, BadNetwork, WorkerDied)
}
