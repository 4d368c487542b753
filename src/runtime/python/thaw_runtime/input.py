"""What a call gives to `predict`: the event that a front door decoded, or what an HTTP request carries."""

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
    from .events.cloud_events import (
        PushedAnswer,
        carries_events,
        pushed_message,
        read_pushed_events,
    )

    if not carries_events(call.headers):
        input = parse_body(call.body)
        return CallInput([pushed_message(input) or _plain(input)])
    pushed = read_pushed_events(call.headers, call.body)
    if isinstance(pushed, PushedAnswer):
        return CallInput([], answer=pushed.answer)
    return CallInput(pushed, several=len(pushed) != 1)


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
