"""The lab's pure parts: names, keys' files, the fingerprint of an image, parameters of faults, rot, processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lab import faults, faults_data, image, keys, network
from lab.errors import LabError
from lab.state import Lab, lab_name
from lab.system import Process, exclusive, identify, launch, read_json, write_json
from lab.topology import load

ROOT = Path(__file__).resolve().parents[2]


def test_the_lab_knows_nothing_of_recovery() -> None:
    for path in (ROOT / "lab").rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.startswith(("import recovery", "from recovery")), f"{path}: {line}"


@pytest.mark.parametrize("name", ["Main", "a b", "", "../x", "-x", "a" * 21])
def test_names_that_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAB_NAME", "")
    if name:
        with pytest.raises(LabError, match="no name for a lab"):
            lab_name(name)
    else:
        assert lab_name(name) == "main"


def test_ssh_config_is_absolute_and_checks_host_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = Lab("t", tmp_path)
    text = keys.ssh_config(lab, load())
    assert text.count("Host ") == len(load().hosts)
    assert "StrictHostKeyChecking yes" in text
    assert f"UserKnownHostsFile {tmp_path}/known_hosts" in text
    assert "nsenter --net=/run/netns/lab.t.control nc -F -w 5 %h %p" in text


def test_keys_are_made_once_and_differ(tmp_path: Path) -> None:
    lab = Lab("t", tmp_path)
    keys.ensure(lab, load())
    first = (lab.root / "known_hosts").read_text(encoding="ascii")
    keys.ensure(lab, load())
    assert (lab.root / "known_hosts").read_text(encoding="ascii") == first
    assert len({line.split()[2] for line in first.splitlines()}) == len(load().hosts)
    signers = (lab.people / "allowed_signers").read_text(encoding="ascii").splitlines()
    assert [line.split()[0] for line in signers] == [*keys.PRINCIPALS, "control-node"]
    assert (lab.keys / "control").stat().st_mode & 0o077 == 0


def test_a_tree_has_another_fingerprint_once_touched(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/file").write_text("one", encoding="ascii")
    whole = image.fingerprint(tmp_path)
    assert image.fingerprint(tmp_path) == whole
    os.truncate(tmp_path / "a/file", 2)
    cut = image.fingerprint(tmp_path)
    (tmp_path / "a/file").unlink()
    assert len({whole, cut, image.fingerprint(tmp_path)}) == 3


def test_an_unfinished_or_damaged_image_is_told(tmp_path: Path) -> None:
    root = tmp_path / "root"
    assert "not been built" in image.damage(root)
    root.mkdir()
    assert "interrupted" in image.damage(root)
    write_json(tmp_path / "complete.json", {"fingerprint": image.fingerprint(root)})
    assert image.damage(root) == ""
    (root / "stray").touch()
    assert "not as it was" in image.damage(root)


def test_parameters_of_a_fault() -> None:
    slow = faults.named("link-slow")
    assert slow.complete(slow.settle(["rate=1mbit"])) == {"cable": "offsite", "rate": "1mbit"}
    loss = faults.named("disk-loss")
    assert loss.complete(loss.settle(["his-db", "data"])) == {"host": "his-db", "disk": "data"}
    with pytest.raises(LabError, match="needs to know: disk"):
        loss.complete(loss.settle(["his-db"]))
    with pytest.raises(LabError, match="knows no parameter 'disc'"):
        loss.settle(["his-db", "disc=data"])
    with pytest.raises(LabError, match="There is no fault 'flood'"):
        faults.named("flood")


def test_every_fault_says_what_it_is() -> None:
    assert {
        "power-cut", "disk-loss", "disk-full", "service-stopped", "data-directory-destroyed", "backup-repository-lost",
        "bit-rot", "backup-bit-rot", "wal-segment-missing", "link-down", "link-slow", "pacs-store-destroyed",
        "price-list-deleted", "price-list-altered", "patient-rows-deleted", "patient-rows-altered",
        "fibre-cut", "fibre-dim", "fibre-one-way", "switch-dead", "switch-hung", "switch-port-dead", "switch-wiped", "switch-slow-session",
    } == set(faults.catalogue())  # fmt: skip
    assert all(fault.about.endswith(".") for fault in faults.catalogue().values())


@pytest.mark.parametrize(("text", "bits"), [("500kbit", 5e5), ("2mbit", 2e6), ("1gbit", 1e9)])
def test_rates(text: str, bits: float) -> None:
    assert network.rate_bits(text) == bits


def test_rot_changes_eight_bytes_and_goes_back(tmp_path: Path) -> None:
    file = tmp_path / "relation"
    content = bytes(range(256)) * 64
    file.write_bytes(content)
    times = file.stat().st_mtime_ns
    kept = faults_data.flip(file, "1")
    rotten = file.read_bytes()
    assert sum(a != b for a, b in zip(content, rotten, strict=True)) == faults_data.FLIPPED
    assert file.stat().st_mtime_ns == times
    faults_data.unflip(kept)
    assert file.read_bytes() == content


def test_rot_is_not_put_back_into_a_file_that_was_restored(tmp_path: Path) -> None:
    file = tmp_path / "relation"
    file.write_bytes(bytes(4096))
    kept = faults_data.flip(file, "1")
    file.write_bytes(b"new" * 2000)
    faults_data.unflip(kept)
    assert file.read_bytes() == b"new" * 2000


@pytest.mark.parametrize(
    ("path", "user"), [("base/1/2600", False), ("base/5/2600", False), ("base/16384/16400", True), ("base/16387/16733.1", True)]
)
def test_only_relations_of_user_databases_rot(path: str, user: bool) -> None:
    assert bool(faults_data.RELATION.fullmatch(path)) is user


def test_a_launched_process_is_recorded_and_known_from_a_later_one(tmp_path: Path) -> None:
    record = tmp_path / "run/sleep.pid"
    launch([sys.executable, "-c", "import time; time.sleep(60)"], record, tmp_path / "log")
    process = Process.from_file(record)
    assert process is not None
    try:
        assert process.alive()
        assert identify(process.pid) == process
        assert not Process(process.boot, process.pid, process.started + 1).alive()
        assert not Process("another boot", process.pid, process.started).alive()
    finally:
        process.send(9)
    assert process.wait(5)


def test_a_second_holder_is_told_who_is_at_work(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    code = (
        "import sys; from pathlib import Path; from lab.system import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'Work'):\n    print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline().strip() == "held"
        with pytest.raises(LabError, match=f"under way elsewhere .pid {holder.pid}"), exclusive(path, "Work"):
            pass
        holder.communicate("")
    with exclusive(path, "Work"):
        pass


def test_torn_json_counts_as_none(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text('{"phase": "u', encoding="ascii")
    assert read_json(tmp_path / "x.json") is None


def test_a_host_left_out_takes_its_cables_with_it() -> None:
    whole, smaller = load(), load(without=["pacs"])
    assert set(whole.hosts) - set(smaller.hosts) == {"pacs"}
    assert set(whole.cables) - set(smaller.cables) == {"pacs"}


def test_a_host_that_is_not_there_cannot_be_left_out() -> None:
    with pytest.raises(LabError, match="no host ghost"):
        load(without=["ghost"])
