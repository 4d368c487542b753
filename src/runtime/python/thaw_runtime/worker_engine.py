"""Who runs the calls that come over connections: the main thread, or several threads beside it."""

from __future__ import annotations

import _thread
import threading
from queue import SimpleQueue

from .call import Answer, Call
from .engine import Engine


class WorkerEngine:
    """An engine whose calls are run by threads of their own, in the order in which they come.

    One at a time they are run in the main thread, where the handler was imported: what belongs to
    that thread, an open database, a mode of a library, a signal, is the handler's own. Several at a
    time are run in as many threads.
    """

    __slots__ = ("inputs", "outputs", "event", "_engine", "_jobs", "_concurrency")

    def __init__(self, engine: Engine, concurrency: int) -> None:
        self.inputs = engine.inputs
        self.outputs = engine.outputs
        self.event = engine.event
        self._engine = engine
        self._jobs: SimpleQueue = SimpleQueue()
        self._concurrency = concurrency

    def answer(self, call: Call) -> Answer:
        """Has a call answered, and waits for that. To be called in any thread but the main one."""
        job = _Job(call)
        self._jobs.put(job)
        job.done.acquire()
        return job.answer

    def serve(self) -> None:
        """Runs calls until the process ends. To be called in the main thread."""
        if self._concurrency == 1:
            self._run()
        for place in range(self._concurrency):
            threading.Thread(target=self._run, name=f"thaw-worker-{place}", daemon=True).start()
        SimpleQueue().get()

    def _run(self) -> None:
        while True:
            job = self._jobs.get()
            job.answer = self._engine.answer(job.call)
            job.done.release()


class _Job:
    __slots__ = ("call", "answer", "done")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.answer: Answer | None = None
        # Released when the answer is there.
        self.done = _thread.allocate_lock()
        self.done.acquire()
