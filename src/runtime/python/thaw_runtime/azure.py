"""What the host of Azure Functions wants of a custom handler.

It forwards requests under paths of its own, and sends every other trigger in an envelope of `Data` and `Metadata`.
"""

from __future__ import annotations

import json

from .call import Answer, Call, GivenEvent, Request
from .events.azure import decode_trigger, unwrapped
from .events.event import member_of, object_of, string_of
from .exchange import plain_headers, with_evidence
from .failures import failure_body
from .log import log
from .protocol import model_metadata
from .routes import Route, path_of, route_of

# What a Lambda handler's own routes never hide.
_KEPT_ROUTES = ("live", "ready", "metadata", "infer")


class CustomHandler:
    """Requests and answers as this host makes and takes them, for `http_server`."""

    __slots__ = ("_name",)

    def __init__(self, name: str) -> None:
        # The function's.
        self._name = name

    def route_of(self, method: str, url: str, event: str | None) -> Route:
        return host_route_of(method, url, self._name, event)

    def answer(self, engine, call: Call, evidence) -> Answer:
        """Answers a call. `evidence` gives the evidence headers, from the time of the call to the model."""
        envelope = None if call.kind == "infer" else _read_envelope(call.body)
        if envelope is None:
            return engine.answer(call)
        values = map(unwrapped, envelope["Data"].values())
        request = next((value for value in values if _is_request(value)), None)
        if request is None:
            return _answer_trigger(engine, call, envelope)
        return _answer_enclosed(self._name, engine, call, request, evidence)


def custom_handler(name: str) -> CustomHandler:
    """The dialect of this host. `name` is the function's."""
    return CustomHandler(name)


def host_route_of(method: str, url: str, name: str, event: str | None = None) -> Route:
    """Finds the route of a request of the host.

    It comes under `/api` and the name of one of the host's functions, which nobody tells the handler, as well as
    without. An envelope comes to the bare name. `event` is as for any other request.
    """
    behind = _route_behind_prefix(method, url, name)
    if event is None or behind.kind in _KEPT_ROUTES:
        return behind
    plain = route_of(method, url, name, event)
    if plain.kind in ("request", "invoke"):
        return plain
    return Route("invoke") if behind.kind == "predict" else behind


def _route_behind_prefix(method: str, url: str, name: str) -> Route:
    plain = route_of(method, url, name)
    if not _is_unknown(plain):
        return plain
    segments = path_of(url).split("/")[1:]
    if segments[:1] == ["api"]:
        rests = [segments[1:]]
        if segments[1:] and segments[1] != "":
            rests.append(segments[2:])
        for rest in rests:
            route = route_of(method, "/" + "/".join(rest), name)
            if not _is_unknown(route):
                return route
    is_bare_name = len(segments) == 1 and segments[0] != ""
    return Route("predict") if method == "POST" and is_bare_name else plain


def _is_unknown(route: Route) -> bool:
    return route.failure is not None and route.failure.status == 404


def _read_envelope(body: bytes) -> dict | None:
    # A request that was forwarded need not be parsed twice.
    if b'"Metadata"' not in body or b'"Data"' not in body:
        return None
    envelope = unwrapped(body.decode("utf-8", "replace"))
    whole = all(object_of(member_of(envelope, name)) is not None for name in ("Data", "Metadata"))
    return envelope if whole else None


def _is_request(value: object) -> bool:
    members = ("Url", "Method")
    return all(string_of(member_of(value, name)) is not None for name in members)


def _answer_enclosed(name: str, engine, call: Call, request: dict, evidence) -> Answer:
    """Answers a request that came in an envelope, as it does where the host does not forward."""
    method = request["Method"].upper()
    url = _path_and_query(request["Url"])
    route = host_route_of(method, url, name, engine.event)
    headers = plain_headers(object_of(request.get("Headers")) or {})
    answer = _answer_route(name, engine, call, route, method, url, headers, request)
    res = {
        "statusCode": answer.status,
        "headers": dict(with_evidence(answer.headers, evidence(answer.infer_ms))),
        "body": _text_of(answer.body),
    }
    body = _render({"Outputs": {"res": res}, "Logs": [], "ReturnValue": None})
    return Answer(200, body, answer.infer_ms)


def _path_and_query(url: str) -> str:
    """A URL without its scheme and host."""
    for scheme in ("https://", "http://"):
        if url.startswith(scheme):
            rest = url[len(scheme) :]
            host_ends = [at for at in (rest.find("/"), rest.find("?")) if at >= 0]
            return rest[min(host_ends) :] if host_ends else "/"
    return url or "/"


def _answer_route(
    name: str,
    engine,
    call: Call,
    route: Route,
    method: str,
    url: str,
    headers: dict,
    request: dict,
) -> Answer:
    if route.failure is not None:
        return Answer(route.failure.status, failure_body(route.failure), None)
    if route.kind == "metadata":
        return Answer(200, model_metadata(name, engine.inputs, engine.outputs), None)
    if route.kind in ("live", "ready"):
        return Answer(200, '{"status":"ok"}', None)
    body = request.get("Body", "")
    text = body if isinstance(body, str) else _render(body)
    inner = Call(
        route.kind,
        text.encode("utf-8", "backslashreplace"),
        call.request_id,
        call.deadline_ms,
        headers,
        request=Request(method, url, call.request.source_ip if call.request else ""),
    )
    return engine.answer(inner)


def _answer_trigger(engine, call: Call, envelope: dict) -> Answer:
    """Gives the records of a trigger to the handler, in order.

    The first that fails fails the invocation: the host knows no less.
    """
    trigger = decode_trigger(envelope["Data"], envelope["Metadata"])
    kind = "predict" if engine.event is None else "invoke"
    infer_ms = None
    answer = None
    for record in trigger.records:
        given = GivenEvent(trigger.source, record.input, record.event)
        answer = engine.answer(
            Call(kind, b"", call.request_id, call.deadline_ms, call.headers, event=given)
        )
        if answer.infer_ms is not None:
            infer_ms = (infer_ms or 0.0) + answer.infer_ms
        if answer.status != 200:
            why = answer.body if answer.error_message is None else answer.error_message
            message = f"a record of {trigger.source} failed: {why}"
            log("error", message, {"requestId": call.request_id})
            return Answer(500, _render_return([message], "null"), infer_ms)
    body = answer.body if answer is not None and len(trigger.records) == 1 else "null"
    return Answer(200, _render_return([], body), infer_ms)


def _render_return(logs: list, value: str) -> str:
    """`value` is JSON."""
    return f'{{"Outputs":{{}},"Logs":{_render(logs)},"ReturnValue":{value}}}'


def _render(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _text_of(body: str | bytes) -> str:
    return body if isinstance(body, str) else body.decode("utf-8", "replace")
