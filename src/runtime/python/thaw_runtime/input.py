"""What a call gives to `predict`: the event that a door decoded, or what a request carries."""

from __future__ import annotations

from .call import Call, GivenEvent
from .failures import RequestFailure
from .tensor_json import parse_json


class CallInput:
    """What to predict, in order; or what to answer without a prediction."""

    __slots__ = ("given", "several", "answer")

    def __init__(self, given: list, several: bool = False, answer: object = None) -> None:
        self.given = given
        # The answer is a list, one result for each.
        self.several = several
        # Where nothing is given.
        self.answer = answer


def read_input(call: Call) -> CallInput:
    """Reads what a call carries.

    Raises RequestFailure 400 BAD_JSON.
    """
    if call.event is not None:
        return CallInput([call.event])
    if call.kind == "infer":
        return CallInput([_plain(parse_body(call.body))])
    if carries_events(call.headers):
        # Few requests are events: the others need not wait for what reads these.
        from .events.cloud_events import PushedAnswer, read_pushed_events

        pushed = read_pushed_events(call.headers, call.body)
        if isinstance(pushed, PushedAnswer):
            return CallInput([], answer=pushed.answer)
        return CallInput(pushed, several=len(pushed) != 1)
    input = parse_body(call.body)
    if isinstance(input, dict) and "message" in input and "subscription" in input:
        from .events.cloud_events import pushed_message

        return CallInput([pushed_message(input) or _plain(input)])
    return CallInput([_plain(input)])


def carries_events(headers: dict) -> bool:
    """Whether a request carries events, by its headers: CloudEvents, or Event Grid's own."""
    return (
        "ce-specversion" in headers
        or "aeg-event-type" in headers
        or headers.get("content-type", "").startswith("application/cloudevents")
    )


def parse_body(body: bytes) -> object:
    """The JSON of a request's body.

    Raises RequestFailure 400 BAD_JSON.
    """
    if len(body) == 0:
        raise RequestFailure(400, "BAD_JSON", "the request has no body")
    try:
        return parse_json(body.decode("utf-8", "replace"))
    except ValueError as error:
        raise RequestFailure(400, "BAD_JSON", f"the body is not JSON: {error}") from None


def _plain(input: object) -> GivenEvent:
    return GivenEvent("http", input, None)
