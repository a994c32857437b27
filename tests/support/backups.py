"""A small protected database on this machine, its backups damaged on purpose, and what our CHECK, SAFETY and VERIFY say of each.

Server, pgBackRest and the project's own functions are real. Left out is what belongs to a host: services and their fence.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from recovery.database import backup, cluster, manifest, measure, restore
from recovery.database.assess import Asked, assess
from recovery.database.errors import RestoreError
from recovery.database.pgbackrest import Repository
from recovery.database.shell import Procedure, run
from recovery.database.target import parse
from recovery.database.verify import prove
from recovery.database.verify_request import request_from
from recovery.database.verify_session import Address
from recovery.database.wayback import discard
from support.cluster import MANIFEST_SUBJECT, USER, Cluster, as_postgres
from support.proof import OPTIONS
from support.proof import as_postgres as with_rights

STANZA = "his"
PASSPHRASE = "only for tests, drawn by nobody"


class Staging(restore.Restore):
    """The restore, on a machine where nothing serves the old cluster: there is no service to stop and no unit to fence."""

    def fence(self) -> None:
        """Leave this machine's services alone."""


@dataclass
class Judgement:
    """What came of a backup: where it was stopped (CHECK, SAFETY, VERIFY; empty if it passed), by which findings, what was restored."""

    phase: str
    findings: list[tuple[str, str]] = field(default_factory=list)
    content: str = ""
    took_s: float = 0.0

    def told(self) -> str:
        """Return the findings as one line."""
        return "; ".join(f"{code}: {message}" for code, message in self.findings)[:400]


