"""The house: which room may import which (DESIGN: no traffic that runs back)."""

from __future__ import annotations

import ast
import graphlib
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
# a room may import itself and these; rooms are named by their longest prefix
ARROWS = {
    "kernels": {"kernels"},
    "harness.system": {"kernels.api"},
    "harness.statistics": set(),
    "harness.case": {"kernels.api", "kernels.explain", "kernels.registry"},
    "harness.store": {"harness.case", "kernels"},
    "harness.measure": {
        "harness.case", "harness.system", "harness.store", "harness.statistics", "kernels.api",
        "kernels.calibration", "kernels.registry",
    },
    "harness.images": {"harness.case", "harness.store", "harness.system", "kernels"},
    "harness.launch": {"harness.case", "harness.images", "harness.store", "harness.system", "kernels"},
    "harness.analyse": {
        "harness.case", "harness.store", "harness.statistics", "kernels.api", "kernels.calibration.limits",
        "kernels.explain", "kernels.registry",
    },
    "harness.doctor": {
        "harness.case", "harness.images", "harness.launch", "harness.measure.clock", "harness.measure.energy",
        "harness.store", "kernels",
    },
    "harness.present": {
        "harness.analyse", "harness.case", "harness.doctor", "harness.store", "harness.statistics", "kernels.api",
        "kernels.registry",
    },
    "harness.workflow": {
        "harness.analyse", "harness.case", "harness.doctor", "harness.images", "harness.launch", "harness.present",
        "harness.store", "kernels.api", "kernels.registry",
    },
    "harness.cli": {"harness.workflow", "harness.present", "kernels.api"},
}  # fmt: skip


def _imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.split(".")[0] in ("kernels", "harness")}


def _within(name: str, rooms: set[str]) -> bool:
    return any(name == room or name.startswith(f"{room}.") for room in rooms)


def _name(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = sorted(path for top in ("kernels", "harness") for path in (ROOT / top).rglob("*.py"))


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_from_the_rooms_it_may(path: Path) -> None:
    module = _name(path)
    room = max((room for room in ARROWS if _within(module, {room})), key=len, default=None)
    if room is None:
        assert module == "harness"
        return
    foreign = {name for name in _imports(path) if not _within(name, {room} | ARROWS[room])}
    assert not foreign


def test_kernels_are_usable_without_the_harness() -> None:
    assert not any(name.startswith("harness") for path in (ROOT / "kernels").rglob("*.py") for name in _imports(path))


@pytest.mark.parametrize("depth", [2, 9], ids=["rooms", "modules"])
def test_nothing_imports_in_a_circle(depth: int) -> None:
    known = {_name(path) for path in MODULES}
    graph = defaultdict(set)
    for path in MODULES:
        place = _cut(_name(path), depth)
        for name in _imports(path):
            module = name if name in known else name.rpartition(".")[0]
            graph[place] |= {_cut(module, depth)} - {place}
    graphlib.TopologicalSorter(graph).prepare()


def _cut(module: str, depth: int) -> str:
    return ".".join(module.split(".")[:depth])
