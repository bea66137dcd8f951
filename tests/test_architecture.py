"""The layers of the package, held by reading its imports; and the sizes that keep it readable."""

from __future__ import annotations

import ast
import statistics
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "stietime"
LAYERS = {
    "errors": 0,
    "names": 0,
    "settings": 1,
    "configuration": 1,
    "storage": 1,
    "blocks": 1,
    "chunks": 1,
    "h5ad_parts": 1,
    "sample_sheet": 1,
    "spot_fields": 1,
    "radiotherapy_fields": 1,
    "sample": 1,
    "planned_results": 1,
    "resources": 1,
    "plan": 2,
    "inputs": 2,
    "cells": 2,
    "tissue": 2,
    "cohort": 2,
    "figures": 2,
    "report": 3,
    "simulate": 2,
    "steps": 4,
    "commands": 5,
    "cli": 5,
    "warm_steps": 5,
}
# these work in a notebook on arrays, frames or AnnData: no settings, no files of ours, not each other
METHODS = ("inputs", "cells", "tissue", "cohort", "figures")
ALLOWED_TO_METHODS = ("errors", "names")
SOURCES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """Name the top-level module or package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    """Names of the rooms of our package that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        modules = []
        if isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module == "stietime":
            modules = [f"stietime.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            modules = [node.module]
        found |= {module.split(".")[1] for module in modules if module.startswith("stietime.")}
    return found - {"__version__"}


def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """List the functions of a file."""
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function's code, without its docstring."""
    lines = node.end_lineno - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        lines -= first.end_lineno - first.lineno + 1
    return lines


def test_every_room_has_a_layer():
    rooms = {room(path) for path in SOURCES} - {"__init__"}
    assert rooms == set(LAYERS)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_downward(path):
    here = room(path)
    if here == "__init__":
        assert not imported_rooms(path)
        return
    for other in imported_rooms(path) - {here}:
        assert LAYERS[other] < LAYERS[here] or LAYERS[other] == LAYERS[here] in (0, 1, 5), (
            f"{here} imports {other}"
        )


@pytest.mark.parametrize("name", METHODS)
def test_methods_stand_alone(name):
    for path in (PACKAGE / name).rglob("*.py"):
        others = imported_rooms(path) - {name, *ALLOWED_TO_METHODS}
        assert not others, f"{path.name} imports {others}"


def test_only_the_command_line_imports_steps():
    importers = {room(path) for path in SOURCES if "steps" in imported_rooms(path)}
    assert importers <= {"steps", "cli", "commands", "warm_steps"}


def test_every_step_is_a_module_and_a_rule():
    from stietime.steps import STEPS, module_name

    modules = {module_name(step).rpartition(".")[2] for step in STEPS}
    # the arguments that steps share, and the parts of score-states and annotate beside them, are no steps
    files = {path.stem for path in (PACKAGE / "steps").glob("*.py")}
    files -= {
        "__init__",
        "arguments",
        "cell_scores",
        "chosen_contrasts",
        "claimed_values",
        "kept_cells",
        "model_types",
        "section_values",
        "state_calls",
    }
    rules = "\n".join(path.read_text() for path in (ROOT / "workflow" / "rules").glob("*.smk"))
    assert modules == files
    for step in STEPS:
        assert f"stietime step {step} " in rules
        assert f"rule {step.replace('-', '_')}:" in rules


def test_sizes():
    lengths = sorted(length(node) for path in SOURCES for node in functions(path))
    assert statistics.median(lengths) <= 13
    assert lengths[int(0.9 * len(lengths))] <= 45
    assert lengths[-1] <= 60
    for path in SOURCES:
        assert len(path.read_text().splitlines()) <= 300, path


def test_rules_are_short_and_the_snakefile_too():
    assert len((ROOT / "Snakefile").read_text().splitlines()) <= 40
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in path.read_text().split("rule ")[1:]:
            assert len([line for line in rule.splitlines() if line.strip()]) <= 18, rule


def test_public_functions_are_documented():
    for path in SOURCES:
        for node in functions(path):
            if not node.name.startswith("_") and length(node) > 1:
                assert ast.get_docstring(node), f"{path}: {node.name}"


def test_no_room_is_called_utils():
    assert not [path for path in SOURCES if path.stem in {"utils", "helpers", "misc", "common"}]
