"""Read a file of the plan strictly: every wrong key is a sentence that names file, key and what is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml


class PlanError(Exception):
    """A file of the plan that cannot be relied upon: which file, which key, what is wrong."""


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key given twice is an error and not a silent loss of the first."""


def _mapping_without_doubles(loader: _StrictLoader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} is given twice", key_node.start_mark)
        seen.add(key)
    return {loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value}


_StrictLoader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping_without_doubles)


class Field:
    """One place in a file of the plan: a value, and the path of keys that led to it."""

    def __init__(self, file: Path, path: str, value: Any) -> None:
        """Remember where the value came from."""
        self.file = file
        self.path = path
        self.value = value

    def wrong(self, what: str) -> PlanError:
        """Return the error that says what is wrong here."""
        return PlanError(f"{self.file}: {self.path or 'the file'} {what}.")

    def mapping(self, required: Iterable[str] = (), optional: Iterable[str] | None = None) -> dict[str, Field]:
        """Return the keys of a mapping. With ``optional`` given, a key outside both lists is refused."""
        if not isinstance(self.value, Mapping):
            raise self.wrong(f"must be a mapping, not {_kind(self.value)}")
        needed = list(required)
        for key in needed:
            if key not in self.value:
                raise self.wrong(f"lacks the key {key!r}")
        if optional is not None:
            known = {*needed, *optional}
            for key in self.value:
                if key not in known:
                    raise self.wrong(f"has the unknown key {key!r} (known: {', '.join(sorted(known))})")
        fields: dict[str, Field] = {}
        for key, value in self.value.items():
            if not isinstance(key, str):
                raise self.wrong(f"has the key {key!r}, which is {_kind(key)} and not a text")
            fields[key] = Field(self.file, f"{self.path}.{key}" if self.path else key, value)
        return fields

    def items(self) -> list[Field]:
        """Return the entries of a list."""
        if not isinstance(self.value, list):
            raise self.wrong(f"must be a list, not {_kind(self.value)}")
        return [Field(self.file, f"{self.path}[{number}]", value) for number, value in enumerate(self.value)]

    def text(self, among: Iterable[str] | None = None) -> str:
        """Return a text that is not empty, and one of ``among`` if that is given."""
        if not isinstance(self.value, str) or not self.value.strip():
            raise self.wrong(f"must be a text, not {_kind(self.value)}")
        if among is not None:
            allowed = list(among)
            if self.value not in allowed:
                raise self.wrong(f"is {self.value!r}, which is none of {', '.join(allowed)}")
        return self.value

    def texts(self, among: Iterable[str] | None = None) -> tuple[str, ...]:
        """Return a list of texts without doubles."""
        allowed = None if among is None else list(among)
        found = tuple(each.text(allowed) for each in self.items())
        if len(set(found)) != len(found):
            raise self.wrong("names something twice")
        return found

    def number(self, minimum: float = 0) -> float:
        """Return a number that is not below ``minimum``."""
        if isinstance(self.value, bool) or not isinstance(self.value, (int, float)):
            raise self.wrong(f"must be a number, not {_kind(self.value)}")
        if self.value < minimum:
            raise self.wrong(f"is {self.value}, below {minimum}")
        return self.value

    def integer(self, minimum: int = 0) -> int:
        """Return a whole number that is not below ``minimum``."""
        if not isinstance(self.value, int):
            raise self.wrong(f"must be a whole number, not {_kind(self.value)}")
        return int(self.number(minimum))


def _kind(value: Any) -> str:
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return "yes or no"
    names: dict[type, str] = {str: "a text", int: "a number", float: "a number", list: "a list", dict: "a mapping"}
    return names.get(type(value), type(value).__name__)


def read(file: Path) -> Field:
    """Read a YAML file of the plan. Raises PlanError if it is missing, not YAML, or names a key twice."""
    try:
        with file.open(encoding="utf-8") as stream:
            value = yaml.load(stream, Loader=_StrictLoader)  # noqa: S506 - derives from SafeLoader
    except FileNotFoundError as error:
        raise PlanError(f"{file}: this file of the plan is missing.") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PlanError(f"{file}: cannot be read as YAML: {error}") from error
    return Field(file, "", value)
