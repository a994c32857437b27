"""The gates let through what a backup or a restore asks, and nothing else; a host's state is told truly; damage is read from words."""

from __future__ import annotations

import base64
import grp
import hashlib
import hmac
import os
import pwd
from pathlib import Path

import pytest

from recovery.database import backup_command, backup_removable, backup_server, backup_setup, backup_state, gate, host_state
from recovery.database.backup import Place, space_findings
from recovery.database.host_state import HIDDEN, HostState

READER = gate.reader_gate("his", "/srv/offsite/pgbackrest", "/etc/pgbackrest/pgbackrest.conf", ("tail-export",))
DATABASE = gate.database_gate("his", "/var/lib/postgresql/15/main", "hospital-backup")
LABEL = "20261122-010000F_20261122-020000D"


def test_reading_a_repository_passes() -> None:
    asked = (
        "pgbackrest --exec-id=1-a --config=/etc/pgbackrest/pgbackrest.conf --log-level-console=off --log-level-file=off "
        "--pg1-path=/var/lib/postgresql/15/main --process=0 --remote-type=repo --repo1-path=/srv/offsite/pgbackrest "
        "--stanza=his restore:remote"
    )
    assert READER.resolve(asked)[0] == "/usr/bin/pgbackrest"
    assert READER.resolve("tail") == ["tail-export"]


@pytest.mark.parametrize(
    "asked",
    [
        "",
        "sh",
        "rm -rf /srv/offsite/pgbackrest",
        "scp -t /srv/offsite",
        "tail x",
        "tail; rm -rf /",
        "pgbackrest",
        "pgbackrest info",
        "pgbackrest stanza-delete:remote",
        "pgbackrest expire:remote",
        "pgbackrest repo-put:remote",
        "pgbackrest repo-rm:remote",
        "pgbackrest archive-push:remote",
        "pgbackrest annotate:remote",
        "pgbackrest restore:remote info:remote",
        "pgbackrest --stanza=other restore:remote",
        "pgbackrest --repo1-path=/etc restore:remote",
        "pgbackrest --remote-type=pg restore:remote",
        "pgbackrest --config=/tmp/mine.conf restore:remote",
        "pgbackrest --config-include-path=/tmp restore:remote",
        "pgbackrest --cmd=/tmp/x restore:remote",
        "pgbackrest --cmd-ssh=/tmp/x restore:remote",
        "pgbackrest --repo1-host=elsewhere restore:remote",
        "pgbackrest --repo2-s3-bucket=elsewhere restore:remote",
        "pgbackrest --log-level-file=info restore:remote",
        "pgbackrest --x=$(id) restore:remote",
        "pgbackrest 'unfinished",
    ],
)
def test_everything_else_is_refused(asked: str) -> None:
    with pytest.raises(gate.RefusedError):
        READER.resolve(asked)


def test_the_database_gate_serves_backups_and_manifests() -> None:
    assert DATABASE.resolve("pgbackrest --remote-type=pg --pg1-path=/var/lib/postgresql/15/main --stanza=his backup:remote")
    assert DATABASE.resolve(f"manifest {LABEL}") == ["hospital-backup", "manifest", LABEL]
    for asked in ("manifest ../../etc/passwd", "manifest a b", "psql", "pgbackrest --stanza=his restore:remote", "tail"):
        with pytest.raises(gate.RefusedError):
            DATABASE.resolve(asked)


VERIFIED = """stanza: his
status: ok
  archiveId: 15-1, total WAL checked: 5, total valid WAL: 5
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
  backup: 20261122-004903F, status: valid, total files checked: 963, total valid files: 963
    missing: 0, checksum invalid: 0, size invalid: 0, other: 0
"""


def test_a_sound_repository_has_no_errors() -> None:
    found = backup_removable.parse_verify(VERIFIED)
    assert found["errors"] == []
    assert (found["files"], found["segments"]) == (963, 5)


@pytest.mark.parametrize(
    ("sound", "damaged"),
    [
        ("status: ok", "status: error"),
        ("status: valid,", "status: invalid,"),
        ("checksum invalid: 0, size", "checksum invalid: 2, size"),
        ("valid WAL: 5", "valid WAL: 4"),
        (VERIFIED, ""),
        ("  backup: 20261122-004903F, status: valid, total files checked: 963, total valid files: 963\n", ""),
    ],
)
def test_every_kind_of_damage_is_read(sound: str, damaged: str) -> None:
    assert backup_removable.parse_verify(VERIFIED.replace(sound, damaged))["errors"]


def test_age_is_held_against_the_schedule() -> None:
    assert backup_state.age_findings("local", 1000.0, 1000.0 + 25 * 3600, 26) == []
    assert [f.code for f in backup_state.age_findings("local", 1000.0, 1000.0 + 27 * 3600, 26)] == ["backup-overdue"]
    assert [f.code for f in backup_state.age_findings("local", None, 0.0, 26)] == ["backup-missing"]


