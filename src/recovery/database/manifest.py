"""What a backup holds, in figures, and whether a restored database equals it (BKP-2). Pure; measure.py asks the database.

The figures belong to one exact moment, the restore point that carries the backup's label. A restore to that restore point
must equal the manifest exactly; a restore to any later moment must equal it in the rows that are only ever appended and in the
columns that never change, for keys up to the manifest's highest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..findings import Finding

FORMAT = 1
CHUNKS = 64


class ManifestError(Exception):
    """A manifest that cannot be taken, read or compared; the message says cause and remedy."""


@dataclass(frozen=True)
class Table:
    """A critical table: its integer key, the columns that never change once written, and whether rows are only ever added."""

    name: str
    key: str = "id"
    immutable: tuple[str, ...] = ()
    append_only: bool = False

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Table:
        """Read one entry of the inventory's ``database_critical_tables``."""
        if not entry.get("name"):
            raise ManifestError("An entry of database_critical_tables has no name. Write it as {name: charge, key: id}.")
        return cls(
            name=str(entry["name"]),
            key=str(entry.get("key", "id")),
            immutable=tuple(str(column) for column in entry.get("immutable") or ()),
            append_only=bool(entry.get("append_only", False)),
        )


@dataclass(frozen=True)
class Newest:
    """A question for the newest row of a table, by its time column."""

    table: str
    column: str

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Newest:
        """Read one entry of the inventory's ``database_newest_rows``, or its ``database_heartbeat``."""
        return cls(table=str(entry["table"]), column=str(entry["column"]))


@dataclass(frozen=True)
class Subject:
    """What is asked: a database, its critical tables, its newest rows, its heartbeat."""

    database: str
    tables: tuple[Table, ...]
    newest: tuple[Newest, ...] = ()
    heartbeat: Newest | None = None
    port: int = 5432
    socket: str = "/var/run/postgresql"
    user: str = "postgres"
    lock_timeout_ms: int = 300
    lock_attempts: int = 40
    chunks: int = CHUNKS

    @classmethod
    def parse(cls, entry: Mapping[str, Any]) -> Subject:
        """Read the ``manifest`` part of a backup configuration."""
        heartbeat = entry.get("heartbeat")
        return cls(
            database=str(entry["database"]),
            tables=tuple(Table.parse(table) for table in entry.get("tables") or ()),
            newest=tuple(Newest.parse(newest) for newest in entry.get("newest") or ()),
            heartbeat=Newest.parse(heartbeat) if heartbeat else None,
            port=int(entry.get("port", 5432)),
            socket=str(entry.get("socket", "/var/run/postgresql")),
            user=str(entry.get("user", "postgres")),
            lock_timeout_ms=int(entry.get("lock_timeout_ms", 300)),
            lock_attempts=int(entry.get("lock_attempts", 40)),
        )


def restore_point(label: str) -> str:
    """Return the name of the restore point that a backup's manifest belongs to."""
    return f"manifest-{label}"


def digest(manifest: Mapping[str, Any]) -> str:
    """Return the sha256 of a manifest's stored form, in hexadecimal."""
    return hashlib.sha256(serialise(manifest)).hexdigest()


def serialise(manifest: Mapping[str, Any]) -> bytes:
    """Return the one form in which a manifest is stored: JSON, keys sorted, UTF-8, a newline at the end."""
    return (json.dumps(manifest, ensure_ascii=False, sort_keys=True, indent=1) + "\n").encode()


def parse(text: str, expected_sha256: str = "") -> dict[str, Any]:
    """Read a stored manifest; with ``expected_sha256`` (the backup's annotation) refuse one that was altered."""
    if expected_sha256 and hashlib.sha256(text.encode()).hexdigest() != expected_sha256:
        raise ManifestError(
            "The manifest is not the one that the backup's annotation names: it was altered or replaced. "
            "Restore without it (the proof then ends COULD-NOT-VERIFY), or use another backup."
        )
    try:
        manifest = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"The manifest cannot be read ({error}). Use another backup, or restore without a manifest.") from error
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ManifestError(f"The manifest is not of format {FORMAT}, the one that this version reads.")
    return manifest


