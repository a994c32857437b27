"""May a standby be built, may it take over, may the old server come back (BKP-5)? From facts to findings. Pure, standard library only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import Any

from ..findings import Finding
from .clients import acknowledged, fault, moment
from .standby import lag, serves
from .wal import parse_lsn

SPACE_MARGIN = 1.10


def _clock(at: float) -> str:
    return datetime.fromtimestamp(at, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def judge_build(
    facts: Mapping[str, Any], primary: Mapping[str, Any] | None, backup: Mapping[str, Any] | None, partner: str
) -> list[Finding]:
    """What speaks against building a standby on this host. ``backup``: system_identifier, size (bytes), label; None if none is usable."""
    found: list[Finding] = []
    if primary is None:
        found.append(
            Finding(
                "primary-unreachable",
                "stop",
                f"The database server {partner} cannot be reached from here with the standby's account.",
                why="A standby that has nobody to follow is an old copy.",
                remedy=f"See that {partner} serves (recovery run database_check) and that nothing lies between the two, then repeat.",
            )
        )
    elif primary["standby"]:
        found.append(
            Finding(
                "primary-is-standby",
                "stop",
                f"{partner} does not serve, it follows another server itself.",
                remedy="Name the server that serves: -e database_host=NAME.",
            )
        )
    systems = {str(s) for s in ((primary or {}).get("system_identifier"), (backup or {}).get("system_identifier")) if s}
    if len(systems) > 1:
        found.append(
            Finding(
                "other-system",
                "stop",
                f"The backup and the server {partner} are of different systems ({' and '.join(sorted(systems))}).",
                why="Log of one system cannot be replayed into another.",
                remedy="Name the right repository, or take a backup of this system first: recovery run database_backup.",
            )
        )
    if facts["data"]:
        found += _present(facts, systems, partner)
    need = int((backup or {}).get("size", 0)) * SPACE_MARGIN
    if need and facts["free_bytes"] < need:
        found.append(
            Finding(
                "disk-full",
                "stop",
                f"The standby needs {need / 2**30:.2f} GiB; {facts['free_bytes'] / 2**30:.2f} GiB are free on its disk.",
                why="What is there already is set aside, not deleted.",
                remedy="Free space there, or enlarge the disk.",
            )
        )
    return found


def _present(facts: Mapping[str, Any], systems: set[str], partner: str) -> list[Finding]:
    same = not systems or str(facts["system_identifier"]) in systems
    if facts["running"] and serves(facts):
        return [
            Finding(
                "server-healthy",
                "stop",
                "The database server of this host serves: it is not a place for a standby.",
                why="Building one here would stop a server that people may be using.",
                remedy="Name the right host in the inventory (database_standby_host).",
            )
        ]
    what = "a standby of this system that does not follow" if same and facts["standby_signal"] else "a database that is not a standby of it"
    return [
        Finding(
            "data-directory-present",
            "overridable",
            f"The data directory of this host holds {what} (system {facts['system_identifier'] or 'unknown'}).",
            why="It may hold what no other copy has. It would be set aside by its name, not deleted.",
            remedy=f"If it is the old server of {partner}: recovery run database_rejoin brings it back and keeps what it alone has.",
        )
    ]


def judge_watch(facts: Mapping[str, Any], primary: Mapping[str, Any] | None, limits: Mapping[str, Any], partner: str) -> list[Finding]:
    """What is wrong with a standby: not there, not following, another system, too far behind."""
    if not facts.get("answers") or not facts.get("standby"):
        return [_absent(facts)]
    found: list[Finding] = []
    if primary is None:
        found.append(Finding("primary-unreachable", "stop", f"The standby cannot reach {partner}.", remedy="Look at that server first."))
        return found
    if primary["system_identifier"] != facts["system_identifier"]:
        found.append(Finding("other-system", "stop", f"The standby and {partner} are of different systems.", remedy="Build it again."))
    if facts.get("receiver") != "streaming":
        found.append(
            Finding(
                "standby-not-following",
                "stop",
                f"The standby does not receive the log of {partner}.",
                why="From now on it falls behind, and a failover would lose what it does not have.",
                remedy="Read its log.",
                alternative="Build it anew: recovery run database_standby -e override=data-directory-present -e override_by=NAME",
            )
        )
    behind = lag(facts, str(primary["lsn"]))
    if behind.bytes > int(limits["lag_bytes"]) or behind.seconds > float(limits["lag_s"]):
        found.append(
            Finding(
                "standby-lagging",
                "overridable",
                f"The standby is {behind.bytes} bytes and {behind.seconds:.1f} s behind {partner}; "
                f"the bounds are {limits['lag_bytes']} bytes and {limits['lag_s']} s.",
                why="What it does not have is lost if it takes over.",
                remedy="Look at its disk and at the line between the two; it catches up by itself if it can.",
            )
        )
    return found


def _absent(facts: Mapping[str, Any]) -> Finding:
    if facts.get("answers"):
        said = "The server of this host accepts work: it is not a standby."
    else:
        said = f"There is no standby on this host that answers ({str(facts.get('said') or 'no data').strip()[-160:]})."
    return Finding(
        "no-standby",
        "stop",
        said,
        remedy="Build it: recovery run database_standby.",
        alternative="Bring the database back from its backup: recovery run database_restore -e source=best.",
    )


def judge_promotion(
    facts: Mapping[str, Any],
    primary: Mapping[str, Any] | None,
    sides: Mapping[str, Mapping[str, Any]],
    summaries: Sequence[Mapping[str, Any]],
    lost: Mapping[str, Mapping[str, Any]],
    limits: Mapping[str, Any],
    partner: str,
) -> tuple[list[Finding], dict[str, Any]]:
    """What speaks against a promotion, and what it would lose.

    ``primary``: facts from its own console, None if it could not be reached; ``sides``: host -> what it saw at the primary's doors;
    ``summaries``: what workstations logged; ``lost``: what was acknowledged to them and the standby does not have.
    """
    if not facts.get("answers") or not facts.get("standby"):
        return [_absent(facts)], {}
    found: list[Finding] = []
    alive = [name for name, seen in sides.items() if seen.get("serving")]
    healthy = serves(primary) if primary is not None else bool(alive)
    if healthy:
        by = "its own console says so" if primary is not None else f"{', '.join(alive)} can reach it"
        found.append(
            Finding(
                "primary-healthy",
                "overridable",
                f"The database server {partner} serves ({by}).",
                why="Taking over from a living server interrupts the wards; done by name it is a planned switchover, without loss.",
                remedy="If the wards cannot work, look at the application and the network first.",
            )
        )
    else:
        seen = ", ".join(f"{name}: {', '.join(f'{d} {a}' for d, a in side['doors'].items())}" for name, side in sides.items())
        own = "its console cannot be reached" if primary is None else "its console says that nothing serves"
        found.append(
            Finding("primary-down", "info", f"The database server {partner} does not serve: {own}; {seen or 'nobody else looked'}.")
        )
    if primary and primary.get("system_identifier") and primary["system_identifier"] != facts["system_identifier"]:
        found.append(Finding("other-system", "stop", f"The standby and {partner} are of different systems.", remedy="Build it again."))
    return found, _loss(facts, primary, summaries, lost, limits, partner, healthy, found)


def _loss(
    facts: Mapping[str, Any],
    primary: Mapping[str, Any] | None,
    summaries: Sequence[Mapping[str, Any]],
    lost: Mapping[str, Mapping[str, Any]],
    limits: Mapping[str, Any],
    partner: str,
    healthy: bool,
    found: list[Finding],
) -> dict[str, Any]:
    """Say what a promotion loses; add the finding where that is more than the bounds allow, or not known."""
    replayed_at = facts.get("replayed_at")
    loss: dict[str, Any] = {"standby_has_until": _clock(replayed_at) if replayed_at else "", "replayed": facts.get("replayed", "")}
    if primary is not None and primary.get("answers"):
        behind = lag(facts, str(primary["replayed"]))
        loss |= {"lag_bytes": behind.bytes, "lag_s": behind.seconds}
        if healthy:
            sentence = f"Nothing: {partner} is closed in good order and hands over its log first; {behind.bytes} bytes are on their way."
        else:
            sentence = f"{behind.bytes} bytes of log."
        loss["sentence"] = sentence
        over = behind.bytes > int(limits["lag_bytes"]) or behind.seconds > float(limits["lag_s"])
    elif summaries:
        gone = sum(int(one["lost"]) for one in lost.values())
        outage = fault(summaries)
        last = outage["last_acknowledged"] if outage else ""
        behind_s = max(0.0, moment(last).timestamp() - replayed_at) if last and replayed_at and gone else 0.0
        loss |= {"lost_transactions": gone, "lag_s": round(behind_s, 3), "fault_at": outage["at"] if outage else ""}
        told = sum(int(one["acknowledged"]) for one in lost.values())
        loss["sentence"] = f"Of the last {told} transactions that workstations saw saved, the standby lacks {gone}" + (
            f", of the last {behind_s:.1f} s before the failure." if gone else ": nothing that was acknowledged would be lost."
        )
        over = behind_s > float(limits["lag_s"])
    else:
        loss["sentence"] = "Not known: neither the old server nor any workstation can be asked."
        found.append(
            Finding(
                "loss-unknown",
                "overridable",
                f"What a promotion would lose is not known; the standby has everything until {loss['standby_has_until'] or '(unknown)'}.",
                remedy="Make one workstation or the old server's disk readable.",
            )
        )
        over = False
    if over:
        found.append(
            Finding(
                "standby-lagging",
                "overridable",
                f"The standby is {loss.get('lag_bytes', '?')} bytes and {loss['lag_s']:.1f} s behind; bounds: {limits['lag_bytes']} bytes "
                f"and {limits['lag_s']} s. It would lose: {loss['sentence']}",
                why="The backups, with the log beside them, may hold more than the standby.",
                remedy="Compare with a restore: recovery run database_restore -e source=best --check",
            )
        )
    return loss


def promised(summaries: Sequence[Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return what was acknowledged to each workstation."""
    return acknowledged(summaries)


