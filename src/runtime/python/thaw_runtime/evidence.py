"""What an instance says of itself with every answer."""

from __future__ import annotations

import os

from .phases import StartMarks, age_ms, render_server_timing


class Boot:
    """One run of this program, as its answers tell of it."""

    __slots__ = ("id", "image", "restarted", "restored")

    def __init__(self, id: str, image: str | None, restarted: bool, restored: bool) -> None:
        self.id = id
        # Digest of the image that it runs from, if the platform said.
        self.image = image
        # An earlier process ran in the same sandbox.
        self.restarted = restarted
        # It went on from a snapshot, so that its phases lie in another machine's past.
        self.restored = restored


class Arrival:
    """A request that counts, in the order in which requests came."""

    __slots__ = ("ordinal", "at_ms")

    def __init__(self, ordinal: int, at_ms: float) -> None:
        self.ordinal = ordinal
        self.at_ms = at_ms


def begin_boot(image: str | None, owns_sandbox: bool) -> Boot:
    """Gives this boot its identity."""
    id = _random_uuid()
    return Boot(id, image, owns_sandbox and _replace_sandbox_mark(id) is not None, False)


def restore_boot(boot: Boot) -> Boot:
    """The boot that goes on from a snapshot: machines made from one must not share an id."""
    return Boot(_random_uuid(), boot.image, boot.restarted, True)


def _random_uuid() -> str:
    """A UUID of version 4. The library's module for these takes milliseconds to import."""
    octets = bytearray(os.urandom(16))
    octets[6] = octets[6] & 0x0F | 0x40
    octets[8] = octets[8] & 0x3F | 0x80
    text = octets.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def _replace_sandbox_mark(id: str) -> str | None:
    """Leaves this boot's id in the sandbox's temporary folder and returns the id that lay there.

    It is that of a process that ran in the same sandbox before this one. Only a sandbox of one's
    own tells that: on a shared machine the folder is everyone's, so the caller must know that this
    one is not.
    """
    import socket

    environ = os.environ
    folder = environ.get("TMPDIR") or environ.get("TMP") or environ.get("TEMP") or "/tmp"
    # Containers that share a folder still have their own host names.
    file = os.path.join(folder, f"thaw-boot-{socket.gethostname()}")
    before = None
    try:
        with open(file, encoding="utf-8") as mark:
            before = mark.read()
    except OSError:
        # The first boot here.
        pass
    try:
        with open(file, "w", encoding="utf-8") as mark:
            mark.write(id)
    except OSError:
        # A read-only sandbox: a restart cannot be told there, which claims nothing false.
        pass
    return before


def evidence_headers(
    boot: Boot, arrival: Arrival, infer_ms: float | None, start: StartMarks | None
) -> dict:
    """The evidence headers of an answer, for the moment when they are written."""
    first = arrival.ordinal == 1 and not boot.restored
    phases = render_server_timing(arrival.at_ms, infer_ms, start if first else None)
    headers = {
        "thaw-boot": boot.id,
        "thaw-ordinal": str(arrival.ordinal),
        "thaw-boot-age": f"{age_ms():.3f}",
    }
    if boot.image is not None:
        headers["thaw-image"] = boot.image
    if boot.restarted:
        headers["thaw-restarted"] = "1"
    if boot.restored:
        headers["thaw-restored"] = "1"
    if phases != "":
        headers["server-timing"] = phases
    return headers
