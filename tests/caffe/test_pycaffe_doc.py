"""What docs/pycaffe.md shows runs as it stands there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_example_runs(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "pycaffe.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{example}"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0 <= int(done.stdout) < 10


def test_the_imports_of_the_table_work() -> None:
    text = (ROOT / "docs" / "pycaffe.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    imports = [code for row in rows for code in re.findall(r"`([^`]*)`", row.split("|")[2])]
    statements = [code for code in imports if "import" in code]
    assert len(statements) >= 6
    subprocess.run([sys.executable, "-c", "\n".join(statements)], cwd=ROOT, check=True)
