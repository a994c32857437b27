"""The journal: chain, torn tails, several writers, long lines."""

from __future__ import annotations

import json
import os
import tempfile
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recovery.evidence import journal as journal_module
from recovery.evidence.journal import LINE_LIMIT, Entry, Journal, JournalError, safe_name
from recovery.evidence.lines import EVENTS, KEYS, digest, encode, parse_play_name, plain, split_lines, verify_lines

QUICK = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
ENTRIES = st.lists(
    st.builds(
        Entry, st.sampled_from(sorted(EVENTS)), name=st.text(max_size=20), host=st.text(max_size=8), data=st.dictionaries(st.text(), JSON)
    ),
    min_size=3,
    max_size=8,
)


@pytest.fixture(autouse=True)
def _no_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of examples need not reach the disk."""
    monkeypatch.setattr(os, "fsync", lambda handle: None)
    monkeypatch.setattr(os, "fdatasync", lambda handle: None)


def written(entries: list[Entry]) -> list[bytes]:
    """Write entries into a journal of their own and return its lines."""
    with tempfile.TemporaryDirectory() as directory:
        journal = Journal(Path(directory) / "journal.jsonl", "run-1")
        journal.append_all(entries)
        assert journal.verify() == []
        journal.close()
        return split_lines(journal.path.read_bytes())[0]


def joined(lines: list[bytes]) -> bytes:
    """Put lines together to a journal's bytes."""
    return b"".join(line + b"\n" for line in lines)


@QUICK
@given(ENTRIES)
def test_what_is_appended_verifies_and_reads_back(entries: list[Entry]) -> None:
    """Any data survives, in the contract's form."""
    lines = written(entries)
    for number, (line, entry) in enumerate(zip(lines, entries, strict=True), 1):
        event = json.loads(line)
        assert tuple(event) == KEYS
        assert (event["seq"], event["event"], event["run"]) == (number, entry.event, "run-1")
        assert encode(event) == line


@QUICK
@given(ENTRIES, st.data())
def test_any_edit_of_a_line_with_a_successor_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """One byte changed, removed or added anywhere before the last line."""
    content = joined(lines := written(entries))
    place = data.draw(st.integers(0, len(content) - len(lines[-1]) - 2))
    kind = data.draw(st.sampled_from(["change", "remove", "add"]))
    byte = bytes([data.draw(st.integers(0, 255))])
    changed = {
        "change": content[:place] + byte + content[place + 1 :],
        "remove": content[:place] + content[place + 1 :],
        "add": content[:place] + byte + content[place:],
    }[kind]
    if changed != content:
        assert any("Line" in problem for problem in verify_lines(changed))


@QUICK
@given(ENTRIES, st.data())
def test_a_well_formed_forgery_of_one_line_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """Only the chain can tell: number, form and spelling of the line are as they should be."""
    lines = written(entries)
    place = data.draw(st.integers(0, len(lines) - 2))
    key = data.draw(st.sampled_from(["at", "run", "clause", "phase", "host", "name", "result", "took_s", "data"]))
    event = json.loads(lines[place])
    forged = encode(event | {key: {"data": {**event["data"], "forged": 1}, "took_s": 99.5}.get(key, "forged")})
    problems = verify_lines(joined([*lines[:place], forged, *lines[place + 1 :]]))
    assert len(problems) == 1 and problems[0].startswith(f"Line {place + 2} does not continue line {place + 1}")


@QUICK
@given(ENTRIES, st.data())
def test_any_cut_swap_double_or_insertion_is_found(entries: list[Entry], data: st.DataObject) -> None:
    """Whole lines moved about, each well-formed in itself."""
    lines = written(entries)
    kind = data.draw(st.sampled_from(["cut", "swap", "double", "insert"]))
    first, second = sorted(data.draw(st.lists(st.integers(0, len(lines) - 1), min_size=2, max_size=2, unique=True)))
    changed = list(lines)
    if kind == "cut":
        del changed[first:second]
    elif kind == "swap":
        changed[first], changed[second] = changed[second], changed[first]
    elif kind == "double":
        changed.insert(second, lines[first])
    else:
        foreign = json.loads(lines[first]) | {"name": "never happened", "seq": second + 1, "prev": "sha256:" + digest(lines[second - 1])}
        changed.insert(second, encode(foreign))
    assert verify_lines(joined(changed))


