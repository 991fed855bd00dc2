"""What this package adds, as its entry point of the group `digits.kinds` names it."""

from digits_lines.line.kind import LINE
from digits_lines.points.kind import POINTS

KINDS = (POINTS, LINE)
