"""Lambda's Runtime API: where events come from and answers go to."""

from __future__ import annotations

import json
import time

from ..call import Invocation
from .connection import Connection, Reply

# How often a cut connection is made anew, and how long the first pause is.
ATTEMPTS = 6
PAUSE_SECONDS = 0.025

_JSON = ("content-type", "application/json")


class RuntimeApiFailure(Exception):
    """The Runtime API does not work, so that nothing is left for this process to do."""


class NextEvent:
    """One event that Lambda wants answered."""

    __slots__ = ("request_id", "deadline_ms", "trace_id", "invocation", "body")

    def __init__(
        self,
        request_id: str,
        deadline_ms: int | None,
        trace_id: str | None,
        invocation: Invocation,
        body: bytes,
    ) -> None:
        self.request_id = request_id
        # When Lambda gives up, in milliseconds since the epoch; None if it did not say.
        self.deadline_ms = deadline_ms
        self.trace_id = trace_id
        self.invocation = invocation
        self.body = body


class InvocationError:
    """An error in the words of the Runtime API."""

    __slots__ = ("type", "message", "stack_trace")

    def __init__(self, type: str, message: str, stack_trace: list | None = None) -> None:
        self.type = type
        self.message = message
        self.stack_trace = stack_trace or []


class RuntimeApi:
    """The Runtime API at an address, host and port, from AWS_LAMBDA_RUNTIME_API."""

    __slots__ = ("_address", "_connection", "_closed", "_waiting")

    def __init__(self, address: str) -> None:
        host, port = _host_and_port(address)
        self._address = address
        self._connection = Connection(host, port)
        self._closed = False
        self._waiting = False

    def next(self) -> NextEvent | None:
        """Waits for the next event, for as long as it takes; None once the API is closed.

        Raises RuntimeApiFailure.
        """
        reply = self._await("invocation/next")
        return None if reply is None else _event_of(reply)

    def respond(self, request_id: str, body: bytes) -> str:
        """Hands an answer over, which is `taken`, `too large` or `too late`. Raises RuntimeApiFailure."""
        return self._post(f"invocation/{request_id}/response", body, [_JSON])

    def fail(self, request_id: str, error: InvocationError) -> None:
        """Says that an invocation failed. Raises RuntimeApiFailure."""
        self._post_error(f"invocation/{request_id}/error", error)

    def fail_init(self, error: InvocationError) -> None:
        """Says why this process cannot start. Raises RuntimeApiFailure."""
        self._post_error("init/error", error)

    def await_restore(self) -> None:
        """Lets the machine be frozen into a snapshot, and returns in whichever machine is made from it.

        Raises RuntimeApiFailure.
        """
        reply = self._await("restore/next")
        if reply is not None and reply.status != 200:
            raise RuntimeApiFailure(f"GET restore/next was answered with {reply.status}")

    def close(self) -> None:
        """Ends the wait for the next event, from another thread; what is being answered still is."""
        self._closed = True
        if self._waiting:
            self._connection.interrupt()

    def _await(self, path: str) -> Reply | None:
        """Waits for what Lambda has to say; None once the API is closed."""
        self._waiting = True
        try:
            return self._reach("GET", path, lambda: self._closed)
        finally:
            self._waiting = False

    def _post(self, path: str, body: bytes, headers: list) -> str:
        reply = self._reach("POST", path, lambda: False, body, headers)
        if reply.status < 300:
            return "taken"
        if reply.status == 413:
            return "too large"
        if reply.status < 500:
            return "too late"
        raise RuntimeApiFailure(f"POST {path} was answered with {reply.status}")

    def _post_error(self, path: str, error: InvocationError) -> None:
        body = {
            "errorType": error.type,
            "errorMessage": error.message,
            "stackTrace": error.stack_trace,
        }
        reason = error.type if "." in error.type else f"Function.{reason_of(error.type)}"
        headers = [_JSON, ("lambda-runtime-function-error-type", reason)]
        self._post(path, json.dumps(body).encode("utf-8"), headers)

    def _reach(
        self, method: str, path: str, is_over, body: bytes | None = None, headers=()
    ) -> Reply | None:
        """Sends until an answer comes, or until `is_over` says that nobody wants it any more.

        Connections break, above all those that rested while the machine was frozen.
        """
        attempt = 0
        while True:
            attempt += 1
            try:
                self._connection.open()
                # Only now: from here on there is a connection that `close` can interrupt.
                if is_over():
                    return None
                return self._connection.send(method, f"/2018-06-01/runtime/{path}", body, headers)
            except OSError as error:
                if is_over():
                    return None
                if attempt == ATTEMPTS:
                    what = f"{method} {path} reached nobody at {self._address}"
                    raise RuntimeApiFailure(f"{what}: {error}") from error
            time.sleep(PAUSE_SECONDS * 2**attempt)


def reason_of(error_type: str) -> str:
    """An error's name or code as Lambda takes it for the reason: letters alone, `MissingInput` for `MISSING_INPUT`."""
    letters = "".join(one if one.isascii() and one.isalpha() else " " for one in error_type)
    words = [
        word[0].upper() + (word[1:].lower() if word.isupper() else word[1:])
        for word in letters.split()
    ]
    return "".join(words) or "Unknown"


def _host_and_port(address: str) -> tuple:
    """The parts of `host`, `host:port` or `[host]:port`."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, "80"
    return host.strip("[]"), int(port)


def _event_of(reply: Reply) -> NextEvent:
    headers = reply.headers
    request_id = headers.get("lambda-runtime-aws-request-id")
    if reply.status != 200 or request_id is None:
        message = f"GET invocation/next was answered with {reply.status} and no event"
        raise RuntimeApiFailure(message)
    deadline = headers.get("lambda-runtime-deadline-ms", "")
    return NextEvent(
        request_id=request_id,
        deadline_ms=int(deadline) if deadline.isdecimal() and int(deadline) > 0 else None,
        trace_id=headers.get("lambda-runtime-trace-id") or None,
        invocation=Invocation(
            function_arn=headers.get("lambda-runtime-invoked-function-arn", ""),
            client_context=headers.get("lambda-runtime-client-context"),
            identity=headers.get("lambda-runtime-cognito-identity"),
            tenant_id=headers.get("lambda-runtime-aws-tenant-id"),
        ),
        body=reply.body,
    )
