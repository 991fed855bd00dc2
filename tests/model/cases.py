"""The combinations of network, dataset and options whose generated files are kept in `expected/`.

`python -m tests.model.cases` writes the files anew; read the difference before committing it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from digits.caffe.formats import prototxt
from digits.model.network.text import network_to_text, parse_network, standard_network_text
from digits.model.network.training import DatasetFacts, NetworkOptions, make_networks
from digits.model.training.solver import SolverOptions, TrainingSize, make_solver

EXPECTED = Path(__file__).parent / "expected"


def facts(
    *, labels: int = 10, channels: int = 3, side: int = 256, val: bool = True, mean: bool = True
) -> DatasetFacts:
    """A dataset of square pictures."""
    return DatasetFacts(
        labels=labels,
        channels=channels,
        height=side,
        width=side,
        train_db="../dataset/train_db",
        val_db="../dataset/val_db" if val else None,
        mean_file="../dataset/mean.binaryproto" if mean else None,
    )


@dataclass(frozen=True)
class Case:
    """One training: a standard network on 1,000 pictures, of which 250 are for validation."""

    network: str
    facts: DatasetFacts
    options: NetworkOptions = field(default_factory=NetworkOptions)
    solver: SolverOptions = field(default_factory=SolverOptions)

    def generate(self) -> dict[str, str]:
        """The text of each generated file by its name."""
        given = parse_network(standard_network_text(self.network))
        networks = make_networks(given, self.facts, self.options)
        size = TrainingSize(
            750,
            networks.train_batch_size,
            250 if self.facts.val_db else None,
            networks.val_batch_size,
        )
        solver = make_solver(self.solver, size, use_gpu=False)
        return {
            "train_val.prototxt": network_to_text(networks.train_val),
            "deploy.prototxt": network_to_text(networks.deploy),
            "solver.prototxt": prototxt.to_text(solver),
        }


CASES = {
    "lenet_grey": Case("lenet", facts(channels=1, side=28)),
    "lenet_colour_no_val_no_mean": Case(
        "lenet",
        facts(side=32, val=False),
        NetworkOptions(use_mean=False),
        SolverOptions(
            learning_rate=0.02,
            lr_policy="exp",
            solver_type="NESTEROV",
            train_epochs=5,
            random_seed=7,
        ),
    ),
    "alexnet_colour": Case("alexnet", facts(labels=3)),
    "alexnet_grey_crop_batch_no_mean": Case(
        "alexnet",
        facts(channels=1, labels=12),
        NetworkOptions(batch_size=50, crop_size=200, use_mean=False),
        SolverOptions(
            lr_policy="multistep",
            solver_type="ADAM",
            train_epochs=10,
            snapshot_interval=2,
            val_interval=0.5,
        ),
    ),
    "googlenet_colour_four_labels": Case("googlenet", facts(labels=4)),
    "googlenet_grey_no_val": Case(
        "googlenet",
        facts(channels=1, labels=100, val=False),
        NetworkOptions(batch_size=8),
        SolverOptions(lr_policy="sigmoid", solver_type="ADAGRAD", snapshot_interval=0),
    ),
}


def main() -> None:
    """Write every expected file."""
    for name, case in CASES.items():
        folder = EXPECTED / name
        folder.mkdir(parents=True, exist_ok=True)
        for file_name, text in case.generate().items():
            (folder / file_name).write_text(text)


if __name__ == "__main__":
    main()
