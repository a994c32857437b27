"""What the tests of a database's proof share: what is asked of it, and how its answer is read."""

from __future__ import annotations

import os
import pwd
from collections.abc import Callable
from typing import Any

RULE = {
    "code": "invoices-add-up",
    "sentence_en": "Every invoice is the sum of its charges.",
    "sql": "SELECT i.id, i.total FROM invoice i LEFT JOIN (SELECT visit_id, sum(amount) total FROM charge GROUP BY 1) c USING (visit_id)"
    " WHERE i.total IS DISTINCT FROM c.total",
}
OPTIONS: dict[str, Any] = {
    "live": False,
    "critical_tables": ["patient", "visit", "charge"],
    "business_rules": [RULE],
    "heartbeat": {"table": "heartbeat", "column": "at"},
    "newest_rows": [{"table": "visit", "column": "opened_at"}, {"table": "charge", "column": "charged_at"}],
    "client_transactions": {"table": "client_transaction", "column": "committed_at"},
    "acknowledged": {"ward-1": {"ranges": [[1, 600]], "unknown": []}, "outpatient-1": {"ranges": [[1, 300], [302, 600]], "unknown": [301]}},
}


def as_postgres(work: Callable[[], Any]) -> Any:
    """Do something with the rights of postgres, whom the server knows."""
    os.seteuid(pwd.getpwnam("postgres").pw_uid)
    try:
        return work()
    finally:
        os.seteuid(0)


def found(result: dict[str, Any], code: str, *words: str) -> bool:
    """Return whether a finding of this code names all of these words."""
    return any(
        finding["code"] == code and finding["severity"] == "stop" and all(word in finding["message"] for word in words)
        for finding in result["findings"]
    )


def told(result: dict[str, Any]) -> str:
    """Return what a failing assertion should show."""
    return f"{result['verdict']}: {[(f['code'], f['message']) for f in result['findings']]}"
