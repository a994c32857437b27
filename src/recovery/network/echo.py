"""Which hosts answer an ICMP echo: many at once, standard library only, so that it can be started where the network is (RCV-3).

    [words before it] python3 echo.py ADDRESS...        prints the addresses that answered, one a line

It needs a raw socket (root) or the kernel's echo socket (net.ipv4.ping_group_range). Exit status 2 says that it got neither.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import sys
import time

ECHO_REQUEST, ECHO_REPLY = 8, 0
TRIES, WAIT_S = 3, 0.6
"""So many echoes are sent to each, with this pause for the answers: the first one may be lost while an address is resolved."""


def checksum(data: bytes) -> int:
    """Return the Internet checksum (RFC 1071)."""
    if len(data) % 2:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~int(total) & 0xFFFF


def packet(identifier: int, sequence: int, payload: bytes = b"hospital-recovery") -> bytes:
    """Return an echo request."""
    head = struct.pack("!BBHHH", ECHO_REQUEST, 0, 0, identifier, sequence)
    return struct.pack("!BBHHH", ECHO_REQUEST, 0, checksum(head + payload), identifier, sequence) + payload


def _socket() -> tuple[socket.socket, bool]:
    """Return a socket, and whether what it reads begins with the IP header. Raises OSError."""
    try:
        return socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP), True
    except PermissionError:
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP), False


def answering(addresses: list[str]) -> set[str]:
    """Return the addresses that answered. Raises OSError where echoes cannot be sent at all."""
    identifier = os.getpid() & 0xFFFF
    heard: set[str] = set()
    ear, raw = _socket()
    with ear:
        ear.setblocking(False)
        for sequence in range(1, TRIES + 1):
            for address in sorted(set(addresses) - heard):
                try:
                    ear.sendto(packet(identifier, sequence), (address, 0))
                except OSError:
                    continue  # no way there, or its neighbour does not answer: it is silent
            until = time.monotonic() + WAIT_S
            while (left := until - time.monotonic()) > 0 and heard < set(addresses):
                if select.select([ear], [], [], left)[0]:
                    data, (sender, _) = ear.recvfrom(2048)
                    body = data[(data[0] & 15) * 4 :] if raw else data
                    kind, _, _, mine = struct.unpack("!BBHH", body[:6])
                    if kind == ECHO_REPLY and sender in addresses and (mine == identifier or not raw):
                        heard.add(sender)
            if heard == set(addresses):
                break
    return heard


if __name__ == "__main__":
    try:
        found = answering(sys.argv[1:])
    except OSError as error:
        print(f"no echo can be sent from here: {error}", file=sys.stderr)
        sys.exit(2)
    print("\n".join(sorted(found)))