def sample_ranges(manifest: Mapping[str, Any], count: int, *, seed: int) -> dict[str, list[int]]:
    """Choose key ranges to read for a quick look: the youngest of each table, and ``count`` more spread by ``seed``."""
    chosen: dict[str, list[int]] = {}
    for name, then in manifest.get("tables", {}).items():
        numbers = sorted(int(number) for number in then["chunks"])
        ranked = sorted(numbers, key=lambda n: hashlib.sha256(f"{seed}/{name}/{n}".encode()).digest())
        chosen[name] = sorted({*numbers[-1:], *ranked[:count]})
    return chosen


def compare(manifest: Mapping[str, Any], live: Mapping[str, Any], *, exact: bool) -> list[Finding]:
    """Compare a manifest with the figures of a restored database (``measure.live_facts``); no finding means equal.

    ``exact``: the database stands at the manifest's restore point. Otherwise it is younger, and only what cannot change since
    is compared. A sample (``complete`` false) is compared range by range.
    """
    findings = _compare_server(manifest, live, exact)
    for name, then in manifest.get("tables", {}).items():
        now = live.get("tables", {}).get(name)
        if now is None:
            findings.append(_stop("manifest-table-missing", f"Table {name} of the manifest is not in the restored database."))
        else:
            findings += _compare_table(name, then, now, exact)
    findings += _compare_others(manifest, live)
    return findings


def _stop(code: str, message: str, why: str = "") -> Finding:
    return Finding(
        code=code,
        severity="stop",
        message=message,
        why=why or "The restored database is not what the backup held.",
        remedy="Do not let the wards in: keep the old state aside and look at the recovery log.",
        alternative="Restore another backup (`-e target=backup:LABEL`) or from another repository (`-e source=offsite`).",
    )


def _compare_server(manifest: Mapping[str, Any], live: Mapping[str, Any], exact: bool) -> list[Finding]:
    findings: list[Finding] = []
    if manifest.get("system_identifier") != live.get("system_identifier"):
        findings.append(
            _stop(
                "manifest-system-differs",
                f"The database system is {live.get('system_identifier')}, the backup's is {manifest.get('system_identifier')}.",
            )
        )
    if str(manifest.get("server_version", "")).split(".")[0] != str(live.get("server_version", "")).split(".")[0]:
        findings.append(
            _stop(
                "manifest-version-differs",
                f"The server is PostgreSQL {live.get('server_version')}, the backup's was {manifest.get('server_version')}.",
            )
        )
    gone = sorted(set(manifest.get("databases", [])) - set(live.get("databases", [])))
    if gone:
        findings.append(_stop("manifest-database-missing", f"Databases of the manifest are missing: {', '.join(gone)}."))
    if exact and manifest.get("extensions") != live.get("extensions"):
        findings.append(
            _stop(
                "manifest-extensions-differ",
                f"The extensions are {live.get('extensions')}, the manifest has {manifest.get('extensions')}.",
            )
        )
    if manifest.get("schema_sha256") != live.get("schema_sha256"):
        message = "Tables, columns, constraints or indexes are not those of the manifest (schema fingerprint differs)."
        if exact:
            findings.append(_stop("manifest-schema-differs", message))
        else:
            findings.append(
                Finding(
                    "manifest-schema-differs",
                    "warning",
                    message,
                    "A change of the schema after the backup explains it; damage would as well.",
                    "Compare with the release notes of the software since the backup.",
                )
            )
    findings += _compare_newest(manifest, live, exact)
    return findings


def _compare_newest(manifest: Mapping[str, Any], live: Mapping[str, Any], exact: bool) -> list[Finding]:
    findings: list[Finding] = []
    for name, then_at in {**manifest.get("newest", {}), **manifest.get("heartbeat", {})}.items():
        now_at = str({**live.get("newest", {}), **live.get("heartbeat", {})}.get(name, ""))
        if then_at and now_at < then_at:
            findings.append(
                _stop(
                    "manifest-newest-older",
                    f"The newest row of {name} is of {now_at or 'no time: there is none'}, the manifest has {then_at}.",
                )
            )
        elif exact and name.split(".")[0] in manifest.get("tables", {}) and now_at != then_at:
            findings.append(
                _stop(
                    "manifest-newest-younger",
                    f"The newest row of {name} is of {now_at}, younger than the manifest's {then_at}: "
                    "the replay went past the restore point.",
                )
            )
    return findings


