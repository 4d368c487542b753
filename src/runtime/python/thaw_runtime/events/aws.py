"""What AWS's own services send: S3, SQS, Kinesis, DynamoDB streams, EventBridge."""

from __future__ import annotations

from .attribute_value import plain_item
from .event import (
    EventRecord,
    SourceEvent,
    member_of,
    number_of,
    object_change,
    object_of,
    string_of,
)
from .payload import payload_of_base64, payload_of_text
from .uri import decode_uri


def decode_aws_event(event: object) -> SourceEvent | None:
    """Decodes an event of one of these services; None for everything else."""
    members = object_of(event)
    if members is None:
        return None
    records = members.get("Records")
    if not isinstance(records, list):
        return _decode_event_bridge(members)
    source = string_of(member_of(records[0], "eventSource")) if records else None
    if any(member_of(record, "eventSource") != source for record in records):
        return None
    if source == "aws:s3":
        return SourceEvent("s3", [_s3_record(record) for record in records], "whole")
    if source == "aws:sqs":
        in_order = (string_of(records[0].get("eventSourceARN")) or "").endswith(".fifo")
        decoded = [_sqs_record(record) for record in records]
        return SourceEvent("sqs", decoded, "rest" if in_order else "alone")
    if source == "aws:kinesis":
        return SourceEvent("kinesis", [_kinesis_record(record) for record in records], "stream")
    if source == "aws:dynamodb":
        return SourceEvent("dynamodb", [_dynamo_record(record) for record in records], "stream")
    return None


def _s3_record(record: dict) -> EventRecord:
    s3 = record.get("s3")
    stored = member_of(s3, "object")
    input = object_change(
        bucket=string_of(member_of(member_of(s3, "bucket"), "name")) or "",
        key=_decoded_key(string_of(member_of(stored, "key")) or ""),
        size=number_of(member_of(stored, "size")),
        e_tag=string_of(member_of(stored, "eTag")),
        type=string_of(record.get("eventName")) or "",
    )
    return EventRecord(input, record)


def _decoded_key(key: str) -> str:
    """Keys come as in a form: `+` for a space."""
    try:
        return decode_uri(key.replace("+", " "))
    except ValueError:
        return key


def _sqs_record(record: dict) -> EventRecord:
    input = payload_of_text(string_of(record.get("body")) or "")
    return EventRecord(input, record, string_of(record.get("messageId")))


def _kinesis_record(record: dict) -> EventRecord:
    kinesis = record.get("kinesis")
    input = payload_of_base64(string_of(member_of(kinesis, "data")) or "")
    return EventRecord(input, record, string_of(member_of(kinesis, "sequenceNumber")))


def _dynamo_record(record: dict) -> EventRecord:
    change = record.get("dynamodb")
    input = {
        "type": string_of(record.get("eventName")) or "",
        "keys": plain_item(member_of(change, "Keys")),
        "newImage": plain_item(member_of(change, "NewImage")),
        "oldImage": plain_item(member_of(change, "OldImage")),
    }
    return EventRecord(input, record, string_of(member_of(change, "SequenceNumber")))


def _decode_event_bridge(event: dict) -> SourceEvent | None:
    type = string_of(event.get("detail-type"))
    if type is None or string_of(event.get("source")) is None or "detail" not in event:
        return None
    source = "schedule" if type == "Scheduled Event" else "eventbridge"
    return SourceEvent(source, [EventRecord(event["detail"], event)], "whole")
