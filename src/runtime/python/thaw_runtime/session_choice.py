"""Which session options are right here.

Those that were measured, or, where ONNX Runtime or the CPU is another, the plain ones.
"""

from __future__ import annotations

from .serve_manifest import ServeManifest


class SessionChoice:
    """Session options, and why they are not the measured ones: None where they are."""

    __slots__ = ("session", "fallback")

    def __init__(self, session: dict, fallback: str | None) -> None:
        self.session = session
        self.fallback = fallback


def choose_session(manifest: ServeManifest, onnxruntime_version: str) -> SessionChoice:
    """Chooses among the two sets of options that a manifest may have."""
    shaped = manifest.shaped
    if shaped is None:
        return SessionChoice(manifest.session, None)
    measured = manifest.onnxruntime
    if onnxruntime_version != measured:
        why = f"ONNX Runtime is not {measured}, which they were measured with"
        return SessionChoice(manifest.session, why)
    if not _has_cpu(shaped["cpu"]):
        return SessionChoice(manifest.session, f"this CPU is not {shaped['cpu']}")
    return SessionChoice(shaped["session"], None)


def _has_cpu(wanted: str) -> bool:
    if wanted == "any":
        return True
    if wanted == "arm64" or _is_arm64():
        return wanted == "arm64" and _is_arm64()
    flags = _cpu_flags()
    if wanted == "vnni":
        return "avx512_vnni" in flags or "avx_vnni" in flags
    return wanted == "avx2" and "avx2" in flags


def _is_arm64() -> bool:
    import os

    machine = (
        os.uname().machine if hasattr(os, "uname") else os.environ.get("PROCESSOR_ARCHITECTURE")
    )
    return str(machine).lower() in ("arm64", "aarch64")


def _cpu_flags() -> list:
    """The first processor is enough, and all of a large machine's take milliseconds."""
    try:
        with open("/proc/cpuinfo", "rb", buffering=0) as file:
            head = file.read(8192).decode("latin-1")
    except OSError:
        return []
    for line in head.split("\n"):
        name, _, value = line.partition(":")
        if name.strip() == "flags":
            return value.split()
    return []
