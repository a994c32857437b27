"""What hangs on a temporary cable, and what is ordered because of it: printable, in Chinese and English (RCV-9)."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from pathlib import Path
from typing import Any

LANGUAGES = ("zh", "en")
TEMPLATES = Path(__file__).with_name("templates")


def sign(about: Mapping[str, Any]) -> str:
    """Return the warning sign as HTML, one A4 page with both languages, to be hung wherever people cross the cable.

    ``about``: segment, cable, zh and en (which way it goes), laid, repair_by, incident, contacts (zh and en each), areas (zh and en each).
    """
    import jinja2  # only the printing needs it

    environment = jinja2.Environment(loader=jinja2.FileSystemLoader(TEMPLATES), autoescape=True, undefined=jinja2.StrictUndefined)
    return environment.get_template("warning_sign.html.j2").render(about=about)


def order(about: Mapping[str, Any], language: str) -> str:
    """Return the order of the permanent repair, as text."""
    contacts = [one[language] for one in about["contacts"]]
    if language == "zh":
        return (
            f"永久修复工单（应急预案 RCV-9）\n事件：{about['incident']}\n主干段：{about['segment']}，原光纤对 {about['pair']}\n"
            f"现状：{about['laid']} 起由临时光缆 {about['cable']} 承载，走向：{about['zh']}\n"
            f"须在 {about['repair_by']} 前修复原光纤并测试（recovery run fibre_check -e pairs={about['pair']}），\n"
            f"然后在安静时段恢复（recovery run fibre_restore -e segment={about['segment']}），最后拆除临时光缆和警示标识。\n"
            f"联系人：{'、'.join(contacts)}\n"
        )
    return (
        f"Order of a permanent repair (emergency plan RCV-9)\nIncident: {about['incident']}\n"
        f"Segment: {about['segment']}, its own fibre pair {about['pair']}\n"
        f"Since {about['laid']} the temporary cable {about['cable']} carries it. Its way: {about['en']}\n"
        f"By {about['repair_by']} the pair is to be repaired and measured (recovery run fibre_check -e pairs={about['pair']}),\n"
        f"then the segment goes back in a quiet hour (recovery run fibre_restore -e segment={about['segment']}),\n"
        f"and the temporary cable and its signs are taken away.\nContacts: {', '.join(contacts)}\n"
    )


def about(decision: Mapping[str, Any], words: Mapping[str, Any], today: datetime.date) -> dict[str, Any]:
    """Put together what a sign and an order say. ``words``: contacts, incident."""
    laying = decision["laying"]
    due = today + datetime.timedelta(days=int(laying["repair_days"]))
    return {
        "segment": decision["segment"],
        "cable": decision["to"]["route"],
        "pair": decision["from"]["pair"],
        "zh": laying["zh"],
        "en": laying["en"],
        "laid": today.isoformat(),
        "repair_by": due.isoformat(),
        **words,
    }