def test_days_until_full_need_history() -> None:
    day = 86400.0
    assert backup_state.days_until_full([(0.0, 10)], 100) is None
    assert backup_state.days_until_full([(0.0, 10), (day / 2, 10)], 100) is None
    assert backup_state.days_until_full([(0.0, 10), (day, 10), (2 * day, 10)], 100) == pytest.approx(10)


def test_a_full_disk_stops_a_backup_unless_somebody_accepts_it(tmp_path: Path) -> None:
    place = Place.parse(
        {"name": "local", "stanza": "his", "path": str(tmp_path), "tail": "", "user": "x", "config": "", "database_ssh": "", "slot": ""}
        | {"limits": {"min_free_percent": 101}}
    )
    (finding,) = space_findings(place, "full", [("full", 1)])
    assert (finding.code, finding.severity) == ("repository-space", "overridable")
    assert not space_findings(Place.parse({**place.__dict__, "limits": {"min_free_percent": 0}}), "incr", [])


def me() -> dict[str, str]:
    return {"owner": pwd.getpwuid(os.getuid()).pw_name, "group": grp.getgrgid(os.getgid()).gr_name}


def test_check_mode_says_and_does_not(tmp_path: Path) -> None:
    state = HostState(check=True)
    assert state.file(str(tmp_path / "a"), "x\n", mode=0o600, **me())
    state.directory(str(tmp_path / "d"), mode=0o700, **me())
    assert list(tmp_path.iterdir()) == []
    assert len(state.changes) == 2


def test_a_file_is_replaced_once_and_then_left_alone(tmp_path: Path) -> None:
    for changes in (1, 0):
        state = HostState(check=False)
        state.file(str(tmp_path / "a"), "x\n", mode=0o600, **me())
        assert len(state.changes) == changes
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o600


def test_a_secret_never_stands_in_the_diff(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("old-secret")
    state = HostState(check=True)
    state.file(str(tmp_path / "a"), "new-secret", mode=0o600, shown="nothing", **me())
    assert "secret\n" not in str(state.diff).replace(HIDDEN, "") and "new-secret" not in str(state.diff)
    assert "old-secret" not in str(state.diff)


def test_a_block_stands_first_and_leaves_the_rest_alone(tmp_path: Path) -> None:
    path = tmp_path / "pg_hba.conf"
    path.write_text("local all all peer\n")
    for changed in (True, False):
        assert HostState(check=False).block(str(path), "x", "host a\n") is changed
    assert HostState(check=False).block(str(path), "x", "host b\n")
    assert path.read_text() == "# BEGIN x\nhost b\n# END x\nlocal all all peer\n"


def test_a_password_is_compared_with_its_verifier() -> None:
    salt = b"0123456789abcdef"
    salted = hashlib.pbkdf2_hmac("sha256", b"pencil", salt, 4096)
    stored = base64.b64encode(hashlib.sha256(hmac.new(salted, b"Client Key", hashlib.sha256).digest()).digest()).decode()
    verifier = f"SCRAM-SHA-256$4096:{base64.b64encode(salt).decode()}${stored}:xxxx"
    assert backup_server._scram_matches(verifier, "pencil")
    assert not backup_server._scram_matches(verifier, "pen")
    assert not backup_server._scram_matches("md5abc", "pencil")


def test_missing_programs_are_named() -> None:
    (finding,) = backup_setup.missing_programs(["sh", "no-such-program"])
    assert "no-such-program" in finding.message and "sh," not in finding.message


def test_the_old_history_is_moved_aside_and_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "000000010000000000000005.partial").write_text("x")
    place = Place.parse(
        {"name": "local", "stanza": "his", "path": "", "tail": str(tmp_path), "user": "x", "config": "", "database_ssh": "", "slot": ""}
    )
    assert backup_setup._aside(place) == ["000000010000000000000005.partial"]
    assert [p.name for p in tmp_path.glob("aside/*/*")] == ["000000010000000000000005.partial"]
    assert backup_setup._aside(place) == []


def test_the_command_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    assert backup_command.main([]) == 64
    assert backup_command.main(["run"]) == 64
    assert "hospital-backup" in capsys.readouterr().err


def test_a_server_that_no_longer_serves_lets_its_backups_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"is-enabled": "enabled\ndisabled\n", "is-active": "active\ninactive\n"}
    monkeypatch.setattr(host_state, "UNITS", tmp_path)
    monkeypatch.setattr(host_state, "run", lambda argv, **_: said[argv[1]])
    for name in ("wal-tail.service", "hospital-backup-full.timer"):
        (tmp_path / name).touch()
    state = HostState(check=True)
    state.units_away(["wal-tail.service", "hospital-backup-full.timer", "never-had.timer"])
    assert state.changes == ["disable wal-tail.service"]
    said.update({"is-enabled": "disabled\ndisabled\n", "is-active": "inactive\ninactive\n"})
    again = HostState(check=True)
    again.units_away(["wal-tail.service", "hospital-backup-full.timer"])
    assert again.changes == []
