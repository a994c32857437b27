"""Write names.tsv: surnames and given names from Faker (zh_CN), because the hosts of the lab have no Faker.

Run once on the control node: ``python -m lab.his.make_names``. A name in the data is a chance combination of the two.
"""

from __future__ import annotations

from pathlib import Path

from faker.providers.person.zh_CN import Provider

SURNAMES = 120


def rows() -> list[tuple[str, str]]:
    """Return (part, value) pairs: the most frequent surnames first, then the given names of both sexes."""
    surnames = list(dict.fromkeys(Provider.last_names))[:SURNAMES]
    parts = [("surname", name) for name in surnames]
    parts += [("female", name) for name in sorted(set(Provider.first_names_female))]
    parts += [("male", name) for name in sorted(set(Provider.first_names_male))]
    return parts


if __name__ == "__main__":
    target = Path(__file__).with_name("names.tsv")
    target.write_text("".join(f"{part}\t{value}\n" for part, value in rows()), encoding="utf-8")
    print(f"{target}: {len(rows())} parts")
