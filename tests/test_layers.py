"""Imports go one way through the library, and dvc.yaml names what each stage imports."""

import functools
import os
import subprocess
import sys
from pathlib import Path

import grimp
import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def test_no_layer_imports_from_a_later_one() -> None:
    command = [Path(sys.executable).with_name("lint-imports"), "--no-cache"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


@functools.cache
def import_graph() -> grimp.ImportGraph:
    return grimp.build_graph(
        "adaptts", "pipeline", exclude_type_checking_imports=True, cache_dir=None
    )


def imported_by(module: str) -> set[str]:
    """The module and all that it imports, however far; a package is imported before its modules."""
    seen, waiting = set(), with_packages(module)
    while waiting:
        module = waiting.pop()
        seen.add(module)
        for imported in import_graph().find_modules_directly_imported_by(module):
            waiting |= with_packages(imported) - seen
    return seen


def with_packages(module: str) -> set[str]:
    """adaptts.features.store lies in adaptts.features and adaptts."""
    parts = module.split(".")
    return {".".join(parts[:length]) for length in range(1, len(parts) + 1)}


def dependency_of(module: str) -> str:
    """The path under which dvc.yaml names a module: its package, or its file."""
    top, _, rest = module.partition(".")
    folder = Path("src/adaptts") if top == "adaptts" else Path("pipeline")
    if not rest:
        return f"{folder.as_posix()}/__init__.py"
    path = folder / rest.partition(".")[0]
    return path.as_posix() if (ROOT / path).is_dir() else f"{path.as_posix()}.py"


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_exactly_the_code_that_it_imports(stage: str) -> None:
    named = {path for path in STAGES[stage]["deps"] if path.startswith(("src/", "pipeline/"))}
    assert named == {dependency_of(module) for module in imported_by(f"pipeline.{stage}")}
