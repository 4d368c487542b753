"""Requests as function URLs, API Gateway and load balancers hand them to Lambda, and their answers."""

from __future__ import annotations

import json

from ..events.event import member_of, object_of, string_of
from ..events.payload import bytes_of_base64
from ..exchange import plain_headers


class HttpEvent:
    """A request, and what its answer has to look like."""

    __slots__ = ("method", "url", "headers", "body", "several_values")

    def __init__(
        self, method: str, url: str, headers: dict, body: bytes, several_values: bool
    ) -> None:
        self.method = method
        self.url = url
        # Names in lower case.
        self.headers = headers
        self.body = body
        # A load balancer that sends several values a header takes nothing else.
        self.several_values = several_values


def read_http_event(event: object) -> HttpEvent | None:
    """The request that an event is; None for an event that is none."""
    context = object_of(member_of(event, "requestContext"))
    if context is None:
        return None
    # Format 2.0 (function URLs, HTTP APIs), or 1.0 (REST APIs) and its relative of load balancers.
    http = context.get("http")
    method = string_of(_first(member_of(http, "method"), event.get("httpMethod")))
    path = string_of(_first(event.get("rawPath"), member_of(http, "path"), event.get("path")))
    if method is None or path is None:
        return None
    single = object_of(event.get("headers"))
    several = object_of(event.get("multiValueHeaders"))
    query = string_of(event.get("rawQueryString")) or ""
    plain_path = _without_stage(path, string_of(context.get("stage")))
    return HttpEvent(
        method=method,
        url=f"{plain_path}?{query}" if query else plain_path,
        headers=_headers_of({**(single or {}), **(several or {})}, event.get("cookies")),
        body=_body_of(event),
        several_values=single is None and several is not None,
    )


def _first(*values: object) -> object:
    """The first value that is not null."""
    return next((value for value in values if value is not None), None)


def _without_stage(path: str, stage: str | None) -> str:
    """HTTP APIs put the name of their stage in front of the path."""
    if stage is None or stage == "$default":
        return path
    if path == f"/{stage}" or path.startswith(f"/{stage}/"):
        return path[len(stage) + 1 :] or "/"
    return path


def _headers_of(headers: dict, cookies: object) -> dict:
    plain = plain_headers(headers)
    every = [one for one in cookies if isinstance(one, str)] if isinstance(cookies, list) else []
    if every:
        plain["cookie"] = "; ".join(every)
    return plain


def _body_of(event: dict) -> bytes:
    body = string_of(event.get("body")) or ""
    if event.get("isBase64Encoded") is True:
        return bytes_of_base64(body)
    try:
        return body.encode("utf-8")
    except UnicodeEncodeError:
        # Half of a surrogate pair is no character.
        return body.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def render_http_answer(event: HttpEvent, status: int, body: str, headers: dict) -> str:
    """Renders the answer to such a request.

    `body` is JSON and `headers` are its evidence.
    """
    every = {"content-type": "application/json", **headers}
    answer = {"statusCode": status}
    if event.several_values:
        answer["multiValueHeaders"] = {name: [value] for name, value in every.items()}
    else:
        answer["headers"] = every
    answer["body"] = body
    answer["isBase64Encoded"] = False
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":"))


def with_http_evidence(event: HttpEvent, result: object, evidence: dict) -> dict | None:
    """What a Lambda handler answered to such a request, with its evidence among the headers.

    None for a result that says nothing of a status. Headers that are none stay, for Lambda to refuse them.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return None
    member = "multiValueHeaders" if event.several_values else "headers"
    own = result.get(member)
    if own is not None and not isinstance(own, dict):
        return result
    merged = dict(own or {})
    for name, value in evidence.items():
        # A handler may time its own phases.
        before = [merged.pop(key) for key in list(merged) if str(key).lower() == name]
        if event.several_values:
            kept = sum((one for one in before if isinstance(one, list)), [])
            merged[name] = [value, *kept] if name == "server-timing" else [value]
        else:
            kept = [str(one) for one in before if name == "server-timing"]
            merged[name] = ", ".join([value, *kept])
    return {**result, member: merged}