def _keys(ranges: Sequence[int], size: int) -> str:
    shown = [f"{n * size} to {(n + 1) * size - 1}" for n in ranges[:3]]
    return f"keys {', '.join(shown)}" + (f" and {len(ranges) - 3} more ranges" if len(ranges) > 3 else "")


def _compare_table(name: str, then: Mapping[str, Any], now: Mapping[str, Any], exact: bool) -> list[Finding]:
    if int(then["chunk_size"]) != int(now["chunk_size"]) or list(then["immutable"]) != list(now["immutable"]):
        return [
            Finding(
                "manifest-not-comparable",
                "stop",
                f"Table {name} was measured in other key ranges or columns than the manifest's.",
                "Equal figures would prove nothing.",
                "Measure it by the manifest's own ranges (measure.live_facts does).",
            )
        ]
    size = int(then["chunk_size"])
    missing: list[int] = []
    extra: list[int] = []
    altered: list[int] = []
    altered_columns: list[int] = []
    lost = gained = 0
    asked = set(now["chunks"]) | (set(then["chunks"]) if now.get("complete", True) else set(now.get("sampled", ())))
    for number in sorted(asked, key=int):
        rows, rows_hash, immutable_hash = then["chunks"].get(number, [0, "0", ""])
        rows_now, rows_hash_now, immutable_hash_now = now["chunks"].get(number, [0, "0", ""])
        if rows_now < rows:
            missing.append(int(number))
            lost += rows - rows_now
        elif rows_now > rows:
            extra.append(int(number))
            gained += rows_now - rows
        elif (exact or then["append_only"]) and rows_hash_now != rows_hash:
            altered.append(int(number))
        elif then["immutable"] and immutable_hash_now != immutable_hash:
            altered_columns.append(int(number))
    findings: list[Finding] = []
    if missing:
        findings.append(_stop("manifest-rows-missing", f"Table {name}: {lost} rows are missing ({_keys(missing, size)})."))
    if extra and exact:
        findings.append(_stop("manifest-rows-extra", f"Table {name}: {gained} rows more than in the manifest ({_keys(extra, size)})."))
    elif extra:
        findings.append(
            Finding(
                "manifest-late-rows",
                "warning",
                f"Table {name}: {gained} rows with keys below the manifest's highest came later ({_keys(extra, size)}).",
                "A program that draws its numbers beforehand explains it; the checksums of these ranges cannot be compared.",
                "Prove these ranges by a restore to the backup's own restore point (`-e target=backup:LABEL`).",
            )
        )
    if altered:
        findings.append(_stop("manifest-rows-altered", f"Table {name}: rows differ from the manifest's checksum ({_keys(altered, size)})."))
    if altered_columns:
        findings.append(
            _stop(
                "manifest-immutable-altered",
                f"Table {name}: columns that never change ({', '.join(then['immutable'])}) differ from the manifest's checksum "
                f"({_keys(altered_columns, size)}).",
            )
        )
    return findings


def _compare_others(manifest: Mapping[str, Any], live: Mapping[str, Any]) -> list[Finding]:
    if "other_tables" not in live:
        return []
    findings: list[Finding] = []
    for name, rows in manifest.get("other_tables", {}).items():
        now = live["other_tables"].get(name)
        if now is None:
            findings.append(_stop("manifest-table-missing", f"Table {name} of the manifest is not in the restored database."))
        elif rows and not now:
            findings.append(
                Finding(
                    "manifest-table-empty",
                    "warning",
                    f"Table {name} is empty; the manifest counted {rows} rows.",
                    "It is not one of the critical tables, so no checksum says whether that is right.",
                    "Ask the software's vendor, or compare with the old state that was kept aside.",
                )
            )
    return findings
