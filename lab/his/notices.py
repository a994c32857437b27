"""What the hospital tells the users of this workstation: takes notices over HTTP, keeps them, shows the newest.

    POST /notices   {"title", "message", ...}  -> 200 {"ok": true} once it is on the disk; 400 if it is no notice

Kept in /var/log/his-client/notices.jsonl, one JSON line each: at, title, message. Run as ``python3 -m his.notices`` (HIS_NOTICE_PORT).
"""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

KEPT = Path("/var/log/his-client/notices.jsonl")
LIMIT = 64 * 1024


def keep(notice: dict[str, Any], path: Path = KEPT) -> None:
    """Write a notice to the disk."""
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    line = json.dumps({"at": at, "title": notice["title"], "message": notice["message"]}, ensure_ascii=False)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(line + "\n")
        stream.flush()
        os.fsync(stream.fileno())


class Handler(BaseHTTPRequestHandler):
    """One delivery."""

    timeout = 10

    def do_POST(self) -> None:
        """Keep what was sent, then say so."""
        try:
            notice = json.loads(self.rfile.read(min(LIMIT, int(self.headers.get("Content-Length", "0")))))
            if self.path != "/notices" or not notice.get("title") or not notice.get("message"):
                raise ValueError("this is no notice")
        except (ValueError, AttributeError) as error:
            return self._reply(400, {"ok": False, "error": str(error)})
        keep(notice)
        return self._reply(200, {"ok": True})

    def _reply(self, status: int, body: dict[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> None:
    """Serve until stopped."""
    HTTPServer(("", int(os.environ.get("HIS_NOTICE_PORT", "8087"))), Handler).serve_forever()


if __name__ == "__main__":
    main()
