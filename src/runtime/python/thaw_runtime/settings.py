"""What the platform says through the environment and the arguments."""

from __future__ import annotations

from .failures import StartFailure

_REQUEST_BYTES_MAX = 32 * 2**20
_SAFE_INTEGER_MAX = 2**53 - 1


class Settings:
    """What the platform says.

    The image of a function sets THAW_OWNS_SANDBOX=1: there the interpreter is nobody else's, so
    that the temporary folder tells of an earlier process, and the server listens on all interfaces.
    """

    __slots__ = (
        "port",
        "host",
        "image",
        "concurrency",
        "request_bytes_max",
        "lifeline",
        "runtime_api",
        "snapshot",
        "custom_handler_port",
        "owns_sandbox",
    )

    def __init__(self, env: dict, args: list) -> None:
        # 0: any that is free.
        self.port = _whole_number(env, "PORT", 8080, 0)
        # The address to listen on; None leaves it to where the server runs.
        self.host = env.get("THAW_HOST") or None
        # Digest of the image, for evidence.
        self.image = env.get("THAW_IMAGE") or None
        # Requests in flight at a time.
        self.concurrency = _whole_number(env, "THAW_CONCURRENCY", 1, 1)
        self.request_bytes_max = _whole_number(env, "THAW_REQUEST_BYTES_MAX", _REQUEST_BYTES_MAX, 1)
        # End when stdin does.
        self.lifeline = "--lifeline" in args
        # Where Lambda's Runtime API is; None elsewhere.
        self.runtime_api = env.get("AWS_LAMBDA_RUNTIME_API") or None
        # Lambda makes a snapshot of this process once it is ready.
        self.snapshot = env.get("AWS_LAMBDA_INITIALIZATION_TYPE") == "snap-start"
        # The port on which the host of Azure Functions looks for its custom handler; None
        # elsewhere.
        self.custom_handler_port = (
            _whole_number(env, "FUNCTIONS_CUSTOMHANDLER_PORT", 0, 0)
            if env.get("FUNCTIONS_CUSTOMHANDLER_PORT")
            else None
        )
        self.owns_sandbox = env.get("THAW_OWNS_SANDBOX") == "1"


def read_settings(env: dict, args: list) -> Settings:
    """Reads the environment and the arguments.

    Raises StartFailure RUNTIME_UNAVAILABLE for a number that is none.
    """
    return Settings(env, args)


def _whole_number(env: dict, name: str, otherwise: int, min: int) -> int:
    text = env.get(name)
    if text is None or text == "":
        return otherwise
    value = int(text) if text.isascii() and text.isdigit() else -1
    if min <= value <= _SAFE_INTEGER_MAX:
        return value
    raise StartFailure(
        "RUNTIME_UNAVAILABLE", f"{name} is {text}, which is no whole number from {min} on"
    )
