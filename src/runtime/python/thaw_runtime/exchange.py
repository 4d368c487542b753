"""A request that came whole, and its answer by the same routes as any other."""

from __future__ import annotations

import json

from .call import Call, Request
from .failures import RequestFailure, failure_body
from .protocol import model_metadata
from .routes import is_health_check, route_of
from .service import Service


class WholeRequest:
    """A request that came whole, by another way than a connection of its own."""

    __slots__ = ("method", "url", "headers", "body", "request_id", "deadline_ms", "source_ip")

    def __init__(
        self,
        method: str,
        url: str,
        headers: dict,
        body: bytes,
        request_id: str,
        deadline_ms: int | None,
        source_ip: str = "",
    ) -> None:
        self.method = method
        self.url = url
        # Names in lower case.
        self.headers = headers
        self.body = body
        self.request_id = request_id
        self.deadline_ms = deadline_ms
        self.source_ip = source_ip


class WholeAnswer:
    """Its answer."""

    __slots__ = ("status", "body", "evidence", "headers")

    def __init__(
        self, status: int, body: str | bytes, evidence: dict | None, headers: list | None = None
    ) -> None:
        self.status = status
        # As in `Answer`: JSON text, or the bytes that a Lambda handler answered with.
        self.body = body
        # None for health checks, which count nowhere.
        self.evidence = evidence
        # As in `Answer`: None means JSON.
        self.headers = headers


def plain_headers(headers: dict) -> dict:
    """Headers out of an event: one value or several a name, in any case.

    What is no value of a header is left out.
    """
    plain = {}
    for name, value in headers.items():
        given = value if isinstance(value, list) else [value]
        values = [_header_value(one) for one in given if isinstance(one, (str, int, float))]
        if values:
            plain[name.lower()] = ", ".join(values)
    return plain


def _header_value(value: str | int | float) -> str:
    if isinstance(value, str):
        return value
    return json.dumps(value)


def with_evidence(headers: list | None, evidence: dict) -> list:
    """The headers of an answer, as pairs of name and value.

    They are the handler's own, or those of JSON, and the evidence.
    """
    if headers is None:
        return [("content-type", "application/json"), *evidence.items()]
    own = [(name, value) for name, value in headers if name.lower() not in evidence]
    # A handler may time its own phases.
    timings = [value for name, value in headers if name.lower() == "server-timing"]
    return own + [
        (name, ", ".join([value, *timings]) if name == "server-timing" else value)
        for name, value in evidence.items()
    ]


def exchange(service: Service, request: WholeRequest, request_bytes_max: int) -> WholeAnswer:
    """Answers a request that came whole, by the same routes as any other."""
    health = is_health_check(request.method, request.url, service.name)
    if health is not None:
        up = health == "live" or service.is_ready
        return WholeAnswer(200 if up else 503, health_body(up), None)
    arrival = service.arrive()
    engine = service.engine
    route = route_of(request.method, request.url, service.name, engine.event)
    if route.failure is not None:
        body = failure_body(route.failure)
        return WholeAnswer(route.failure.status, body, service.evidence(arrival, None))
    if route.kind == "metadata":
        body = model_metadata(service.name, engine.inputs, engine.outputs)
        return WholeAnswer(200, body, service.evidence(arrival, None))
    if len(request.body) > request_bytes_max:
        body = failure_body(too_large(request_bytes_max))
        return WholeAnswer(413, body, service.evidence(arrival, None))
    answer = engine.answer(
        Call(
            route.kind,
            request.body,
            request.request_id,
            request.deadline_ms,
            request.headers,
            request=Request(request.method, request.url, request.source_ip),
        )
    )
    evidence = service.evidence(arrival, answer.infer_ms)
    return WholeAnswer(answer.status, answer.body, evidence, answer.headers)


def health_body(up: bool) -> str:
    """The body of an answer to a health check."""
    return '{"status":"ok"}' if up else '{"status":"not ready"}'


def too_large(bytes_max: int) -> RequestFailure:
    """The refusal of a body over the limit."""
    return RequestFailure(413, "TOO_LARGE", f"the request's body is larger than {bytes_max} bytes")
