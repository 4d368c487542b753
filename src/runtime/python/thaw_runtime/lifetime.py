"""How this process ends: on a signal, with its lifeline, or because it cannot go on."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time

from .failures import message_of, stack_of
from .log import log, print_line

_DRAIN_S_MAX = 10.0
_REPORT_S_MAX = 2.0


class Lifetime:
    """The one gate through which this process ends.

    An end never waits for the main thread, which may be deep in a handler, nor for threads that a
    handler left behind.
    """

    def __init__(self) -> None:
        self._gate = threading.Lock()
        self._drain = None
        self._report = None

    def drain_with(self, drain) -> None:
        """From now on an end first calls this, which waits until every request is answered."""
        self._drain = drain

    def report_with(self, report) -> None:
        """Where a process that cannot start says so, with a code and a message, beside its log."""
        self._report = report

    def end(self, exit_code: int) -> None:
        """Ends this process; the first who calls this decides how."""
        if not self._gate.acquire(blocking=False):
            return
        if self._drain is None:
            _exit(exit_code)
        _exit_at_the_latest(exit_code, _DRAIN_S_MAX)
        self._drain()
        _run_exit_hooks()
        _exit(exit_code)

    def fail(self, code: str, message: str) -> None:
        """Says why this process cannot start, and ends it."""
        if not self._gate.acquire(blocking=False):
            # It is ending already, which it does in another thread.
            threading.Event().wait()
        print_line({"event": "failed", "code": code, "message": message})
        if self._report is not None:
            _exit_at_the_latest(1, _REPORT_S_MAX)
            try:
                self._report(code, message)
            except Exception as error:
                log("error", f"nobody could be told: {message_of(error)}")
        _exit(1)


def begin_lifetime() -> Lifetime:
    """Makes every way to end go through one gate. To be called in the main thread."""
    lifetime = Lifetime()
    _end_on_signals(lifetime)
    threading.excepthook = _log_lost_thread
    return lifetime


def end_with_stdin(lifetime: Lifetime) -> None:
    """Stdin is a pipe from whoever started this process: when it ends, nobody is left to serve."""

    def wait() -> None:
        try:
            while os.read(0, 4096):
                pass
        except OSError:
            pass
        lifetime.end(0)

    threading.Thread(target=wait, name="thaw-lifeline", daemon=True).start()


def _end_on_signals(lifetime: Lifetime) -> None:
    """Ends on SIGTERM and SIGINT, whatever the main thread does at that moment.

    Python runs its signal handlers between two instructions of the main thread, which may be
    minutes away; but the number of a signal is written to the wake-up socket at once.
    """
    import _socket

    ours, woken = _pair(_socket)
    woken.setblocking(False)

    def wait() -> None:
        while True:
            numbers = ours.recv(16)
            if numbers == b"" or signal.SIGTERM in numbers or signal.SIGINT in numbers:
                break
        lifetime.end(0)

    def again(number: int, _frame: object) -> None:
        # A handler may have taken the wake-up socket for its own event loop.
        try:
            woken.send(bytes([number]))
        except OSError:
            pass

    def forget() -> None:
        # A process that the handler forks is the handler's: it must neither outlive signals nor
        # pass them on to us.
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        ours.close()
        woken.close()

    signal.set_wakeup_fd(woken.fileno(), warn_on_full_buffer=False)
    signal.signal(signal.SIGTERM, again)
    signal.signal(signal.SIGINT, again)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=forget)
    threading.Thread(target=wait, name="thaw-signals", daemon=True).start()


def _pair(_socket) -> tuple:
    """Two connected sockets."""
    if hasattr(_socket, "socketpair"):
        return _socket.socketpair()
    import socket

    return socket.socketpair()


def _log_lost_thread(lost) -> None:
    """A thread that a handler started may fail by itself; the requests go on."""
    if lost.exc_type is SystemExit:
        return
    error = lost.exc_value if lost.exc_value is not None else lost.exc_type()
    name = lost.thread.name if lost.thread is not None else "a thread"
    message = f"uncaught exception in {name}: {message_of(error)}"
    log("error", message, {"stack": stack_of(error)})


def _exit_at_the_latest(exit_code: int, after_s: float) -> None:
    def wait() -> None:
        time.sleep(after_s)
        os._exit(exit_code)

    threading.Thread(target=wait, daemon=True).start()


def _run_exit_hooks() -> None:
    """What a handler registered with `atexit` to be done at the end."""
    import atexit

    try:
        atexit._run_exitfuncs()
    except BaseException as error:
        log("error", f"an exit hook failed: {message_of(error)}", {"stack": stack_of(error)})


def _exit(exit_code: int) -> None:
    """Ends the process now, with what the handler has printed."""
    # A reader who is gone, or one who reads no more, must not hold the end up.
    _exit_at_the_latest(exit_code, 1.0)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    os._exit(exit_code)
