"""The mistake took effect: the server is sound, its content is not."""

from __future__ import annotations

from hospital import answers, checksums, remembered, sql


def test_the_server_is_sound_and_the_prices_are_not() -> None:
    assert answers()
    assert sql("select max(price) from price_item") == "0.00"
    assert checksums(("price_item", "price_history")) != remembered("mark")["prices"]


def test_both_patients_are_there() -> None:
    assert sql("select count(*) from patient where name like 'Boundary %'") == "2"
