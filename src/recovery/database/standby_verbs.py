"""What the module ``database_standby`` does, verb by verb: from its options to its result (BKP-5). Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..findings import Finding
from . import options, standby_build, standby_judge, standby_promote, standby_rejoin
from .assess import Candidate, examine
from .clients import lost as lost_of
from .cluster import Cluster, fsync_directory
from .errors import RestoreError
from .host_state import HostState, apply
from .shell import CommandError, Procedure, psql
from .standby import PASSWORDS, Partner, lag, look, reach, serves, slot_of
from .target import Target

# By what a server that kept the local repository reads it: its own past, also from before the other one took over.
OWN_ARCHIVE = "/etc/pgbackrest/pgbackrest.conf"


class Call:
    """One call of the module on one of the two servers."""

    def __init__(self, given: Mapping[str, Any], check: bool) -> None:
        """``given`` are the module's options, as documented there."""
        self.given = given
        self.check = check
        self.cluster: Cluster = options.cluster(given["cluster"]) if given["cluster"] else Cluster("", "", "/nonexistent", "", "")
        self.me = str(given["me"])
        told = given["partner"] or {"name": "", "address": "", "port": 5432, "account": ""}
        self.partner = Partner(str(told["name"]), str(told["address"]), int(told["port"]), str(told["account"]))
        self.address: Mapping[str, Any] = given["service_address"]
        self.procedure = Procedure()
        self.findings: list[Finding] = []
        self.changed = False
        self.diff: dict[str, str] = {}

    def carry_out(self) -> dict[str, Any]:
        """Do what was asked for; what is found goes to ``findings``. Raises RestoreError and CommandError."""
        done: dict[str, Any] = getattr(self, f"do_{self.given['verb']}")()
        return done

    # ---- looking --------------------------------------------------------------------------------------------------

    def do_look(self) -> dict[str, Any]:
        """Say what this server is."""
        return {"facts": look(self.cluster, str(self.address.get("address", "")))}

    def do_reach(self) -> dict[str, Any]:
        """Knock at the partner's doors from here."""
        seen = reach(self.partner.address, {"ssh": 22, "database": self.partner.port})
        if self.given["must_be_silent"] and not seen["silent"]:
            doors = ", ".join(f"{door} {answer}" for door, answer in seen["doors"].items())
            self.findings.append(
                Finding(
                    "primary-not-fenced",
                    "stop",
                    f"{self.partner.name} still gives signs of life ({doors}), said to be switched off. Nothing was promoted.",
                    why="Two servers that both accept work write two histories, which nobody can put together again.",
                    remedy="Switch it off at its power cord, then run the same command again.",
                )
            )
        return {"seen": seen}

    def _partner_says(self) -> dict[str, Any] | None:
        """Return what the partner is: from its own facts where they were handed in, else by asking it over the network."""
        told = self.given["facts"]
        if told and told.get("answers"):
            return {
                "system_identifier": told["system_identifier"],
                "timeline": told["timeline"],
                "lsn": told["replayed"],
                "standby": told["standby"],
            }
        return self.partner.ask() if Path(PASSWORDS).exists() else None

    # ---- building -------------------------------------------------------------------------------------------------

    def do_prepare(self) -> dict[str, Any]:
        """Let the two servers know each other."""
        state = HostState(check=self.check, procedure=self.procedure)
        wanted = self.given["wanted"]
        with self.procedure.step("Have the settings, the door and the guard of a pair of servers"):
            changed = apply(state, wanted)
            secret = f"*:*:*:{self.partner.account}:{self.given['password']}\n"
            state.file(PASSWORDS, secret, "postgres", "postgres", 0o600, shown="nothing")
            for block in wanted.get("blocks") or ():
                if state.block(block["path"], block["name"], block["content"]):
                    changed.add(block["path"])
            if any(path.startswith("/etc/systemd/") for path in changed) and not self.check:
                self.procedure.run(["systemctl", "daemon-reload"])
            facts = look(self.cluster)
            if changed and facts["answers"] and not self.check:
                psql("SELECT pg_reload_conf()", database="postgres", port=self.cluster.port, read_only=False)
        if serves(facts):
            with self.procedure.step("Let this server be followed"):
                standby_build.receive(state, self.cluster.port, self.partner.account, str(self.given["password"]), [self.partner.name])
        state.units({"standby-guard.service": "started"}, reload=False, restart=["standby-guard.service"] if changed else ())
        self.changed, self.diff = bool(state.changes), state.diff
        return {"changes": state.changes}

    def do_assess(self) -> dict[str, Any]:
        """Choose the backup, and say what speaks against building a standby here."""
        facts, primary = look(self.cluster), self._partner_says()
        if facts.get("standby") and facts.get("receiver") == "streaming" and facts["sender"] == self.partner.address:
            return {"decision": {"follows": True}, "facts": facts}
        usable: list[Candidate] = []
        told: list[Candidate] = []
        stanza = str(self.given["cluster"]["stanza"])
        near = {name: entry for name, entry in self.given["repositories"].items() if entry.get("host") or Path(str(entry["path"])).is_dir()}
        wanted = near if self.given["source"] == "best" else {self.given["source"]: self.given["repositories"][self.given["source"]]}
        found = options.repositories(wanted, self.given["ciphers"], stanza, self.cluster)
        for name, repository in found.items():
            with self.procedure.step(f"Examine the {name} repository: its newest sound backup"):
                candidate = examine(repository, self.cluster, Target("latest"))
            # Whatever the archive lacks at its end comes from the server itself.
            candidate.findings = [one for one in candidate.findings if one.code != "wal-missing"]
            (usable if candidate.usable else told).append(candidate)
        backup, decision = None, {}
        if usable:
            chosen = max(usable, key=lambda candidate: candidate.backup.stop_time if candidate.backup else 0)
            assert chosen.backup is not None  # noqa: S101 - what is usable has one
            backup = {"system_identifier": chosen.system_identifier, "size": chosen.backup.size, "label": chosen.backup.label}
            decision = {"follows": False, "source": chosen.source, "backup": chosen.backup.label, "bytes": chosen.backup.size}
            decision |= {"what": f"Build a standby of {self.partner.name} on {self.me} from backup {chosen.backup.label} ({chosen.source})"}
        else:
            self.findings += [one for candidate in told for one in candidate.findings if one.severity == "stop"]
            if not told:
                self.findings.append(
                    Finding(
                        "no-backup", "stop", "This host can read no repository.", remedy="Set it up: recovery run database_backup_setup."
                    )
                )
        self.findings += standby_judge.judge_build(facts, primary, backup, self.partner.name)
        if not facts["installed"]:
            self.findings.append(
                Finding(
                    "other-version",
                    "stop",
                    f"PostgreSQL {self.cluster.version} is not installed on this host.",
                    remedy=f"Install postgresql-{self.cluster.version}.",
                )
            )
        return {"decision": decision, "facts": facts}

    def do_build(self) -> dict[str, Any]:
        """Build the standby that was decided on; one that follows is left alone."""
        decision = self.given["decision"]
        facts = look(self.cluster)
        if decision.get("follows") or self.check:
            self.changed = not decision.get("follows")
            return {"facts": facts}
        self.changed = True
        stanza = str(self.given["cluster"]["stanza"])
        source = str(decision["source"])
        chosen = {source: self.given["repositories"][source]}
        repository = options.repositories(chosen, self.given["ciphers"], stanza, self.cluster)[source]
        self._marker.unlink(missing_ok=True)  # a promotion of an earlier life is not continued by the next one
        aside = standby_build.set_aside(self.cluster, self.procedure)
        archive = str(self.given["archive_config"])
        standby_build.restore(self.cluster, repository, str(decision["backup"]), self.partner, self.me, archive, self.procedure)
        after = standby_build.start_following(self.cluster, self.procedure)
        return {"facts": after, "aside": aside, "measured": {"bytes_restored": decision["bytes"]}}

    def do_watch(self) -> dict[str, Any]:
        """Say whether the standby follows and how far it is behind."""
        facts, primary = look(self.cluster), self.partner.ask()
        self.findings += standby_judge.judge_watch(facts, primary, self.given["limits"], self.partner.name)
        measured: dict[str, Any] = {}
        if primary is not None and facts.get("standby"):
            behind = lag(facts, str(primary["lsn"]))
            measured = {"standby_lag_bytes": behind.bytes, "standby_lag_s": behind.seconds}
        wrong = [one.message for one in self.findings if one.severity in ("stop", "overridable")]
        verdict = "FAIL" if wrong else "PASS"
        told = f"follows {self.partner.name}, {measured.get('standby_lag_bytes')} bytes and {measured.get('standby_lag_s')} s behind"
        return {"facts": facts, "measured": measured, "verdict": verdict, "reason": " ".join(wrong) or told}

    # ---- taking over ----------------------------------------------------------------------------------------------

    @property
    def _marker(self) -> Path:
        return self.cluster.data.with_name(f"{self.cluster.data.name}.promotion.json")

    def _mark(self, **values: Any) -> None:
        new = self._marker.with_suffix(".new")
        new.write_text(json.dumps(values, indent=1, sort_keys=True), encoding="utf-8")
        new.replace(self._marker)
        fsync_directory(new.parent)

    def _marked(self) -> dict[str, Any]:
        try:
            found: dict[str, Any] = json.loads(self._marker.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found

    def do_weigh(self) -> dict[str, Any]:
        """Say whether the standby may take over, and what that loses."""
        facts, earlier = look(self.cluster), self._marked()
        if earlier.get("phase") == "promoting" and facts["answers"]:
            self.findings.append(Finding("continues", "info", "A promotion was interrupted; it is continued."))
            return {"decision": earlier["decision"], "facts": facts}  # unaltered: it is what people approved
        summaries = self.given["client_summaries"]
        told = standby_judge.promised(summaries)
        lost: dict[str, dict[str, Any]] = {}
        if facts.get("standby") and told:
            with self.procedure.step("Count what workstations saw saved and the standby does not have"):
                lost = lost_of(told, standby_promote.lost_in(self.cluster, self.given["client_transactions"], told))
        primary = self.given["facts"] or None
        found, loss = standby_judge.judge_promotion(
            facts, primary, self.given["sides"], summaries, lost, self.given["limits"], self.partner.name
        )
        self.findings += found
        down = any(one.code == "primary-down" for one in found)
        if down:
            self.procedure.milestone("detected", f"{self.partner.name} does not serve")
        decision = {
            "what": f"Let the standby {self.me} take over from {self.partner.name}",
            "kind": "failover" if down else "switchover",
            "loses": loss.get("sentence", ""),
            "loss": loss,
            "before": f"{self.partner.name} is stopped and kept from starting; out of reach, it is switched off by hand",
            "service_address": str(self.address.get("address", "")),
            "system_identifier": facts["system_identifier"],
            "timeline": facts["timeline"],
            "seen": [one.message for one in found],
        }
        return {"decision": decision, "facts": facts}

    def do_leave(self) -> dict[str, Any]:
        """On the old server, stopped and fenced: let the address go and say where its log ended."""
        self.changed = not self.check
        if self.check:
            return {}
        held = standby_promote.leave_address(self.address, self.procedure) if self.address else False
        facts = look(self.cluster, str(self.address.get("address", "")))
        if facts["running"] or not facts["fenced"]:
            raise RestoreError(
                f"The old server {self.me} is not fenced.", "primary-not-fenced", "Switch it off at its power cord, and repeat."
            )
        return {"facts": facts, "address_was_here": held, "closed_at": standby_promote.closed_at(self.cluster)}

    def do_promote(self) -> dict[str, Any]:
        """Take over: accept work, then take the service address."""
        decision = self.given["decision"]
        self.changed = True
        if self.check:
            return {}
        if self._marked().get("phase") != "promoting":
            self._mark(phase="promoting", decision=decision)
        self.procedure.milestone("recovery_started", f"{self.me} takes over from {self.partner.name}")
        slots = [*self.given["slots"], slot_of(self.partner.name)]
        facts = standby_promote.promote(self.cluster, self.procedure, slots, complete_to=str(self.given["complete_to"]))
        if self.address:
            standby_promote.take_address(self.address, self.procedure)
        return {"facts": facts, "promoted_at": next((m["at"] for m in self.procedure.milestones if m["name"] == "system_up"), "")}

    def do_sole(self) -> dict[str, Any]:
        """Prove that exactly one server accepts work."""
        doors = {} if self.given["facts"] else reach(self.partner.address, {"ssh": 22, "database": self.partner.port})
        with self.procedure.step("See that only one server accepts work, and which"):
            wrong = standby_promote.sole(self.cluster, self.address, self.given["decision"], self.given["facts"] or None, doors)
        if not wrong:
            self._mark(phase="finished", decision=self.given["decision"])
        facts = look(self.cluster, str(self.address.get("address", "")))
        told = "stopped and fenced" if self.given["facts"] else "silent at every door"
        reason = f"{self.me} alone accepts work, on timeline {facts['timeline']}; {self.partner.name} is {told}"
        return {"verdict": "FAIL" if wrong else "PASS", "reason": "; ".join(wrong) or reason, "facts": facts}

    # ---- coming back ----------------------------------------------------------------------------------------------

    def do_review(self) -> dict[str, Any]:
        """Say whether this server may come back behind the other one, and what it alone holds."""
        facts, primary = look(self.cluster), self.partner.ask()
        if facts.get("receiver") == "streaming" and facts["sender"] == self.partner.address:
            return {"decision": {"follows": True}, "facts": facts}
        self.findings += standby_judge.judge_rejoin(facts, primary, self.partner.name)
        decision: dict[str, Any] = {"follows": False, "what": f"Bring {self.me} back as the standby of {self.partner.name}"}
        if any(one.severity == "stop" for one in self.findings) or not facts["intact"]:
            return {"decision": decision | {"how": "copied anew: nothing of its old data can be used"}, "facts": facts}
        timeline, fork = standby_rejoin.parted_at(self.partner, int(facts["timeline"]))
        told = standby_rejoin.diverged(self.cluster, timeline, fork)
        decision |= {key: told[key] for key in ("transactions", "first", "last", "bytes", "fork", "timeline")}
        decision["throws_away"] = f"{told['transactions']} transactions that only {self.me} has; their log is kept beside as evidence"
        if told["hole"]:
            decision["throws_away"] += f"; more than these, perhaps: its log {told['hole']} is gone"
            self.findings.append(
                Finding(
                    "divergence-uncounted",
                    "warning",
                    f"{self.me} does not have its log {told['hole']} any more: what it alone saved there cannot be counted.",
                    why="It is in its data directory, and in no other place.",
                    alternative=f"Copy {self.cluster.data} away before it comes back, if anybody may have worked with it.",
                )
            )
        decision["how"] = "rewound; copied anew if that cannot be, its old directory kept aside"
        return {"decision": decision, "facts": facts}

    def do_rejoin(self) -> dict[str, Any]:
        """Keep what this server alone has, rewind or rebuild it, let it follow."""
        decision = self.given["decision"]
        self.changed = not decision.get("follows")
        if self.check or not self.changed:
            return {"facts": look(self.cluster)}
        self._marker.unlink(missing_ok=True)  # a promotion of an earlier life is not continued by the next one
        standby_promote.leave_address(self.address, self.procedure)
        standby_rejoin.close(self.cluster, self.procedure)
        before = look(self.cluster)
        kept, measured, aside = "", {}, ""
        if before["intact"] and not before["standby_signal"]:
            timeline, fork = standby_rejoin.parted_at(self.partner, int(before["timeline"]))
            told = standby_rejoin.diverged(self.cluster, timeline, fork)
            measured = {"diverged_transactions": told["transactions"], "diverged_bytes": told["bytes"]}
            if told["bytes"] or told["transactions"]:
                kept = standby_rejoin.keep(self.cluster, told, self.procedure)
                self.diff = {"before": told["records"], "after": ""}
        stanza, archive = str(self.given["cluster"]["stanza"]), str(self.given["archive_config"])
        how, refused = "rewound", "its data directory is incomplete"
        if before["intact"]:
            archives = [OWN_ARCHIVE, archive]
            refused = standby_rejoin.rewind(self.cluster, self.partner, self.me, archives, stanza, self.procedure)
        if refused:
            self.findings.append(Finding("not-rewound", "info", f"{self.me} cannot be rewound ({refused}); it is copied anew."))
            standby_rejoin.room_for_copy(self.cluster)
            how, aside = "copied anew", standby_rejoin.rebuild(self.cluster, self.partner, self.me, self.procedure)
        standby_build.follow_settings(self.cluster, self.partner, self.me, archive, stanza)
        facts = standby_build.start_following(self.cluster, self.procedure)
        return {"facts": facts, "how": how, "aside": aside, "kept": kept, "measured": measured | {"rejoined_by": how}}


__all__ = ["Call", "CommandError", "RestoreError"]
