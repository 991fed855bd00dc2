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
        self._lock = threading.Lock()  # guards _devices and _saved while a generator is added
        self._devices: dict[str, torch.Generator] = {}
        # States to go on from, of devices that nothing was drawn on since.
        self._saved: dict[str, Any] = {}
        self.cpu = torch.Generator()
        self.seed(seed)

    def seed(self, seed: int | None) -> None:
        """Start anew from `seed`; None (or a negative number, as in Caffe) takes one by chance."""
        with self._lock:
            if seed is None or seed < 0:
                self.cpu.seed()
            else:
                self.cpu.manual_seed(seed)
            self._devices, self._saved = {"cpu": self.cpu}, {}

    def on(self, device: torch.device) -> torch.Generator:
        """The generator to give to PyTorch for a random tensor on `device`."""
        name = str(device)
        with self._lock:
            if name not in self._devices:
                self._devices[name] = self._made_for(device)
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
            drawn = {name: g.get_state().numpy().copy() for name, g in self._devices.items()}
            return self._saved | drawn

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a `state`; generators of GPUs are passed over where there is none.

        A GPU without a state of its own takes that of another one: a training may be resumed on
        another GPU than the one that it was paused on, and must leave that one alone.
        """
        with self._lock:
            self.cpu.set_state(_as_state(state["cpu"]))
            self._devices = {"cpu": self.cpu}
            self._saved = {
                name: saved for name, saved in state.items() if name != "cpu" and _exists(name)
            }

    def _made_for(self, device: torch.device) -> torch.Generator:
        generator = torch.Generator(device=device)
        alike = [name for name in self._saved if torch.device(name).type == device.type]
        if alike:
            name = str(device) if str(device) in alike else alike[0]
            generator.set_state(_as_state(self._saved.pop(name)))
        else:
            generator.manual_seed(self._draw())
        return generator

    def _draw(self) -> int:
        return int(torch.randint(2**31, (), generator=self.cpu))


def _as_state(saved: Any) -> torch.Tensor:
    return torch.from_numpy(np.asarray(saved, dtype=np.uint8).copy())


def _exists(name: str) -> bool:
    """Whether there is a device of this kind."""
    return torch.device(name).type != "cuda" or torch.cuda.is_available()


_default = Randomness()


def default_randomness() -> Randomness:
    """The stream that all nets of this process share unless they are given another one."""
    return _default
