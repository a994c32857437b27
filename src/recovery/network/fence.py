"""The failed switch is kept from coming back while its twin lives: never two switches with one name, address and bridge (RCV-3). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from recovery.findings import Finding
from recovery.network.failover import Cable, at
from recovery.network.model import Switch

WAYS = ("power", "ports")
"""A person pulls its power cord (what is certain), or its neighbours' ports towards it are shut (what can be done from here)."""


def towards(cables: Iterable[Cable], failed: str, switches: Iterable[str]) -> dict[str, list[str]]:
    """Return for each switch that is cabled to the failed one its ports that lead there."""
    known = set(switches) - {failed}
    found: dict[str, list[str]] = {}
    for cable in at(cables, failed):
        device, port = cable.far(failed)
        if device in known:
            found.setdefault(device, []).append(port)
    return {device: sorted(ports) for device, ports in sorted(found.items())}


def shut(neighbour: Switch, ports: Sequence[str], *, closed: bool = True) -> Switch:
    """Return a neighbour with its ports towards the failed switch shut, or open again. Raises ValueError for a port it does not have."""
    missing = [port for port in ports if port not in neighbour.ports]
    if missing:
        raise ValueError(f"{neighbour.hostname} has no port {', '.join(missing)}")
    changed = {name: replace(port, enabled=not closed) if name in ports else port for name, port in neighbour.ports.items()}
    return replace(neighbour, ports=changed)


def signs_of_life(failed: str, answers: Mapping[str, bool], links: Mapping[str, Mapping[str, bool]]) -> list[Finding]:
    """Return what still tells that the failed switch lives, empty when it is silent.

    ``answers``: address or door -> whether it answered; ``links``: neighbour -> its port towards the failed switch -> has link.
    """
    said = [f"{door} answers" for door, answered in sorted(answers.items()) if answered]
    said += [f"{name} {port} has link" for name, ports in sorted(links.items()) for port, up in sorted(ports.items()) if up]
    if not said:
        return []
    return [
        Finding(
            "not-fenced",
            "stop",
            f"{failed} still gives signs of life: {'; '.join(said)}.",
            "Two switches with one name, one address and one bridge identity disturb each other and everybody behind them.",
            f"Pull the power cord of {failed}, and see that its lights are off; then run the same command again.",
            "Where nobody can get there: -e fence=ports shuts its neighbours' ports towards it.",
        )
    ]
