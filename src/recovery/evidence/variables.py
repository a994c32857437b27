"""Secret values of a play: found through Ansible's own variables, as the play will see them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible.template import Templar

from recovery.evidence.scrub import Scrubber, is_secret_name


def secret_values(variables: Any) -> Iterator[Any]:
    """Yield what stands under a secret's name in nested variables, as written (templates are not resolved)."""
    if isinstance(variables, Mapping):
        for name, value in variables.items():
            if isinstance(name, str) and is_secret_name(name):
                yield value
            else:
                yield from secret_values(value)
    elif isinstance(variables, (list, tuple)):
        for value in variables:
            yield from secret_values(value)


def resolved(value: Any, loader: Any, variables: Mapping[str, Any]) -> Any:
    """Resolve templates and vaulted values. A value that the play could not resolve either is None."""
    try:
        return Templar(loader=loader, variables=dict(variables)).template(value)
    except Exception:
        return None


def learn(scrubber: Scrubber, loader: Any, variables: Mapping[str, Any]) -> None:
    """Teach the scrubber every secret among these variables."""
    for value in secret_values(variables):
        scrubber.learn({"vault_value": resolved(value, loader, variables)})


def literal(variables: Any) -> list[Any]:
    """Return the secret values among raw variables that are written out in full; templates resolve to variables known elsewhere."""
    return [value for value in secret_values(variables) if not (isinstance(value, str) and "{{" in value)]
