"""Options that the database modules share; `recovery.database.options.COMMON_ARGUMENTS` is their code."""

from __future__ import annotations


class ModuleDocFragment:
    """What ``extends_documentation_fragment: database`` stands for."""

    DOCUMENTATION = r"""
options:
  cluster:
    description: The database cluster, as the inventory's C(database_cluster) describes it.
    type: dict
    required: true
  repositories:
    description: The repositories by name, as the inventory's C(database_repositories) describes them.
    type: dict
    default: {}
  ciphers:
    description: Passphrases of repositories on this host, by repository name.
    type: dict
    default: {}
"""
