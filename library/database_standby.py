#!/usr/bin/python
# SPDX-License-Identifier: Apache-2.0
"""Two servers of one database, of which exactly one serves: build, watch, take over, come back."""

from __future__ import annotations

DOCUMENTATION = r"""
module: database_standby
short_description: Build, watch and promote a streaming standby of a PostgreSQL database, and bring the old server back behind it
version_added: "0.1.0"
description:
  - V(look) says what a server is, V(reach) which doors of its partner answer from here. Neither changes anything.
  - V(prepare) lets both servers know each other and installs the guard that keeps either from serving once the other took over.
    V(assess) chooses a backup and refuses; V(build) reads it into the data directory and lets it follow; V(watch) gives a verdict.
  - V(weigh) says whether the standby may take over and what is lost. V(leave) sees that the old server is fenced and lets the service
    address go. V(promote) lets the standby accept work and take the address. V(sole) proves that exactly one server does.
  - V(review) counts what the old server alone holds. V(rejoin) keeps that as evidence, rewinds the server, or copies it anew with the old
    directory set aside, and lets it follow.
  - Every verb can be repeated. Clause BKP-5 of the plan.
extends_documentation_fragment: overriding
options:
  cluster:
    description: The database cluster, as the inventory's C(database_cluster) describes it.
    type: dict
    default: {}
  verb:
    description: What is done.
    type: str
    required: true
    choices: [look, reach, prepare, assess, build, watch, weigh, leave, promote, sole, review, rejoin]
  me:
    description: The name of this host in the inventory.
    type: str
    default: ""
  partner:
    description: The other server, C(name), C(address), C(port), and C(account) for streaming.
    type: dict
    default: {}
  wanted:
    description: Files and blocks that V(prepare) puts into place.
    type: dict
    default: {}
  password:
    description: The password of the streaming account.
    type: str
    default: ""
  repositories:
    description: The repositories by name, as the inventory's C(database_repositories) describes them.
    type: dict
    default: {}
  ciphers:
    description: Passphrases of repositories on this host, by repository name.
    type: dict
    default: {}
  source:
    description: The repository to build from, or V(best).
    type: str
    default: best
  archive_config:
    description: The pgBackRest configuration by which a standby reads archived log that its primary no longer has.
    type: path
    default: /etc/pgbackrest/offsite-read.conf
  decision:
    description: What V(assess), V(weigh) or V(review) returned.
    type: dict
    default: {}
  facts:
    description: What V(look) returned on the partner; empty where it is out of reach.
    type: dict
    default: {}
  sides:
    description: What V(reach) returned, by the host that looked.
    type: dict
    default: {}
  must_be_silent:
    description: V(reach) refuses while the partner gives any sign of life.
    type: bool
    default: false
  client_summaries:
    description: What M(client_log) returned for each workstation.
    type: list
    elements: dict
    default: []
  client_transactions:
    description: The table in which acknowledged transactions stand, as the inventory's C(database_client_transactions).
    type: dict
    default: {}
  limits:
    description: How far the standby may be behind, C(lag_bytes) and C(lag_s).
    type: dict
    default: {}
  service_address:
    description: The address that moves, C(address), C(prefix), C(interface), and C(unit) which sets it.
    type: dict
    default: {}
  slots:
    description: Replication slots that V(promote) makes before anybody writes.
    type: list
    elements: str
    default: []
  complete_to:
    description: Where the old server was closed in good order; V(promote) refuses a standby that has not got as far.
    type: str
    default: ""
attributes:
  check_mode:
    support: full
    description: Says what would be done and changes nothing.
author: Hospital Recovery
"""

EXAMPLES = r"""
- name: See that the standby follows within its bounds
  database_standby:
    verb: watch
    cluster: "{{ database_cluster }}"
    me: his-db-2
    partner: {name: his-db, address: 10.20.10.11, port: 5432, account: hospital_standby}
    limits: {lag_bytes: 67108864, lag_s: 30}
"""

