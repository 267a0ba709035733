"""Rules of the house that no linter knows; each detector is shown a violation first."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("dus_project", "updates", "devices", "tests", "bench")
MAX_LINES = 400


def sources() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            if "migrations" not in path.parts:
                yield path


def imports_inside_functions(source: str) -> list[int]:
    return [
        inner.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for inner in ast.walk(node)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]


def tasks_queued_at_once(source: str) -> list[int]:
    """Calls of `.delay()` or `.apply_async()`: services hand the bound method to `on_commit` instead."""
    return [
        node.lineno
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"delay", "apply_async"}
    ]


def test_the_detectors_find_what_they_are_for() -> None:
    assert imports_inside_functions("def f():\n    import os\n") == [2]
    assert tasks_queued_at_once("task.delay(package_id=1)\n") == [1]
    assert tasks_queued_at_once("on_commit(partial(task.delay, package_id=1))\n") == []


def test_no_import_hides_in_a_function() -> None:
    found = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := imports_inside_functions(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_services_queue_tasks_on_commit_only() -> None:
    found = {
        path.name: lines
        for path in (ROOT / "updates" / "services").glob("*.py")
        if (lines := tasks_queued_at_once(path.read_text(encoding="utf-8")))
    }
    assert found == {}


def test_files_stay_small_enough_to_read() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in sources()
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long == {}
