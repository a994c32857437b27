"""Options of a module whose findings a person may accept by name; `recovery.findings.OVERRIDE_ARGUMENTS` is their code."""

from __future__ import annotations


class ModuleDocFragment:
    """What ``extends_documentation_fragment: overriding`` stands for."""

    DOCUMENTATION = r"""
options:
  override:
    description: Codes of findings that a named person accepts.
    type: list
    elements: str
    default: []
  override_by:
    description: Who accepts them. Without a name nothing is accepted.
    type: str
    default: ""
"""
