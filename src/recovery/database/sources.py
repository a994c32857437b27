"""What an installed command needs of this package: its own modules and all that they import, as source. Standard library only."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

ROOT = __name__.rpartition(".database.")[0]
TOP = '"""Hospital Recovery: the part that is installed on hosts that keep backups."""\n'


def _spec(name: str) -> ModuleSpec | None:
    """Find a module without running it: some are imported late, because only a database host has what they need."""
    try:
        return find_spec(name)
    except ModuleNotFoundError:  # a name inside a module, not a module inside a package
        return None


def _imported(spec: ModuleSpec, source: str) -> Iterator[str]:
    """Yield the full names of what a module imports relatively, wherever in it; its own package first."""
    package = spec.name if spec.submodule_search_locations is not None else spec.name.rpartition(".")[0]
    yield package
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")
            base = base[: len(base) - node.level + 1] + ([node.module] if node.module else [])
            yield ".".join(base)
            yield from (".".join([*base, alias.name]) for alias in node.names)


def sources_of(*commands: ModuleType) -> dict[str, str]:
    """Return the source of every file that some modules need, by its path (``recovery/database/shell.py``).

    The files are those of this very call, wherever it was loaded from: what a timer runs later is what was tested now.
    """
    found = {"recovery/__init__.py": TOP}
    waiting, seen = [command.__name__ for command in commands], {ROOT}
    while waiting:
        name = waiting.pop()
        if name in seen or not name.startswith(f"{ROOT}."):
            continue
        seen.add(name)
        if (spec := _spec(name)) is None:
            continue
        loader: Any = spec.loader
        source = str(loader.get_source(name))
        path = name.replace(ROOT, "recovery", 1).replace(".", "/")
        found[f"{path}.py" if spec.submodule_search_locations is None else f"{path}/__init__.py"] = source
        waiting += _imported(spec, source)
    return found
