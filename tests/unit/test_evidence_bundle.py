"""The bundle: sealed, signed, and checked by our program and by stock tools, whole and tampered with."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recovery.evidence import bundle
from recovery.evidence.cli import app
from recovery.evidence.journal import Journal
from recovery.evidence.lines import FIRST_PREV, digest, encode
from recovery.evidence.signer import SignatureError, Signer

Tamper = Callable[[Path], None]


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two keys: the one that signs, and a stranger's."""
    directory = tmp_path_factory.mktemp("keys")
    for name in ("evidence", "stranger"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    return directory


@pytest.fixture(scope="session")
def signer(keys: Path) -> Signer:
    """The key that signs."""
    return Signer.load(keys / "evidence")


def run_of(directory: Path, run: str = "run-1") -> None:
    """Journal a small run."""
    journal = Journal(directory, run)
    journal.append("run_begin", name="database_restore", data={"pid": 1})
    journal.append("task", name="恢复", host="his-db", result="changed", attach=[("change.diff", b"-old\n+new\n")])
    journal.append("verdict", result="PASS", phase="VERIFY")
    journal.append("run_end", result="PASS")
    journal.close()


@pytest.fixture
def incident(tmp_path: Path, signer: Signer) -> Path:
    """One sealed and signed incident with one run."""
    directory = tmp_path / "2026-11-22-01"
    (directory / "approvals" / "1" / "answers").mkdir(parents=True)
    (directory / "approvals" / "1" / "request.json").write_text("{}\n")
    run_of(directory)
    bundle.seal(directory, signer)
    return directory


def stock_check(directory: Path) -> list[int]:
    """Run the commands of the README, as they stand there, and return the exit status of each of its five steps."""
    steps: list[list[str]] = []
    for line in (directory / "README.txt").read_text(encoding="utf-8").splitlines():
        if line[:2] in {f"{number}." for number in range(1, 6)}:
            steps.append([])
        elif line.startswith("    ") and steps:
            steps[-1].append(line[4:])
    steps[1] = steps[1][:1]  # the whole manifest; its second command is for a journal that grew, see its own test
    assert len(steps) == 5 and all(steps)
    return [
        subprocess.run(["sh", "-ec", "\n".join(step)], cwd=directory, capture_output=True, check=False, timeout=30).returncode
        for step in steps
    ]


def rechained(directory: Path, change: Callable[[list[dict[str, object]]], None]) -> None:
    """Forge as an insider would: change events and compute the whole chain anew."""
    path = directory / "journal.jsonl"
    events = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    change(events)
    prev, lines = FIRST_PREV, []
    for number, event in enumerate(events, 1):
        line = encode(event | {"seq": number, "prev": prev})
        prev = "sha256:" + digest(line)
        lines.append(line + b"\n")
    path.write_bytes(b"".join(lines))


def remade(directory: Path) -> None:
    """Forge the manifest too, so that all hashes agree; only the signature is beyond reach."""
    with bundle._undisturbed(directory):
        signature = (directory / bundle.SIGNATURE).read_bytes()
        bundle._seal(directory, None)
        (directory / bundle.SIGNATURE).write_bytes(signature)


def edit(directory: Path) -> None:
    """Change one word in the middle."""
    path = directory / "journal.jsonl"
    path.write_bytes(path.read_bytes().replace(b"his-db", b"his-dc"))


def edit_the_end(directory: Path) -> None:
    """Change the last line, which has no successor."""
    rechained(directory, lambda events: events[-1].update(result="FAIL"))


def cut_the_end(directory: Path) -> None:
    """Cut the last line off."""
    rechained(directory, lambda events: events.pop())


def forge_everything(directory: Path) -> None:
    """Chain and manifest both made anew."""
    rechained(directory, lambda events: events[1].update(name="forged"))
    remade(directory)


def change_artefact(directory: Path) -> None:
    """Change a difference."""
    next((directory / "artifacts").iterdir()).write_bytes(b"-old\n+other\n")


def remove_artefact(directory: Path) -> None:
    """Take a difference away."""
    next((directory / "artifacts").iterdir()).unlink()


def swap_signature(directory: Path) -> None:
    """Sign with another key and keep the list of signers."""
    content = (directory / bundle.MANIFEST).read_bytes()
    (directory / bundle.SIGNATURE).write_bytes(Signer.load(directory.parent / "stranger").sign(content))


def remove_signature(directory: Path) -> None:
    """Take the signature away."""
    (directory / bundle.SIGNATURE).unlink()


def edit_manifest(directory: Path) -> None:
    """Drop a file from the manifest."""
    path = directory / bundle.MANIFEST
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if "request.json" not in line))


