"""The clinical transactions: what a registration, an order, a charge, a dispensing and a result write, each in one transaction.

Every function takes a cursor inside an open transaction and the request, and returns what the workstation is told. ``draw`` is a
number from the workstation; it chooses the patient, the visit or the item when the request names none.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

Request = dict[str, Any]
Answer = dict[str, Any]

RECENT_VISITS = 200
"""Work without a named visit happens on one of so many newest visits."""

REFILL = 10_000
"""So much of a drug is received when the pharmacy has less than a line needs."""


class RequestError(Exception):
    """The request cannot be carried out as it stands: a sentence for the person at the workstation."""


def _names() -> dict[str, list[str]]:
    parts: dict[str, list[str]] = {}
    for line in Path(__file__).with_name("names.tsv").read_text(encoding="utf-8").splitlines():
        part, value = line.split("\t")
        parts.setdefault(part, []).append(value)
    return parts


NAMES = _names()


def _draw(request: Request) -> int:
    return int(request.get("draw", 0))


def _one(cursor: Any, query: str, values: tuple[Any, ...] = ()) -> tuple[Any, ...] | None:
    cursor.execute(query, values)
    row: tuple[Any, ...] | None = cursor.fetchone()
    return row


def _returned(cursor: Any, query: str, values: tuple[Any, ...]) -> int:
    cursor.execute(query, values)
    return int(cursor.fetchone()[0])


def _visit(cursor: Any, request: Request) -> tuple[int, int]:
    """Return (visit, doctor): the visit that was named, or a recent one."""
    if "visit" in request:
        row = _one(cursor, "select id, doctor_id from visit where id = %s", (int(request["visit"]),))
        if row is None:
            raise RequestError(f"There is no visit {request['visit']}.")
    else:
        offset = _draw(request) % RECENT_VISITS
        row = _one(cursor, "select id, doctor_id from visit order by id desc offset %s limit 1", (offset,))
        row = row or _one(cursor, "select id, doctor_id from visit order by id desc limit 1")
        if row is None:
            raise RequestError("There is no visit yet: register a patient first.")
    return int(row[0]), int(row[1])


def registration(cursor: Any, request: Request) -> Answer:
    """Register a patient (two of three are new) and open a visit; one in eight is admitted to a ward."""
    draw = _draw(request)
    sex = "female" if draw % 2 else "male"
    known = None
    if draw % 3 == 0 and not request.get("new_patient"):
        known = _one(cursor, "select id from patient order by id desc offset %s limit 1", (draw % RECENT_VISITS,))
    if known:
        patient = int(known[0])
    else:
        name = NAMES["surname"][draw % len(NAMES["surname"])] + NAMES[sex][draw // 7 % len(NAMES[sex])]
        patient = _returned(
            cursor,
            "insert into patient (name, sex, birth_date) values (%s, %s, date '2026-01-01' - %s) returning id",
            (name, sex, draw % 34000),
        )
    inpatient = draw % 8 == 0
    kind = "inpatient" if inpatient else "emergency" if draw % 7 == 0 else "outpatient"
    visit = _returned(
        cursor,
        "insert into visit (patient_id, department_id, doctor_id, kind) values (%s, %s, %s, %s) returning id",
        (patient, 1 + draw % 6, 1 + draw % 60, kind),
    )
    answer = {"patient": patient, "visit": visit}
    if inpatient:
        answer["admission"] = _returned(
            cursor,
            "insert into admission (visit_id, ward_id, bed) values (%s, %s, %s) returning id",
            (visit, 7 + draw % 3, f"B{1 + draw % 40}"),
        )
    return answer


def order(cursor: Any, request: Request) -> Answer:
    """Enter an order on a visit: laboratory, imaging, or medication with its prescription and lines."""
    draw = _draw(request)
    visit, doctor = _visit(cursor, request)
    kind = str(request.get("kind") or ("medication", "laboratory", "medication", "imaging")[draw % 4])
    if kind not in ("medication", "laboratory", "imaging", "nursing"):
        raise RequestError(f"An order of the kind {kind!r} is not known.")
    number = _returned(
        cursor,
        "insert into clinical_order (visit_id, ordered_by, kind, description) values (%s, %s, %s, %s) returning id",
        (visit, doctor, kind, f"示例医嘱 {draw}"),
    )
    answer: Answer = {"visit": visit, "order": number, "kind": kind}
    if kind == "medication":
        prescription = _returned(
            cursor,
            "insert into prescription (order_id, visit_id, prescribed_by) values (%s, %s, %s) returning id",
            (number, visit, doctor),
        )
        answer["prescription"] = prescription
        answer["lines"] = [
            _returned(
                cursor,
                "insert into prescription_line (prescription_id, drug_id, quantity, dose) values (%s, %s, %s, '每日一次') returning id",
                (prescription, 1001 + (draw + 37 * line) % 400, 1 + (draw + line) % 5),
            )
            for line in range(1 + draw % 2)
        ]
    return answer


def _invoice(cursor: Any, visit: int, charges: list[tuple[int, Decimal]]) -> tuple[int, Decimal]:
    total = sum((amount for _charge, amount in charges), Decimal(0))
    invoice = _returned(cursor, "insert into invoice (visit_id, total) values (%s, %s) returning id", (visit, total))
    for number, amount in charges:
        cursor.execute(
            "insert into invoice_line (invoice_id, charge_id, amount) values (%s, %s, %s)",
            (invoice, number, amount),
        )
    return invoice, total


def charge(cursor: Any, request: Request) -> Answer:
    """Charge one to three services to a visit at today's prices and issue the invoice; one in forty reverses an earlier charge."""
    draw = _draw(request)
    if request.get("reversal", draw % 40 == 39):
        answer = _reverse(cursor, request)
        if answer is not None:
            return answer
    visit, _doctor = _visit(cursor, request)
    charges: list[tuple[int, Decimal]] = []
    for line in range(1 + draw % 3):
        row = _one(
            cursor,
            "insert into charge (visit_id, item_id, quantity, unit_price, amount)"
            " select %s, id, q, price, q * price from price_item, (select %s as q) quantity where id = %s returning id, amount",
            (visit, 1 + (draw + line) % 4, 1 + (draw + 53 * line) % 200),
        )
        if row is None:
            raise RequestError("A charged service is missing from the price list.")
        charges.append((int(row[0]), row[1]))
    invoice, total = _invoice(cursor, visit, charges)
    return {"visit": visit, "charges": [number for number, _amount in charges], "invoice": invoice, "total": str(total)}