@dataclass
class Protected:
    """A cluster with its repository. ``failed`` stands for the old server: only its control file is left, so no log helps out."""

    root: Path
    encrypted: bool = False
    labels: list[str] = field(default_factory=list)
    content: str = ""

    @property
    def origin(self) -> Cluster:
        """The server that was backed up."""
        return Cluster(self.root)

    @property
    def repo(self) -> Path:
        """The repository."""
        return self.root / "repo"

    @property
    def conf(self) -> Path:
        """The configuration by which it is written."""
        return self.root / "pgbackrest.conf"

    @classmethod
    def create(cls, root: Path, encrypted: bool = False, full_only: bool = False) -> Protected:
        """Make a server with the small hospital and take a full, a differential and an incremental backup of it."""
        made = cls(root, encrypted)
        origin = Cluster.create(root)
        cipher = f"repo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={PASSPHRASE}\n" if encrypted else ""
        made.conf.write_text(
            f"[global]\nrepo1-path={made.repo}\nlog-level-file=off\nlock-path={root}/lock\nspool-path={root}/spool\nstart-fast=y\n"
            f"compress-type=lz4\nrepo1-retention-full=9\n{cipher}[{STANZA}]\npg1-path={origin.data}\n"
            f"pg1-port={Cluster.PORT}\npg1-socket-path={origin.socket}\n"
        )
        shutil.chown(made.conf, USER, USER)
        with (origin.data / "postgresql.conf").open("a") as file:
            file.write(f"archive_mode=on\narchive_command='pgbackrest --config={made.conf} --stanza={STANZA} archive-push %p'\n")
        origin.start()
        as_postgres("pgbackrest", f"--config={made.conf}", f"--stanza={STANZA}", "stanza-create")
        for kind, work in (
            (("full", ""),) if full_only else (("full", ""), ("diff", _WORK.replace("NUMBER", "1")), ("incr", _WORK.replace("NUMBER", "2")))
        ):
            if work:
                origin.sql(work)
            made.back_up(kind)
        made.content = content(origin)
        origin.stop()
        return made

    def copy(self, root: Path) -> Protected:
        """Copy server and repository; the server's own configuration still names the old place and is rewritten."""
        subprocess.run(["/bin/cp", "-a", str(self.root), str(root)], check=True)
        made = Protected(root, self.encrypted, list(self.labels), self.content)
        for path in (made.conf, made.origin.data / "postgresql.conf"):
            path.write_text(path.read_text().replace(str(self.root), str(root)))
        return made

    def back_up(self, kind: str) -> str:
        """Take a backup with its manifest, as the runbook does; the server must run."""
        place = backup.Place("local", STANZA, str(self.repo), "", USER, str(self.conf), "", "")
        taken = backup.take(place, kind, Procedure())
        subject = manifest.Subject.parse({**MANIFEST_SUBJECT, "port": Cluster.PORT, "socket": str(self.origin.socket)})
        found = with_rights(lambda: measure.capture(subject, label=taken["label"], repository="local", stanza=STANZA))
        backup.store_manifest(place, found, Procedure())
        self.origin.sql("SELECT pg_switch_wal()")
        backup.wait_for_log(place, found, Procedure())
        self.labels.append(taken["label"])
        return str(taken["label"])

    def repository(self, passphrase: str = PASSPHRASE) -> Repository:
        """Return the repository as a recovery reads it."""
        runtime = self.root / "run"
        found = Repository("local", str(self.repo), STANZA, cipher_pass=passphrase if self.encrypted else "")
        return found.write_config(str(runtime), str(self.failed.data))

    @property
    def failed(self) -> cluster.Cluster:
        """The server that failed: its configuration and its control file are left."""
        place = self.root / "failed" / "15" / "main"
        etc = self.root / "etc"
        if not etc.exists():
            (place / "global").mkdir(parents=True)
            etc.mkdir()
            for name in ("postgresql.conf", "pg_hba.conf", "pg_ident.conf"):
                shutil.copy(self.origin.data / name, etc / name)
            shutil.copy(self.origin.data / "global" / "pg_control", place / "global" / "pg_control")
            for path in (etc, *etc.iterdir(), *place.rglob("*"), place, place.parent, place.parent.parent):
                shutil.chown(path, USER, USER)
            place.chmod(0o700)
        return cluster.Cluster("his", "15", str(place), str(etc), "no-such-service", Cluster.PORT)

    def judge(self, target: str = "latest", passphrase: str = PASSPHRASE) -> Judgement:
        """Check, restore and prove as the runbook does, and say where that ended."""
        started = time.monotonic()
        judgement = self._judge(target, passphrase)
        judgement.took_s = round(time.monotonic() - started, 2)
        return judgement

    def _judge(self, target: str, passphrase: str) -> Judgement:
        failed, repository = self.failed, self.repository(passphrase)
        assessment = assess(failed, {"local": repository}, {}, "local", parse(target), Asked())
        stopped = [(f.code, f.message) for f in assessment.findings if f.severity == "stop"]
        if stopped:
            return Judgement("CHECK", stopped)
        restoring = Staging(failed, assessment.decision, {"source": "local", "target": target}, "test", str(self.root / "run"))
        try:
            staged = restoring.stage([repository], {}, parse(target), 2)
        except RestoreError as error:
            return Judgement("SAFETY", [(error.code, str(error))])
        try:
            decision = assessment.decision
            asked = {
                **OPTIONS,
                "depth": "full",
                "data_directory": staged.directory,
                "manifest": assessment.holdings,
                "manifest_exact": target.startswith("backup:"),
                "expected_system_identifier": decision["system_identifier"],
                "expected_timeline_min": decision["timeline"],
                "expected_end_lsn": staged.end_lsn,
            }
            result = prove(Address("his", staged.port, staged.socket), request_from(asked))
            told = [(f["code"], f["message"]) for f in result["findings"] if f["severity"] in ("stop", "warning")]
            if result["verdict"] != "PASS":
                return Judgement("VERIFY", told or [(result["verdict"], result["reason"])])
            return Judgement("", told, content(self.origin, staged.socket))
        finally:
            _discard(failed)


def _discard(failed: cluster.Cluster) -> None:
    discard(failed, Procedure())
    failed.state_file.unlink(missing_ok=True)


def content(origin: Cluster, socket: str = "") -> str:
    """Return a checksum of all that a dump shows, an oracle that is not ours.

    Left out are the positions of sequences, which a replay may leave up to 32 further on, and the token of each dump.
    """
    command = ["/usr/lib/postgresql/15/bin/pg_dump", "-h", socket or str(origin.socket), "-p", str(Cluster.PORT), "-U", USER, "his"]
    lines = (
        x for x in run(command, user=USER).splitlines() if not x.startswith(("SELECT pg_catalog.setval", "\\restrict", "\\unrestrict"))
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


# A little clinical work, so that each backup has files of its own.
_WORK = """
INSERT INTO visit (patient_id, department_id, opened_at, note) SELECT n, 1, '2026-11-21 09:00Z', 'day NUMBER' FROM generate_series(1, 99) n;
INSERT INTO charge (visit_id, amount, charged_at) SELECT id, 12, '2026-11-21 09:00Z' FROM visit WHERE note = 'day NUMBER';
INSERT INTO invoice (visit_id, total) SELECT id, 12 FROM visit WHERE note = 'day NUMBER';
UPDATE patient SET name = name || ' NUMBER' WHERE id % 40 = NUMBER;
"""
