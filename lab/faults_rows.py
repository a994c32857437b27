"""Faults of single rows: the price list emptied or wrong, one patient's rows lost or wrong. Everything else in the database is sound.

Rows are deleted as an administrator with too many rights does it: past triggers and foreign keys. The old rows are kept outside of the
hospital; a repair puts back what is missing or differs.
"""

# Names of tables and conditions are constants of this file; a patient's number is checked.
# ruff: noqa: S608
from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lab import host
from lab.errors import LabError
from lab.faults import Fault, Parameter, Scene, now
from lab.system import read_json, write_json

VISITS = "visit_id in (select v.id from visit v join patient p on p.id = v.patient_id where p.mrn = '{mrn}')"
ORDERS = f"order_id in (select id from clinical_order where {VISITS})"
LINES = f"prescription_id in (select id from prescription where {VISITS})"
# A patient's rows, children first.
PATIENT = {
    "stock_movement": f"prescription_line_id in (select id from prescription_line where {LINES})",
    "prescription_line": LINES,
    "prescription": VISITS,
    "lab_result": ORDERS,
    "clinical_order": VISITS,
    "invoice_line": f"invoice_id in (select id from invoice where {VISITS})",
    "invoice": VISITS,
    "charge": VISITS,
    "admission": VISITS,
    "visit": "patient_id in (select id from patient where mrn = '{mrn}')",
    "patient": "mrn = '{mrn}'",
}
KINDS = {"all": "true", "drug": "kind = 'drug'", "service": "kind = 'service'"}


def sql(scene: Scene, name: str, statements: str) -> str:
    """Run statements in one transaction on a database server as its superuser; return what they print."""
    words = ["runuser", "-u", "postgres", "--", "psql", "-X", "-q", "-A", "-t", "-1", "-v", "ON_ERROR_STOP=1", "-d", "his", "-f", "-"]
    return host.execute(scene.lab, name, words, stdin=statements, timeout=120).stdout.strip()


def _columns(scene: Scene, name: str, table: str) -> list[str]:
    told = sql(
        scene,
        name,
        f"select column_name from information_schema.columns where table_name = '{table}' and is_generated = 'NEVER'"
        " and table_schema = 'public' order by ordinal_position",
    )
    return told.splitlines()


def _keep(scene: Scene, name: str, rows: Mapping[str, str]) -> dict[str, Any]:
    """Keep the rows of some tables outside of the hospital; return where, and how many there are."""
    kept: dict[str, Any] = {}
    for table, where in rows.items():
        columns = _columns(scene, name, table)
        text = sql(scene, name, f"copy (select {', '.join(columns)} from {table} where {where} order by 1) to stdout")
        kept[table] = {"columns": columns, "rows": text.splitlines()}
    path = scene.lab.aside / f"{name}.rows.{time.time_ns()}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, kept)
    return {"aside": str(path), "host": name, "rows": sum(len(each["rows"]) for each in kept.values())}


