"""What a path and a method ask for."""

from __future__ import annotations

from .failures import RequestFailure

# Where AWS's emulator of Lambda takes events.
INVOCATIONS = "/2015-03-31/functions/function/invocations"


class Route:
    """Where a request goes.

    Kinds: live, ready, metadata, predict, infer; refused, with its failure; and for a Lambda
    handler invoke and request, which `Call` explains.
    """

    __slots__ = ("kind", "failure")

    def __init__(self, kind: str, failure: RequestFailure | None = None) -> None:
        self.kind = kind
        self.failure = failure


def route_of(method: str, url: str, name: str, event: str | None = None) -> Route:
    """Finds the route of a request.

    `name` is the function's, which is the model's in the Open Inference Protocol. `event` is what a
    Lambda handler takes an HTTP request as, `http` or `direct`; None where the handler is none of
    that kind.
    """
    path = path_of(url)
    if event is not None:
        if path == INVOCATIONS and method == "POST":
            return Route("invoke")
        if event == "http" and path != "/healthz" and not path.startswith("/v2/"):
            return Route("request")
    kind = _kind_of(path, name)
    if isinstance(kind, RequestFailure):
        return Route("refused", kind)
    takes = ("POST",) if kind in ("predict", "infer") else ("GET", "HEAD")
    if method in takes:
        return Route("invoke" if kind == "predict" and event is not None else kind)
    message = f"{path} takes {' or '.join(takes)}, not {method}"
    return Route("refused", RequestFailure(405, "WRONG_METHOD", message))


def is_health_check(method: str, url: str, name: str) -> str | None:
    """`live` or `ready` for requests that wait for nothing and count nowhere; else None."""
    kind = route_of(method, url, name).kind
    return kind if kind in ("live", "ready") else None


def path_of(url: str) -> str:
    """A URL without its query."""
    return url.split("?", 1)[0].split("#", 1)[0]


def _kind_of(path: str, name: str) -> str | RequestFailure:
    if path == "/":
        return "predict"
    if path in ("/healthz", "/v2/health/ready"):
        return "ready"
    if path == "/v2/health/live":
        return "live"
    parts = path.split("/")
    known = path.startswith("/v2/models/") and len(parts) in (4, 5) and parts[3] != ""
    action = parts[4] if len(parts) == 5 else None
    if not known or action not in (None, "ready", "infer"):
        return RequestFailure(404, "UNKNOWN_ROUTE", f"there is nothing at {path}")
    model = parts[3]
    if _decoded(model) != name:
        message = f"there is no model {model} here; this is {name}"
        return RequestFailure(404, "UNKNOWN_MODEL", message)
    return "metadata" if action is None else action


def _decoded(segment: str) -> str:
    if "%" not in segment:
        return segment
    from urllib.parse import unquote

    return unquote(segment)
