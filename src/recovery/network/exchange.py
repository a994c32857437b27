"""Two boxes exchanged in the inventory, as a proposed commit that a person merges (RCV-3, RCV-4).

The name stays with the work, the box changes: what is reached at an out-of-band address, shows a host key and has a serial number is
another box now.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from recovery.network import proposal
from recovery.network.device import Device
from recovery.network.failover_record import Record
from recovery.network.proposal import Proposal, ProposalError


def swapped(text: str, pairs: Mapping[str, str]) -> str:
    """Return a text in which each word of ``pairs`` stands where its partner stood, and the other way round."""
    both = {old: new for old, new in pairs.items() if old and new} | {new: old for old, new in pairs.items() if old and new}
    if not both:
        return text
    pattern = re.compile("|".join(rf"(?<![\w.-]){re.escape(word)}(?![\w-]|\.\d)" for word in sorted(both, key=len, reverse=True)))
    return pattern.sub(lambda found: both[found.group(0)], text)


def keyed(text: str, keys: Mapping[str, str]) -> str:
    """Return an inventory in which each host names the box whose host key it shows, beside its addresses, unless it is its own."""
    lines, host, made = text.splitlines(keepends=True), "", []
    for line in lines:
        opened = re.match(r"^\s+([\w.-]+):\s*(#.*)?$", line)
        if opened:
            host = opened[1]
        if host in keys and re.match(r"^\s+network_key_name:", line):
            continue
        made.append(line)
        told = re.match(r"^(\s+)network_addresses:", line)
        if told and host in keys and keys[host] != host:
            made.append(f"{told[1]}network_key_name: {keys[host]}\n")
    return "".join(made)


def changes(inventory: Path, failed: Device, spare: Device, record: Record) -> dict[Path, str]:
    """Return the files of the inventory that change, with their new text."""
    pairs = {failed.addresses.get("oob", ""): spare.addresses.get("oob", "")}
    boxes = record.decision
    pairs[str(boxes["failed"].get("serial") or "")] = str(boxes["spare"].get("serial") or "")
    keys = {failed.name: spare.key_name or spare.name, spare.name: failed.key_name or failed.name}
    found: dict[Path, str] = {}
    files = [inventory / "hosts.yml", *sorted((inventory / "host_vars").rglob("*.yml"))]
    for path in files:
        if path.is_file():
            text = path.read_text(encoding="utf-8")
            new = keyed(swapped(text, pairs), keys)
            if new != text:
                found[path] = new
    return found


def propose(inventory: Path, run: str, failed: Device, spare: Device, record: Record) -> Proposal:
    """Commit the exchange on the branch ``proposal/<run>``; made again by the same run it starts anew from the same place."""
    new = changes(inventory, failed, spare, record)
    if not new:
        raise ProposalError(
            f"The inventory {inventory} does not say where {failed.name} and {spare.name} are reached, so nothing is exchanged."
        )
    subject = f"{failed.name} is now the box that was {spare.name}"
    body = f"Run {run}. The box that failed ({record.decision['failed'].get('serial')}) is in the repair queue; it stands as {spare.name}."
    return proposal.propose(inventory, run, new, subject, body)
