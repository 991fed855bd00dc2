"""What Matplotlib needs to draw any text and any number as it is given.

Names of models, categories and files hold what they like: `$` begins no formula, and scripts that
Matplotlib's own font does not have are drawn in fonts that have them, where they are installed.

Elsewhere: the figures (`tools/plot_training_log.py`; of the server `inference/work/figures.py`).
Importing this module loads Matplotlib, which takes half a second.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from matplotlib import rc_context
from matplotlib.font_manager import fontManager

# Matplotlib's own font has no Chinese, Japanese or Korean letters; these have, where installed.
_MORE_FONTS = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "Droid Sans Fallback")
# The largest float32: no training reaches more, and Matplotlib's axes overflow with 1e308.
LARGEST = 3.4028234663852886e38


@contextmanager
def plain_text() -> Iterator[None]:
    """Texts are shown as they are written, in fonts that have most letters."""
    with rc_context(_settings()), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # drawn as a box
        yield


def drawable(value: float | None) -> float:
    """The value where it can be drawn; NaN, which is a gap in a curve, elsewhere."""
    return value if value is not None and abs(value) <= LARGEST else math.nan


@cache
def _settings() -> Any:
    installed = {font.name for font in fontManager.ttflist}
    families = ["DejaVu Sans", *(name for name in _MORE_FONTS if name in installed)]
    return {"svg.hashsalt": "digits", "font.family": families, "text.parse_math": False}
