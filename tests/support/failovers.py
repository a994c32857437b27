"""A core switch and its spare as memory switches, an archive and a small plant: everything that a fail-over needs but packets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from recovery.network.archive import Archive
from recovery.network.failover_call import Place
from recovery.network.fetch import fetch
from recovery.network.session import Session
from recovery.network.vault import Vault
from support.switches import Switches, describe, switches

PLANT = {
    "rooms.yml": """
rooms:
  core-room: {zh: 机房, en: core room, keeper: {zh: 甲, en: a}, switches: [core-a, core-s, acc-1], panels: {odf: 24}}
""",
    "fibres.yml": """
optics: {LR: {wavelength_nm: 1310, tx_min_dbm: -8.2, sensitivity_dbm: -14.4, overload_dbm: 0.5}}
limits: {reserve_db: 2.0, drift_db: 1.0, test_days: 92}
transceivers: []
routes: {}
segments: {}
pairs: []
""",
    "cables.yml": """
cables:
  - {name: gateway, ends: ["gateway:eth0", "core-a:10GE1/0/1"], area: servers}
  - {name: uplink, ends: ["acc-1:GigabitEthernet0/0/1", "core-a:10GE1/0/2"], area: wards}
  - {name: control, ends: ["control:eth0", "gateway:eth1"], area: servers}
""",
    "priorities.yml": """
priorities:
  - {area: servers, zh: 机房, en: servers, devices: [], vlans: [10], workstations: []}
  - {area: wards, zh: 病区, en: wards, devices: [acc-1], vlans: [20], workstations: [ward-1]}
""",
}
CONFIGURED = (
    "vlan batch 10 20 99", "interface 10GE1/0/1", "description gateway", "port default vlan 10", "quit",
    "interface 10GE1/0/2", "port link-type trunk", "port trunk allow-pass vlan 10 20 99", "quit",
    "interface Vlanif99", "ip address 10.20.98.11 255.255.255.0", "quit", "stp instance 0 priority 4096", "sysname core-a",
)  # fmt: skip
DEAD: dict[str, Any] = {
    "sightings": [
        {"side": "out-of-band", "by": "control node", "seen": "silent", "detail": ""},
        {"side": "neighbour", "by": "acc-1", "seen": "dark", "detail": ""},
        {"side": "path", "by": "control", "seen": "stopped", "detail": ""},
    ],
    "others_answer": 1,
    "behind": ["ward-1"],
}


@dataclass
class Stage:
    """The two switches, and what a module would be given."""

    served: Switches
    given: dict[str, Any]
    hosts: Path = Path()  # the file of known host keys

    def entry(self, name: str) -> dict[str, Any]:
        """Return a switch as the inventory has it; tests change it."""
        return next(one for one in self.given["switches"] if one["name"] == name)

    def place(self) -> Place:
        """Return the inventory as a call sees it."""
        return Place.of(self.given)

    def running(self, name: str) -> str:
        """Return what a switch is configured to do, asked in a session of its own."""
        with Session(self.place().devices[name]) as session:
            return session.running()


@contextmanager
def stage(directory: Path) -> Iterator[Stage]:
    """Serve core-a, configured and archived, and core-s, its spare on the shelf."""
    plant = directory / "plant"
    plant.mkdir()
    for name, text in PLANT.items():
        (plant / name).write_text(text, encoding="utf-8")
    password = directory / "password"
    password.write_text("vault", encoding="ascii")
    pair = [describe(name, "huawei_vrpv8", number, access=4, uplinks=0) for number, name in enumerate(("core-a", "core-s"), 1)]
    with switches(*pair) as served:
        entries = [
            {
                "name": name,
                "network_platform": "huawei_vrpv8",
                "network_model": one.switch.device.model,
                "network_addresses": {"oob": "127.0.0.1"} | ({"inband": "10.20.98.11"} if name == "core-a" else {}),
                "network_port": one.port,
                "network_user": one.user,
                "network_password": one.password,
                "network_known_hosts": str(served.known_hosts),
            }
            for name, one in served.items()
        ]
        given = {
            "failed": "core-a", "switches": entries, "plant": str(plant), "archive": str(directory / "archive"),
            "vault_password_file": str(password), "incidents": str(directory / "incidents"), "via": [], "probes": {}, "control": "control",
            "kind": "failover", "spare": "", "spares": ["core-s"], "boxes": {}, "compatible": {}, "fence": "power", "quiet": {},
            "time_zone": "UTC",
            "people": [{"who": "duty", "zh": "值班", "en": "duty"}], "limits": {"archive_max_age_s": 3600}, "looked": DEAD,
            "times": {"fence_s": 1, "move_s": 1, "line_s": 0.01, "prove_s": 1}, "client_summaries": [],
        }  # fmt: skip
        scene = Stage(served, given, served.known_hosts)
        devices = scene.place().devices
        with Session(devices["core-a"]) as session:
            session.configure(CONFIGURED)
        with Session(devices["core-s"]) as session:
            session.configure(["sysname core-s"])
        Archive(Path(given["archive"]), Vault(password)).store([fetch(devices["core-a"])])
        yield scene