def _give_back(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    """Put back what is missing or differs."""
    path = Path(kept["aside"])
    statements = ["set local session_replication_role = replica;"]
    for table, each in (read_json(path) or {}).items():
        names = ", ".join(each["columns"])
        sets = ", ".join(f"{column} = excluded.{column}" for column in each["columns"])
        statements += [
            f"create temp table saved on commit drop as select {names} from {table} with no data;",
            f"copy saved from stdin;\n{''.join(row + chr(10) for row in each['rows'])}\\.",
            f"insert into {table} ({names}) overriding system value select * from saved on conflict (id) do update set {sets};",
            "drop table saved;",
        ]
    sql(scene, kept["host"], "\n".join(statements) + "\n")
    path.unlink()


def _change(scene: Scene, name: str, statements: str, rows: Mapping[str, str], gone: str) -> dict[str, Any]:
    """Keep the rows, change them, and prove by ``gone`` (a question answered by 0) that it took effect."""
    kept = _keep(scene, name, rows)
    if not kept["rows"]:
        raise LabError("There are no such rows: nothing to break.")
    took_effect = now()
    sql(scene, name, statements)
    left = sql(scene, name, gone)
    if left != "0":
        raise LabError(f"The fault did not take effect: {left} rows are as they were.")
    return {**kept, "took_effect_at": took_effect}


def _items(parameters: dict[str, str]) -> str:
    if parameters["kind"] not in KINDS:
        raise LabError(f"There is no kind {parameters['kind']!r} of items.", f"Kinds: {', '.join(KINDS)}.")
    return KINDS[parameters["kind"]]


def _delete_prices(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    where = _items(parameters)
    history = f"item_id in (select id from price_item where {where})"
    statements = (
        f"set local session_replication_role = replica; delete from price_history where {history}; delete from price_item where {where};"
    )
    rows = {"price_history": history, "price_item": where}
    return _change(scene, parameters["host"], statements, rows, f"select count(*) from price_item where {where}")


def _alter_prices(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    where, price = _items(parameters), float(parameters["price"])
    return _change(
        scene,
        parameters["host"],
        f"update price_item set price = {price} where {where}",
        {"price_item": where},
        f"select count(*) from price_item where {where} and price <> {price}",
    )


def _unalter_prices(scene: Scene, parameters: dict[str, str], kept: dict[str, Any]) -> None:
    """Set the prices back as the application would, so that the history says so."""
    _give_back(scene, parameters, kept)
    sql(
        scene,
        kept["host"],
        "insert into price_history (item_id, price) select i.id, i.price from price_item i where i.price is distinct from"
        " (select h.price from price_history h where h.item_id = i.id order by h.id desc limit 1)",
    )


def _who(scene: Scene, parameters: dict[str, str]) -> dict[str, str]:
    """Return the patient's number; without one, a patient of long ago with at least two visits."""
    mrn = parameters["patient"] or sql(
        scene,
        parameters["host"],
        "select p.mrn from patient p join visit v on v.patient_id = p.id group by p.id having count(*) >= 2 and max(v.opened_at) <"
        " now() - interval '1 day' order by p.id limit 1",
    )
    if not mrn.isalnum():
        raise LabError(f"{mrn!r} is no patient's number.")
    return {"mrn": mrn}


def _delete_patient(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    who = _who(scene, parameters)
    rows = {table: where.format(**who) for table, where in PATIENT.items()}
    statements = "set local session_replication_role = replica;" + "".join(f"delete from {t} where {w};" for t, w in rows.items())
    gone = f"select count(*) from patient where {rows['patient']}"
    return {**_change(scene, parameters["host"], statements, rows, gone), "patient": who["mrn"]}


def _alter_patient(scene: Scene, parameters: dict[str, str]) -> dict[str, Any]:
    who = _who(scene, parameters)
    rows = {table: PATIENT[table].format(**who) for table in ("lab_result", "prescription_line", "charge")}
    statements = (
        f"update lab_result set value = value * 10, flag = 'high' where {rows['lab_result']};"
        f" update prescription_line set dose = '(' || dose || ')' where {rows['prescription_line']};"
        " set local session_replication_role = replica;"
        f" update charge set item_id = item_id + 1 where {rows['charge']};"
    )
    gone = f"select count(*) from prescription_line where {rows['prescription_line']} and dose not like '(%)'"
    return {**_change(scene, parameters["host"], statements, rows, gone), "patient": who["mrn"]}


DATABASE = Parameter("the database server", "his-db")
KIND = Parameter(", ".join(KINDS), "all")
WHO = Parameter("the patient's number; empty: a patient of long ago", "")
FAULTS = (
    Fault(
        "price-list-deleted",
        "The price list and its history are deleted, past every foreign key.",
        _delete_prices,
        _give_back,
        {"host": DATABASE, "kind": KIND},
    ),
    Fault(
        "price-list-altered",
        "Every item of the price list gets the same price.",
        _alter_prices,
        _unalter_prices,
        {"host": DATABASE, "kind": KIND, "price": Parameter("the wrong price", "0.01")},
    ),
    Fault(
        "patient-rows-deleted",
        "A patient vanishes with everything that was entered.",
        _delete_patient,
        _give_back,
        {"host": DATABASE, "patient": WHO},
    ),
    Fault(
        "patient-rows-altered",
        "A patient's results, doses and charges are wrong.",
        _alter_patient,
        _give_back,
        {"host": DATABASE, "patient": WHO},
    ),
)
