"""Where the box that stood in goes when the repaired one is back."""

from __future__ import annotations

import dataclasses

import pytest

from recovery.network.failback import home
from recovery.network.failover_record import Record
from recovery.network.plant import Plant, load
from support.project import PROJECT


@pytest.fixture(scope="module")
def plant() -> Plant:
    return load(PROJECT / "inventories/lab/plant")


def carried(plant: Plant) -> Record:
    here, there = plant.room_of("acc-s").name, plant.room_of("acc-2").name
    return Record("acc-2", "acc-s", "failover", {"carried": {"from": here, "to": there, "zh": "甲 -> 乙", "en": "a -> b"}})


def test_it_goes_back_the_way_it_came(plant: Plant) -> None:
    found = home(carried(plant), plant)
    assert found["to"] == plant.room_of("acc-s").name and found["from"] == plant.room_of("acc-2").name
    assert found["en"] == f"{plant.room_of('acc-2').title['en']} -> {plant.room_of('acc-s').title['en']}"


def test_a_way_back_that_is_worked_out_anew_still_knows_it(plant: Plant) -> None:
    way = home(carried(plant), plant)
    assert home(Record("acc-2", "acc-2", "failback", {"carried": {}}, facts={"home": way}), plant) == way


def test_a_spare_that_stands_in_its_place_is_not_carried(plant: Plant) -> None:
    assert home(None, plant) == home(Record("core-a", "core-s", "failover", {"carried": {}}), plant) == {}


def test_a_room_that_the_record_lost_is_called_by_its_name(plant: Plant) -> None:
    last = carried(plant)
    rooms = {name: room for name, room in plant.rooms.items() if name != last.decision["carried"]["from"]}
    assert home(last, dataclasses.replace(plant, rooms=rooms))["en"].endswith(f"-> {last.decision['carried']['from']}")
