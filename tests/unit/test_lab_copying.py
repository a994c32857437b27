"""A lab that begins as the copy of a stopped one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lab import copying
from lab.errors import LabError
from lab.state import Lab


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """Return the state directory of a stopped lab with one host."""
    root = tmp_path / "stopped"
    for part in ("disks", "keys", "people", "hosts/his-db/up/etc", "hosts/his-db/work", "run"):
        (root / part).mkdir(parents=True)
    (root / "hosts/his-db/up/etc/hostname").write_text("his-db\n", encoding="ascii")
    (root / "hosts/his-db/furnished").touch()
    (root / "keys/control").write_text("secret\n", encoding="ascii")
    (root / "keys/control").chmod(0o600)
    with (root / "disks/his-db.data.img").open("wb") as image:
        image.truncate(1 << 30)
    ledger = {
        "name": "stopped",
        "phase": "stopped",
        "base": "/somewhere",
        "scale": "small",
        "without": ["pacs"],
        "namespaces": ["lab.stopped.x"],
    }
    (root / "lab.json").write_text(json.dumps(ledger), encoding="utf-8")
    return root


def test_the_copy_has_disks_keys_and_hosts_and_a_name_of_its_own(stopped: Path, tmp_path: Path) -> None:
    lab = Lab("copy", tmp_path / "copy")
    copying.begin(lab, stopped)
    assert lab.read() == {"name": "copy", "phase": "stopped", "base": "/somewhere", "scale": "small", "without": ["pacs"]}
    assert (lab.host_dir("his-db") / "up/etc/hostname").read_text(encoding="ascii") == "his-db\n"
    assert (lab.host_dir("his-db") / "furnished").exists() and not (lab.host_dir("his-db") / "work").exists()
    assert (lab.keys / "control").stat().st_mode & 0o777 == 0o600
    image = lab.disk_image("his-db", "data").stat()
    assert (image.st_size, image.st_blocks) == (1 << 30, 0), "a hole stays a hole"
    assert not (lab.root / "run").exists()


def test_only_a_stopped_lab_can_be_copied(stopped: Path, tmp_path: Path) -> None:
    lab = Lab("copy", tmp_path / "copy")
    with pytest.raises(LabError, match="no stopped lab"):
        copying.begin(lab, tmp_path / "nowhere")
    ledger = stopped / "lab.json"
    ledger.write_text(ledger.read_text(encoding="utf-8").replace('"phase": "stopped"', '"phase": "up"'), encoding="utf-8")
    with pytest.raises(LabError, match="no stopped lab"):
        copying.begin(lab, stopped)
    assert not lab.exists()


def test_a_lab_that_exists_is_not_overwritten(stopped: Path, tmp_path: Path) -> None:
    lab = Lab("copy", tmp_path / "copy")
    copying.begin(lab, stopped)
    (lab.root / "mine").touch()
    with pytest.raises(LabError, match="exists already"):
        copying.begin(lab, stopped)
    assert (lab.root / "mine").exists()
