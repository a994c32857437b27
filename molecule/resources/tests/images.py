"""The picture archive seen from outside: dcmtk at the ward, SQL of its own, and what the ward wrote down. None of our modules."""

from __future__ import annotations

import json
from typing import Any

from hospital import host

ARCHIVE = "/srv/pacs/archive"
# Hash what follows the file meta information, which every writer makes anew, of every file of a directory.
SUMS = (
    "import hashlib, json, pathlib, sys\n"
    "def total(p):\n"
    "    data = p.read_bytes()\n"
    "    return hashlib.sha256(data[144 + int.from_bytes(data[140:144], 'little'):]).hexdigest()\n"
    "print(json.dumps({p.name: total(p) for p in pathlib.Path(sys.argv[1]).iterdir()}))\n"
)


def log() -> list[dict[str, Any]]:
    """Return what the ward wrote down, oldest first."""
    return [json.loads(line) for line in str(host("ward-1").check_output("cat /var/log/pacs-client/acknowledged.jsonl")).splitlines()]


def acknowledged() -> dict[str, str]:
    """Return every acknowledged image: its UID and the checksum of what was sent."""
    return {row["uid"]: row["sha256"] for row in log() if row["ok"]}


def echo() -> bool:
    """Ask for a sign of life at the ward (C-ECHO)."""
    return bool(host("ward-1").run("echoscu -to 5 -ta 5 -td 5 -aet WARD-1 -aec PACS 10.20.10.15 104").rc == 0)


def find(name: str, study: str = "") -> list[str]:
    """Return the patients' names that C-FIND at the ward answers with; findscu itself exits 0 when it is refused."""
    command = (
        "LC_ALL=C.UTF-8 findscu -aet WARD-1 -aec PACS -S -k 0008,0052=STUDY -k '0008,0005=ISO_IR 192' -k 0010,0010=%s -k 0020,000d=%s "
        "10.20.10.15 104 2>&1"
    )
    lines = str(host("ward-1").run(command, name, study).stdout).splitlines()
    return [line.split("[", 1)[1].split("]", 1)[0].strip(" \0") for line in lines if "(0010,0010)" in line]


def fetch(study: str) -> dict[str, str]:
    """Fetch a study to the ward (C-GET) and return the checksums of its images."""
    command = (
        "rm -rf /tmp/fetched && mkdir /tmp/fetched && getscu -aet WARD-1 -aec PACS -S +xe --bit-preserving -od /tmp/fetched "
        "-k 0008,0052=STUDY -k 0020,000d=%s 10.20.10.15 104 && python3 -c %s /tmp/fetched"
    )
    return dict(json.loads(host("ward-1").check_output(command, study, SUMS)))


def studies() -> list[str]:
    """Return every study of which an image was acknowledged."""
    return list(dict.fromkeys(row["study"] for row in log() if row["ok"]))


def index() -> dict[str, tuple[int, str]]:
    """Return what the index says of each file: its size and MD5."""
    command = "runuser -u postgres -- psql -X -qAt -v ON_ERROR_STOP=1 -d pacs -c %s"
    rows = str(host("pacs").check_output(command, "select uuid, compressedsize, compressedhash from attachedfiles")).split()
    return {uuid: (int(size), md5) for uuid, size, md5 in (row.split("|") for row in rows)}


def stored() -> dict[str, tuple[int, str]]:
    """Return the size and MD5 of every file that is really there."""
    listed = str(host("pacs").check_output(f"find {ARCHIVE}/store -type f -path '*/??/??/*' -exec md5sum {{}} + -printf '%s %p\\n'"))
    sizes, sums = {}, {}
    for line in listed.splitlines():
        first, path = line.split(None, 1)
        (sums if len(first) == 32 else sizes)[path.rsplit("/", 1)[1]] = first
    return {name: (int(size), sums[name]) for name, size in sizes.items()}


def listing() -> str:
    """Return names, sizes and times of all that is left of the archive."""
    return str(host("pacs").check_output("find /srv/pacs -type f -not -path '*/index/*' -printf '%p %s %T@\\n' | sort | sha256sum"))
