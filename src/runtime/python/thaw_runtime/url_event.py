"""Requests as function URLs hand them to a handler, payload 2.0, and answers as they read them."""

from __future__ import annotations

import base64
import time

from .call import Call
from .routes import path_of
from .tensor_json import render_untouched

# Media types whose bodies function URLs hand over as text; every other is Base64.
_TEXTS = ("application/json", "application/javascript", "application/xml")

# These say how bytes travel on one connection, which is the server's to know.
_CONNECTION_HEADERS = frozenset(
    ("connection", "content-length", "keep-alive", "transfer-encoding", "upgrade", "date")
)


def url_event(call: Call, function: str) -> dict:
    """The event for a request. `function` is the function's name."""
    request = call.request
    path = path_of(request.url)
    query = request.url.split("#", 1)[0].partition("?")[2]
    headers = dict(call.headers)
    cookies = headers.pop("cookie", None)
    host = headers.get("host", "")
    seconds = time.time()
    event: dict = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": query,
        "headers": headers,
        "requestContext": {
            "accountId": "anonymous",
            "apiId": function,
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "http": {
                "method": request.method,
                "path": path,
                "protocol": request.protocol,
                "sourceIp": request.source_ip,
                "userAgent": headers.get("user-agent", ""),
            },
            "requestId": call.request_id,
            "routeKey": "$default",
            "stage": "$default",
            "time": _request_time(seconds),
            "timeEpoch": int(seconds * 1000),
        },
        "isBase64Encoded": False,
    }
    if cookies is not None:
        event["cookies"] = [cookie.strip() for cookie in cookies.split(";") if cookie.strip()]
    if query != "":
        event["queryStringParameters"] = _parameters(query)
    if len(call.body) > 0:
        event["body"], event["isBase64Encoded"] = _body_of(call.body, headers)
    return event


_MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()


def _request_time(seconds: float) -> str:
    """`12/Mar/2020:19:03:58 +0000`."""
    now = time.gmtime(seconds)
    return time.strftime(f"%d/{_MONTHS[now.tm_mon - 1]}/%Y:%H:%M:%S +0000", now)


def _parameters(query: str) -> dict:
    """The query's parameters; several values of one name are joined with commas."""
    from urllib.parse import parse_qsl

    parameters: dict = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        parameters[name] = f"{parameters[name]},{value}" if name in parameters else value
    return parameters


def _body_of(body: bytes, headers: dict) -> tuple:
    """The body as an event carries it, and whether that is Base64."""
    type = headers.get("content-type", "text/plain").split(";")[0].strip().lower()
    if type.startswith("text/") or type in _TEXTS or type.endswith(("+json", "+xml")):
        try:
            return body.decode("utf-8"), False
        except UnicodeDecodeError:
            pass
    return base64.b64encode(body).decode("ascii"), True


def read_url_answer(result: object) -> tuple:
    """Status, headers as pairs of name and value, and body of what a Lambda handler returned.

    Without a `statusCode` all of it is the body, as JSON. Raises TypeError for what a function URL
    refuses.
    """
    if not isinstance(result, dict) or "statusCode" not in result:
        return 200, [("content-type", "application/json")], render_untouched(result)
    headers = _headers_of(result)
    return _status_of(result["statusCode"]), headers, _content_of(result)


def _status_of(status: object) -> int:
    code = int(status) if isinstance(status, str) and status.isdigit() else status
    if isinstance(code, int) and 200 <= code <= 599:
        return code
    raise TypeError(f"the handler returned the statusCode {status!r}, which is none of an answer")


def _headers_of(result: dict) -> list:
    given = result.get("headers") or {}
    cookies = result.get("cookies") or []
    if not isinstance(given, dict) or not isinstance(cookies, (list, tuple)):
        raise TypeError(
            "the handler returned headers that are no object, or cookies that are no list"
        )
    headers = [
        (str(name), _header_value(value))
        for name, value in given.items()
        if str(name).lower() not in _CONNECTION_HEADERS
    ]
    if not any(name.lower() == "content-type" for name, _ in headers):
        headers.insert(0, ("content-type", "application/json"))
    headers += [("set-cookie", _header_value(cookie)) for cookie in cookies]
    for name, value in headers:
        if not _is_token(name) or any(mark in value for mark in "\r\n\0"):
            raise TypeError(f"the handler returned the header {name!r}, which no answer can carry")
    return headers


def _header_value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _is_token(name: str) -> bool:
    return (
        name != ""
        and name.isascii()
        and all(mark.isalnum() or mark in "!#$%&'*+-.^_`|~" for mark in name)
    )


def _content_of(result: dict) -> str | bytes:
    body = result.get("body")
    if body is None:
        return ""
    if not isinstance(body, str):
        kind = type(body).__name__
        raise TypeError(
            f"the handler returned a body that is {kind}, where a function URL takes text"
        )
    if result.get("isBase64Encoded") is True:
        return base64.b64decode(body)
    return body