def test_an_edit_with_all_later_lines_chained_anew_is_not_the_chains_to_find(tmp_path: Path) -> None:
    """What the chain cannot do: this is why the manifest is signed (see the bundle's tests)."""
    lines = written([Entry("note", name=str(number)) for number in range(3)])
    last = json.loads(lines[-1]) | {"name": "forged"}
    assert verify_lines(joined([*lines[:-1], encode(last)])) == []


def test_a_line_that_is_no_object_of_ours_is_named() -> None:
    """Form comes before the chain."""
    lines = written([Entry("note"), Entry("note")])
    for bad in (
        b"{}",
        b"[]",
        b"\xff",
        b'{"seq":1}',
        lines[0].replace(b'"note"', b'["note"]', 1),
        lines[0].replace(b'"seq":1', b'"seq":true'),
    ):
        assert verify_lines(joined([bad, lines[1]]))[0].startswith("Line 1 ")


def test_a_torn_tail_is_set_aside_at_every_byte(tmp_path: Path) -> None:
    """Killed while writing the last line, at whatever byte: the rest verifies, nothing is thrown away."""
    lines = written([Entry("note", name="原文 one"), Entry("measured", data={"rpo_s": 1.5}), Entry("note", name="末 last")])
    whole = joined(lines)
    start = len(joined(lines[:2]))
    for end in range(start, len(whole)):
        directory = tmp_path / str(end)
        directory.mkdir()
        (directory / "journal.jsonl").write_bytes(whole[:end])
        journal = Journal(directory, "run-2")
        seq = journal.append("note", name="after")
        journal.close()
        assert journal.verify() == []
        events = journal.read()
        assert events[-1]["seq"] == seq and events[-1]["name"] == "after"
        if end == start:
            assert len(events) == 3
            continue
        reference = events[-2]["data"]["artifacts"][0]
        assert events[-2]["result"] == "torn-line"
        assert (directory / reference["path"]).read_bytes() == whole[start:end]
        assert reference["sha256"] == digest(whole[start:end])


def test_a_torn_first_line_and_one_longer_than_the_window(tmp_path: Path) -> None:
    """The tail is searched backwards; neither an empty file nor a long line confuses it."""
    (tmp_path / "journal.jsonl").write_bytes(b'{"seq":1,"at"')
    journal = Journal(tmp_path)
    journal.append("note", name="x" * 50_000)
    journal.append("note", name="y" * 30_000)
    journal.append("note", name="z")
    assert journal.verify() == []
    assert [event["seq"] for event in journal.read()] == [1, 2, 3, 4]


def test_nothing_is_chained_to_a_damaged_last_line(tmp_path: Path) -> None:
    """The error says what is so and what to do instead."""
    (tmp_path / "journal.jsonl").write_bytes(b"scribble\n")
    with pytest.raises(JournalError, match="start a new incident"):
        Journal(tmp_path).append("note")
    assert (tmp_path / "journal.jsonl").read_bytes() == b"scribble\n"


