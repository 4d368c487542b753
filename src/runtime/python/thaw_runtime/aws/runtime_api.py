"""Lambda's Runtime API: where events come from and answers go to."""

from __future__ import annotations

import json
import time

from .connection import Connection

ATTEMPTS = 6
"""How often a cut connection is made anew."""
PAUSE_SECONDS = 0.025
"""How long the first pause is."""

_JSON = ("content-type", "application/json")


class RuntimeApiFailure(Exception):
    """The Runtime API does not work, so that nothing is left for this process to do."""


class Invocation:
    """One event that Lambda wants answered."""

    __slots__ = ("request_id", "deadline_ms", "trace_id", "headers", "body")

    def __init__(self, request_id, deadline_ms, trace_id, headers, body):
        self.request_id = request_id
        self.deadline_ms = deadline_ms
        """When Lambda gives up, in milliseconds since the epoch; None if it did not say."""
        self.trace_id = trace_id
        self.headers = headers
        """All that the Runtime API says of it, names in lower case."""
        self.body = body


class RuntimeApi:
    """The Runtime API at an address, host and port, from AWS_LAMBDA_RUNTIME_API."""

    __slots__ = ("_address", "_connection", "_closed", "_waiting")

    def __init__(self, address):
        host, port = _host_and_port(address)
        self._address = address
        self._connection = Connection(host, port)
        self._closed = False
        self._waiting = False

    def next(self):
        """Waits for the next event, for as long as it takes; None once the API is closed.

        Raises RuntimeApiFailure.
        """
        if self._closed:
            return None
        reply = self._reach("GET", "invocation/next")
        return None if reply is None else _invocation_of(reply)

    def respond(self, request_id, body):
        """Hands an answer over: `taken`, `too large` or `too late`. `body` is bytes.

        Raises RuntimeApiFailure.
        """
        return self._post(f"invocation/{request_id}/response", body, [_JSON])

    def fail(self, request_id, error_type, error_message, stack_trace=()):
        """Says that an invocation failed. Raises RuntimeApiFailure."""
        self._post_error(f"invocation/{request_id}/error", error_type, error_message, stack_trace)

    def fail_init(self, error_type, error_message):
        """Says why this process cannot start. Raises RuntimeApiFailure."""
        self._post_error("init/error", error_type, error_message, ())

    def await_restore(self):
        """Lets the machine be frozen into a snapshot; returns in whichever machine is made from it.

        Raises RuntimeApiFailure.
        """
        reply = self._reach("GET", "restore/next")
        if reply is not None and reply.status != 200:
            raise RuntimeApiFailure(f"GET restore/next was answered with {reply.status}")

    def close(self):
        """Ends the wait for the next event; what is being answered still is."""
        self._closed = True
        if self._waiting:
            self._connection.interrupt()

    def _reach(self, method, path, body=None, headers=()):
        """Sends until an answer comes; None if the API was closed while it waited for something.

        Connections break, above all those that rested while the machine was frozen.
        """
        for attempt in range(1, ATTEMPTS + 1):
            self._waiting = method == "GET"
            try:
                if self._waiting and self._closed:
                    return None
                return self._connection.send(method, f"/2018-06-01/runtime/{path}", body, headers)
            except OSError as error:
                if self._waiting and self._closed:
                    return None
                if attempt == ATTEMPTS:
                    raise RuntimeApiFailure(
                        f"{method} {path} reached nobody at {self._address}: {error}"
                    ) from error
            finally:
                self._waiting = False
            time.sleep(PAUSE_SECONDS * 2**attempt)
        raise AssertionError("the last attempt returns or raises")

    def _post(self, path, body, headers):
        status = self._reach("POST", path, body, headers).status
        if status < 300:
            return "taken"
        if status == 413:
            return "too large"
        if status < 500:
            return "too late"
        raise RuntimeApiFailure(f"POST {path} was answered with {status}")

    def _post_error(self, path, error_type, error_message, stack_trace):
        body = {
            "errorType": error_type,
            "errorMessage": error_message,
            "stackTrace": list(stack_trace),
        }
        reason = error_type if "." in error_type else f"Function.{reason_of(error_type)}"
        headers = [_JSON, ("lambda-runtime-function-error-type", reason)]
        self._post(path, json.dumps(body).encode("utf-8"), headers)


def reason_of(error_type):
    """An error's name or code as Lambda takes it for the reason.

    Letters alone: `MissingInput` for `MISSING_INPUT`.
    """
    letters = "".join(one if one.isascii() and one.isalpha() else " " for one in error_type)
    words = [
        word[0].upper() + (word[1:].lower() if word.isupper() else word[1:])
        for word in letters.split()
    ]
    return "".join(words) or "Unknown"


def _host_and_port(address):
    """The parts of `host`, `host:port` or `[host]:port`."""
    host, colon, port = address.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address, "80"
    return host.strip("[]"), int(port)


def _invocation_of(reply):
    request_id = reply.headers.get("lambda-runtime-aws-request-id")
    if reply.status != 200 or request_id is None:
        raise RuntimeApiFailure(
            f"GET invocation/next was answered with {reply.status} and no event"
        )
    deadline = reply.headers.get("lambda-runtime-deadline-ms", "")
    return Invocation(
        request_id=request_id,
        deadline_ms=int(deadline) if deadline.isdecimal() and int(deadline) > 0 else None,
        trace_id=reply.headers.get("lambda-runtime-trace-id") or None,
        headers=reply.headers,
        body=reply.body,
    )
