"""Keys of a lab: the control node's, the hosts', the people's; and the ssh_config by which everybody reaches the hosts."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from lab.state import Lab
from lab.system import run, write_atomic
from lab.topology import Topology

PRINCIPALS = (
    "president", "vice-president", "information-director", "medical-affairs", "database-administrator",
    "duty-administrator", "network-administrator",
)  # fmt: skip
EVIDENCE_PRINCIPAL = "control-node"


def _generate(path: Path, comment: str) -> None:
    if path.exists() and path.with_name(f"{path.name}.pub").exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.parent.chmod(0o700)
    for stale in (path, path.with_name(f"{path.name}.pub")):
        stale.unlink(missing_ok=True)
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path], doing=f"Making the key of {comment}")


def public(path: Path) -> str:
    """Return the public key that belongs to a private one: type and key, without its comment."""
    return " ".join(path.with_name(f"{path.name}.pub").read_text(encoding="ascii").split()[:2])


def host_key(lab: Lab, host: str) -> Path:
    """Return where a host's SSH key is kept on the control node."""
    return lab.keys / "hosts" / host


def ensure(lab: Lab, topology: Topology) -> None:
    """Make every key that is missing, and write down what follows from them."""
    wanted = [(lab.keys / "control", f"control@{lab.name}"), (lab.keys / "evidence", EVIDENCE_PRINCIPAL)]
    wanted += [(host_key(lab, host), host) for host in topology.hosts]
    wanted += [(lab.people / principal, principal) for principal in PRINCIPALS]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda item: _generate(*item), wanted))
    signers = [f'{name} namespaces="recovery-approval" {public(lab.people / name)}' for name in PRINCIPALS]
    signers.append(f'{EVIDENCE_PRINCIPAL} namespaces="recovery-evidence" {public(lab.keys / "evidence")}')
    write_atomic(lab.people / "allowed_signers", "\n".join(signers) + "\n")
    write_atomic(lab.root / "known_hosts", known_hosts(lab, topology))
    write_atomic(lab.ssh_config, ssh_config(lab, topology))


def known_hosts(lab: Lab, topology: Topology) -> str:
    """Return the host keys, by name and address."""
    lines = []
    for name, node in topology.hosts.items():
        inband = topology.plant.switches[name].inband if topology.plant and topology.is_switch(name) else ""
        names = ",".join(filter(None, (name, node.address, inband)))
        lines.append(f"{names} {public(host_key(lab, name))}\n")
    return "".join(lines)


def ssh_config(lab: Lab, topology: Topology) -> str:
    """Return a configuration for ``ssh -F`` with one block a host; connections start in the control node's namespace."""
    proxy = f"nsenter --net={lab.namespace_path(topology.control.name)} nc -F -w 5 %h %p"
    blocks = [f"# SSH to the hosts of the lab {lab.name}: ssh -F {lab.ssh_config} HOST"]
    for name, node in topology.hosts.items():
        ours = f"  User recovery\n  IdentityFile {lab.keys / 'control'}\n  IdentitiesOnly yes\n"
        blocks.append(
            f"Host {name}\n"
            f"  HostName {node.address}\n"
            f"  HostKeyAlias {name}\n"
            f"{'' if topology.is_switch(name) else ours}"
            f"  UserKnownHostsFile {lab.root / 'known_hosts'}\n"
            "  GlobalKnownHostsFile /dev/null\n"
            "  StrictHostKeyChecking yes\n"
            "  ConnectTimeout 10\n"
            f"  ProxyCommand {proxy}\n"
            "  ProxyUseFdpass yes"
        )
    return "\n\n".join(blocks) + "\n"