def test_a_full_disk_leaves_no_half_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The journal is as it was, and the error is an error."""
    journal = Journal(tmp_path)
    journal.append("note", name="before")
    before = journal.path.read_bytes()
    write = os.pwrite
    calls: list[int] = []

    def full(handle: int, content: bytes, place: int) -> int:
        calls.append(1)
        if len(calls) > 1:
            raise OSError(28, "No space left on device")
        return write(handle, content[:10], place)

    monkeypatch.setattr(journal_module.os, "pwrite", full)
    with pytest.raises(JournalError, match="No space left"):
        journal.append("note", name="does not fit")
    monkeypatch.setattr(journal_module.os, "pwrite", write)
    assert journal.path.read_bytes() == before
    journal.append("note", name="after")
    assert journal.verify() == []


def _write_many(path: Path, count: int) -> None:
    journal = Journal(path, f"run-{os.getpid()}")
    for number in range(count):
        journal.append("note", name=f"{number}")


def test_several_processes_and_a_fork_append_to_one_chain(tmp_path: Path) -> None:
    """A fork inherits the open file, and with it the lock; it must take its own."""
    journal = Journal(tmp_path, "parent")
    journal.append("note", name="opens the file before the fork")
    children = [get_context("fork").Process(target=_write_many_with, args=(journal, 40)) for _ in range(3)]
    children += [get_context("fork").Process(target=_write_many, args=(tmp_path, 40))]
    for child in children:
        child.start()
    for number in range(40):
        journal.append("note", name=f"parent {number}")
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * 4
    assert journal.verify() == []
    assert len(journal.read()) == 1 + 5 * 40


def _write_many_with(journal: Journal, count: int) -> None:
    for number in range(count):
        journal.append("note", name=f"fork {number}")


def test_a_line_never_exceeds_its_limit(tmp_path: Path) -> None:
    """What is large is in an artefact, whole; the line keeps what still reads."""
    journal = Journal(tmp_path)
    findings = [{"code": f"c{number}", "message": "m" * 500} for number in range(400)]
    journal.append("refusal", data={"findings": findings, "msg": "short", "text": "t" * 100_000})
    line = journal.path.read_bytes()
    event = journal.read()[0]
    assert len(line) <= LINE_LIMIT and event["data"]["shortened"] and event["data"]["msg"] == "short"
    reference = event["data"]["artifacts"][0]
    whole = (tmp_path / reference["path"]).read_bytes()
    assert json.loads(whole)["findings"] == findings and digest(whole) == reference["sha256"]


def test_artefacts_are_named_safely_and_never_overwritten(tmp_path: Path) -> None:
    """A name from a device cannot leave the directory; a left-over of a killed writer stays."""
    (tmp_path / "artifacts").mkdir()
    (tmp_path / "artifacts" / "1-passwd").write_bytes(b"left over")
    journal = Journal(tmp_path)
    journal.append("note", attach=[("../../etc/passwd", b"x"), ("", b"y")])
    paths = [each["path"] for each in journal.read()[0]["data"]["artifacts"]]
    assert paths[1:] == ["artifacts/1-artefact"]
    assert {path.name for path in (tmp_path / "artifacts").iterdir()} == {"1-passwd", "1-artefact", paths[0].removeprefix("artifacts/")}
    assert (tmp_path / "artifacts" / "1-passwd").read_bytes() == b"left over"


@given(st.text(max_size=200))
def test_safe_names(name: str) -> None:
    """Any text becomes one plain, visible file name."""
    safe = safe_name(name)
    assert 0 < len(safe) <= 80 and not safe.startswith((".", "-")) and set(safe) <= set(journal_module.NAME_CHARACTERS)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("RCV-1 4/6 RUN | The restored cluster takes over", ("RCV-1", "RUN")),
        ("BKP-11 1/6 CHECK | 检查", ("BKP-11", "CHECK")),
        ("RCV-1 4/6 BUILD | no such phase", ("", "")),
        ("Set up the backup", ("", "")),
    ],
)
def test_clause_and_phase_come_from_the_plays_name(name: str, parts: tuple[str, str]) -> None:
    """Plays of no clause have neither."""
    assert parse_play_name(name) == parts


def test_what_modules_return_becomes_plain_json() -> None:
    """Half surrogates, infinities, sets and bytes are written somehow, and never stop the journal."""
    value: Any = {"a": ("x", {1}), "b": float("nan"), "c": b"\xff", "d": "\udcff", 5: None}
    assert plain(value) == {"a": ["x", [1]], "b": "nan", "c": "\\xff", "d": "\\udcff", "5": None}


def test_an_unknown_event_is_refused(tmp_path: Path) -> None:
    """The kinds of events are a closed list."""
    with pytest.raises(JournalError, match="no event of the journal"):
        Journal(tmp_path).append("celebration")
