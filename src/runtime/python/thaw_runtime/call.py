"""What front doors give to an engine, and what they get."""

from __future__ import annotations


class GivenEvent:
    """What `predict` is given of one event: a message, a changed object, a row."""

    __slots__ = ("source", "input", "event")

    def __init__(self, source: str, input: object, event: object) -> None:
        # Where it came from: `http`, `invoke`, `sqs`, `s3`, `pubsub`, …
        self.source = source
        self.input = input
        # The event as it came; None for what is none.
        self.event = event


class Request:
    """The HTTP request behind a call, for a handler that takes it as an event."""

    __slots__ = ("method", "url", "source_ip", "protocol")

    def __init__(self, method: str, url: str, source_ip: str, protocol: str = "HTTP/1.1") -> None:
        self.method = method
        # Path and query, as they came.
        self.url = url
        self.source_ip = source_ip
        self.protocol = protocol


class Invocation:
    """What Lambda says of an invocation beside its event; anywhere else nothing is known."""

    __slots__ = ("function_arn", "client_context", "identity", "tenant_id")

    def __init__(
        self,
        function_arn: str = "",
        client_context: str | None = None,
        identity: str | None = None,
        tenant_id: str | None = None,
    ) -> None:
        self.function_arn = function_arn
        # JSON, as in the header.
        self.client_context = client_context
        # JSON, as in the header.
        self.identity = identity
        self.tenant_id = tenant_id


class Call:
    """One call, whichever event it came from.

    `kind` says who answers, and with what: `predict` a handler of thaw's kind, with its input;
    `infer` the model, with tensors; `invoke` a Lambda handler, with the event as it is; `request` a
    Lambda handler, with the request as an event of a function URL.
    """

    __slots__ = (
        "kind",
        "body",
        "event",
        "request_id",
        "deadline_ms",
        "headers",
        "request",
        "invocation",
    )

    def __init__(
        self,
        kind: str,
        body: bytes,
        request_id: str,
        deadline_ms: int | None,
        headers: dict,
        event: GivenEvent | None = None,
        request: Request | None = None,
        invocation: Invocation | None = None,
    ) -> None:
        self.kind = kind
        self.body = body
        self.request_id = request_id
        # When the platform gives up, in milliseconds since the epoch; None where it does not say.
        self.deadline_ms = deadline_ms
        # Names in lower case.
        self.headers = headers
        # Taken in place of the body where a front door decoded it.
        self.event = event
        # Given with the kind `request`.
        self.request = request
        self.invocation = invocation

    def with_event(self, event: GivenEvent) -> Call:
        """The same call with another event and no body."""
        return Call(
            self.kind,
            b"",
            self.request_id,
            self.deadline_ms,
            self.headers,
            event,
            self.request,
            self.invocation,
        )


class Answer:
    """How a call ended."""

    __slots__ = (
        "status",
        "body",
        "infer_ms",
        "headers",
        "result",
        "error_type",
        "error_message",
        "stack_trace",
    )

    def __init__(
        self,
        status: int,
        body: str | bytes,
        infer_ms: float | None,
        headers: list | None = None,
        result: object = None,
        error_type: str | None = None,
        error_message: str | None = None,
        stack_trace: list | None = None,
    ) -> None:
        self.status = status
        # JSON text; whatever bytes a Lambda handler answered a request with.
        self.body = body
        # Time in the handler or the model; None if it did not come to that.
        self.infer_ms = infer_ms
        # Pairs of name and value, of a request that a Lambda handler answered; None: the answer is
        # JSON.
        self.headers = headers
        # What a Lambda handler returned to an `invoke`, as it is.
        self.result = result
        # Why it failed, for callers who may see the handler's own words; None if it did not.
        self.error_type = error_type
        self.error_message = error_message
        # Where in its own code an `invoke` failed, frame by frame.
        self.stack_trace = stack_trace
