"""The record of the wire rewritten as a proposal: a commit on a branch of its own that a person merges (RCV-2, RCV-4)."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from recovery.findings import Finding
from recovery.network import proposal
from recovery.network.plant import Pair, Plant, PlantError, Route, load
from recovery.network.proposal import Proposal, ProposalError

FIBRES = "fibres.yml"

# --- the text --------------------------------------------------------------------------------------------------------


def pair_line(pair: Pair, plant: Plant) -> str:
    """Write a pair as the record does."""
    words = [f"name: {pair.name}", f"route: {pair.route}", f"strands: [{pair.strands[0]}, {pair.strands[1]}]", f"state: {pair.state}"]
    if pair.segment:
        words.append(f"segment: {pair.segment}")
    if pair.loss_db is not None:
        words.append(f"loss_db: [{', '.join('null' if one is None else f'{one:g}' for one in pair.loss_db)}]")
    if pair.tested:
        words.append(f"tested: {pair.tested}")
    own = plant.segments[pair.segment].ends if pair.segment in plant.segments else ()
    if not pair.ends or pair.ends == own:
        return "  - {" + ", ".join(words) + "}\n"
    return "  - {" + ", ".join(words) + f',\n     ends: ["{pair.ends[0]}", "{pair.ends[1]}"]}}\n'


def route_line(route: Route) -> str:
    """Write a route as the record does."""
    panels = ", ".join(route.panels)
    words = f"panels: [{panels}], length_m: {route.length_m:g}, strands: {route.strands}, zh: {_text(route.title['zh'])}"
    words += f", en: {_text(route.title['en'])}"
    if route.temporary is None:
        return f"  {route.name}: {{{words}}}\n"
    since = route.temporary
    temporary = f"laid: {since.laid}, repair_by: {since.repair_by}, incident: {_text(since.incident)}"
    return f"  {route.name}: {{{words},\n    temporary: {{{temporary}}}}}\n"


def _text(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def rewritten(text: str, plant: Plant, pairs: Sequence[Pair], routes: Sequence[Route] = ()) -> str:
    """Return fibres.yml with these pairs and new routes; every other line stays as it is. Raises ProposalError."""
    for pair in pairs:
        line = pair_line(pair, plant)
        old = re.compile(rf"^ *- \{{name: {re.escape(pair.name)},[^}}]*\}}[^\n]*\n", re.MULTILINE)
        if pair.name not in plant.pairs:
            text = _appended(text, "pairs", line)
        elif len(old.findall(text)) == 1:
            text = old.sub(line.replace("\\", r"\\"), text)
        else:
            raise ProposalError(f"The pair {pair.name} does not stand in {FIBRES} once and in braces: write it as its head describes.")
    for route in routes:
        text = _appended(text, "routes", route_line(route))
    return text


def _appended(text: str, section: str, line: str) -> str:
    """Put a line at the end of a section, before what follows it."""
    found = re.search(rf"^{section}:[^\n]*\n(?:[ \t]+[^\n]*\n|\n)*", text, re.MULTILINE)
    if found is None:
        raise ProposalError(f"{FIBRES} has no section {section!r} that goes over lines of its own.")
    body = found.group(0).rstrip("\n") + "\n"
    return text[: found.start()] + body + line + text[found.start() + len(body) :]


# --- the proposal ----------------------------------------------------------------------------------------------------


def propose(directory: Path, run: str, text: str, subject: str, body: str) -> Proposal:
    """Propose a new fibres.yml, which must be one that can be read. Raises ProposalError."""
    _must_be_sound(directory, text)
    return proposal.propose(directory, run, {directory / FIBRES: text}, subject, body)


def _must_be_sound(directory: Path, text: str) -> None:
    """Refuse to propose a record that would be refused when it is read."""
    with tempfile.TemporaryDirectory() as scratch:
        for name in ("rooms.yml", "cables.yml", "priorities.yml"):
            (Path(scratch) / name).write_bytes((directory / name).read_bytes())
        (Path(scratch) / FIBRES).write_text(text, encoding="utf-8")
        try:
            load(Path(scratch))
        except PlantError as error:
            raise ProposalError(f"The record would contradict itself: {error}") from error


def propose_pairs(directory: Path, run: str, pairs: Sequence[Pair], routes: Sequence[Route], subject: str, body: str) -> Proposal:
    """Propose changed pairs and new routes. Raises ProposalError, PlantError."""
    text = (directory / FIBRES).read_text(encoding="utf-8")
    return propose(directory, run, rewritten(text, load(directory), pairs, routes), subject, body)


def to_merge(made: Proposal, directory: Path) -> Finding:
    """Return that somebody has to read and merge a proposal."""
    said = f"The record says the old until {made.branch} is merged."
    return Finding("record-to-merge", "info", said, "", f"Read it and merge it: git -C {directory} merge {made.branch}")
