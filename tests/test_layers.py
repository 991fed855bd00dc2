"""Who imports whom: the contracts of pyproject.toml, and what a fresh interpreter really loads."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

HEAVY = ("torch", "matplotlib", "cv2", "sklearn", "scipy", "h5py")


def run_python(code: str) -> str:
    """What this code prints in a fresh interpreter."""
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return result.stdout


def test_the_contracts_between_layers_hold() -> None:
    tool = Path(sys.executable).with_name("lint-imports")
    result = subprocess.run([tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout


def test_the_web_process_loads_no_heavy_library() -> None:
    code = f"import sys, digits.server; print([name for name in {HEAVY} if name in sys.modules])"
    assert run_python(code).strip() == "[]"


@pytest.mark.slow
def test_the_engine_stands_alone() -> None:
    code = """
import importlib, pkgutil, sys
import digits.caffe
for module in pkgutil.walk_packages(digits.caffe.__path__, "digits.caffe."):
    if not module.name.endswith(("__main__", "proto.generate")):
        importlib.import_module(module.name)
loaded = {name for name in sys.modules if name.startswith("digits.")}
print(sorted(name for name in loaded if not name.startswith("digits.caffe")))
print([name for name in ("flask", "gevent", "wtforms") if name in sys.modules])
"""
    assert run_python(code).split("\n")[:2] == ["[]", "[]"]
