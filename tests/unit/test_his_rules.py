"""The inventory's description of the hospital information system agrees with the schema that the lab creates."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DESCRIBED: dict[str, Any] = yaml.safe_load((ROOT / "inventories/lab/group_vars/all/his.yml").read_text(encoding="utf-8"))
SCHEMA = ROOT / "lab/his/schema"


def columns() -> dict[str, set[str]]:
    """Read tables and their columns from the schema's own text."""
    text = (SCHEMA / "10-tables.sql").read_text(encoding="utf-8")
    tables = re.findall(r"create table (\w+) \((.*?)\n\);", text, flags=re.S)
    return {name: set(re.findall(r"^    (?!check)(\w+) +\w", body, flags=re.M)) for name, body in tables}


def test_schema_is_read() -> None:
    assert len(columns()) == 18
    assert "amount" in columns()["charge"]


def test_every_table_is_described() -> None:
    assert {table["name"] for table in DESCRIBED["his_critical_tables"]} == set(columns())


@pytest.mark.parametrize("table", DESCRIBED["his_critical_tables"], ids=lambda table: table["name"])
def test_described_columns_exist(table: dict[str, Any]) -> None:
    assert {table["key"], *table["immutable"]} <= columns()[table["name"]]
    if table["append_only"]:
        assert set(table["immutable"]) == columns()[table["name"]]


def test_append_only_tables_have_the_trigger() -> None:
    listed = re.search(r"array\[(.*?)\]", (SCHEMA / "30-triggers.sql").read_text(encoding="utf-8"), flags=re.S)
    assert listed is not None
    expected = {table["name"] for table in DESCRIBED["his_critical_tables"] if table["append_only"]}
    assert set(re.findall(r"'(\w+)'", listed.group(1))) == expected


def test_times_exist() -> None:
    for place in [DESCRIBED["his_heartbeat"], *DESCRIBED["his_newest_rows"]]:
        assert place["column"] in columns()[place["table"]]
    client = DESCRIBED["his_client_transactions"]
    assert {client["workstation_column"], client["sequence_column"]} <= columns()[client["table"]]


def test_rules_are_sentences_in_both_languages_with_codes_of_their_own() -> None:
    rules = DESCRIBED["his_business_rules"]
    assert len({rule["code"] for rule in rules}) == len(rules) >= 10
    for rule in rules:
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule["code"])
        assert rule["sentence_en"].endswith(".") and rule["sentence_zh"].endswith("。")
        assert rule["sql"].lower().startswith("select ")
