"""What tasks must share: slots for each kind of work, and GPUs.

A `Need` says how many units of one kind a task wants, and which ones will do.  Taking and giving
back is the scheduler's business, under its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

PARSE_FOLDER = "parse_folder"
CREATE_DB = "create_db"
TRAIN = "train"
INFERENCE = "inference"
# Work of a minute or so on the CPU, which a long training must not keep waiting.
LIGHT = "light"
GPU = "gpu"


@dataclass(frozen=True)
class Need:
    """`count` units of `kind`; only units named in `choices` when that is given."""

    kind: str
    count: int = 1
    choices: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """In words: `2 GPUs out of 0, 1, 3`."""
        unit = "GPU" if self.kind == GPU else f"{self.kind.replace('_', ' ')} slot"
        what = f"{self.count} {unit}{'' if self.count == 1 else 's'}"
        return what if self.choices is None else f"{what} out of {', '.join(self.choices)}"


@dataclass
class Unit:
    """One slot or GPU, and the task (job id, task id) that holds it."""

    identifier: str
    holder: tuple[str, str] | None = None


@dataclass
class Resources:
    """All units by kind."""

    units: dict[str, list[Unit]] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        *,
        parse_folder_slots: int = 1,
        create_db_slots: int = 2,
        train_slots: int = 1,
        inference_slots: int = 1,
        light_slots: int = 1,
        gpus: Sequence[str] = (),
    ) -> Resources:
        """The units of a server; training needs a GPU where there is one, else a training slot."""
        counts = {
            PARSE_FOLDER: parse_folder_slots,
            CREATE_DB: create_db_slots,
            TRAIN: train_slots,
            INFERENCE: inference_slots,
            LIGHT: light_slots,
        }
        units = {kind: [Unit(str(n)) for n in range(count)] for kind, count in counts.items()}
        units[GPU] = [Unit(identifier) for identifier in gpus]
        return cls(units)

    @property
    def gpus(self) -> list[str]:
        """The identifiers of all GPUs."""
        return [unit.identifier for unit in self.units[GPU]]

    def find(self, need: Need, reserved: Iterable[str] = ()) -> list[str] | None:
        """Identifiers of free units that satisfy `need`; None when there are too few.

        Units in `reserved` are kept for tasks that came earlier.
        """
        kept = set(reserved)
        free = [
            unit.identifier
            for unit in self._candidates(need)
            if unit.holder is None and unit.identifier not in kept
        ]
        return free[: need.count] if len(free) >= need.count else None

    def is_possible(self, need: Need) -> bool:
        """Whether the need can be met when everything is free."""
        return len(self._candidates(need)) >= need.count

    def candidates(self, need: Need) -> list[str]:
        """The identifiers of all units that would do, free or not."""
        return [unit.identifier for unit in self._candidates(need)]

    def take(self, kind: str, identifiers: Iterable[str], holder: tuple[str, str]) -> None:
        """Hand units to a task."""
        wanted = set(identifiers)
        for unit in self.units.get(kind, []):
            if unit.identifier in wanted:
                unit.holder = holder

    def give_back(self, holder: tuple[str, str]) -> None:
        """Free whatever the task holds."""
        for units in self.units.values():
            for unit in units:
                if unit.holder == holder:
                    unit.holder = None

    def _candidates(self, need: Need) -> list[Unit]:
        units = self.units.get(need.kind, [])
        if need.choices is None:
            return units
        return [unit for unit in units if unit.identifier in need.choices]
