"""The point in time was met: what came before it is there, what came after it is not."""

from __future__ import annotations

import json
from datetime import datetime

from hospital import Ran, attempts, checksums, committed, incidents, remembered, sql

# A transaction is acknowledged a little after it commits; what lies this close to the target may fall on either side. Seconds.
FRINGE_S = 1.0


def test_the_patient_before_is_there_and_the_patient_after_is_not() -> None:
    assert sql("select name from patient where name like 'Boundary %'") == "Boundary before"


def test_prices_and_their_history_are_those_of_before() -> None:
    assert checksums(("price_item", "price_history")) == remembered("mark")["prices"]


def test_every_transaction_lies_on_the_right_side_of_the_target() -> None:
    target = datetime.fromisoformat(remembered("mark")["target"]).timestamp()
    present = committed()
    acknowledged = [attempt for attempt in attempts() if attempt.ok]
    before = [one for one in acknowledged if one.done < target]
    assert before
    assert [one for one in before if (one.workstation, one.seq) not in present] == []
    newest = float(sql(f"select extract(epoch from max(at)) from heartbeat where at < to_timestamp({target:.6f})"))  # noqa: S608 - a number
    assert target - newest < FRINGE_S * 5, "the recovery stopped long before the target"
    gap = [one for one in acknowledged if target + FRINGE_S < one.done]
    given_up = [one for one in gap if (one.workstation, one.seq) not in present]
    assert given_up, "what came after the target was given up"


def test_people_approved_the_moment_in_the_hospitals_own_zone() -> None:
    incident = Ran(0, "", incidents()[-1]).incident
    assert incident is not None
    request = json.loads(next((incident / "approvals").glob("*/request.json")).read_text(encoding="utf-8"))
    in_utc, _, here = request["action"]["target_means"].partition(" = ")
    assert datetime.fromisoformat(here.removesuffix(" Asia/Shanghai")) == datetime.fromisoformat(remembered("mark")["target"])
    assert in_utc.endswith(" UTC")
