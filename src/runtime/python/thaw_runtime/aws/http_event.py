"""Requests as function URLs, API Gateway and load balancers hand them to Lambda, and their answers."""

from __future__ import annotations

import json

from ..events.event import member_of, object_of, string_of
from ..events.payload import bytes_of_base64
from ..exchange import plain_headers


class HttpEvent:
    """A request, and what its answer has to look like."""

    __slots__ = ("method", "url", "headers", "body", "several_values")

    def __init__(self, method, url, headers, body, several_values):
        self.method = method
        self.url = url
        self.headers = headers
        """Names in lower case."""
        self.body = body
        self.several_values = several_values
        """A load balancer that sends several values a header takes nothing else."""


def read_http_event(event):
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


def _first(*values):
    """The first value that is not null."""
    return next((value for value in values if value is not None), None)


def _without_stage(path, stage):
    """HTTP APIs put the name of their stage in front of the path."""
    if stage is None or stage == "$default":
        return path
    if path == f"/{stage}" or path.startswith(f"/{stage}/"):
        return path[len(stage) + 1 :] or "/"
    return path


def _headers_of(headers, cookies):
    plain = plain_headers(headers)
    every = [one for one in cookies if isinstance(one, str)] if isinstance(cookies, list) else []
    if every:
        plain["cookie"] = "; ".join(every)
    return plain


def _body_of(event):
    body = string_of(event.get("body")) or ""
    if event.get("isBase64Encoded") is True:
        return bytes_of_base64(body)
    try:
        return body.encode("utf-8")
    except UnicodeEncodeError:
        # Half of a surrogate pair is no character.
        return body.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode("utf-8")


def render_http_answer(event, status, body, headers):
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
