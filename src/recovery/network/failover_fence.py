"""What `switch_fence` does: shut or open the neighbours' ports, and see that the failed switch is silent (RCV-3)."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from recovery.findings import Finding
from recovery.network import change, fence
from recovery.network import failover_driver as driver
from recovery.network.answers import SwitchError
from recovery.network.device import Device
from recovery.network.failover_call import Place
from recovery.network.failover_steps import StepError, now
from recovery.network.fetch import each
from recovery.network.session import Session
from recovery.network.state import UP, State

POLL_S = 2.0


def silent(place: Place, patience_s: float, *, links_only: bool = False) -> tuple[dict[str, Any], list[Finding]]:
    """See whether the failed switch gives a sign of life; a box that was just switched off may need some seconds to fall silent."""
    failed = place.devices[place.given["failed"]]
    towards = fence.towards(place.cables, failed.name, place.devices)
    until = time.monotonic() + patience_s
    while True:
        with ThreadPoolExecutor(1) as pool:
            knocking = pool.submit(driver.pings, failed.addresses, place.scene.via)
            states = each([place.devices[name] for name in towards], lambda device: driver.ask(device, ("ports",)))
        answers = {f"{path} {failed.addresses[path]}": up for path, up in knocking.result().items()}
        links = {
            name: {port: port in state.ports and state.ports[port].link == UP for port in towards[name]}
            for name, state in states.items()
            if isinstance(state, State)
        }
        found = fence.signs_of_life(failed.name, {} if links_only else answers, links)
        if not found or time.monotonic() >= until:
            break
        time.sleep(POLL_S)
    unread = sorted(name for name, state in states.items() if isinstance(state, SwitchError))
    if unread and not found:
        message = f"Whether {', '.join(unread)} still see it is not known: they do not answer."
        found = [Finding("fence-seen-by-few", "warning", message, remedy="The others and its addresses say that it is silent.")]
    said = {"before": {"answers": answers, "links": links}}
    return said, found


def ports(place: Place, *, closed: bool, rehearsal: bool) -> dict[str, Any]:
    """Shut the neighbours' ports towards the failed switch, or open them again; each neighbour is read back. Raises StepError."""
    failed = str(place.given["failed"])
    towards = fence.towards(place.cables, failed, place.devices)

    def one(device: Device) -> list[str]:
        with Session(device) as session:
            have = driver.own(device, session)
            want = fence.shut(have, towards[device.name], closed=closed)
            lines = change.lines(device.platform, change.difference(have, want))
            if lines and not rehearsal:
                session.configure(lines)
                left = change.difference(driver.own(device, session), want)
                if left:
                    raise SwitchError(f"{device.name} took the lines, and its ports are not as they should be.")
            return lines

    done = each([place.devices[name] for name in towards], one)
    failures = [result for result in done.values() if isinstance(result, SwitchError)]
    sent = {name: result for name, result in done.items() if isinstance(result, list) and result}
    commands = [f"{name}: {line}" for name, lines in sorted(sent.items()) for line in lines]
    if failures:
        finding = failures[0].finding()
        raise StepError(finding, commands if not rehearsal else [])
    word = "shut" if closed else "open"
    return {
        "changed": bool(sent),
        "commands": commands,
        "after": {name: {port: word for port in some} for name, some in towards.items()},
        "msg": f"The ports of {', '.join(towards)} towards {failed} are {word}.",
    }


def note(place: Place) -> None:
    """Write down that the failed switch was seen fenced."""
    job = place.job()
    job.record.facts["fenced_at"] = now()
    job.keep()
