"""What a task's result says, as events of the journal. Pure: from plain data to entries."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from recovery.evidence.journal import LINE_LIMIT, Entry
from recovery.evidence.lines import EVENTS

KEPT = ("steps", "commands", "findings", "overridden", "before", "after", "refused", "skip_reason", "rc", "attempts")
_TEXT_LIMIT = 4000
_WHOLE_FROM = 16 * 1024
_NOISE = ("invocation", "exception", "deprecations", "ansible_facts", "journal", "diff", "results")
_ENTRY_FIELDS = frozenset(field.name for field in fields(Entry)) - {"attach"}


@dataclass(frozen=True)
class Task:
    """What is known about a task besides its result. ``status``: ok, failed, unreachable or skipped."""

    name: str
    action: str
    host: str
    status: str
    took_s: float | None = None
    ignored: bool = False
    delegated_to: str = ""


def entries(task: Task, result: Mapping[str, Any]) -> list[Entry]:
    """Return the `task` event of one host, and the events that the keys of its result (and of its loop's items) stand for."""
    status = "changed" if task.status == "ok" and result.get("changed") else task.status
    data: dict[str, Any] = {"action": task.action}
    if task.ignored:
        data["ignored"] = True
    if task.delegated_to:
        data["delegated_to"] = task.delegated_to
    if "censored" in result:
        return [Entry("task", host=task.host, name=task.name, result=status, took_s=task.took_s, data={**data, "censored": True})]
    items = [item for item in _listed(result.get("results")) if "changed" in item or "failed" in item or "skipped" in item]
    data |= _kept(result)
    if items:
        data["items"] = [_item(item) for item in items]
        # What the loop says of itself, "One or more items failed", helps nobody: what its items say does, each once.
        if broken := dict.fromkeys(item["msg"] for item in data["items"] if item.get("msg")):
            data["msg"] = _short("\n".join(broken))
    attach = list(_diffs(result, items))
    whole = {key: value for key, value in result.items() if key not in _NOISE and not key.startswith("_ansible")}
    if items:
        whole["results"] = items
    text = json.dumps(whole, ensure_ascii=False, indent=1, default=str)
    if len(text) > _WHOLE_FROM:
        attach.append(("result.json", text.encode("utf-8", "backslashreplace")))
        data = {key: _shortened(value) for key, value in data.items()}
    attach.extend(_summaries(task, (result, *items)))
    made = [Entry("task", host=task.host, name=task.name, result=status, took_s=task.took_s, data=data, attach=attach)]
    for part in (result, *items):
        if "censored" not in part:
            made.extend(_expanded(part, task))
    return made


def _summaries(task: Task, parts: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield what the users of each workstation saw, second by second: the report plots it, so it is kept whatever its size."""
    for part in parts:
        summary = part.get("summary")
        if task.action.endswith(("client_log", "service_probe")) and isinstance(summary, Mapping) and "censored" not in part:
            name = f"client-summary-{summary.get('workstation', task.host)}.json"
            yield name, json.dumps(summary, ensure_ascii=False, default=str).encode("utf-8", "backslashreplace")


def _kept(result: Mapping[str, Any]) -> dict[str, Any]:
    data: dict[str, Any] = {}
    message = result.get("msg")
    if message not in (None, "", [], {}):
        data["msg"] = _short(message if isinstance(message, str) else json.dumps(message, ensure_ascii=False, default=str))
    for key in KEPT:
        if result.get(key) not in (None, "", [], {}, False):
            data[key] = result[key]
    if "commands" not in data and result.get("cmd"):
        cmd = result["cmd"]
        data["commands"] = [cmd if isinstance(cmd, str) else " ".join(str(part) for part in cmd)]
    for key in ("stdout", "stderr"):
        if isinstance(result.get(key), str) and result[key].strip():
            data[key] = _short(result[key])
    if result.get("warnings"):
        data["warnings"] = [_short(str(warning)) for warning in result["warnings"]]
    return data


def _item(item: Mapping[str, Any]) -> dict[str, Any]:
    status = "skipped" if item.get("skipped") else "failed" if item.get("failed") else "changed" if item.get("changed") else "ok"
    variable = str(item.get("ansible_loop_var") or "item")
    label = item.get("_ansible_item_label", item.get(variable))
    if "censored" in item:
        return {"result": status, "censored": True}
    text = label if isinstance(label, str) else json.dumps(label, ensure_ascii=False, default=str)
    summary: dict[str, Any] = {"item": text[:200], "result": status}
    if status == "failed":
        summary["msg"] = _short(str(item.get("msg", "")))
    for key in ("steps", "commands", "findings"):
        if item.get(key):
            summary[key] = item[key]
    return summary


def _diffs(result: Mapping[str, Any], items: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, bytes]]:
    """Yield the differences as files, in the order they were made: what is gone with `-`, what is new with `+`."""
    for part in (result, *items):
        given = part.get("diff")
        for one in given if isinstance(given, list) else [given]:
            if not isinstance(one, Mapping) or "censored" in part:
                continue
            text = str(one.get("prepared") or "") or _unified(one)
            if text.strip():
                yield str(one.get("artefact") or "change.diff"), text.encode("utf-8", "backslashreplace")


def _unified(diff: Mapping[str, Any]) -> str:
    sides = []
    for key in ("before", "after"):
        value = diff.get(key, "")
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True, default=str)
        sides.append(text.splitlines())
    names = (str(diff.get("before_header") or "before"), str(diff.get("after_header") or "after"))
    lines = list(difflib.unified_diff(sides[0], sides[1], *names, lineterm=""))
    return "\n".join(lines) + "\n" if lines else ""


def _expanded(result: Mapping[str, Any], task: Task) -> Iterator[Entry]:
    name, host = task.name, task.host
    accepted = {str(one.get("code")) for one in _listed(result.get("overridden"))}
    for one in _listed(result.get("overridden")):
        yield Entry("override", host=host, name=name, data={key: one.get(key, "") for key in ("code", "by", "message")})
    if result.get("refused"):
        findings = _listed(result.get("findings"))
        blocking = [
            one
            for one in findings
            if one.get("severity") == "stop" or (one.get("severity") == "overridable" and one.get("code") not in accepted)
        ]
        yield Entry("refusal", host=host, name=name, data={"findings": blocking, "msg": _short(str(result.get("msg", "")))})
    for one in _listed(result.get("milestones")):
        yield Entry("milestone", host=host, name=str(one.get("name", "")), data={"at": one.get("at"), "detail": one.get("detail", "")})
    if isinstance(result.get("measured"), Mapping) and result["measured"]:
        yield Entry("measured", host=host, name=name, data=result["measured"])
    if result.get("verdict"):
        yield Entry("verdict", host=host, name=name, result=str(result["verdict"]), data={"reason": str(result.get("reason") or "")})
    for one in _listed(result.get("journal")):
        yield as_given(one, host)


def as_given(event: Mapping[str, Any], host: str = "") -> Entry:
    """Make an entry of an event that a module or plugin hands over. What is no field of a line goes into its data."""
    if event.get("event") not in EVENTS:
        return Entry("note", host=host, name=f"An event of the unknown kind {event.get('event')!r} was reported.", data=dict(event))
    known = {key: value for key, value in event.items() if key in _ENTRY_FIELDS and key != "data" and value is not None}
    took = known.pop("took_s", None)
    texts = {key: str(value) for key, value in known.items()}
    texts.setdefault("host", host)
    data = event.get("data")
    rest = {key: value for key, value in event.items() if key not in _ENTRY_FIELDS and key not in ("seq", "at", "prev")}
    body = {**(data if isinstance(data, Mapping) else {}), **rest}
    return Entry(**texts, took_s=took if isinstance(took, (int, float)) else None, data=body)  # type: ignore[arg-type]


def _listed(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, (list, tuple)) else []


def _short(text: str) -> str:
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT]}... ({len(text)} characters)"


def _shortened(value: Any) -> Any:
    """Bound one key of a large result: the whole is in its artefact."""
    if isinstance(value, list) and len(json.dumps(value, default=str)) > LINE_LIMIT // 8:
        return [*value[:20], f"... ({len(value)} entries)"]
    return value
