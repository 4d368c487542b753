"""The event loop of async handlers: one for all of them, in a thread of its own."""

from __future__ import annotations

import asyncio
import threading

from .failures import describe, stack_of
from .log import log


class EventLoop:
    """A loop that runs until the process ends."""

    __slots__ = ("_loop",)

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_forgotten)
        threading.Thread(target=self._run, name="thaw-event-loop", daemon=True).start()

    def wait(self, awaitable) -> object:
        """Has the loop run what an async handler returned, and gives or raises how it came out."""
        return asyncio.run_coroutine_threadsafe(_guarded(awaitable), self._loop).result()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()


async def _guarded(awaitable) -> object:
    try:
        return await awaitable
    except (SystemExit, KeyboardInterrupt) as error:
        # It would end the loop, and with it every other request.
        raise RuntimeError(describe(error)) from error


def _log_forgotten(_loop: object, context: dict) -> None:
    """A task that nobody waits for is no reason to end."""
    error = context.get("exception")
    if error is None:
        log("error", f"unhandled in the event loop: {context.get('message')}")
        return
    log("error", f"unhandled exception: {describe(error)}", {"stack": stack_of(error)})
