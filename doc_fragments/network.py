"""Options that the modules about switches share; `recovery.network.options` is their code."""

from __future__ import annotations


class ModuleDocFragment:
    """What ``extends_documentation_fragment: network`` stands for."""

    DOCUMENTATION = r"""
options:
  switches:
    description:
      - The switches, each as its C(network_switch) in the inventory describes it. All of them are talked to at once.
      - The module runs on the control node with the project's own Python (C(ansible_python_interpreter={{ ansible_playbook_python }})).
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The switch's name in the inventory, under which its host key is on file.
        type: str
        required: true
      network_platform:
        description: What netmiko calls its command line, V(huawei), V(huawei_vrpv8), V(hp_comware), V(ruijie_os) or V(cisco_ios).
        type: str
        required: true
      network_model:
        description: Its model, as its vendor writes it.
        type: str
        default: ""
      network_addresses:
        description: Its management addresses by path, C(oob) (out of band) and C(inband).
        type: dict
        required: true
      network_management:
        description: Which of them is used; the first one without this.
        type: str
        default: ""
      network_port:
        description: The port of its SSH.
        type: int
        default: 22
      network_user:
        description: The account. It is tried once, never again in the same run.
        type: str
        required: true
      network_password:
        description: Its password, from the vault.
        type: str
        required: true
      network_enable_secret:
        description: What C(enable) asks for, where the platform has that.
        type: str
        default: ""
      network_known_hosts:
        description: The file of known host keys. A switch whose key is not in it, or another one, is not talked to.
        type: path
        required: true
      network_key_name:
        description: The name under which the host key is on file, if it is not the switch's own.
        type: str
        default: ""
      network_hostname:
        description: The host name in its configuration, if it is not its name in the inventory.
        type: str
        default: ""
      network_proxy_command:
        description: A command through which it is reached, as ssh's C(ProxyCommand); C(%h) and C(%p) stand for address and port.
        type: str
        default: ""
      network_encoding:
        description: The encoding of its texts, V(gb18030) for old switches with Chinese descriptions.
        type: str
        default: utf-8
"""