def _reverse(cursor: Any, request: Request) -> Answer | None:
    """Take back a recent charge by a reversing row and a credit invoice; None when there is none to take back."""
    row = _one(
        cursor,
        "insert into charge (visit_id, item_id, quantity, unit_price, amount, reverses)"
        " select c.visit_id, c.item_id, -c.quantity, c.unit_price, -c.amount, c.id from charge c"
        " where c.id = (select max(id) from charge where id <= (select max(id) from charge) - %s and reverses is null)"
        " on conflict (reverses) do nothing returning id, visit_id, amount, reverses",
        (_draw(request) % RECENT_VISITS,),
    )
    if row is None:
        return None
    invoice, total = _invoice(cursor, int(row[1]), [(int(row[0]), row[2])])
    return {"visit": row[1], "charges": [row[0]], "reverses": row[3], "invoice": invoice, "total": str(total)}


OPEN_LINES = (
    "select l.id, l.drug_id, l.quantity - l.dispensed_quantity, l.prescription_id from prescription_line l"
    " where l.dispensed_quantity < l.quantity and ({condition}) order by l.id limit {limit} for update skip locked"
)

# Whoever has just ordered something and goes on with it by its number finds it still open.
SETTLED = "interval '10 seconds'"


def dispense(cursor: Any, request: Request) -> Answer:
    """Hand out the open lines of a prescription, or the oldest open line; the stock moves in the same transaction."""
    if "prescription" in request:
        wanted = int(request["prescription"])
    else:
        settled = f"exists (select from prescription p where p.id = l.prescription_id and p.prescribed_at < now() - {SETTLED})"
        row = _one(cursor, OPEN_LINES.format(condition=settled, limit=1))
        wanted = int(row[3]) if row else int(order(cursor, {**request, "kind": "medication"})["prescription"])
    cursor.execute(OPEN_LINES.format(condition="l.prescription_id = %s", limit=20), (wanted,))
    # Levels are locked in the order of the drugs, so two dispensings cannot wait for each other.
    lines = sorted(cursor.fetchall(), key=lambda row: (row[1], row[0]))
    if not lines:
        raise RequestError(f"Prescription {wanted} has no open line.")
    moved = []
    for line, drug, quantity, _prescription in lines:
        level = _one(cursor, "select quantity from stock_level where drug_id = %s", (drug,))
        # A margin, because other counters may take from the same level before this transaction locks it.
        if level is None or level[0] < quantity + 100:
            cursor.execute("insert into stock_movement (drug_id, quantity, kind) values (%s, %s, 'receipt')", (drug, REFILL))
        cursor.execute("update prescription_line set dispensed_quantity = quantity where id = %s", (line,))
        moved.append(
            _returned(
                cursor,
                "insert into stock_movement (drug_id, quantity, kind, prescription_line_id) values (%s, %s, 'dispensing', %s) returning id",
                (drug, -quantity, line),
            )
        )
    cursor.execute(
        "update clinical_order set status = 'done' where id = (select order_id from prescription where id = %s) and not exists"
        " (select from prescription_line where prescription_id = %s and dispensed_quantity < quantity)",
        (wanted, wanted),
    )
    return {"prescription": wanted, "lines": [line for line, _drug, _quantity, _prescription in lines], "movements": moved}


