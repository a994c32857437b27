"""What show commands answer: a module for each family of platforms, fed from the switch's live state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lab.switch.shows import common, comware, huawei, ios, ruijie
from lab.switch.shows.look import Look, Show

if TYPE_CHECKING:
    from lab.switch.session import Session

FAMILIES: dict[str, dict[str, Show]] = {
    "huawei": huawei.SHOWS,
    "hp_comware": comware.SHOWS,
    "ruijie_os": ruijie.SHOWS,
    "cisco_ios": ios.SHOWS,
}


def show(session: Session, name: str, values: Mapping[str, Any]) -> str:
    """Answer a show command."""
    family = FAMILIES[str(session.data.get("family", session.switch.grammar.platform))]
    return (family.get(name) or common.SHOWS[name])(Look(session), values)
