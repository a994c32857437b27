"""The report: what it says about an incident, what it says is missing, and that nothing in the journal can speak for it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
import typer

from fixtures.report.builder import START, Builder, client_summary, iso, recovery
from recovery.report import cli as command
from recovery.report import page
from recovery.report.incident import Incident, ReportError, number, parse_time, read
from recovery.report.outage import MILESTONES, figures, outages
from recovery.report.plan import Plan, read_plan
from recovery.report.text import LANGUAGES, Words, catalogue, zone
from recovery.report.workload import read_clients

PROJECT = Path(__file__).resolve().parents[2]
NO_PLAN = Plan({}, None, ())


def rendered(directory: Path, language: str = "en", plan: Plan = NO_PLAN) -> str:
    return page.html(read(directory), Words(language), plan)


class Text(HTMLParser):
    """The document as its reader sees it, and the elements in it."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.feed(document)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("whole") / "2026-11-21-01"
    recovery(directory)
    return directory


# ---- the catalogue


def test_every_sentence_exists_in_both_languages_with_the_same_values() -> None:
    assert len(catalogue()) > 200
    for key, texts in catalogue().items():
        assert set(texts) == set(LANGUAGES), key
        fields = [sorted(re.findall(r"\{(\w+)\}", texts[language])) for language in LANGUAGES]
        assert fields[0] == fields[1], key
        assert all(text.strip() for text in texts.values()), key
        assert not re.search("[一-鿿]", texts["en"]), key


def test_every_key_that_a_template_names_is_in_the_catalogue() -> None:
    sources = [*(PROJECT / "src/recovery/report/templates").glob("*.j2"), *(PROJECT / "src/recovery/report").glob("*.py")]
    named = {key for path in sources for key in re.findall(r"""\b(?:t|words)\(\s*["']([\w-]+)["']\s*[,)]""", path.read_text())}
    assert len(named) > 80
    assert not named - set(catalogue())


def test_every_word_of_the_contract_has_its_translation() -> None:
    from recovery.evidence.lines import EVENTS, PHASES
    from recovery.findings import SEVERITIES

    words = {f"e_{event}" for event in EVENTS} | {f"phase_{phase}" for phase in PHASES}
    words |= {f"severity_{severity}" for severity in SEVERITIES} | {f"m_{name}" for name in MILESTONES}
    words |= {f"r_{result}" for result in ("ok", "changed", "failed", "unreachable", "skipped")}
    words |= {f"{kind}_{word}" for kind in ("verdict", "means") for word in ("PASS", "FAIL", "COULD-NOT-VERIFY", "NOT-RUN", "REFUSED")}
    assert not words - set(catalogue())


# ---- reading


def test_an_incident_without_a_journal_is_an_error_with_a_way_out(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="recovery status"):
        read(tmp_path / "absent")
    with pytest.raises(ReportError, match="holds no journal"):
        read(tmp_path)