RETURN = r"""
facts:
  description: What this server is (running, standby, position, timeline, fenced, whether it holds the service address).
  returned: always but for prepare and reach
  type: dict
seen:
  description: Which doors of the partner answered, and whether it was C(silent).
  returned: for reach
  type: dict
decision:
  description: The plan of action, for the approval and the steps that follow.
  returned: for assess, weigh and review
  type: dict
closed_at:
  description: The position at which the old server was closed in good order; empty if it was not.
  returned: for leave
  type: str
promoted_at:
  description: When the standby accepted work.
  returned: for promote
  type: str
how:
  description: Whether the old server was rewound or copied anew.
  returned: for rejoin
  type: str
kept:
  description: The directory beside the data directory with the log that only the old server had.
  returned: for rejoin
  type: str
measured:
  description: Lag, bytes restored, transactions that only the old server had.
  returned: for watch, build and rejoin
  type: dict
"""

from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.recovery.database.errors import RestoreError
from ansible.module_utils.recovery.database.shell import CommandError
from ansible.module_utils.recovery.database.standby_verbs import Call
from ansible.module_utils.recovery.findings import OVERRIDE_ARGUMENTS, Finding, refusal_text, settle

VERBS = ["look", "reach", "prepare", "assess", "build", "watch", "weigh", "leave", "promote", "sole", "review", "rejoin"]
LOOKING = ("look", "reach", "assess", "watch", "weigh", "review")


def main() -> None:
    """Run the module."""
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "dict", "default": {}},
            "verb": {"type": "str", "required": True, "choices": VERBS},
            "me": {"type": "str", "default": ""},
            "partner": {"type": "dict", "default": {}},
            "wanted": {"type": "dict", "default": {}},
            "password": {"type": "str", "default": "", "no_log": True},
            "repositories": {"type": "dict", "default": {}},
            "ciphers": {"type": "dict", "default": {}, "no_log": True},
            "source": {"type": "str", "default": "best"},
            "archive_config": {"type": "path", "default": "/etc/pgbackrest/offsite-read.conf"},
            "decision": {"type": "dict", "default": {}},
            "facts": {"type": "dict", "default": {}},
            "sides": {"type": "dict", "default": {}},
            "must_be_silent": {"type": "bool", "default": False},
            "client_summaries": {"type": "list", "elements": "dict", "default": []},
            "client_transactions": {"type": "dict", "default": {}},
            "limits": {"type": "dict", "default": {}},
            "service_address": {"type": "dict", "default": {}},
            "slots": {"type": "list", "elements": "str", "default": []},
            "complete_to": {"type": "str", "default": ""},
            **OVERRIDE_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    call = Call(given, module.check_mode)
    try:
        said = call.carry_out()
    except (RestoreError, CommandError) as error:
        code = getattr(error, "code", "standby-failed")
        remedy = getattr(error, "remedy", "") or "Repair the cause and run the same command again."
        finding = Finding(code, "stop", str(error), remedy=remedy)
        module.fail_json(
            msg=refusal_text([finding]), refused=given["verb"] in LOOKING, findings=[finding.as_dict()], **call.procedure.as_dict()
        )
        return
    told = [one.as_dict() for one in call.findings]
    if given["verb"] in ("assess", "weigh", "review", "reach"):
        blocking, overridden = settle(call.findings, given["override"], given["override_by"])
        if blocking and not module.check_mode:
            module.fail_json(
                msg=refusal_text(blocking), refused=True, findings=told, overridden=overridden, **said, **call.procedure.as_dict()
            )
            return
        if blocking:
            said["msg"] = "A real run would be refused. " + refusal_text(blocking)
        said["overridden"] = overridden
    module.exit_json(changed=call.changed, diff=call.diff, findings=told, **said, **call.procedure.as_dict())


if __name__ == "__main__":
    main()
