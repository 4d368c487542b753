"""The front door on AWS Lambda: events are fetched one after the other, and each is answered before the next."""

from __future__ import annotations

import os
import threading

from ..call import Answer, Call, GivenEvent
from ..events.aws import decode_aws_event
from ..events.event import SourceEvent
from ..exchange import WholeRequest, exchange
from ..failures import RequestFailure, failure_body, message_of, stack_of
from ..log import log, print_line
from ..routes import route_of
from ..service import Service
from ..tensor_json import parse_json, render_json, render_untouched
from .http_event import HttpEvent, read_http_event, render_http_answer, with_http_evidence
from .runtime_api import InvocationError, NextEvent, RuntimeApi

# What Lambda takes as an answer, in bytes.
ANSWER_BYTES_MAX = 6 * 2**20 + 100
# Its own word for what is more.
TOO_LARGE = "Function.ResponseSizeTooLarge"

# What a Lambda handler's own routes never hide.
_KEPT_ROUTES = ("live", "ready", "metadata", "infer")


class LambdaDoor:
    """The door of a service on Lambda."""

    __slots__ = ("_api", "_service", "_request_bytes_max", "_done")

    def __init__(self, api: RuntimeApi, service: Service, request_bytes_max: int) -> None:
        self._api = api
        self._service = service
        self._request_bytes_max = request_bytes_max
        self._done = threading.Event()

    def serve(self) -> None:
        """Answers events until the door is drained. Raises RuntimeApiFailure."""
        try:
            while True:
                event = self._api.next()
                if event is None:
                    return
                _settle(self._api, event, self._answer(event))
        finally:
            self._done.set()

    def drain(self) -> None:
        """Fetches no further event, and returns when the one that is here is answered."""
        self._api.close()
        self._done.wait()

    def _answer(self, event: NextEvent) -> Outcome:
        try:
            return _answer_event(self._service, event, self._request_bytes_max)
        except Exception as error:
            # A defect of this program costs one invocation, not the instance.
            facts = {"requestId": event.request_id, "stack": stack_of(error)}
            log("error", f"an invocation failed: {message_of(error)}", facts)
            message = f"the invocation {event.request_id} failed; its log says why"
            return Outcome(None, error=InvocationError("INSTANCE_FAILED", message))


class Outcome:
    """How an invocation comes out, and what it proves."""

    __slots__ = ("evidence", "body", "error")

    def __init__(
        self, evidence: dict | None, body: bytes = b"", error: InvocationError | None = None
    ) -> None:
        # None: it proves nothing.
        self.evidence = evidence
        self.body = body
        # Handed over in place of the body.
        self.error = error


def _answer_event(service: Service, event: NextEvent, request_bytes_max: int) -> Outcome:
    if event.trace_id is None:
        os.environ.pop("_X_AMZN_TRACE_ID", None)
    else:
        os.environ["_X_AMZN_TRACE_ID"] = event.trace_id
    try:
        given = parse_json(event.body.decode("utf-8", "replace"))
    except ValueError as failure:
        error = InvocationError("BAD_JSON", f"the event is not JSON: {failure}")
        return Outcome(service.evidence(service.arrive(), None), error=error)
    request = read_http_event(given)
    if service.engine.event is not None:
        return _answer_whole(service, event, given, request, request_bytes_max)
    if request is not None:
        return _answer_request(service, event, request, request_bytes_max)
    decoded = decode_aws_event(given)
    if decoded is not None:
        return _answer_records(service, event, decoded)
    return _answer_direct(service, event, given)


def _answer_request(
    service: Service, event: NextEvent, request: HttpEvent, request_bytes_max: int
) -> Outcome:
    whole = WholeRequest(
        request.method,
        request.url,
        request.headers,
        request.body,
        request.headers.get("x-request-id", event.request_id),
        event.deadline_ms,
    )
    answer = exchange(service, whole, request_bytes_max)
    evidence = answer.evidence or {}
    body = _bytes_of(render_http_answer(request, answer.status, answer.body, evidence))
    large = _too_large(body)
    if large is not None:
        instead = failure_body(RequestFailure(500, "ANSWER_TOO_LARGE", large.message))
        body = _bytes_of(render_http_answer(request, 500, instead, evidence))
    return Outcome(answer.evidence, body)


def _answer_direct(service: Service, event: NextEvent, given: object) -> Outcome:
    """A direct call: its event is the input, and its answer is what `predict` returned."""
    arrival = service.arrive()
    answer = _call(service, event, "predict", GivenEvent("invoke", given, None))
    return _outcome_of(answer, _bytes_of(answer.body), service.evidence(arrival, answer.infer_ms))


