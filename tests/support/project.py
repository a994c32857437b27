"""The project read as data: playbooks, roles, tasks, modules, the plan."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]
PHASES = ("CHECK", "DECIDE", "SAFETY", "RUN", "VERIFY", "RELEASE")
PLAY_NAME = re.compile(r"^(?P<clause>[A-Z]+-\d+) (?P<number>\d+)/(?P<of>\d+) (?P<phase>[A-Z]+) \| (?P<sentence>\S.*)$")
CONTRACT = (PROJECT / "docs" / "architecture.md").read_text(encoding="utf-8")
BLOCKS = ("block", "rescue", "always")


class Loader(yaml.SafeLoader):
    """YAML with the tags of Ansible (``!vault``, ``!unsafe``), kept as marked text."""


def _tagged(loader: yaml.SafeLoader, suffix: str, node: yaml.Node) -> str:
    return f"!{suffix} {getattr(node, 'value', '')}"


Loader.add_multi_constructor("!", _tagged)


def entry_points() -> set[str]:
    """Return the closed list of verbs, as the architecture's table of rooms gives it."""
    row = next(line for line in CONTRACT.splitlines() if line.startswith("| `roles/` |"))
    return set(re.findall(r"`(\w+)`", row.split("closed list", 1)[1]))


def load(path: Path) -> Any:
    """Return the content of a YAML file."""
    return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)  # noqa: S506 - derived from SafeLoader


def short(path: Path) -> str:
    """Return a path as seen from the project's directory."""
    return str(path.relative_to(PROJECT))


def tracked() -> list[Path]:
    """Return the files of the project: tracked ones, and in an archive without .git all but the caches."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=PROJECT, capture_output=True, check=False)
    if listed.returncode == 0:
        found = [PROJECT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        caches = {".venv", ".cache", "incidents", "build"}
        found = [path for path in PROJECT.rglob("*") if not caches & set(path.relative_to(PROJECT).parts)]
    return sorted(path for path in found if path.is_file())


def playbooks() -> list[Path]:
    """Return the runbooks."""
    return sorted((PROJECT / "playbooks").glob("*.yml"))


def roles() -> list[Path]:
    """Return the roles' directories."""
    return sorted(path for path in (PROJECT / "roles").iterdir() if (path / "tasks").is_dir())


def modules() -> list[Path]:
    """Return the modules."""
    return sorted(path for path in (PROJECT / "library").glob("*.py") if path.name != "__init__.py")


def clauses() -> dict[str, dict[str, Any]]:
    """Return the plan's clauses by id."""
    content = load(PROJECT / "plan" / "clauses.yml")
    rows = content["clauses"] if isinstance(content, dict) else content
    return {row["id"]: row for row in rows}


@dataclass(frozen=True)
class Task:
    """One task where it stands: its file, what it is nested in, and its keys."""

    file: Path
    data: dict[str, Any]
    inside: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The sentence."""
        return str(self.data.get("name", ""))

    @property
    def action(self) -> str:
        """The module's name (with a dot, or one of ours)."""
        known = {path.stem for path in modules()} | {path.stem for path in (PROJECT / "action_plugins").glob("*.py")}
        for key in self.data:
            if "." in key or key in known:
                return key
        return ""

    def __str__(self) -> str:
        """Say where it stands, for the message of a failed test."""
        return f"{short(self.file)}: {self.name or sorted(self.data)}"


def walk(tasks: Any, file: Path, inside: tuple[str, ...] = ()) -> Iterator[Task]:
    """Yield every task of a list, with those in blocks."""
    for entry in tasks or []:
        task = Task(file, entry, inside)
        yield task
        for key in BLOCKS:
            yield from walk(entry.get(key), file, (*inside, key))


def role_files(task: dict[str, Any]) -> list[Path]:
    """Return the files of tasks that an import or include of a role, or of a file, stands for (empty for any other task)."""
    for key in ("ansible.builtin.import_role", "ansible.builtin.include_role"):
        if key in task:
            arguments = task[key]
            name = f"{str(arguments.get('tasks_from', 'main')).removesuffix('.yml')}.yml"
            return [PROJECT / "roles" / arguments["name"] / "tasks" / name]
    return []


def unfold(tasks_of_a_play: Any, file: Path) -> Iterator[Task]:
    """Yield every task in the order in which a play meets it, with those of the roles and files it includes."""
    for task in walk(tasks_of_a_play, file):
        yield task
        for inner in role_files(task.data):
            yield from unfold(load(inner), inner)
        for key in ("ansible.builtin.import_tasks", "ansible.builtin.include_tasks"):
            included = task.data.get(key)
            name = included.get("file") if isinstance(included, dict) else included
            if name and "{{" not in name:
                yield from unfold(load(task.file.parent / name), task.file.parent / name)


def play_tasks(play: dict[str, Any], file: Path) -> list[Task]:
    """Return every task of a play with its roles unfolded, in the order of running."""
    found: list[Task] = list(unfold(play.get("pre_tasks"), file))
    for role in play.get("roles") or []:
        name, verb = (role, "main") if isinstance(role, str) else (role["role"], role.get("tasks_from", "main"))
        path = PROJECT / "roles" / name / "tasks" / f"{verb}.yml"
        found += unfold(load(path), path)
    return found + list(unfold(play.get("tasks"), file)) + list(unfold(play.get("post_tasks"), file))


def tasks() -> list[Task]:
    """Return every task of the runbooks and the roles."""
    found: list[Task] = []
    for path in playbooks():
        for play in load(path):
            for key in ("pre_tasks", "tasks", "post_tasks", "handlers"):
                found += walk(play.get(key), path)
    for role in roles():
        for path in sorted([*role.glob("tasks/**/*.yml"), *role.glob("handlers/*.yml")]):
            found += walk(load(path), path)
    return found


def strings(value: Any) -> Iterator[str]:
    """Yield every text inside a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from strings(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from strings(inner)
