"""The lab's topology as data: what is there, and what is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from lab.errors import LabError
from lab.faults_links import connected, cut_off
from lab.topology import DEFAULT, load, parse, size_bytes


@pytest.fixture
def data() -> dict[str, Any]:
    """Return the topology's data, to be spoiled."""
    loaded: dict[str, Any] = yaml.safe_load(DEFAULT.read_text(encoding="utf-8"))
    return copy.deepcopy(loaded)


def test_the_hospital_has_its_first_members_at_their_addresses() -> None:
    assert {name: node.address for name, node in load().hosts.items()} == {
        "his-db": "10.20.10.11",
        "his-db-2": "10.20.10.13",
        "lis-db": "10.20.10.14",
        "pacs": "10.20.10.15",
        "his-app": "10.20.10.12",
        "drill-1": "10.20.10.31",
        "ward-1": "10.20.20.21",
        "outpatient-1": "10.20.21.22",
        "backup-offsite": "10.20.90.11",
    }
    assert load().control.address == "10.20.10.250"
    assert load().services == {"his-db-service": "10.20.10.10/24"}


def test_every_host_can_be_reached_from_the_control_node() -> None:
    topology = load()
    assert set(topology.hosts) < connected(topology, topology.control.name)


def test_the_line_to_the_remote_site_cuts_off_the_remote_site_only() -> None:
    topology = load()
    assert cut_off(topology, "offsite") == ["backup-offsite"]
    assert cut_off(topology, "ward-1") == ["ward-1"]
    assert cut_off(topology, "gateway-wards") == ["ward-1"]


def test_disk_sizes_can_be_overridden() -> None:
    assert load(disk_sizes={"his-db:data": "3G"}).disk("his-db", "data").size == 3 * 2**30
    with pytest.raises(LabError, match="no disk 'nothing'"):
        load(disk_sizes={"his-db:nothing": "3G"})
    with pytest.raises(LabError, match="no size"):
        load(disk_sizes={"his-db:data": "plenty"})


@pytest.mark.parametrize(("text", "size"), [("512M", 512 * 2**20), ("12G", 12 * 2**30), ("1T", 2**40)])
def test_sizes(text: str, size: int) -> None:
    assert size_bytes(text) == size


def _second_cable(data: dict[str, Any]) -> None:
    data["cables"].append({"name": "second", "ends": ["his-db:eth0", "wards:second"]})


def _same_address(data: dict[str, Any]) -> None:
    data["hosts"]["his-app"]["ports"]["eth0"] = "10.20.10.11/24"


def _no_cable(data: dict[str, Any]) -> None:
    data["cables"] = [cable for cable in data["cables"] if cable["name"] != "ward-1"]


def _nowhere(data: dict[str, Any]) -> None:
    data["cables"].append({"name": "loose", "ends": ["nobody:eth0", "wards:loose"]})


def _long_port(data: dict[str, Any]) -> None:
    data["cables"][-1]["ends"][1] = "offsite:backup-offsite-port"


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_second_cable, "two cables are plugged into his-db:eth0"),
        (_same_address, "have the same address 10.20.10.11"),
        (_no_cable, "no cable is plugged into ward-1:eth0"),
        (_nowhere, "leads to nobody, which does not exist"),
        (_long_port, "'backup-offsite-port' is no name"),
    ],
)
def test_what_cannot_be_cabled_is_refused(data: dict[str, Any], spoil: Any, why: str) -> None:
    spoil(data)
    with pytest.raises(LabError, match=why):
        parse(data)
