"""Nothing hides an error, a host's identity or a secret."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.project import PROJECT, Task, load, playbooks, roles, short, strings, tasks, tracked

TASKS = tasks()
FILES = tracked()
YAML = [path for path in FILES if path.suffix in (".yml", ".yaml") and path.parts[len(PROJECT.parts)] in {"playbooks", "roles"}]
EXCUSED = re.compile(
    r"^\s*-?\s*(ignore_errors|ignore_unreachable)\s*:\s*(true|yes|on)\b|^\s*-?\s*failed_when\s*:\s*(false|no|\[\])\b", re.I
)


def test_the_lists_are_not_empty() -> None:
    assert len(TASKS) > 20
    assert len(YAML) > 5


def unexplained(text: str) -> list[int]:
    """Return the numbers of lines that hide an error with no comment on them or beside them."""
    lines = text.splitlines()
    guilty = []
    for number, line in enumerate(lines):
        if EXCUSED.search(line) and not any("#" in near for near in lines[max(0, number - 1) : number + 2]):
            guilty.append(number + 1)
    return guilty


@pytest.mark.parametrize(
    ("text", "guilty"),
    [
        ("- a:\n  ignore_errors: true\n", [2]),
        ("- a:\n  failed_when: false\n", [2]),
        ("- a:\n  # the host is dead by design\n  ignore_unreachable: yes\n", []),
        ("- a:\n  failed_when: result.rc > 1\n", []),
    ],
)
def test_the_search_for_hidden_errors_finds_them(text: str, guilty: list[int]) -> None:
    assert unexplained(text) == guilty


@pytest.mark.parametrize("path", YAML, ids=short)
def test_an_ignored_error_has_its_reason_beside_it(path: Path) -> None:
    assert unexplained(path.read_text(encoding="utf-8")) == []


def test_host_keys_are_checked_everywhere() -> None:
    loose = re.compile(
        r"host_key_checking\s*[=:]\s*(false|no|0)|StrictHostKeyChecking[= ](no|off|accept-new)|UserKnownHostsFile[= ]/dev/null",
        re.I,
    )
    here = {".py", ".yml", ".cfg", ".sh", ".j2", ".md", "", ".toml"}
    looked = [path for path in FILES if path.suffix in here and path != Path(__file__)]
    assert looked
    assert [short(path) for path in looked if loose.search(path.read_text(encoding="utf-8", errors="replace"))] == []


def test_display_of_skipped_hosts_is_on() -> None:
    assert re.search(r"^display_skipped_hosts\s*=\s*True$", (PROJECT / "ansible.cfg").read_text(), re.M)


def test_a_wait_that_runs_out_fails() -> None:
    both = [str(task) for task in TASKS if "until" in task.data and task.data.get("failed_when") is False]
    assert both == []


def test_a_rescue_ends_by_failing() -> None:
    rescues = [task for task in TASKS if "rescue" in task.data]
    for task in rescues:
        last = task.data["rescue"][-1]
        assert "ansible.builtin.fail" in last, f"{task}: a rescue that succeeds ends with exit status 0"


def test_psql_stops_at_the_first_error() -> None:
    guilty = [
        str(task)
        for task in TASKS
        for key in ("ansible.builtin.command", "ansible.builtin.shell")
        if key in task.data
        for text in [" ".join(strings(task.data[key]))]
        if re.search(r"\bpsql\b", text) and "ON_ERROR_STOP" not in text
    ]
    assert guilty == []


# A figure of the plan is a variable. What may stand in a task: 0 and 1, exit statuses, and figures of the machine.
COMPARED = re.compile(r"(?<![=!<>])(<=|>=|<|>)\s*(\d+(?:\.\d+)?)\b")
PLANNED = re.compile(r"(rto|rpo|deadline|expires?|target_s|minutes|hours)")


def plan_figures(task: Task) -> list[str]:
    """Return what looks like a figure of the plan written into a task."""
    found = []
    for key in ("when", "until", "failed_when", "changed_when"):
        for text in strings(task.data.get(key)):
            found += [text for _, number in COMPARED.findall(text) if float(number) > 1 and ".rc" not in text]
    for key, value in (task.data.get(task.action) or {}).items() if isinstance(task.data.get(task.action), dict) else []:
        if isinstance(value, int | float) and not isinstance(value, bool) and PLANNED.search(str(key)):
            found.append(f"{key}: {value}")
        if key == "that":
            found += [text for text in strings(value) for _, number in COMPARED.findall(text) if float(number) > 1]
    return found


def test_the_search_for_figures_of_the_plan_finds_them() -> None:
    here = PROJECT / "x.yml"
    assert plan_figures(Task(here, {"name": "x", "ansible.builtin.assert": {"that": ["gap_s < 1800"]}}))
    assert plan_figures(Task(here, {"name": "x", "ansible.builtin.command": "x", "when": "took > 300"}))
    assert not plan_figures(Task(here, {"name": "x", "ansible.builtin.command": "x", "failed_when": "done.rc > 2"}))


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_no_figure_of_the_plan_stands_in_a_task(task: Task) -> None:
    assert plan_figures(task) == []


SECRET = re.compile(r"(password|passphrase|secret|cipher|token|private_key)", re.I)
HARMLESS = re.compile(r"^(|!vault.*|.*\{\{.*\}\}.*|/[\w./-]+|aes-256-cbc|vault)$", re.S)


def plain_secrets(value: object, name: str = "") -> list[str]:
    """Return the names of variables that hold a secret in plain text."""
    if isinstance(value, dict):
        return [found for key, inner in value.items() for found in plain_secrets(inner, str(key))]
    if isinstance(value, list):
        return [found for inner in value for found in plain_secrets(inner, name)]
    return [name] if isinstance(value, str) and SECRET.search(name) and not HARMLESS.match(value) else []


def test_the_search_for_secrets_finds_them() -> None:
    assert plain_secrets({"a": [{"pg_password": "hunter2"}]}) == ["pg_password"]
    assert plain_secrets({"pg_password": "{{ vault_pg }}", "key_file": "x"}) == []


def test_inventories_and_defaults_hold_no_secret_in_plain_text() -> None:
    looked = 0
    for path in [*(PROJECT / "inventories").rglob("*.yml"), *(PROJECT / "roles").glob("*/defaults/*.yml")]:
        if path.read_text(encoding="utf-8").startswith("$ANSIBLE_VAULT;"):
            continue
        looked += 1
        assert plain_secrets(load(path)) == [], short(path)
    assert looked > 3


def test_every_vault_is_encrypted() -> None:
    vaults = list((PROJECT / "inventories").rglob("vault.yml"))
    assert vaults
    for path in vaults:
        assert path.read_text().startswith("$ANSIBLE_VAULT;"), f"{short(path)} is in plain text"


def test_no_role_names_a_group_of_an_inventory() -> None:
    groups = set(load(PROJECT / "inventories/lab/hosts.yml")["all"]["children"])
    assert groups
    named = re.compile(r"groups(?:\.|\[\s*['\"])(\w+)|['\"](\w+)['\"]\s+(?:not\s+)?in\s+group_names")
    guilty = []
    for role in roles():
        for path in [*role.rglob("*.yml"), *role.rglob("*.j2")]:
            guilty += [f"{short(path)}: {one or two}" for one, two in named.findall(path.read_text()) if (one or two) in groups]
    assert guilty == []


def test_a_runbook_gathers_no_facts_by_habit() -> None:
    guilty = [short(path) for path in playbooks() for play in load(path) if play.get("gather_facts") is True]
    assert guilty == []
