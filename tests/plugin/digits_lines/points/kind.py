"""What datasets of points are, for every list and menu of DIGITS."""

from digits.jobs.kind import Record
from digits.web.access import Access
from digits.web.kind import JobKind, MenuEntry, Route, Routes
from digits_lines.points.job import PointsJob
from digits_lines.points.views import PointsForm, blueprint

POINTS = JobKind(
    job_type=PointsJob,
    record=Record(input="number", target="number"),
    page="datasets.show",
    template="digits_lines/points_show.html",
    form=PointsForm,
    new="points_datasets.new",
    menu=MenuEntry("Numbers", "Points", "Dataset of points", "database"),
    routes=(Routes(blueprint, {"new": Route(Access.MAKE), "create": Route(Access.MAKE)}),),
)