def _answer_whole(
    service: Service,
    event: NextEvent,
    given: object,
    request: HttpEvent | None,
    request_bytes_max: int,
) -> Outcome:
    """A Lambda handler takes any event as it is; only what it answers to a request gets evidence."""
    if request is not None:
        if route_of(request.method, request.url, service.name).kind in _KEPT_ROUTES:
            return _answer_request(service, event, request, request_bytes_max)
    arrival = service.arrive()
    answer = _call(service, event, "invoke", GivenEvent("invoke", given, None))
    evidence = service.evidence(arrival, answer.infer_ms)
    body = answer.body
    if request is not None and answer.status == 200:
        proved = with_http_evidence(request, answer.result, evidence)
        # As function URLs take what says nothing of a status.
        rendered = render_http_answer(request, 200, answer.body, evidence)
        body = rendered if proved is None else render_untouched(proved)
    return _outcome_of(answer, _bytes_of(body), evidence)


def _answer_records(service: Service, event: NextEvent, source: SourceEvent) -> Outcome:
    arrival = service.arrive()
    infer_ms = None
    answer = None
    failed = []
    for record in source.records:
        if failed and source.failing == "rest":
            failed.append({"itemIdentifier": record.id})
            continue
        given = GivenEvent(source.source, record.input, record.event)
        answer = _call(service, event, "predict", given)
        if answer.infer_ms is not None:
            infer_ms = (infer_ms or 0.0) + answer.infer_ms
        error = _error_of(answer)
        if error is None:
            continue
        _log_record(event, source.source, record.id, error)
        if source.failing == "whole" or record.id is None:
            return Outcome(service.evidence(arrival, infer_ms), error=error)
        failed.append({"itemIdentifier": record.id})
        if source.failing == "stream":
            break
    evidence = service.evidence(arrival, infer_ms)
    if source.failing != "whole":
        return Outcome(evidence, _bytes_of(render_json({"batchItemFailures": failed})))
    # Nobody waits for the answer to these; of a single record it is there for who invokes by hand.
    body = _bytes_of(answer.body) if answer is not None and len(source.records) == 1 else b"null"
    return Outcome(evidence, body if _too_large(body) is None else b"null")


def _call(service: Service, event: NextEvent, kind: str, given: GivenEvent) -> Answer:
    call = Call(
        kind,
        b"",
        event.request_id,
        event.deadline_ms,
        {},
        event=given,
        invocation=event.invocation,
    )
    return service.engine.answer(call)


def _outcome_of(answer: Answer, body: bytes, evidence: dict) -> Outcome:
    error = _error_of(answer) or _too_large(body)
    return Outcome(evidence, body, error)


def _error_of(answer: Answer) -> InvocationError | None:
    if answer.status == 200:
        return None
    if answer.error_type is None:
        return InvocationError("INSTANCE_FAILED", answer.body)
    return InvocationError(answer.error_type, answer.error_message, answer.stack_trace)


def _log_record(event: NextEvent, source: str, record: str | None, error: InvocationError) -> None:
    facts = {"requestId": event.request_id}
    if record is not None:
        facts["record"] = record
    log("error", f"a record of {source} failed: {error.message}", facts)


def _too_large(body: bytes) -> InvocationError | None:
    if len(body) <= ANSWER_BYTES_MAX:
        return None
    message = f"the answer has {len(body)} bytes, and Lambda takes {ANSWER_BYTES_MAX}"
    return InvocationError(TOO_LARGE, message)


def _bytes_of(json: str) -> bytes:
    """JSON as bytes: half of a surrogate pair, which UTF-8 cannot say, becomes JSON's own escape."""
    return json.encode("utf-8", "backslashreplace")


def _settle(api: RuntimeApi, event: NextEvent, outcome: Outcome) -> None:
    """Hands an outcome over. The evidence is the last thing in the invocation's log."""
    request_id = event.request_id
    if outcome.evidence is not None:
        print_line({"event": "evidence", "requestId": request_id, **outcome.evidence})
    if outcome.error is not None:
        api.fail(request_id, outcome.error)
        return
    taken = api.respond(request_id, outcome.body)
    if taken == "too late":
        message = "Lambda did not take the answer: its deadline has passed"
        log("error", message, {"requestId": request_id})
    elif taken == "too large":
        api.fail(request_id, InvocationError(TOO_LARGE, "Lambda found the answer too large"))
