"""Whom `import caffe` finds: this package for a while, or from now on.

A finder at the front of Python's finders wins over whatever a script puts on `sys.path`.  Nothing
is installed under the name `caffe`, so that a real Caffe is hidden only where somebody asks for it.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

_PACKAGE = __name__.rpartition(".machine.")[0]


def make_caffe_ours() -> None:
    """From now on, `import caffe` and `import caffe.io` give this package, in all of the process.

    Another Caffe that was imported before stays with whoever holds it.
    """
    _names.enter()


@contextmanager
def caffe_is_ours() -> Iterator[None]:
    """Within, `import caffe` and `import caffe.io` give this package and its modules.

    Afterwards they give what they gave before: another Caffe, or none.  It may be entered again
    while it is entered, by any thread.
    """
    _names.enter()
    try:
        yield
    finally:
        _names.leave()


def _is_caffes(name: str) -> bool:
    return name == "caffe" or name.startswith("caffe.")


def _our_name(name: str) -> str:
    return _PACKAGE + name.removeprefix("caffe")


class _CaffeFinder(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Lets `import caffe` and `import caffe.io` find this package and its modules."""

    def __init__(self) -> None:
        self.found: dict[str, ModuleType] = {}  # by the names that they were imported by

    def find_spec(
        self, fullname: str, path: Any, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if not _is_caffes(fullname) or importlib.util.find_spec(_our_name(fullname)) is None:
            return None
        return importlib.machinery.ModuleSpec(fullname, self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        module = importlib.import_module(_our_name(spec.name))
        # Python is about to note this spec on the module; `exec_module` puts the real one back.
        spec.loader_state = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            self.found[module.__spec__.name] = module
            module.__spec__ = module.__spec__.loader_state


class _Names:
    """Who is behind the names `caffe` and `caffe.*` in `sys.modules`, and who has to wait."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # guards all below
        self._entered = 0
        self._finder = _CaffeFinder()
        self._theirs: dict[str, ModuleType] = {}

    def enter(self) -> None:
        with self._lock:
            self._entered += 1
            if self._entered > 1 or self._are_ours_already():
                return
            if "caffe" in sys.modules:
                names = [name for name in sys.modules if _is_caffes(name)]
                self._theirs = {name: sys.modules.pop(name) for name in names}
            sys.modules.update(self._finder.found)
            sys.meta_path.insert(0, self._finder)

    def leave(self) -> None:
        with self._lock:
            self._entered -= 1
            if self._entered or self._finder not in sys.meta_path:
                return
            sys.meta_path.remove(self._finder)
            for name in self._finder.found:
                sys.modules.pop(name, None)
            sys.modules.update(self._theirs)
            self._theirs = {}

    def _are_ours_already(self) -> bool:
        """Whether the whole process has chosen this package, so there is nothing to exchange."""
        return sys.modules.get("caffe") is sys.modules[_PACKAGE]


_names = _Names()
