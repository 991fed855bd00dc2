"""What lines are, for every list and menu of DIGITS."""

from digits.web.access import Access
from digits.web.kind import JobKind, MenuEntry, Route, Routes
from digits_lines.line.job import LineJob
from digits_lines.line.views import LineForm, blueprint
from digits_lines.points.job import PointsJob

LINE = JobKind(
    job_type=LineJob,
    learns_from=PointsJob,
    page="line_models.show",
    form=LineForm,
    new="line_models.new",
    menu=MenuEntry("Numbers", "Straight line", "Straight line", "graph-up"),
    routes=(
        Routes(
            blueprint,
            {
                "new": Route(Access.MAKE),
                "create": Route(Access.MAKE),
                "show": Route(Access.SEE),
                "forget": Route(Access.CHANGE),
            },
        ),
    ),
)