TAMPERINGS: dict[str, tuple[Tamper, set[int]]] = {  # and which steps of the stock check find it
    "edit": (edit, {2, 4}),
    "edit the end": (edit_the_end, {2}),
    "cut the end": (cut_the_end, {2}),
    "forge everything": (forge_everything, {1}),
    "change artefact": (change_artefact, {2, 5}),
    "remove artefact": (remove_artefact, {2, 5}),
    "swap signature": (swap_signature, {1}),
    "remove signature": (remove_signature, {1}),
    "edit manifest": (edit_manifest, {1, 3}),
}


def test_a_whole_bundle_verifies_by_both_ways(incident: Path, keys: Path) -> None:
    """Ours, and the stock tools."""
    found = bundle.verify(incident)
    assert found.sound and not found.interrupted and "Compare it" in found.notes[0]
    trusted = incident.parent / "trusted"
    trusted.write_text(Signer.load(keys / "evidence").allowed_signers_line())
    assert bundle.verify(incident, trusted).sound
    assert stock_check(incident) == [0, 0, 0, 0, 0]


@pytest.mark.parametrize("name", sorted(TAMPERINGS))
def test_tampering_is_found_by_both_ways(incident: Path, keys: Path, name: str) -> None:
    """Each kind of tampering, by our program and by the steps that the README promises to find it."""
    shutil.copy(keys / "stranger", incident.parent / "stranger")
    tamper, steps = TAMPERINGS[name]
    tamper(incident)
    found = bundle.verify(incident)
    assert found.problems and found.exit_status == 2
    assert {number for number, status in enumerate(stock_check(incident), 1) if status != 0} == steps
    assert CliRunner().invoke(app, ["verify", str(incident)]).exit_code == 2


@pytest.mark.parametrize("name", sorted(set(TAMPERINGS)))
def test_a_later_run_does_not_seal_over_tampering(incident: Path, keys: Path, signer: Signer, name: str) -> None:
    """Otherwise our own signature would vouch for the forgery."""
    shutil.copy(keys / "stranger", incident.parent / "stranger")
    TAMPERINGS[name][0](incident)
    before = (incident / bundle.MANIFEST).read_bytes()
    with pytest.raises(bundle.SealError):
        bundle.seal(incident, signer)
    assert (incident / bundle.MANIFEST).read_bytes() == before


def test_a_strangers_key_is_not_trusted(incident: Path, keys: Path) -> None:
    """All made anew with another key and its own list of signers: only the auditor's own list finds it."""
    for name in (bundle.MANIFEST, bundle.SIGNATURE, bundle.SIGNERS):
        (incident / name).unlink()
    rechained(incident, lambda events: events[1].update(name="forged"))
    bundle.seal(incident, Signer.load(keys / "stranger"))
    assert bundle.verify(incident).sound
    trusted = incident.parent / "trusted"
    trusted.write_text(Signer.load(keys / "evidence").allowed_signers_line())
    assert "does not name" in bundle.verify(incident, trusted).problems[0]


def test_a_file_added_after_sealing_is_told(incident: Path) -> None:
    """It is no proof of tampering (a late answer), but nothing vouches for it; reports are expected."""
    (incident / "report.html").write_text("<html>")
    assert bundle.verify(incident).sound and stock_check(incident)[2] == 0
    (incident / "approvals" / "1" / "answers" / "late").write_text("x")
    found = bundle.verify(incident)
    assert not found.problems and found.exit_status == 3 and "late" in found.open_ends[0]
    assert stock_check(incident)[2] != 0


def test_several_runs_seal_one_incident(incident: Path, signer: Signer) -> None:
    """The later seal covers the whole; in between, the sealed part still verifies by hand."""
    run_of(incident, "run-2")
    found = bundle.verify(incident)
    assert not found.problems and any("4 lines were appended after the sealing" in each for each in found.open_ends)
    readme = (incident / "README.txt").read_text(encoding="utf-8").splitlines()
    command = next(line.strip() for line in readme if line.startswith('    test "$(head -c'))
    assert subprocess.run(["sh", "-ec", command], cwd=incident, check=False).returncode == 0
    bundle.seal(incident, signer)
    assert bundle.verify(incident).sound and stock_check(incident) == [0] * 5
    edit(incident)
    assert subprocess.run(["sh", "-ec", command], cwd=incident, check=False).returncode != 0


def test_another_key_may_sign_later(incident: Path, keys: Path) -> None:
    """Both keys stay in the list of signers."""
    run_of(incident, "run-2")
    bundle.seal(incident, Signer.load(keys / "stranger", "second-node"))
    found = bundle.verify(incident)
    assert found.sound and "second-node" in found.notes[0]


