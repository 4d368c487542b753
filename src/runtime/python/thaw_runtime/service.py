"""What every front door serves: each request or event becomes one call."""

from __future__ import annotations

import itertools
import threading

from .evidence import Arrival, Boot, evidence_headers
from .phases import StartMarks, since_birth_ms


class Service:
    """Counts the requests of one boot and holds those that come before the engine is open."""

    def __init__(self, name: str, boot: Boot) -> None:
        self.name = name
        self._boot = boot
        self._ordinals = itertools.count(1)
        self._start: StartMarks | None = None
        self._engine = None
        self._opened = threading.Event()

    @property
    def is_ready(self) -> bool:
        return self._start is not None

    @property
    def engine(self):
        """The engine; who comes before it is open waits for it."""
        if self._engine is None:
            self._opened.wait()
        return self._engine

    def arrive(self) -> Arrival:
        """Notes that a request came, which gives it its ordinal. Health checks are not requests."""
        return Arrival(next(self._ordinals), since_birth_ms())

    def request_id(self, arrival: Arrival) -> str:
        return f"{self._boot.id}-{arrival.ordinal}"

    def evidence(self, arrival: Arrival, infer_ms: float | None) -> dict:
        """Headers, for the moment when the answer's headers are written."""
        return evidence_headers(self._boot, arrival, infer_ms, self._start)

    def ready(self, engine, start: StartMarks) -> None:
        """Opens the service with an engine or its like, and says when it was ready."""
        self._start = start
        self._engine = engine
        self._opened.set()