def judge_rejoin(facts: Mapping[str, Any], primary: Mapping[str, Any] | None, partner: str) -> list[Finding]:
    """What speaks against bringing this server back behind the one that took over."""
    found: list[Finding] = []
    if primary is None:
        found.append(
            Finding(
                "primary-unreachable",
                "stop",
                f"{partner}, which should serve, cannot be reached from here.",
                remedy="See that it serves; a server that comes back needs one to follow.",
            )
        )
    elif primary["standby"]:
        found.append(
            Finding("primary-is-standby", "stop", f"{partner} does not serve, it is a standby.", remedy="Name the server that serves.")
        )
    elif facts["system_identifier"] and primary["system_identifier"] != facts["system_identifier"]:
        found.append(
            Finding(
                "other-system",
                "stop",
                f"This server ({facts['system_identifier']}) and {partner} ({primary['system_identifier']}) are of different systems.",
                remedy="Name the right hosts.",
            )
        )
    elif serves(facts) and primary["timeline"] <= facts["timeline"]:
        found.append(
            Finding(
                "server-healthy",
                "stop",
                f"This server serves, and {partner} has not taken over from it.",
                remedy="There is nothing to bring back.",
            )
        )
    if serves(facts) and not found:
        found.append(
            Finding(
                "two-primaries", "warning", "This server accepts work although the other one took over. It is stopped before anything else."
            )
        )
    return found


def judge_restore(other: Mapping[str, Any] | None, known: set[str]) -> list[Finding]:
    """What speaks against a restore on a server whose pair has another one; ``known``: system identifiers of what would be restored."""
    if other is None or other["standby"] or (known and str(other["system_identifier"]) not in known):
        return []
    return [
        Finding(
            "other-server-serves",
            "overridable",
            f"The other server of this pair serves this very database (timeline {other['timeline']}).",
            why="A restore here would begin a younger history: the other one would stop itself, and what it has saved since would be lost.",
            remedy="If it took over from this one: recovery run database_rejoin brings this one back behind it.",
            alternative="If the data there are damaged, name it as the server to restore: exchange the two in the inventory.",
        )
    ]


def behind_fork(end: str, fork: str) -> int:
    """Return how many bytes of log lie beyond the position at which the histories parted."""
    return max(0, parse_lsn(end) - parse_lsn(fork))
