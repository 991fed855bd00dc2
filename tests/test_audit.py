"""What scripts/audit.py makes of the answers of pip-audit and npm."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import audit

TOP = Path(__file__).parent.parent


def package(name: str, *weaknesses: str) -> dict[str, object]:
    found = [{"id": weakness, "fix_versions": ["2.0"]} for weakness in weaknesses]
    return {"name": name, "version": "1.0", "vulns": found}


def test_findings_are_told_with_the_version_that_mends_them() -> None:
    report = {"dependencies": [package("flask", "CVE-1"), package("numpy")]}
    found = audit.read_pip_audit(json.dumps(report))
    assert not found.problem
    assert found.findings == ["  flask 1.0: CVE-1, mended in 2.0"]
    assert "1 findings" in str(found)


def test_a_registry_that_knows_no_package_is_no_all_clear() -> None:
    """pip-audit itself says "No known vulnerabilities found" then, with status 0."""
    skipped = [{"name": name, "skip_reason": "not found"} for name in ("flask", "numpy")]
    found = audit.read_pip_audit(json.dumps({"dependencies": skipped}))
    assert "not audited" in str(found)


def test_no_answer_is_no_all_clear() -> None:
    assert "not audited" in str(audit.read_pip_audit(""))
    assert "not audited" in str(audit.read_npm_audit('{"statusCode": 405}'))


def test_what_npm_finds_is_told() -> None:
    via = [{"title": "Prototype pollution"}]
    report = {
        "vulnerabilities": {"left": {"severity": "high", "range": "<2", "via": via}},
        "metadata": {"dependencies": {"total": 30}},
    }
    found = audit.read_npm_audit(json.dumps(report))
    assert (found.asked, found.findings) == (30, ["  left <2: high, Prototype pollution"])
    assert str(audit.read_npm_audit('{"vulnerabilities": {}}')).startswith("npm audit: no known")


def test_the_programs_that_it_asks_are_installed() -> None:
    command = [sys.executable, "-m", "pip_audit", "--version"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "audit.py" in (TOP / ".ci" / "run").read_text()
