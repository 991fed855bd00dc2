"""Find the learning rate and the weight decay with which a network's head learns best.

Reads solver.prototxt, the network that it names, and the features of what does not learn, which are
made where they are not there yet.  Each pair of a rate and a decay learns from a part of the
records and is measured on the rest, in turns (cross-validation).  What has been measured is kept in
search.jsonl: run again, it goes on from there.  The outcome is search.json: a row for each pair,
the best first.

  python -m digits.tools.search_head --weights pretrained.caffemodel --feature-cache features
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from digits.base.atomic import write_text
from digits.base.program import parser_for, run_program
from digits.base.progress import ProgressMeter, log
from digits.errors import ToolError
from digits.tools.cross_validation import Measured, Row, Validation, ranked

if TYPE_CHECKING:
    from digits.tools.head_net import Records

SEARCH_FILE, MEASURED_FILE = "search.json", "search.jsonl"
# More records do not change which pair is best, but take longer.
MOST_RECORDS = 5000
LEAST_RECORDS = 10


def search(given: argparse.Namespace, folder: Path) -> str:
    """Do what the command line asks for, in `folder`; answers the best pair in words.

    Raises ToolError, CaffeError.
    """
    import torch  # noqa: PLC0415

    validation, about = _prepared(given)
    # A head is so small that threads would only wait for each other.
    torch.set_num_threads(1)
    # What the engine says of each of a hundred trainings is of no use.
    logging.getLogger("digits.caffe").setLevel(logging.ERROR)
    places = validation.places()
    count = len(validation.records)
    log.info("%d measurements, of %d records in %d parts", len(places), count, validation.parts)
    known = {each.place: each for each in _kept(folder / MEASURED_FILE, about)}
    meter = ProgressMeter("measurements", len(places))
    measured = []
    with (folder / MEASURED_FILE).open("a", encoding="utf-8") as file:
        for each in validation.measure(known):
            measured.append(each)
            if each.place not in known:
                file.write(json.dumps(asdict(each)) + "\n")
                file.flush()
            meter.add()
    meter.finish()
    rows = ranked(measured)
    _write(folder / SEARCH_FILE, rows, count, validation.parts)
    best = rows[0]
    if best.loss is None:
        raise ToolError("The head diverged with every pair. Choose a lower learning rate.")
    return f"learning rate {best.learning_rate:g} and weight decay {best.weight_decay:g} are best."


def _prepared(given: argparse.Namespace) -> tuple[Validation, str]:
    """What is to be measured, and a digest of all that the outcome depends on."""
    from digits.caffe.layers.base import LayerContext, Phase  # noqa: PLC0415
    from digits.caffe.machine.randomness import Randomness  # noqa: PLC0415
    from digits.caffe.net import Net  # noqa: PLC0415
    from digits.caffe.nets.frozen import NothingFrozen  # noqa: PLC0415
    from digits.caffe.solving.features import FeatureCache  # noqa: PLC0415
    from digits.caffe.solving.precision import Precision  # noqa: PLC0415
    from digits.caffe.solving.solver_nets import net_to_train  # noqa: PLC0415
    from digits.caffe.solving.solver_param import read_solver_param  # noqa: PLC0415
    from digits.tools.head_net import HeadNet, Records  # noqa: PLC0415

    solver = read_solver_param(str(given.solver))
    param = net_to_train(solver)
    context = LayerContext(channels_last=True, random=Randomness())
    cache = FeatureCache(
        given.feature_cache,
        given.feature_variants,
        Precision.FP32.value,
        contextlib.nullcontext,
        lambda: False,
    )
    net = Net(param, Phase.TRAIN, context=context, keep_blobs=False)
    try:
        for path in given.weights.split(","):
            net.copy_from(path)
        part, features = cache.features_of(net, "search")
        records = _chosen(Records(list(features), part.layer.labels()))
        head = HeadNet(param, part, part.layer.param.data_param.batch_size)
        written = solver.SerializeToString(deterministic=True)
        depends_on = (written, part.digest(), part.layer.identity(), given.accuracy, given.loss)
    except NothingFrozen as error:
        raise ToolError(f"There is nothing to search with: {error}.") from error
    except OSError as error:
        raise ToolError(f"The features cannot be kept: {error}.") from error
    finally:
        net.close()
    validation = Validation(head, solver, records, context, given.accuracy, given.loss)
    return validation, hashlib.sha256(repr(depends_on).encode()).hexdigest()


def _chosen(records: Records) -> Records:
    """At most so many of the records, at even distances."""
    if len(records) < LEAST_RECORDS:
        raise ToolError(
            f"There are {len(records)} training pictures: too few to measure anything on a part "
            f"of them. Add some, to {LEAST_RECORDS} at least, or choose the settings yourself."
        )
    count = min(len(records), MOST_RECORDS)
    return records.part(np.arange(count) * len(records) // count)


def _kept(path: Path, about: str) -> list[Measured]:
    """What an earlier attempt at the same has measured; the file of another is begun anew."""
    kept: list[Measured] = []
    with contextlib.suppress(OSError, ValueError):
        head, *lines = path.read_text("utf-8").splitlines()
        if json.loads(head) == {"about": about}:
            kept = list(_readable(lines))
    # Written again, since the last line may have been cut off.
    text = "".join(json.dumps(asdict(each)) + "\n" for each in kept)
    write_text(path, json.dumps({"about": about}) + "\n" + text)
    return kept


def _readable(lines: Sequence[str]) -> Iterator[Measured]:
    for line in lines:
        with contextlib.suppress(ValueError, TypeError):
            yield Measured(**json.loads(line))


def _write(path: Path, rows: Sequence[Row], records: int, parts: int) -> None:
    told: dict[str, Any] = {"pictures": records, "parts": parts, "rows": [asdict(r) for r in rows]}
    write_text(path, json.dumps(told, indent=1) + "\n")


def main() -> None:
    parser = parser_for(__doc__, "search_head")
    parser.add_argument("--solver", type=Path, default=Path("solver.prototxt"))
    parser.add_argument("--weights", required=True, help="files with commas between them")
    parser.add_argument("--feature-cache", type=Path, required=True, metavar="DIR")
    parser.add_argument("--feature-variants", type=int, default=0, metavar="N", help="[as usual]")
    parser.add_argument("--accuracy", default="accuracy", help="the test's output [%(default)s]")
    parser.add_argument("--loss", default="loss", help="the test's output [%(default)s]")
    given = parser.parse_args()

    def searched() -> str:
        from digits.caffe.errors import CaffeError  # noqa: PLC0415
        from digits.caffe.machine.process import keep_freed_memory, settle_threads  # noqa: PLC0415

        keep_freed_memory()
        settle_threads()
        try:
            return search(given, Path.cwd())
        except CaffeError as error:
            raise ToolError(str(error)) from error

    run_program(searched)


if __name__ == "__main__":
    main()
