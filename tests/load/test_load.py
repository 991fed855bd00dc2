"""A short load: nothing fails, no page loses its connection, and every page is told all names.

How fast it is depends on the machine, and is only printed: `python -m tests.load` measures that.
"""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

BROWSERS = 30
SECONDS = 15
RATE = 20
MOST_GROWTH_MB = 50


def test_many_browsers_and_twenty_requests_a_second_are_served_beside_a_training(
    record_property: pytest.RecordProperty,
) -> None:
    command = [sys.executable, "-m", "tests.load", "--json", "--minutes", str(SECONDS / 60)]
    result = subprocess.run(
        [*command, "--browsers", str(BROWSERS), "--rate", str(RATE)],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert result.returncode == 0, result.stderr
    figures = json.loads(result.stdout)
    for name in ("answers_ms", "told_ms", "memory_mb"):
        record_property(name, figures[name])
    assert figures["requests"] > 0
    assert figures["errors"] == []
    assert figures["lost_connections"] == []
    assert figures["untold"] == 0
    assert figures["training"] == "Running"
    # Each page is told of the training's progress beside the new names.
    assert figures["messages"] > figures["names"] * BROWSERS
    assert figures["growth_mb"] < MOST_GROWTH_MB
