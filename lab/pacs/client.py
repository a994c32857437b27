#!/usr/bin/python3
"""The picture archive's client at a workstation: makes images, stores, finds and fetches them by DICOM, and writes down what it saw.

Images are generated from a seed; their patients' names are the sample names of ../his/names.tsv, which Faker generated, never anybody's.
Standard library and dcmtk only. ``log``: one JSON object a line for each attempt, with the checksum of the data set that was sent.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

ARCHIVE = ("10.20.10.15", "104")
CALLED = "PACS"
NAMES = Path("/usr/local/lib/his/names.tsv")
LOG = Path("/var/log/pacs-client/acknowledged.jsonl")
COUNTER = Path("/var/lib/pacs-client/next")
ROOT = "1.2.826.0.1.3680043.10.1449"  # a root that nobody was given: these images are nobody's
SIDE = 96  # pixels
IMAGES_PER_STUDY = 4
WAIT_S = 10


def now() -> str:
    """Return this moment: UTC, ISO 8601, milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def dataset_sha256(path: Path) -> str:
    """Return the checksum of a DICOM file's data set: preamble and file meta information, which every writer makes anew, left out."""
    data = path.read_bytes()
    if data[128:132] != b"DICM" or data[132:140] != b"\x02\x00\x00\x00UL\x04\x00":
        raise ValueError(f"{path} does not begin as a DICOM file with the length of its file meta information.")
    return hashlib.sha256(data[144 + int.from_bytes(data[140:144], "little") :]).hexdigest()


def names() -> tuple[list[str], list[str]]:
    """Return the sample surnames and given names."""
    found: dict[str, list[str]] = {}
    for line in NAMES.read_text(encoding="utf-8").splitlines():
        kind, _, name = line.partition("\t")
        found.setdefault(kind, []).append(name)
    surnames = found.pop("surname")
    return surnames, [name for kind in sorted(found) for name in found[kind]]


def describe(station: str, number: int) -> dict[str, str]:
    """Return who and what an image shows; the same station and number are always the same image."""
    study = number // IMAGES_PER_STUDY
    chance = random.Random(f"{station} {study}")  # noqa: S311 - repeatable on purpose
    surnames, given = names()
    name = f"{chance.choice(surnames)}^{chance.choice(given)}"
    origin = f"{ROOT}.{int.from_bytes(station.encode(), 'big')}"
    return {
        "patient": f"P{station.upper()}{study:06d}",
        "name": name,
        "birth": f"{chance.randrange(1935, 2020)}{chance.randrange(1, 13):02d}{chance.randrange(1, 29):02d}",
        "accession": f"{abs(hash_of(station)) % 1000:03d}{study:07d}",
        "study": f"{origin}.{study + 1}",
        "series": f"{origin}.{study + 1}.1",
        "uid": f"{origin}.{study + 1}.1.{number % IMAGES_PER_STUDY + 1}",
        "instance": str(number % IMAGES_PER_STUDY + 1),
    }


def hash_of(text: str) -> int:
    """Return a number for a text, the same on every host."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def make(station: str, number: int, directory: Path) -> tuple[Path, dict[str, str]]:
    """Write an image as a DICOM file (explicit little endian, names in UTF-8)."""
    about = describe(station, number)
    pixels = directory / "pixels.raw"
    chance = random.Random(f"{station} {number} pixels")  # noqa: S311 - repeatable on purpose
    pixels.write_bytes(chance.randbytes(SIDE * SIDE))
    text = directory / "image.dump"
    text.write_text(
        f"""(0008,0005) CS [ISO_IR 192]
(0008,0016) UI =SecondaryCaptureImageStorage
(0008,0018) UI [{about["uid"]}]
(0008,0020) DA [20260101]
(0008,0030) TM [080000]
(0008,0050) SH [{about["accession"]}]
(0008,0060) CS [OT]
(0008,0090) PN
(0008,1030) LO [胸部正位片 (generated)]
(0010,0010) PN [{about["name"]}]
(0010,0020) LO [{about["patient"]}]
(0010,0030) DA [{about["birth"]}]
(0010,0040) CS [O]
(0020,000d) UI [{about["study"]}]
(0020,000e) UI [{about["series"]}]
(0020,0010) SH [{about["accession"]}]
(0020,0011) IS [1]
(0020,0013) IS [{about["instance"]}]
(0028,0002) US 1
(0028,0004) CS [MONOCHROME2]
(0028,0010) US {SIDE}
(0028,0011) US {SIDE}
(0028,0100) US 8
(0028,0101) US 8
(0028,0102) US 7
(0028,0103) US 0
(7fe0,0010) OB ={pixels}
""",
        encoding="utf-8",
    )
    image = directory / "image.dcm"
    dcmtk("dump2dcm", "--write-xfer-little", str(text), str(image))
    return image, about


class ServiceError(Exception):
    """The archive, or a program of dcmtk, did not do what was asked."""


def dcmtk(program: str, *words: str, timeout: float = 60) -> str:
    """Run a program of dcmtk and return what it said."""
    try:
        done = subprocess.run([program, *words], capture_output=True, text=True, errors="replace", timeout=timeout, check=False)
    except subprocess.TimeoutExpired as error:
        raise ServiceError(f"{program} had no answer within {timeout:g} s") from error
    if done.returncode != 0:
        raise ServiceError(f"{program} ended with status {done.returncode}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout + done.stderr


def store(station: str, number: int, log: Path) -> bool:
    """Store one image, and write down whether it was acknowledged."""
    with tempfile.TemporaryDirectory() as scratch:
        image, about = make(station, number, Path(scratch))
        row = {"workstation": station, "number": number, "uid": about["uid"], "sha256": dataset_sha256(image), "sent": now()}
        error = ""
        try:
            send(station, image)
        except ServiceError as failure:
            error = str(failure)
    row |= {"study": about["study"], "patient": about["patient"], "done": now(), "ok": not error, "error": error}
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return not error


def send(station: str, image: Path) -> None:
    """Send one image; storescu ends with an error where the archive did not accept it."""
    limits = ["-to", str(WAIT_S), "-ta", str(WAIT_S), "-td", str(WAIT_S)]
    words = ["--propose-little", "--required", "-aet", station.upper(), "-aec", CALLED]
    dcmtk("storescu", *limits, *words, *ARCHIVE, str(image))


def take_number() -> int:
    """Return the next image's number; it is used up even if the archive does not answer."""
    number = int(COUNTER.read_text() or 0) if COUNTER.exists() else 0
    draft = COUNTER.with_suffix(".draft")
    draft.write_text(str(number + 1))
    draft.replace(COUNTER)
    return number


def run(station: str, every: float, count: int, log: Path) -> int:
    """Store an image every so many seconds, ``count`` of them (0: until stopped); return how many were not acknowledged."""
    COUNTER.parent.mkdir(parents=True, exist_ok=True)
    failed = done = 0
    while not count or done < count:
        began = time.monotonic()
        failed += not store(station, take_number(), log)
        done += 1
        if not count or done < count:
            time.sleep(max(0.0, every - (time.monotonic() - began)))
    return failed


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="The picture archive's client at a workstation (generated images only)")
    parser.add_argument("--log", type=Path, default=LOG)
    parser.add_argument("--station", default=socket.gethostname())
    commands = parser.add_subparsers(dest="command", required=True)
    working = commands.add_parser("run", help="store an image every so many seconds")
    working.add_argument("--every", type=float, default=2)
    working.add_argument("--count", type=int, default=0)
    given = parser.parse_args()
    failed = run(given.station, given.every, given.count, given.log)
    if failed:
        print(f"{failed} images were not acknowledged.", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
