"""What the frame costs: twenty empty tasks plainly, with the journal, and through `recovery run`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measure import BIN, PROJECT, interleaved, ratio, run

PLAYBOOK = "benchmarks/playbooks/twenty.yml"
REPEATS = 7


def measure(repeats: int = REPEATS) -> dict[str, Any]:
    """Return the seconds of each way of running the same playbook, and their ratios to plain ansible-playbook."""
    with tempfile.TemporaryDirectory(prefix="bench-frame-") as scratch:
        inventory = Path(scratch) / "hosts.yml"
        inventory.write_text("all:\n  hosts:\n    localhost:\n      ansible_connection: local\n", encoding="utf-8")
        plain_config = Path(scratch) / "plain.cfg"
        settings = (PROJECT / "ansible.cfg").read_text(encoding="utf-8")
        without = "\n".join(line for line in settings.splitlines() if not line.startswith(("callbacks_enabled", "callback_plugins")))
        for name in ("roles", "library", "src", "action_plugins", "filter_plugins", "bin/vault-password"):
            without = without.replace(f"= {name}\n", f"= {PROJECT / name}\n")
        plain_config.write_text(without, encoding="utf-8")
        journalled = {"RECOVERY_INCIDENTS": str(Path(scratch) / "incidents"), "ANSIBLE_CONFIG": str(PROJECT / "ansible.cfg")}
        play = [str(BIN / "ansible-playbook"), "-i", str(inventory), PLAYBOOK]
        series = interleaved(
            {
                "ansible-playbook alone": lambda: run(play, {"ANSIBLE_CONFIG": str(plain_config)})[0],
                "with the journal": lambda: run(play, journalled)[0],
                "recovery run": lambda: run([str(BIN / "recovery"), "run", PLAYBOOK, "-i", str(inventory)], journalled)[0],
            },
            repeats,
        )
    plain = series["ansible-playbook alone"]
    return {
        "title": "Frame: 20 empty tasks on one host",
        "series": {name: one.as_dict() for name, one in series.items()},
        "ratios": {
            "journal / plain": ratio(series["with the journal"], plain),
            "recovery run / plain": ratio(series["recovery run"], plain),
        },
        "aims": {"journal / plain": 1.10, "recovery run / plain": 1.10},
    }
