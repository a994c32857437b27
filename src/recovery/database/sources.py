"""What an installed command needs of this package: its own modules and all that they import, as source. Standard library only."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

TOP = '"""Hospital Recovery: the part that is installed on hosts that keep backups."""\n'


def _source(module: ModuleType) -> str:
    loader: Any = module.__loader__
    return str(loader.get_source(module.__name__))


def _imported(module: ModuleType) -> Iterator[str]:
    """Yield the full names of what a module imports relatively, its own package among them."""
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    yield package
    for node in ast.walk(ast.parse(_source(module))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = package.split(".")
            base = base[: len(base) - node.level + 1] + ([node.module] if node.module else [])
            yield ".".join(base)
            yield from (".".join([*base, alias.name]) for alias in node.names)


def sources_of(*commands: ModuleType) -> dict[str, str]:
    """Return the source of every file that some modules need, by its path (``recovery/database/shell.py``).

    The files are those of this very call, wherever it was loaded from: what a timer runs later is what was tested now.
    """
    root = __name__.rpartition(".database.")[0]
    found: dict[str, str] = {"recovery/__init__.py": TOP}
    waiting, seen = list(commands), {root}
    while waiting:
        module = waiting.pop()
        if module.__name__ in seen:
            continue
        seen.add(module.__name__)
        path = module.__name__.replace(root, "recovery", 1).replace(".", "/")
        found[f"{path}/__init__.py" if hasattr(module, "__path__") else f"{path}.py"] = _source(module)
        waiting += [sys.modules[name] for name in _imported(module) if name.startswith(root + ".") and name in sys.modules]
    return found
