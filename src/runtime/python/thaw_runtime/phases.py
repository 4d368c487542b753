"""The one timeline of a process: milliseconds since it was born."""

from __future__ import annotations

import os
import time

# When this file ran: the server imports it first, so that `boot` ends where thaw's own code begins.
_BOOTED_AT_S = time.monotonic()
_BOOTED_AT_WALL_S = time.time()
# All clocks at one moment: what is computed from them later is of that moment. Linux alone has this one.
_BOOTTIME = getattr(time, "CLOCK_BOOTTIME", None)
_SINCE_SYSTEM_BOOT_S = 0.0 if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)

# What `boot` took. A process in a container is born as the program that makes containers, and
# becomes Python much later; of when that is the kernel tells nothing. What it has computed is the
# nearest that can be known.
BOOT_MS = time.process_time() * 1000


def _booted_ms() -> float:
    """How old the process was when this file ran.

    The kernel tells when it was born in ticks of mostly 10 ms. Of the births that are compatible
    with that the latest is taken, so that no time is claimed which nobody saw pass; and a process
    is at least as old as the time that it has computed.
    """
    try:
        # After the name, which may hold anything, in parentheses: the 22nd field of all.
        with open("/proc/self/stat", "rb", buffering=0) as file:
            fields = file.read(4096).rpartition(b")")[2].split()
        tick_s = 1 / os.sysconf("SC_CLK_TCK")
        age_s = _SINCE_SYSTEM_BOOT_S - (int(fields[19]) + 1) * tick_s
    except (OSError, ValueError, IndexError):
        age_s = 0.0
    return max(age_s * 1000, BOOT_MS)


BOOTED_MS = _booted_ms()


def since_birth_ms() -> float:
    """Milliseconds since this process was born, by the clock that nobody sets."""
    return BOOTED_MS + (time.monotonic() - _BOOTED_AT_S) * 1000


def age_ms() -> float:
    """How long this process has lived.

    A machine that was frozen stops the monotonic clock, and a wall clock may be set back: the
    larger of the two is the age.
    """
    return max(since_birth_ms(), BOOTED_MS + (time.time() - _BOOTED_AT_WALL_S) * 1000)


class StartMarks:
    """The boundaries of the start-up phases, in milliseconds since birth."""

    __slots__ = ("booted_ms", "imported_ms", "ready_ms")

    def __init__(self, booted_ms: float, imported_ms: float, ready_ms: float) -> None:
        self.booted_ms = booted_ms
        # The code is there: the server, the handler, ONNX Runtime.
        self.imported_ms = imported_ms
        # The model is loaded.
        self.ready_ms = ready_ms


class MarkStart:
    """Collects the boundaries as they are passed."""

    __slots__ = ("_imported_ms",)

    def __init__(self) -> None:
        self._imported_ms = BOOTED_MS

    def imported(self) -> None:
        self._imported_ms = since_birth_ms()

    def ready(self) -> StartMarks:
        return StartMarks(BOOTED_MS, self._imported_ms, since_birth_ms())


def render_server_timing(
    arrived_ms: float, infer_ms: float | None, start: StartMarks | None
) -> str:
    """Renders phases as a Server-Timing header.

    `arrived_ms` is when the request came; `infer_ms` the call to the handler or the model, None if
    it did not come to that; `start` is given for the first request only: the others came to an
    instance that was there.
    """
    phases = []
    if start is not None:
        phases.append(("boot", BOOT_MS))
        phases.append(("import", start.imported_ms - start.booted_ms))
        phases.append(("load", start.ready_ms - start.imported_ms))
        phases.append(("wait", max(0.0, arrived_ms - start.ready_ms)))
    if infer_ms is not None:
        phases.append(("infer", infer_ms))
    return ", ".join(f"{name};dur={ms:.3f}" for name, ms in phases)
