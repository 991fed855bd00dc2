"""What the home page's top says of the machine: its meters, and who holds or waits for a place.

In: a reading of the devices and a scheduler.  Out: `Meter`s and `Place`s for
`templates/home/queue.html`, which is also sent by Socket.IO (`watch.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from digits.base.devices import Gpu, Machine
from digits.base.formatting import file_size, percent
from digits.jobs.contents import FolderContents
from digits.jobs.job import Job
from digits.jobs.resources import CREATE_DB, GPU, INFERENCE, LIGHT, PARSE_FOLDER, TRAIN
from digits.jobs.scheduler import Holding, Scheduler
from digits.jobs.task import Task

# The slots, by what a task does that holds one.
WORK = {
    PARSE_FOLDER: "Reading a folder",
    CREATE_DB: "Writing a database",
    TRAIN: "Training",
    INFERENCE: "Classifying",
    LIGHT: "Light work",
}
MOST_WAITING = 5
# The share of memory or disk from which on it may soon not be enough.
TIGHT = 0.95


@dataclass(frozen=True)
class Meter:
    """One bar: `fraction` from 0 to 1 (None: not known), and the same in words.

    `is_tight` when so little is left that somebody should know.
    """

    key: str
    label: str
    fraction: float | None
    words: str
    is_tight: bool = False


@dataclass(frozen=True)
class Place:
    """A GPU, or a slot that somebody holds."""

    title: str
    note: str
    meters: Sequence[Meter]
    job: Job | None
    task: Task | None


@dataclass(frozen=True)
class MachinePanel:
    """All of it; `waiting` are the first of the queue, `more` how many come after them."""

    meters: Sequence[Meter]
    places: Sequence[Place]
    waiting: Sequence[tuple[Job, Task]]
    more: int
    running: int  # jobs

    @property
    def queue(self) -> object:
        """Equal when the same jobs hold and wait for the same places; meters may differ."""
        held = [(place.title, *_names(place.job, place.task)) for place in self.places]
        return held, [_names(job, task) for job, task in self.waiting], self.more

    @property
    def all_meters(self) -> list[Meter]:
        return [*self.meters, *(meter for place in self.places for meter in place.meters)]


def _names(job: Job | None, task: Task | None) -> tuple[str, ...]:
    return () if job is None or task is None else (job.id, job.name, task.id)


def machine_panel(machine: Machine, scheduler: Scheduler) -> MachinePanel:
    """What there is to show now."""
    waiting, holdings = scheduler.waiting(), scheduler.holdings()
    return MachinePanel(
        meters=machine_meters(
            machine, scheduler.bin.table.total(), scheduler.store.uploads.size_bytes
        ),
        places=_places(machine.gpus, holdings),
        waiting=waiting[:MOST_WAITING],
        more=max(0, len(waiting) - MOST_WAITING),
        running=len({unit.job.id for unit in holdings if unit.job is not None}),
    )


def machine_meters(
    machine: Machine, deleted: FolderContents | None = None, uploaded_bytes: int = 0
) -> list[Meter]:
    """Processor, memory, and the disk with the jobs directory.

    `deleted` is what the bin holds, `uploaded_bytes` what no dataset has been made of yet.
    """
    cores = f"{machine.cpu_count} core{'' if machine.cpu_count == 1 else 's'}"
    meters = [
        Meter("cpu", "Processor", machine.cpu_load, f"{percent(machine.cpu_load)} of {cores}"),
        _amount("memory", "Memory", machine.memory_used, machine.memory_total),
    ]
    if machine.disk_total and machine.disk_free is not None:
        used = 1 - machine.disk_free / machine.disk_total
        words = f"{file_size(machine.disk_free)} free of {file_size(machine.disk_total)}"
        if deleted and deleted.files:
            words += f", {file_size(deleted.size_bytes)} in the bin"
        if uploaded_bytes:
            words += f", {file_size(uploaded_bytes)} uploaded for a dataset"
        meters.append(Meter("disk", "Disk of the jobs", used, words, used > TIGHT))
    return meters


def _amount(key: str, label: str, used: int, total: int) -> Meter:
    words = f"{file_size(used)} of {file_size(total)}"
    share = used / total if total else 0.0
    return Meter(key, label, share, words, share > TIGHT)


def _places(gpus: Sequence[Gpu], holdings: Sequence[Holding]) -> list[Place]:
    known = {gpu.index: gpu for gpu in gpus}
    ours = [holding for holding in holdings if holding.kind == GPU]
    others = [gpu for gpu in gpus if gpu.index not in {unit.identifier for unit in ours}]
    return [
        *(
            _gpu_place(unit.identifier, known.get(unit.identifier), unit.job, unit.task)
            for unit in ours
        ),
        *(
            _gpu_place(gpu.index, gpu, None, None, " · not for training (gpu_list)")
            for gpu in others
        ),
        *(
            Place(WORK[unit.kind], "", (), unit.job, unit.task)
            for unit in holdings
            if unit.kind != GPU and unit.job is not None
        ),
    ]


def _gpu_place(
    index: str, gpu: Gpu | None, job: Job | None, task: Task | None, note: str = ""
) -> Place:
    if gpu is None:
        return Place(f"GPU {index}", "the driver does not report it", (), job, task)
    load = gpu.utilization
    meters = (
        Meter(f"gpu-{index}", "Use", load, "not reported" if load is None else percent(load)),
        _amount(f"gpu-{index}-memory", "Memory", gpu.memory_used, gpu.memory_total),
    )
    return Place(f"GPU {index}", f"{gpu.name}{note}", meters, job, task)
