"""Whether tests notice a fault: seeded mutations of a module, each run through the module's tests.

    python -m benchmarks.mutations digits/jobs/queue.py ... [--count 3] [--seed 1] [--all]

Works on a copy of the checkout.  The tests are the module's mirror (digits/jobs/queue.py has
tests/jobs/test_queue.py), else the test files of its folder that name the module; `--tests` names
others.  For each mutation it prints the line, what became of what, and the test that failed; one
that nothing caught is a claim that no test makes, or a change that means the same.  `--all` runs
slow tests as well.  The exit status is 1 if any escaped.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
COPIED = ("digits", "tests")
LEFT_OUT = (".git", "jobs", ".pytest_cache", ".hypothesis")
MOST_TESTS_S = 600  # a mutation that makes a program wait for ever is caught as well

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq, ast.NotEq: ast.Eq, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And,
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.FloorDiv, ast.FloorDiv: ast.Mult,
    ast.Div: ast.Mult, ast.Mod: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutation:
    """One expression of a module that becomes another."""

    line: int
    before: str
    after: str
    source: str  # of the whole module, mutated


def mutations_of(source: str) -> list[Mutation]:
    """All mutations of a module's source that this program knows."""
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    found = []
    for node, mutated in _changes(ast.parse(source)):
        begin = sum(map(len, lines[: node.lineno - 1])) + node.col_offset
        end = sum(map(len, lines[: (node.end_lineno or 0) - 1])) + (node.end_col_offset or 0)
        whole, after = source.encode(), ast.unparse(mutated)
        text = whole[:begin] + f"({after})".encode() + whole[end:]
        before = " ".join(whole[begin:end].decode().split())
        found.append(Mutation(node.lineno, before, after, text.decode()))
    return found


def _changes(tree: ast.Module) -> Iterator[tuple[ast.expr, ast.expr]]:
    """Each expression that can be mutated, with what becomes of it."""
    for statement in ast.walk(tree):
        match statement:
            case ast.Expr(ast.Call() as left_out):
                yield left_out, ast.Constant(None)
            case ast.Return(ast.expr() as answer):
                yield answer, ast.Constant(None)
    for node in _expressions(tree):
        match node:
            case ast.Compare(left, [operator], right) if type(operator) in OPERATORS:
                yield node, ast.Compare(left, [_other(operator)], right)  # type: ignore[list-item]
            case ast.BoolOp(operator, values):
                yield node, ast.BoolOp(_other(operator), values)  # type: ignore[arg-type]
            case ast.BinOp(left, operator, right) if type(operator) in OPERATORS:
                yield node, ast.BinOp(left, _other(operator), right)  # type: ignore[arg-type]
            case ast.UnaryOp(ast.Not(), operand):
                yield node, operand
            case ast.Constant(bool() as value):
                yield node, ast.Constant(not value)
            case ast.Constant(int() | float() as value):
                yield node, ast.Constant(value + 1)
            case ast.IfExp(test, body, orelse):
                yield node, ast.IfExp(test, orelse, body)


def _other(operator: ast.AST) -> ast.AST:
    return OPERATORS[type(operator)]()


def _expressions(node: ast.AST) -> Iterator[ast.expr]:
    """The expressions of a module in its order, but those of annotations and of text with holes."""
    for name, value in ast.iter_fields(node):
        if name in ("annotation", "returns", "type_params") or isinstance(node, ast.JoinedStr):
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.expr):
                yield child
            if isinstance(child, ast.AST):
                yield from _expressions(child)


def tests_of(module: Path) -> list[str]:
    """The module's mirror, else the test files of its folder that name it; relative paths."""
    inner = module.relative_to("digits")
    mirror = Path("tests") / inner.parent / f"test_{inner.name}"
    if (ROOT / mirror).exists():
        return [str(mirror)]
    name = ".".join(module.with_suffix("").parts)
    package = re.escape(".".join(module.parent.parts))
    named = re.compile(rf"\b{re.escape(name)}\b|from {package} import .*\b{module.stem}\b")
    files = sorted((ROOT / "tests" / inner.parent).rglob("test_*.py"))
    return [str(path.relative_to(ROOT)) for path in files if named.search(path.read_text())]


def make_copy(folder: Path) -> None:
    """The checkout with its own copy of what is mutated, and links to everything else."""
    for path in ROOT.iterdir():
        if path.name in COPIED:
            shutil.copytree(path, folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        elif path.name not in LEFT_OUT:
            (folder / path.name).symlink_to(path)


def failed_test(folder: Path, tests: list[str], options: list[str]) -> str | None:
    """The first of the tests that fails in this copy; None when all pass."""
    # Programs that tests start find the copy as well.
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-m", "pytest", "-n0", "-x", "-q", "-p", "no:cacheprovider"]
    try:
        done = subprocess.run(
            [*command, *options, *tests],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=MOST_TESTS_S,
        )
    except subprocess.TimeoutExpired:
        return f"none had ended after {MOST_TESTS_S} s"
    if done.returncode == 0:
        return None
    found = re.search(r"^(?:FAILED|ERROR) (.*?)(?: - .*)?$", done.stdout, re.MULTILINE)
    return found[1] if found else f"exit status {done.returncode}: {done.stderr[-300:]}"


def try_module(folder: Path, module: Path, given: argparse.Namespace) -> tuple[int, int]:
    """How many mutations of a module were caught, of how many."""
    tests = given.tests or tests_of(module)
    options = ["--all"] if given.all else []
    print(f"== {module}, by {', '.join(tests) or 'no test'}", flush=True)
    if not tests:
        return 0, given.count
    if broken := failed_test(folder, tests, options):
        sys.exit(f"{broken} fails without any mutation")
    source = (ROOT / module).read_text()
    possible = mutations_of(source)
    generator = random.Random(given.seed)  # noqa: S311 - the same seed, the same mutations
    chosen = generator.sample(possible, min(given.count, len(possible)))
    caught = 0
    for mutation in sorted(chosen, key=lambda mutation: mutation.line):
        (folder / module).write_text(mutation.source)
        failed = failed_test(folder, tests, options)
        caught += failed is not None
        told = f"caught by {failed}" if failed else "ESCAPED"
        print(
            f"{module}:{mutation.line}: {mutation.before} -> {mutation.after}: {told}", flush=True
        )
    (folder / module).write_text(source)
    return caught, len(chosen)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="+", type=Path, help="such as digits/jobs/queue.py")
    parser.add_argument("--count", type=int, default=3, help="mutations of each module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--tests", nargs="+", help="run these instead of the module's own")
    parser.add_argument("--all", action="store_true", help="slow tests as well")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="mutations-") as folder:
        make_copy(Path(folder))
        results = [try_module(Path(folder), module, given) for module in given.modules]
    caught, tried = (sum(column) for column in zip(*results, strict=True))
    print(f"{caught} of {tried} mutations were caught")
    return int(caught < tried)


if __name__ == "__main__":
    sys.exit(main())
