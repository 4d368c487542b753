"""What goes wrong, and how it is told: to who packaged it, to who called it, to the log."""

from __future__ import annotations

import json
import os


class StartFailure(Exception):
    """Why an instance cannot start; the message is for the person who packaged it.

    Codes: HANDLER_INVALID, MODEL_INVALID, RUNTIME_UNAVAILABLE, PORT_IN_USE.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RequestFailure(Exception):
    """A request that is answered with an error. Nothing in it may come from inside the handler."""

    def __init__(self, status: int, code: str, message: str, tensor: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        # The tensor that is at fault.
        self.tensor = tensor


def failure_body(failure: RequestFailure) -> str:
    """The body of an answer to a failed request."""
    error = {"code": failure.code, "message": failure.message}
    if failure.tensor is not None:
        error["tensor"] = failure.tensor
    return json.dumps({"error": error}, ensure_ascii=False, separators=(",", ":"))


def message_of(error: BaseException) -> str:
    """The message of anything that was raised; its class where it has none."""
    if isinstance(error, SystemExit):
        return f"it ended with sys.exit({'' if error.code is None else repr(error.code)})"
    return str(error) or type(error).__name__


def describe(error: BaseException) -> str:
    """The class and the message: many messages say nothing alone, as that of a KeyError."""
    if isinstance(error, (SystemExit, SyntaxError)):
        return message_of(error)
    message = str(error)
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def name_of(error: BaseException) -> str:
    """The class of anything that was raised."""
    return type(error).__name__


def stack_of(error: BaseException) -> str:
    """What the log shows of anything that was raised."""
    # Costs milliseconds, which only a failure pays.
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def frames_of(error: BaseException) -> list:
    """The frames of an exception from the handler's on, as Lambda's own runtime lists them."""
    import traceback

    standard = os.path.dirname(os.__file__)
    ours = (
        os.path.dirname(os.path.abspath(__file__)),
        # Between this program and what is async.
        os.path.join(standard, "asyncio"),
        os.path.join(standard, "concurrent"),
    )
    frames = traceback.extract_tb(error.__traceback__)
    first = next(
        (at for at, frame in enumerate(frames) if not frame.filename.startswith(ours)), None
    )
    return [] if first is None else traceback.format_list(frames[first:])
