"""What is wrong with networks that a user chose, under the tree of `digits/errors.py`.

NotPossible
└── NetworkError    text that is no network, or a network that cannot be trained on the dataset
"""

from digits.errors import NotPossible


class NetworkError(NotPossible):
    """A network that cannot be used; the message names the layer and says what to do.

    `line` and `column` count from 1 and are known when the text itself is wrong; `layer` is the
    name of the layer at fault, when it is one.
    """

    def __init__(
        self,
        message: str,
        *,
        layer: str | None = None,
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        super().__init__(message)
        self.layer = layer
        self.line = line
        self.column = column