def test_unreadable_lines_are_named_and_do_not_stop_the_report(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    with (tmp_path / "journal.jsonl").open("a") as stream:
        stream.write('{"seq": 2, "event": \n[1, 2]\n')
    incident = read(tmp_path)
    assert incident.unreadable == (2, 3)
    assert "cannot be read, and are not in this report: 2, 3" in Text(rendered(tmp_path)).text


@pytest.mark.parametrize("value", [None, "", "yesterday", True, [], {}, "2026-13-45", float("nan"), 1e300, "9" * 5000])
def test_what_is_no_time_reads_as_none(value: object) -> None:
    assert parse_time(value) is None


@pytest.mark.parametrize("value", [None, True, "x", [], {}, float("nan"), float("inf")])
def test_what_is_no_number_reads_as_none(value: object) -> None:
    assert number(value) is None


def test_times_with_and_without_zone_are_the_same_moment() -> None:
    want = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    assert parse_time("2026-11-21T11:00:00+08:00") == parse_time("2026-11-21T03:00:00Z") == parse_time(want.timestamp()) == want


def test_hostile_types_in_every_place_do_not_stop_the_report(tmp_path: Path) -> None:
    hostile = ["x", 3, None, [], {}, [["a"]], {"a": {"b": 1}}, True]
    keys = (
        *("steps", "findings", "commands", "items", "artifacts", "versions", "extra_vars", "command", "action", "agreed", "of"),
        *("needed", "service_gaps", "newest_rows", "before", "after", "evidence", "at", "expires_at", "holder", "requested_by", "msg"),
        "kind",
    )
    kinds = (
        *("run_begin", "play_begin", "task", "refusal", "override", "milestone", "measured", "verdict", "lock_taken", "note"),
        *("approval_requested", "approval_answer", "approval_granted", "manual_step_asked", "manual_step_done", "run_end"),
    )
    lines = []
    for value in hostile:
        for kind in kinds:
            lines.append({"seq": "?", "at": value, "run": "r", "event": kind, "clause": value, "phase": value, "host": value,
                          "name": value, "result": value, "took_s": value, "data": dict.fromkeys(keys, value)})  # fmt: skip
            lines.append({"event": kind, "run": "r", "data": value})
    (tmp_path / "journal.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    for language in LANGUAGES:
        assert "</html>" in rendered(tmp_path, language)


# ---- what it says


def test_the_head_names_every_run_with_its_verdict_and_reason(whole: Path) -> None:
    text = Text(rendered(whole)).text
    assert text.index("REFUSED") < text.index("PASS")
    assert "has no backup of the system his" in text
    assert "on-duty-administrator" in text


def test_recovery_time_data_loss_and_service_gap_are_the_measured_ones(whole: Path) -> None:
    text = Text(rendered(whole, plan=read_plan(PROJECT / "plan"))).text
    (outage,) = outages(read(whole))
    assert outage.rto_s is not None
    assert f"Fault to proven service {Words('en').duration(outage.rto_s)}" in text
    assert "0 of 18,412 acknowledged" in text
    assert "target 30 s within target" in text
    assert "at outpatient-1" in text
    assert "RCV-1" in text and read_plan(PROJECT / "plan").title("RCV-1", "en") in text


def test_steps_inside_a_module_stand_in_the_procedure_with_their_times(whole: Path) -> None:
    text = Text(rendered(whole)).text
    assert re.search(r"\d\d:\d\d:\d\d Read every file of the backup and compare its checksum 21 s", text)
    assert "pgbackrest --stanza=his --repo=2 --pg1-path=" in text


def test_the_parts_of_a_proof_stand_in_the_procedure_with_their_verdicts(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    build.play(5, "VERIFY", "Prove")
    checks = [{"check": "The server answers", "verdict": "PASS", "took_s": 0.1}, {"check": "Every key leads to a row", "verdict": "FAIL"}]
    build.task("Prove the database", "failed", after={"checks": checks, "depth": "quick"})
    text = Text(rendered(tmp_path)).text
    assert re.search(r"The server answers\s+PASS\s+0\.1 s", text) and re.search(r"Every key leads to a row\s+FAIL", text)
    assert "depth: quick" in text and "&#34;check&#34;" not in rendered(tmp_path)


def test_overrides_approvals_and_people_are_named(whole: Path) -> None:
    text = Text(rendered(whole)).text
    assert "offsite-older overridden by information-director" in text
    assert "9b6f4a4c1c3be8a4e1ff0d5a8a3a54b5f6f0b59d6d8ab7cc6e3ad5b0e7f1c2d3" in text
    assert "photo in the duty log, page 12 (checked by machine)" in text
    assert "Waited 12 s" in text


def test_instructions_to_people_are_in_the_readers_language(whole: Path) -> None:
    assert "查看 his-db 正面" in rendered(whole, "zh")
    assert "Look at the front of his-db" in rendered(whole, "en")


def test_every_line_of_the_journal_stands_in_the_timeline(whole: Path) -> None:
    incident = read(whole)
    rows = page.timeline(incident)
    lines = [task.line for row in rows for task in row.tasks] + [row.event.line for row in rows if not row.tasks]
    assert sorted(lines) == [event.line for event in incident.events]


def test_an_interrupted_run_is_shown_as_such(tmp_path: Path) -> None:
    recovery(tmp_path, finished=False)
    text = Text(rendered(tmp_path)).text
    assert "INTERRUPTED" in text
    assert "The journal has no end of this run." in text
    assert "COULD NOT VERIFY" in text
    assert "The recovery was completed and proven." not in text


def test_a_verdict_that_the_end_row_claims_against_the_journal_is_contradicted(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    build.play(1, "RUN", "Start")
    build.task("Start the database", "failed", msg="It did not start.")
    build.end("PASS")
    (run,) = read(tmp_path).runs
    assert run.word == "FAIL"
    assert "Its end row says PASS" in Text(rendered(tmp_path)).text


def test_a_rehearsal_is_not_called_a_recovery(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin(check_mode=True)
    build.play(1, "CHECK", "Look")
    build.task("Look")
    build.end("PASS")
    text = Text(rendered(tmp_path)).text
    assert "rehearsal (check mode)" in text
    assert "The recovery was completed" not in text


def test_what_was_not_measured_is_said_and_has_no_number(tmp_path: Path) -> None:
    build = Builder(tmp_path)
    build.begin()
    build.milestone("recovery_started")
    build.end("PASS")
    text = Text(rendered(tmp_path)).text
    for sentence in (
        "Fault to proven service not measured",
        "Longest gap at a workstation not measured",
        "Recovery point (data) not measured",
        "Acknowledged and lost not measured",
        "This incident holds no workload log",
        "The journal holds no measured figures",
        "The journal holds no approvals",
        "Nothing was refused and nothing was overridden",
        "there is no MANIFEST",
        "How many acknowledged transactions were lost was not measured",
    ):
        assert sentence.lower() in text.lower(), sentence
    assert "<svg" not in rendered(tmp_path)


def test_an_empty_journal_makes_a_report_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "journal.jsonl").write_text("")
    for language, sentence in (("en", "The journal holds no run."), ("zh", "日志中没有任何一次执行。")):
        assert sentence in rendered(tmp_path, language)


def test_the_plan_that_cannot_be_read_is_named(whole: Path, tmp_path: Path) -> None:
    text = Text(rendered(whole, plan=read_plan(tmp_path))).text
    assert "The plan's data could not be read : plan/clauses.yml" in text or "clauses.yml: this file of the plan is missing" in text
    assert "The plan (plan/targets.yml) sets no recovery target for this." in text


# ---- nothing in the journal speaks for the report


def test_markup_in_the_journal_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'><b>"
    build = Builder(tmp_path / evil.replace("/", "_"))
    build.begin(evil, requested_by=evil, command=evil, extra_vars={evil: evil}, versions={evil: evil})
    build.play(1, "CHECK", evil)
    build.milestone("fault", START, evil)
    build.task(evil, "failed", host=evil, msg=evil, commands=[evil], steps=[{"name": evil, "at": evil, "took_s": evil}],
               findings=[{"code": evil, "severity": evil, "message": evil, "why": evil, "remedy": evil, "alternative": evil}],
               before={evil: evil}, items=[{"item": evil, "result": evil, "msg": evil}])  # fmt: skip
    for event in ("refusal", "override", "approval_requested", "approval_answer", "approval_granted", "manual_step_asked",
                  "manual_step_done", "measured", "verdict", "note", "lock_taken"):  # fmt: skip
        build.add(event, name=evil, host=evil, result=evil, data={
            "code": evil, "by": evil, "message": evil, "findings": [{"code": evil, "message": evil}], "principal": evil, "reason": evil,
            "request": evil, "action": {evil: evil}, "agreed": {evil: evil}, "who": evil, "instruction_en": evil, "evidence": evil,
            "target": evil, "holder": evil, evil: evil, "service_gaps": {evil: {"start": iso(START), "end": iso(START)}}})  # fmt: skip
    summary = json.loads(client_summary("ward-1", START - timedelta(seconds=20), 60, (20, 30), 1)) | {"workstation": evil}
    build.add("note", name=evil, data={"kind": "client-summary"}, attach=(("client-summary-x.json", json.dumps(summary).encode()),))
    build.milestone("service_proven", START + timedelta(seconds=30), evil)
    build.end("FAIL", evil)
    for language in LANGUAGES:
        document = rendered(build.directory, language)
        found = Text(document)
        assert not {tag for tag, _ in found.elements} & {"script", "img", "iframe", "object", "embed"}
        assert not [name for _, attributes in found.elements for name in attributes if name.startswith("on")]
        assert found.text.count("<script>alert(1)</script>") > 20


def test_the_document_asks_for_nothing_outside_itself(whole: Path) -> None:
    for language in LANGUAGES:
        document = rendered(whole, language)
        found = Text(document)
        links = [value for _, attributes in found.elements for name, value in attributes.items() if name in ("src", "href")]
        assert links == ["data:,"]
        assert "url(" not in document and "@import" not in document


def test_the_same_incident_gives_the_same_bytes(whole: Path, tmp_path: Path) -> None:
    first, second = page.write(whole, "zh", tmp_path / "a"), page.write(whole, "zh", tmp_path / "b")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes()


def test_several_incidents_are_reported_in_one_go_each_in_its_own_place(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    incidents = [tmp_path / name for name in ("2026-11-20-01", "2026-11-20-02")]
    for incident in incidents:
        recovery(incident)
    command.report(incidents)
    told = [incident / name for incident in incidents for name in ("report.html", "report.pdf")]
    assert capsys.readouterr().out.split() == [str(path) for path in told] and all(path.stat().st_size > 1000 for path in told)
    with pytest.raises(typer.Exit) as refused:
        command.report(incidents, output=tmp_path)
    assert refused.value.exit_code == 64 and "one incident" in capsys.readouterr().err


def test_an_artefact_outside_of_the_incident_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside.json").write_bytes(client_summary("ward-9", START, 10, (2, 4), 1))
    directory = tmp_path / "incident"
    build = Builder(directory)
    build.begin()
    build.add("note", data={"kind": "client-summary", "artifact": "../outside.json"})
    clients, unreadable = read_clients(read(directory))
    assert clients == []
    assert [bad.reason for bad in unreadable] == ["missing"]


# ---- words


@pytest.mark.parametrize(
    ("seconds", "en", "zh"),
    [(0, "0 s", "0 秒"), (4.18, "4.18 s", "4.18 秒"), (59.6, "1 min", "1 分"), (192, "3 min 12 s", "3 分 12 秒"), (3600, "1 h", "1 小时"),
     (3661, "1 h 1 min 1 s", "1 小时 1 分 1 秒"), (-5, "−5 s", "−5 秒"), (9.999, "10 s", "10 秒")],
)  # fmt: skip
def test_durations_read_well(seconds: float, en: str, zh: str) -> None:
    assert (Words("en").duration(seconds), Words("zh").duration(seconds)) == (en, zh)


def test_times_are_shown_in_the_zone_that_was_asked_for(whole: Path) -> None:
    document = page.html(read(whole), Words("zh", zone("Asia/Shanghai")), NO_PLAN, "Asia/Shanghai")
    assert "2026-11-21 11:12:00" in document and "Asia/Shanghai" in document


def test_an_unknown_language_or_zone_is_an_error_with_a_way_out(whole: Path) -> None:
    with pytest.raises(ReportError, match="zh or en"):
        page.write(whole, "de")
    with pytest.raises(ReportError, match="Asia/Shanghai"):
        page.write(whole, "zh", zone_name="Moon/Tycho")


# ---- evidence


def test_an_edited_artefact_is_shown_as_broken(tmp_path: Path) -> None:
    from recovery.evidence.bundle import seal

    recovery(tmp_path)
    seal(tmp_path)
    assert "is what the manifest says" in Text(rendered(tmp_path)).text or "not signed" in Text(rendered(tmp_path)).text
    target = next((tmp_path / "artifacts").iterdir())
    target.write_bytes(target.read_bytes() + b" ")
    text = Text(rendered(tmp_path)).text
    assert "the evidence does not verify" in text
    assert f"artifacts/{target.name} is not what was sealed" in text


def test_a_changed_line_of_the_journal_is_shown_as_broken(tmp_path: Path) -> None:
    recovery(tmp_path)
    journal = tmp_path / "journal.jsonl"
    journal.write_bytes(journal.read_bytes().replace(b'"lost_transactions":0', b'"lost_transactions":1'))
    assert "does not continue line" in Text(rendered(tmp_path)).text


def test_figures_keep_the_line_they_come_from(whole: Path) -> None:
    incident: Incident = read(whole)
    for figure in figures(incident):
        assert incident.events[figure.event.line - 1] is figure.event
