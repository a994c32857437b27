"""The hospital's rules on the lab's own tables: the cheap sums find whatever the exact questions find."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from recovery.database.verify_business import rule_tasks
from recovery.database.verify_ledger import Ledger
from recovery.database.verify_request import request_from
from recovery.database.verify_session import Address, acting_as, work_off
from support.cluster import Cluster

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "inventories/lab/group_vars/all/his.yml").read_text(encoding="utf-8"))["his_business_rules"]
# Two visits, three charges on two invoices, a prescription dispensed in part, stock received before.
ROWS = """
INSERT INTO visit (id, patient_id, department_id, doctor_id, kind) VALUES (1, 1, 1, 1, 'outpatient'), (2, 1, 1, 1, 'outpatient');
INSERT INTO price_item (id, kind, code, name, unit, price) VALUES (1, 'service', 'S1', 's', 'x', 10.00), (9, 'drug', 'D9', 'd', 'x', 2.50);
INSERT INTO price_history (id, item_id, price) VALUES (1, 1, 10.00), (2, 9, 2.50);
INSERT INTO charge (id, visit_id, item_id, quantity, unit_price, amount, reverses)
    VALUES (1, 1, 1, 1, 10.00, 10.00, NULL), (2, 1, 9, 4, 2.50, 10.00, NULL), (3, 2, 1, 1, 10.00, 10.00, NULL);
INSERT INTO invoice (id, visit_id, total) VALUES (1, 1, 20.00), (2, 2, 10.00);
INSERT INTO invoice_line (id, invoice_id, charge_id, amount) VALUES (1, 1, 1, 10.00), (2, 1, 2, 10.00), (3, 2, 3, 10.00);
INSERT INTO clinical_order (id, visit_id, ordered_by, kind, description) VALUES (1, 1, 1, 'medication', 'm');
INSERT INTO prescription (id, order_id, visit_id, prescribed_by) VALUES (1, 1, 1, 1);
INSERT INTO prescription_line (id, prescription_id, drug_id, quantity, dose, dispensed_quantity)
    VALUES (1, 1, 9, 4, 'd', 3), (2, 1, 9, 4, 'd', 2), (3, 1, 9, 4, 'd', 0);
INSERT INTO stock_movement (id, drug_id, quantity, kind, prescription_line_id)
    VALUES (1, 9, 50, 'receipt', NULL), (2, 9, -1, 'dispensing', 1), (3, 9, -2, 'dispensing', 1), (4, 9, -2, 'dispensing', 2);
INSERT INTO stock_level (drug_id, quantity) VALUES (9, 45);
"""
TABLES = sorted(set(re.findall(r"INTO (\w+)", ROWS)))
HARM = {
    "an invoice's total": ("UPDATE invoice SET total = 20.01 WHERE id = 1", "charges-add-up-to-invoices"),
    "two totals that make up for each other": (
        "UPDATE invoice SET total = CASE id WHEN 1 THEN 19 ELSE 11 END",
        "charges-add-up-to-invoices",
    ),
    "an invoice without any line": ("INSERT INTO invoice (id, visit_id, total) VALUES (3, 2, 0)", "charges-add-up-to-invoices"),
    "a line's amount": ("UPDATE invoice_line SET amount = 10.01 WHERE id = 2", "invoice-lines-are-charges"),
    "lines of two visits exchanged": ("UPDATE invoice_line SET charge_id = 4 - charge_id WHERE id <> 2", "invoice-lines-are-charges"),
    "a line of no invoice": ("UPDATE invoice_line SET invoice_id = 77 WHERE id = 3", "invoice-lines-are-charges"),
    "an invoice of another visit": ("UPDATE invoice SET visit_id = 3 - visit_id", "invoice-lines-are-charges"),
    "a line that is gone": ("DELETE FROM invoice_line WHERE id = 3", "charges-are-invoiced"),
    "a charge that is gone": ("DELETE FROM charge WHERE id = 3", "invoice-lines-are-charges"),
    "a dispensed quantity": ("UPDATE prescription_line SET dispensed_quantity = 1 WHERE id = 3", "dispensed-equals-movements"),
    "two dispensings exchanged": (
        "UPDATE prescription_line SET dispensed_quantity = 5 - dispensed_quantity WHERE id < 3",
        "dispensed-equals-movements",
    ),
    "a movement that is gone": ("DELETE FROM stock_movement WHERE id = 4", "dispensed-equals-movements"),
    "a quantity that no sum can hold": ("UPDATE stock_movement SET quantity = -2147483647 WHERE id = 4", "dispensed-equals-movements"),
    "a prescription of another visit": ("UPDATE prescription SET visit_id = 2", "prescriptions-follow-orders"),
}


@pytest.fixture
def ask(cluster: Cluster) -> Callable[[], Ledger]:
    """The lab's tables, without keys and triggers, with a few consistent rows; returns the proof of the rules alone."""
    cluster.sql("CREATE DATABASE rules", database="postgres")
    cluster.sql((ROOT / "lab/his/schema/10-tables.sql").read_text(encoding="utf-8"), database="rules")
    cluster.sql(ROWS, database="rules")

    def ask_all() -> Ledger:
        ledger = Ledger()
        tasks = rule_tasks(request_from({"depth": "full", "business_rules": RULES}), ledger)
        with acting_as("postgres"):
            work_off(Address("rules", Cluster.PORT, str(cluster.socket)), "", tasks, 1)
        return ledger

    return ask_all


def broken(ledger: Ledger) -> set[str]:
    """Return the codes of the rules that were found broken."""
    assert {finding.severity for finding in ledger.findings} <= {"stop"}, ledger.findings
    return {finding.message.split()[1] for finding in ledger.findings}


def test_each_harm_is_named_by_its_rule_and_none_without_harm(cluster: Cluster, ask: Callable[[], Ledger]) -> None:
    assert broken(ask()) == set()
    for what, (harm, rule) in HARM.items():
        cluster.sql(harm, database="rules")
        assert rule in broken(ask()), what
        cluster.sql(f"TRUNCATE {', '.join(TABLES)}; {ROWS}", database="rules")


def test_rules_that_share_a_sum_are_counted_one_by_one(ask: Callable[[], Ledger]) -> None:
    (check,) = ask().checks
    assert check.parts == check.done == len(RULES)
