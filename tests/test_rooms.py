"""Imports go one way through the rooms of the house (docs/developing.md), and never in a circle."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import softmode

ROOT = Path(softmode.__file__).parent
#: Each imports from those before it only.
ROOMS = [
    *("errors", "files", "plugins", "numerics", "deadlines", "memory", "processes", "downloads", "cluster"),
    *("crystal", "statistics", "published"),
    *(
        "charts",
        "packed_matrices",
        "panel",
        "style",
        "potentials",
        "datasets",
        "structures",
        "harmonic",
        "anharmonic",
        "dynamics",
    ),
    *(
        "configurations",
        "records",
        "measurements",
        "study",
        "leaderboard",
        "report",
        "notebook",
        "cli",
        "__main__",
    ),
]
#: Arrays in, arrays out: what these know of softmode beside each other.
PHYSICS = ("harmonic", "anharmonic", "dynamics", "configurations")
GROUND = {"errors", "numerics", "crystal", "statistics"}
#: Resumable dynamics writes its own files.
OWN_FILES = {"dynamics": {"files"}}


def name_of(path: Path) -> str:
    parts = ("softmode", *path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): ast.parse(path.read_text(encoding="utf-8")) for path in ROOT.rglob("*.py")}


def imported(nodes: Iterator[ast.AST]) -> Iterator[str]:
    """Modules of softmode that import statements name."""
    for node in nodes:
        if isinstance(node, ast.Import):
            named = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path"
            named = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in named:
            found = name if name in MODULES else name.rpartition(".")[0]
            if found in MODULES and found != "softmode":
                yield found


def room_of(module: str) -> str:
    return module.split(".")[1]


IMPORTS = {module: set(imported(ast.walk(tree))) for module, tree in MODULES.items() if module != "softmode"}


def test_every_room_has_its_place() -> None:
    assert {room_of(module) for module in IMPORTS} <= set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_imports_go_one_way(room: str) -> None:
    allowed = set(ROOMS[: ROOMS.index(room) + 1])
    against = {
        (module, other)
        for module, others in IMPORTS.items()
        for other in others
        if room_of(module) == room and room_of(other) not in allowed
    }
    assert not against


@pytest.mark.parametrize("room", PHYSICS)
def test_physics_knows_nothing_of_files_studies_or_engines(room: str) -> None:
    known = {room_of(other) for module in IMPORTS if room_of(module) == room for other in IMPORTS[module]}
    assert known <= GROUND | {*PHYSICS} | OWN_FILES.get(room, set())


def test_no_modules_import_each_other() -> None:
    """What a module imports when it is loaded (not in a function, not for types alone) never needs it."""
    loaded = {module: set(imported(iter(tree.body))) for module, tree in MODULES.items()}
    TopologicalSorter(loaded).prepare()
