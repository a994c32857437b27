"""May this spare take over from that archive? What speaks against it, with cause, remedy and alternative (RCV-3, BKP-6). Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from recovery.findings import Finding
from recovery.network.compare import View


def moment(text: str) -> datetime:
    """Read an ISO 8601 time; one without a zone is UTC."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def version_key(version: str) -> tuple[int, ...]:
    """Return the numbers of a software version in their order, so that versions of one make can be compared."""
    return tuple(int(number) for number in re.findall(r"\d+", version))


def span(seconds: float) -> str:
    """Write an age as people say it."""
    minutes = int(seconds // 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h" if minutes < 60 * 48 else f"{minutes // 1440} days"


def _some(words: Sequence[str], shown: int = 6) -> str:
    return ", ".join(words[:shown]) + (f" and {len(words) - shown} more" if len(words) > shown else "")


def judge_archive(failed: str, archived: Mapping[str, Any] | None, limits: Mapping[str, Any], now: datetime) -> list[Finding]:
    """What speaks against the archived configuration.

    ``archived``: ``complete`` and ``why`` not, ``hostname``, ``model``, ``serial``, ``expected_serial``, ``expected_hostname``,
    ``fetched_at`` and ``changed_at`` (the last change of the switch that is known otherwise; empty: none). None: there is no archive.
    """
    again = f"Archive the switches daily and after each change: recovery run switch_archive -l {failed}."
    if archived is None:
        return [
            Finding(
                "archive-missing",
                "stop",
                f"There is no archived configuration of {failed}.",
                "What it carried cannot be known, so it cannot be carried on.",
                f"Look for a copy elsewhere and put it into the archive. {again}",
                "Configure the spare by hand from the network's drawings.",
            )
        ]
    found = []
    if not archived.get("complete"):
        found.append(
            Finding(
                "archive-truncated",
                "stop",
                f"The archived configuration of {failed} is not complete: {archived.get('why') or 'its end is missing'}.",
                "A spare configured from half a text leaves wards without their network.",
                f"Take an older complete one from the archive's history by name: -e archive_at=COMMIT. {again}",
            )
        )
    for what in ("hostname", "serial"):
        has, wanted = str(archived.get(what) or ""), str(archived.get(f"expected_{what}") or "")
        if has and wanted and has != wanted:
            found.append(
                Finding(
                    "archive-of-another",
                    "stop",
                    f"The archived configuration is that of another switch: its {what} is {has}, that of {failed} is {wanted}.",
                    "The spare would become a twin of a switch that is in use.",
                    "Correct the archive (which file belongs to which switch) or the inventory.",
                )
            )
            break
    return found + _age(failed, archived, limits, now, again)


def _age(failed: str, archived: Mapping[str, Any], limits: Mapping[str, Any], now: datetime, again: str) -> list[Finding]:
    fetched = moment(str(archived["fetched_at"]))
    changed = str(archived.get("changed_at") or "")
    if changed and moment(changed) > fetched:
        return [
            Finding(
                "archive-stale",
                "overridable",
                f"{failed} was changed at {changed}, after its configuration was archived ({archived['fetched_at']}).",
                "That change would be missing on the spare.",
                "Find out what was changed (the journal of that run, the person) and put it into the archive.",
                again,
            )
        ]
    age = (now - fetched).total_seconds()
    if age > float(limits["archive_max_age_s"]):
        return [
            Finding(
                "archive-stale",
                "overridable",
                f"The archived configuration of {failed} is {span(age)} old; {span(float(limits['archive_max_age_s']))} are allowed.",
                "What was changed since then would be missing on the spare.",
                "Ask who has changed anything on it since then.",
                again,
            )
        ]
    return []


def judge_spare(failed: Mapping[str, Any], spare: Mapping[str, Any], view: View, limits: Mapping[str, Any]) -> list[Finding]:
    """What speaks against the spare itself.

    ``failed``: name, model, software. ``spare``: name, model, expected_model, serial, expected_serial, software, hostname, standing (its
    place in the inventory: spare or not), compatible (models that the inventory declares to be compatible).
    """
    name = str(spare["name"])
    found = []
    if not spare.get("standing"):
        found.append(
            Finding(
                "spare-in-use",
                "stop",
                f"{name} is not a spare: the inventory has it among the switches in use.",
                "Taking its configuration away would cut off those who work through it.",
                "Name a switch of the group spares: -e spare=NAME.",
            )
        )
    found += _wrong_box(name, spare)
    carrying = sorted({port for port, up in view.links.items() if up} & ({port for port in view.macs.values()} | set(view.neighbours)))
    if carrying and spare.get("standing"):
        found.append(
            Finding(
                "spare-in-use",
                "stop",
                f"{name} carries traffic: link, and somebody who speaks, at {', '.join(carrying[:5])}.",
                "A spare that somebody has put to use serves people who would lose their network.",
                "See where it is plugged in and why; name another spare: -e spare=NAME.",
            )
        )
    compatible = {str(one) for one in spare.get("compatible") or ()}
    if spare.get("model") != failed.get("model") and spare.get("model") not in compatible:
        found.append(
            Finding(
                "spare-other-model",
                "overridable",
                f"{name} is a {spare.get('model')}, {failed['name']} is a {failed.get('model')}, and nobody has declared them compatible.",
                "Ports, optics and power over Ethernet may differ; the port map says what has no place.",
                "Read the plan of action closely (not_carried), or name a spare of the same model: -e spare=NAME.",
            )
        )
    have, needed = version_key(str(spare.get("software") or "")), version_key(str(failed.get("software") or ""))
    if spare.get("platform") == failed.get("platform") and have and needed and have < needed:
        found.append(
            Finding(
                "spare-software-older",
                "overridable",
                f"{name} runs {spare['software']}, {failed['name']} ran {failed['software']}.",
                "An older software may not know a line of the configuration; it would be refused while people wait.",
                "Update the spare first: it is out of use, and so it takes nobody's network.",
                "If the rehearsal of this very configuration on the spare went well, accept it by name.",
            )
        )
    return found


def _wrong_box(name: str, spare: Mapping[str, Any]) -> list[Finding]:
    for what in ("model", "serial"):
        has, wanted = str(spare.get(what) or ""), str(spare.get(f"expected_{what}") or "")
        if has and wanted and has != wanted:
            return [
                Finding(
                    "wrong-spare",
                    "stop",
                    f"What answers as {name} is another box: its {what} is {has}, the inventory says {wanted}.",
                    "The wrong switch would be configured.",
                    "Look at the label of what stands on the shelf; correct the inventory, or connect the right one.",
                )
            ]
    return []


def judge_ports(
    failed: str, spare: str, needed: Iterable[str], ports: Mapping[str, str], not_carried: Sequence[Mapping[str, Any]]
) -> list[Finding]:
    """What speaks against the port map: a cable that has no port to go to, and what the spare cannot do."""
    homeless = sorted(set(needed) - set(ports))
    found = []
    if homeless:
        found.append(
            Finding(
                "spare-ports-missing",
                "stop",
                f"{spare} has no port for {len(homeless)} cables of {failed}: {_some(homeless)}.",
                "Whoever hangs there would stay without a network.",
                "Name a spare with enough ports of that speed and medium: -e spare=NAME, or put the missing optics into it.",
                "Name two spares and split the cables by hand: the port map says which ones have no place.",
            )
        )
    if not_carried:
        what = _some([f"{one.get('what')} ({one.get('why')})" for one in not_carried])
        found.append(
            Finding(
                "not-carried",
                "warning",
                f"{len(not_carried)} settings of {failed} are not carried to {spare}: {what}.",
                "They are listed in the plan of action that people approve.",
            )
        )
    return found


def judge_pairs(failed: str, pairs: Mapping[str, Iterable[str]]) -> list[Finding]:
    """Half of an aggregate over two switches cannot be replaced alone. ``pairs``: neighbour's aggregate -> switches it leads to."""
    halves = {name: sorted(set(far)) for name, far in pairs.items() if failed in far and len(set(far)) > 1}
    if not halves:
        return []
    name, far = next(iter(sorted(halves.items())))
    return [
        Finding(
            "aggregate-half",
            "stop",
            f"{failed} is half of an aggregate over two switches: {name} leads to {' and '.join(far)}.",
            "A replacement with another system identity would split the aggregate, and the other half would stop carrying it, too.",
            "The partner carries the traffic meanwhile. Replace this half by its vendor's procedure for a pair, with the pair's identity.",
        )
    ]


def judge_unknown(failed: str, unknown: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Lines of the archived configuration that the model does not know: never dropped in silence."""
    if not unknown:
        return []
    shown = _some([f"line {one.get('line')} ({one.get('text')})" for one in unknown])
    return [
        Finding(
            "lines-not-understood",
            "warning",
            f"{len(unknown)} lines of {failed}'s configuration are not understood and are not carried: {shown}.",
            "What they do has to be judged by a person; the plan of action lists every one.",
        )
    ]