def result(cursor: Any, request: Request) -> Answer:
    """Report the results of a laboratory order, the oldest open one unless one is named."""
    draw = _draw(request)
    condition, values = ("id = %s", (int(request["order"]),)) if "order" in request else (f"ordered_at < now() - {SETTLED}", ())
    row = _one(
        cursor,
        f"select id from clinical_order where kind = 'laboratory' and status = 'open' and ({condition})"  # noqa: S608 - constants
        " order by id limit 1 for update skip locked",
        values,
    )
    if row is None and "order" in request:
        raise RequestError(f"There is no open laboratory order {request['order']}.")
    number = int(row[0]) if row else int(order(cursor, {**request, "kind": "laboratory"})["order"])
    results = []
    for line, (analyte, unit, low, high) in enumerate((("血红蛋白", "g/L", 110, 160), ("葡萄糖", "mmol/L", 4, 6))):
        value = Decimal(low * 8 + (high * 12 - low * 8) * ((draw + 331 * line) % 1000) // 1000) / 10
        flag = "low" if value < low else "high" if value > high else "normal"
        results.append(
            _returned(
                cursor,
                "insert into lab_result (order_id, analyte, value, unit, flag, report, reported_by)"
                " values (%s, %s, %s, %s, %s, %s, %s) returning id",
                (number, analyte, value, unit, flag, f"生成的示例报告 {draw}", 91 + draw % 10),
            )
        )
    cursor.execute("update clinical_order set status = 'done' where id = %s", (number,))
    return {"order": number, "results": results}


TRANSACTIONS: dict[str, Callable[[Any, Request], Answer]] = {
    "registration": registration,
    "order": order,
    "charge": charge,
    "dispense": dispense,
    "result": result,
}


def record(cursor: Any, workstation: str, seq: int, kind: str) -> str:
    """Write the client's own number of this transaction beside its rows; return when, as ISO text."""
    cursor.execute(
        "insert into client_transaction (workstation, seq, kind) values (%s, %s, %s) returning committed_at",
        (workstation, seq, kind),
    )
    return str(cursor.fetchone()[0].isoformat())


def read_visit(cursor: Any, visit: int) -> Answer:
    """Read back everything about a visit: what the ward sees on its screen."""
    row = _one(
        cursor,
        "select v.id, v.kind, p.mrn, p.name from visit v join patient p on p.id = v.patient_id where v.id = %s",
        (visit,),
    )
    if row is None:
        raise RequestError(f"There is no visit {visit}.")
    answer: Answer = {"visit": row[0], "kind": row[1], "mrn": row[2], "name": row[3]}
    questions = {
        "orders": "select id from clinical_order where visit_id = %s",
        "charges": "select id from charge where visit_id = %s",
        "invoices": "select id from invoice where visit_id = %s",
        "open_lines": "select l.id from prescription_line l join prescription p on p.id = l.prescription_id"
        " where p.visit_id = %s and l.dispensed_quantity < l.quantity",
        "dispensed_lines": "select l.id from prescription_line l join prescription p on p.id = l.prescription_id"
        " where p.visit_id = %s and l.dispensed_quantity = l.quantity",
        "results": "select r.id from lab_result r join clinical_order o on o.id = r.order_id where o.visit_id = %s",
    }
    for name, question in questions.items():
        cursor.execute(f"{question} order by 1", (visit,))
        answer[name] = [number for (number,) in cursor.fetchall()]
    return answer
