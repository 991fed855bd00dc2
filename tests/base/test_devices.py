"""Readings of the machine, and what the home page makes of them; GPUs are pretended."""

from __future__ import annotations

from pathlib import Path

from digits.base.devices import Devices, Gpu, Machine
from digits.home.machine_panel import machine_meters, machine_panel
from digits.jobs.job import Job
from digits.jobs.resources import GPU, Resources
from digits.jobs.scheduler import Scheduler
from tests.conftest import SchedulerMaker, wait_until
from tests.program_jobs import ProgramJob, program

GIGABYTE = 2**30


def pretended(index: str, load: float | None = 0.5, used: int = 4) -> Gpu:
    return Gpu(index, "Pretended GPU", 16 * GIGABYTE, used * GIGABYTE, load)


def machine(*gpus: Gpu, disk_free: int | None = 20) -> Machine:
    return Machine(
        cpu_load=0.25,
        cpu_count=8,
        memory_total=32 * GIGABYTE,
        memory_used=8 * GIGABYTE,
        disk_total=None if disk_free is None else 1000 * GIGABYTE,
        disk_free=None if disk_free is None else disk_free * GIGABYTE,
        gpus=gpus,
    )


def test_everybody_gets_the_same_reading_until_it_is_old(tmp_path: Path) -> None:
    now_s = [100.0]
    asked: list[float] = []

    def gpus() -> list[Gpu]:
        asked.append(now_s[0])
        return [pretended("0")]

    devices = Devices(tmp_path, gpus=gpus, fresh_s=2.0, clock=lambda: now_s[0])
    first = devices.read()
    now_s[0] = 101.9
    assert devices.read() is first
    now_s[0] = 102.0
    assert devices.read() is not first
    assert asked == [100.0, 102.0]


def test_a_reading_tells_of_this_machine(tmp_path: Path) -> None:
    reading = Devices(tmp_path, gpus=list).read()
    assert 0.0 <= reading.cpu_load <= 1.0
    assert 0 < reading.memory_used < reading.memory_total
    assert reading.disk_total is not None
    assert reading.disk_free is not None
    assert 0 <= reading.disk_free < reading.disk_total


def test_a_disk_that_is_gone_leaves_the_rest(tmp_path: Path) -> None:
    reading = Devices(tmp_path / "gone", gpus=list).read()
    assert reading.disk_free is None
    assert [meter.key for meter in machine_meters(reading)] == ["cpu", "memory"]


def test_meters_say_what_they_show_and_when_little_is_left() -> None:
    cpu, memory, disk = machine_meters(machine())
    assert (cpu.fraction, cpu.words) == (0.25, "25% of 8 cores")
    assert (memory.fraction, memory.words, memory.is_tight) == (0.25, "8.0 GB of 32.0 GB", False)
    assert disk.words == "20.0 GB free of 1.0 TB"
    assert disk.is_tight


def test_each_gpu_says_who_holds_it(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(gpus=["0", "1", "7"]))
    job = running_on_gpu(scheduler, "1")
    gpus = (pretended("0"), pretended("1", load=None), pretended("2"))
    places = {place.title: place for place in machine_panel(machine(*gpus), scheduler).places}
    assert places["GPU 0"].job is None
    assert places["GPU 1"].job is job
    assert [meter.words for meter in places["GPU 1"].meters] == [
        "not reported",
        "4.0 GB of 16.0 GB",
    ]
    # Named in gpu_list, unknown to the driver; and the other way round.
    assert "does not report" in places["GPU 7"].note
    assert "gpu_list" in places["GPU 2"].note


def test_the_queue_is_told_in_its_order_and_its_length(make_scheduler: SchedulerMaker) -> None:
    scheduler = make_scheduler(Resources.of(gpus=["0"]))
    running_on_gpu(scheduler, "0")
    waiting = [
        scheduler.add_job(ProgramJob, f"waits {n}", program("true", kind=GPU)) for n in range(7)
    ]
    panel = machine_panel(machine(), scheduler)
    assert [job for job, _ in panel.waiting] == waiting[:5]
    assert panel.more == 2
    before = panel.queue
    assert machine_panel(machine(pretended("0")), scheduler).queue == before
    scheduler.abort_job(waiting[0].id)
    assert machine_panel(machine(), scheduler).queue != before


def running_on_gpu(scheduler: Scheduler, gpu: str) -> Job:
    script = program("sleep 600", kind=GPU, choices=[gpu])
    job = scheduler.add_job(ProgramJob, "Holder", script)
    wait_until(lambda: any(holding.job is job for holding in scheduler.holdings()))
    return job
