"""The inventory that a hospital copies is complete: what the lab's inventory says, it says as well."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from typing import Any

import pytest

from support.project import PROJECT, load

BIN = PROJECT / ".venv" / "bin"
# How the lab is reached and which lab it is: of no meaning elsewhere.
LAB_ONLY = {"lab_name", "lab_state"}


@functools.cache
def inventory(name: str) -> dict[str, Any]:
    """Return what ansible-inventory reads; its warnings are errors here."""
    command = [str(BIN / "ansible-inventory"), "-i", f"inventories/{name}", "--list"]
    environment = {**os.environ, "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FATAL": "true"}
    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr, done.stderr
    return dict(json.loads(done.stdout))


def variables(content: dict[str, Any]) -> dict[str, Any]:
    """Return the variables of the first host: the inventory's variables stand in group `all`."""
    hosts = content["_meta"]["hostvars"]
    assert hosts
    return dict(next(iter(hosts.values())))


def shape(value: Any) -> Any:
    """Return the keys of a value, however deep, without what they hold."""
    return {key: shape(inner) for key, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.parametrize("name", ["lab", "example"])
def test_an_inventory_loads_and_names_every_host_in_a_group(name: str) -> None:
    content = inventory(name)
    assert set(content["all"]["children"]) >= {"database", "backup_offsite", "drill", "application", "workstations"}
    for group in set(content["all"]["children"]) - {"ungrouped"}:
        assert content[group].get("hosts") or content[group].get("children"), group
    assert not content.get("ungrouped", {}).get("hosts")


def test_the_example_says_everything_that_the_lab_says() -> None:
    lab, example = variables(inventory("lab")), variables(inventory("example"))
    secret = {name for name in lab if name.startswith("vault_")}
    assert secret, "the lab's vault was read"
    expected = {name: value for name, value in lab.items() if name not in LAB_ONLY | secret and not name.startswith("ansible_")}
    assert set(example) >= set(expected)
    for name, value in expected.items():
        assert shape(example[name]) == shape(value), name


def test_the_example_asks_for_every_secret_and_holds_none() -> None:
    template = load(PROJECT / "inventories/example/group_vars/all/vault.yml.example")
    lab = variables(inventory("lab"))
    assert set(template) == {name for name in lab if name.startswith("vault_")}
    assert set(template.values()) == {""}


def test_names_of_hosts_in_variables_are_hosts() -> None:
    for name in ("lab", "example"):
        content = inventory(name)
        hosts, said = set(content["_meta"]["hostvars"]), variables(content)
        systems = said["database_systems"].values()
        assert {system["cluster"]["engine"] for system in systems} == {"postgresql", "mariadb"}
        named = {said["database_offsite_host"], said["database_drill_host"], *said["database_workstations"]}
        named |= {system["host"] for system in systems}
        assert {f"{system['cluster']['name']}_readers" for system in systems} <= set(content)
        named |= {entry["host"] for system in systems for entry in system["repositories"].values() if "host" in entry}
        assert named <= hosts
