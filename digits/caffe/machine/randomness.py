"""The engine's random numbers: generators of its own, seeded, saved and restored as one thing.

Nothing in the engine draws from PyTorch's or NumPy's global generators, so that a seeded run
repeats to the bit whatever else the process does, and a resumed one goes on where it stopped.

Elsewhere: who draws (`layers/fillers.py`, dropout in `layers/`, the data layers), and who saves the
state (the solver).
"""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import torch


class Randomness:
    """One stream of random numbers a device, all from one seed.

    The CPU's generator always exists; those of other devices are made when first asked for, with a
    seed drawn from the CPU's.  Thread-safe, as data layers draw seeds while they are built.
    """

    def __init__(self, seed: int | None = None) -> None:
        self._lock = threading.Lock()  # guards _devices while a generator is added to it
        self._devices: dict[str, torch.Generator] = {}
        self.cpu = torch.Generator()
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        """Start anew from `seed`; None (or a negative number, as in Caffe) takes one by chance."""
        with self._lock:
            if seed is None or seed < 0:
                self.cpu.seed()
            else:
                self.cpu.manual_seed(seed)
            self._devices = {"cpu": self.cpu}

    def on(self, device: torch.device) -> torch.Generator:
        """The generator to give to PyTorch for a random tensor on `device`."""
        name = str(device)
        with self._lock:
            if name not in self._devices:
                generator = torch.Generator(device=device)
                generator.manual_seed(self._draw())
                self._devices[name] = generator
            return self._devices[name]

    def draw_seed(self) -> int:
        """A number in [0, 2**31) to seed another generator with (shuffling, cropping, a worker)."""
        with self._lock:
            return self._draw()

    def numpy(self) -> np.random.Generator:
        """A new NumPy generator, seeded from this stream."""
        return np.random.default_rng(self.draw_seed())

    def state(self) -> dict[str, Any]:
        """What `restore` needs to go on from here: every generator's state, as uint8 arrays."""
        with self._lock:
            return {name: g.get_state().numpy().copy() for name, g in self._devices.items()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; generators of devices that this machine lacks are passed over."""
        with self._lock:
            for name, saved in state.items():
                if name != "cpu" and not _exists(torch.device(name)):
                    continue
                generator = self._devices.get(name) or torch.Generator(device=name)
                generator.set_state(torch.from_numpy(np.asarray(saved, dtype=np.uint8).copy()))
                self._devices[name] = generator

    def _draw(self) -> int:
        return int(torch.randint(2**31, (), generator=self.cpu))


def _exists(device: torch.device) -> bool:
    return device.type != "cuda" or (device.index or 0) < torch.cuda.device_count()


_default = Randomness()


def default_randomness() -> Randomness:
    """The stream that all nets of this process share unless they are given another one."""
    return _default
