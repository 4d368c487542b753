"""Events that are pushed over HTTP: CloudEvents, Event Grid's own schema, Pub/Sub's messages."""

from __future__ import annotations

from ..call import GivenEvent
from ..failures import RequestFailure
from ..tensor_json import parse_json
from .event import member_of, number_of, object_change, object_of, string_of
from .payload import payload_of, payload_of_base64, without_mark
from .uri import decode_uri

_LINE_ENDS = frozenset("\n\r\u2028\u2029")


class PushedAnswer:
    """What to answer to the question whether events may come."""

    __slots__ = ("answer",)

    def __init__(self, answer: object) -> None:
        self.answer = answer


def read_pushed_events(headers: dict, body: bytes) -> list | PushedAnswer:
    """Reads the events of such a request, as a list of GivenEvent, or its PushedAnswer.

    They come as CloudEvents in the binary, structured or batched mode of their HTTP binding (Cloud
    Storage and Pub/Sub through Eventarc, Event Grid), or in Event Grid's own schema.

    Raises RequestFailure 400 BAD_JSON.
    """
    if "ce-specversion" in headers:
        return [_given_of(_binary_event(headers, body))]
    parsed = _parse_events(body)
    several = parsed if isinstance(parsed, list) else [parsed]
    events = [object_of(event) or {} for event in several]
    if headers.get("aeg-event-type") == "SubscriptionValidation":
        data = object_of(events[0].get("data")) if events else None
        asked = data is not None and "validationCode" in data
        return PushedAnswer({"validationResponse": data["validationCode"]} if asked else {})
    return [_given_of(event) for event in events]


def pushed_message(input: object) -> GivenEvent | None:
    """The message of a Pub/Sub push subscription, which comes as plain JSON under no header of its own.

    None for any other input.
    """
    message = member_of(input, "message")
    if not isinstance(message, dict):
        return None
    if not (string_of(input.get("subscription")) or "").startswith("projects/"):
        return None
    if string_of(_first_of(message, "messageId", "message_id")) is None:
        return None
    return _message_of_pub_sub(input, message)


def decode_grid_event(event: dict) -> GivenEvent:
    """Decodes one event that came to the functions host or over HTTP, in either of the two schemas."""
    return _given_of(event)


def _binary_event(headers: dict, body: bytes) -> dict:
    """In the binary mode headers hold the attributes and the body holds the data."""
    event = {name[3:]: value for name, value in headers.items() if name.startswith("ce-")}
    if not body:
        event["data"] = None
    elif _is_json(headers.get("content-type", "")):
        event["data"] = _parse_events(body)
    else:
        event["data"] = payload_of(body)
    return event


def _is_json(content_type: str) -> bool:
    """Whether a media type is JSON's own or says `+json`."""
    media_type = content_type.partition(";")[0].lower()
    for piece in media_type.replace("+", "/").split("/")[1:]:
        rest = piece[4:5]
        if piece.startswith("json") and not (rest.isascii() and (rest.isalnum() or rest == "_")):
            return True
    return False


def _parse_events(body: bytes) -> object:
    try:
        return parse_json(without_mark(body.decode("utf-8", "replace")))
    except ValueError as error:
        raise RequestFailure(400, "BAD_JSON", f"the event is not JSON: {error}") from None


def _given_of(event: dict) -> GivenEvent:
    type = string_of(_first_of(event, "type", "eventType")) or ""
    data = _data_of(event)
    members = object_of(data)
    if type.startswith("google.cloud.storage.object.") and members is not None:
        return GivenEvent("cloud-storage", _stored_object(type, members), event)
    message = object_of(member_of(members, "message"))
    if type == "google.cloud.pubsub.topic.v1.messagePublished" and message is not None:
        return _message_of_pub_sub(event, message)
    if type.startswith("Microsoft.Storage.Blob"):
        blob = _stored_blob(type, members)
        if blob is not None:
            return GivenEvent("blob", blob, event)
    return GivenEvent("cloud-events" if "specversion" in event else "event-grid", data, event)


def _first_of(members: dict, *names: str) -> object:
    """The first of some members that is there and not null."""
    for name in names:
        if members.get(name) is not None:
            return members[name]
    return None


def _data_of(event: dict) -> object:
    base64 = string_of(event.get("data_base64"))
    return event.get("data") if base64 is None else payload_of_base64(base64)


def _message_of_pub_sub(event: dict, message: dict) -> GivenEvent:
    return GivenEvent("pubsub", payload_of_base64(string_of(message.get("data")) or ""), event)


def _stored_object(type: str, data: dict) -> dict:
    return object_change(
        bucket=string_of(data.get("bucket")) or "",
        key=string_of(data.get("name")) or "",
        size=number_of(data.get("size")),
        e_tag=string_of(data.get("etag")),
        type=type,
    )


def _stored_blob(type: str, data: dict | None) -> dict | None:
    """A blob is named by its URL alone: the first part of the path is its container."""
    scheme, _, rest = (string_of(member_of(data, "url")) or "").partition("://")
    if scheme not in ("http", "https") or _LINE_ENDS.intersection(rest):
        return None
    host, _, path = rest.partition("/")
    bucket, _, key = path.partition("/")
    if not (host and bucket and key):
        return None
    return object_change(
        bucket=bucket,
        key=_decoded_path(key),
        size=number_of(data.get("contentLength")),
        e_tag=string_of(data.get("eTag")),
        type=type,
    )


def _decoded_path(path: str) -> str:
    try:
        return decode_uri(path)
    except ValueError:
        return path