def test_an_interrupted_run_is_told_as_such(tmp_path: Path, signer: Signer) -> None:
    """No end, no seal: not tampering. Sealed by hand afterwards it verifies, and is still called interrupted."""
    journal = Journal(tmp_path, "run-1")
    journal.append("run_begin", name="database_restore")
    journal.append("task", name="Stop the server", result="changed")
    with journal.path.open("ab") as stream:
        stream.write(b'{"seq":3,"at"')
    found = bundle.verify(tmp_path)
    assert not found.problems and found.exit_status == 3 and len(found.interrupted) == 1
    assert any("incomplete" in each for each in found.open_ends)
    with pytest.raises(bundle.SealError, match="incomplete"):
        bundle.seal(tmp_path, signer)
    journal.append("note", name="after")
    bundle.seal(tmp_path, signer)
    found = bundle.verify(tmp_path)
    assert found.sound and "interrupted" in found.interrupted[0]


@pytest.mark.parametrize("killed_at", [0, 1])
def test_a_sealing_that_was_killed_is_finished_or_forgotten(
    incident: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch, killed_at: int
) -> None:
    """Two files cannot be put in place at once; whichever rename was the last, the next sealing goes on from there."""
    run_of(incident, "run-2")
    replace, done = Path.replace, []

    def killed(path: Path, target: Path) -> Path:
        if len(done) == killed_at:
            raise KeyboardInterrupt
        done.append(target)
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        bundle.seal(incident, signer)
    monkeypatch.setattr(Path, "replace", replace)
    bundle.seal(incident, signer)
    assert bundle.verify(incident).sound and stock_check(incident) == [0] * 5


def test_a_link_or_a_strange_name_is_not_sealed(incident: Path, signer: Signer) -> None:
    """A link could point to what changes; a newline in a name could forge a line of the manifest."""
    (incident / "artifacts" / "link").symlink_to("/etc/hostname")
    with pytest.raises(bundle.SealError, match="no plain file"):
        bundle.seal(incident, signer)
    (incident / "artifacts" / "link").unlink()
    (incident / "artifacts" / "a\nb").write_text("x")
    with pytest.raises(bundle.SealError, match="no plain file"):
        bundle.seal(incident, signer)


def test_an_event_naming_a_wrong_artefact_is_found(tmp_path: Path) -> None:
    """Outside of the bundle, gone, or different from the first."""
    journal = Journal(tmp_path, "run-1")
    journal.append("note", data={"artifacts": [{"path": "artifacts/../../x", "sha256": "0" * 64}]})
    journal.append("note", data={"artifacts": [{"path": "artifacts/9-gone", "sha256": "0" * 64}]})
    journal.append("note", attach=[("a", b"a")])
    (tmp_path / "artifacts" / "3-a").write_bytes(b"b")
    bundle.seal(tmp_path)
    problems = bundle.verify(tmp_path).problems
    assert [word in problem for word, problem in zip(("outside", "gone", "differs"), problems, strict=True)] == [True] * 3


def test_an_unsigned_bundle_does_not_count_as_verified(tmp_path: Path) -> None:
    """Nobody vouches for it."""
    run_of(tmp_path)
    bundle.seal(tmp_path)
    found = bundle.verify(tmp_path)
    assert found.exit_status == 3 and "not signed" in found.open_ends[0]


def test_a_key_that_does_not_sign_is_told_at_loading(keys: Path, tmp_path: Path) -> None:
    """Missing, no key at all, or locked by a passphrase: said before the run, with what to do instead."""
    (tmp_path / "no-key").write_text("scribble")
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "a phrase", "-f", str(tmp_path / "locked")], check=True)
    for name in ("missing", "no-key", "locked"):
        with pytest.raises(SignatureError, match="evidence_signing_key"):
            Signer.load(tmp_path / name)


def test_the_commands(incident: Path, keys: Path) -> None:
    """Verify, show and seal, at the terminal."""
    runner = CliRunner()
    shown = runner.invoke(app, ["show", str(incident)])
    assert shown.exit_code == 0 and "恢复" in shown.output and "changed" in shown.output
    assert runner.invoke(app, ["verify", str(incident)]).exit_code == 0
    run_of(incident, "run-2")
    assert runner.invoke(app, ["verify", str(incident)]).exit_code == 3
    assert runner.invoke(app, ["seal", str(incident), "--key", str(keys / "evidence")]).exit_code == 0
    assert runner.invoke(app, ["verify", str(incident)]).exit_code == 0
    assert runner.invoke(app, ["verify", "1999-01-01-01"]).exit_code == 64
