"""The lines that this program writes on stdout, one JSON object each."""

from __future__ import annotations

import json
import os
import time


def print_line(line: dict) -> None:
    """Writes one JSON line on stdout, before this returns: the process may be about to end."""
    text = json.dumps(line, ensure_ascii=False, separators=(",", ":"), default=str) + "\n"
    rest = memoryview(text.encode("utf-8", "backslashreplace"))
    attempts = 0
    while rest and attempts < 1000:
        try:
            rest = rest[os.write(1, rest) :]
        except BlockingIOError:
            # A pipe whose reader is slow.
            attempts += 1
            time.sleep(0.001)
        except OSError:
            # One whose reader is gone has nobody to tell.
            return


def log(level: str, message: str, facts: dict | None = None) -> None:
    """Writes one line of the log. `level` is info or error."""
    print_line({"level": level, "at": _now(), "message": message, **(facts or {})})


def _now() -> str:
    seconds = time.time()
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{int(seconds * 1000) % 1000:03d}Z"
