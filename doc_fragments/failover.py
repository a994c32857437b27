"""Options that the modules of the fail-over share; `recovery.network.failover_call.FAILOVER` is their code."""

from __future__ import annotations


class ModuleDocFragment:
    """What ``extends_documentation_fragment: failover`` stands for."""

    DOCUMENTATION = r"""
options:
  failed:
    description: The switch that failed, by its name in the inventory.
    type: str
    required: true
  plant:
    description: Directory of the hospital's record of its wire (C(rooms.yml), C(fibres.yml), C(cables.yml), C(priorities.yml)).
    type: path
    required: true
  archive:
    description: Directory of the archive of the switches' configurations.
    type: path
    required: true
  vault_password_file:
    description: What holds the vault's password, or prints it if it is a program. What is kept of a configuration is encrypted with it.
    type: path
    required: true
  incidents:
    description: Directory of all incidents. The record of a fail-over under way lies beside them.
    type: path
    required: true
  via:
    description: Words before a command that goes out to the network, where the control node's own way is not the one.
    type: list
    elements: str
    default: []
  probes:
    description: Hosts that answer a ping, name to address. Those that hang on the failed switch tell whether it forwards.
    type: dict
    default: {}
  control:
    description: The name of this control node in the record of the wire.
    type: str
    default: ""
"""
