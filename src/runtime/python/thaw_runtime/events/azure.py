"""Triggers of Azure Functions."""

from __future__ import annotations

from .cloud_events import decode_grid_event
from .event import EventRecord, member_of, number_of, object_change, object_of, string_of
from .payload import payload_of_text


class TriggerEvent:
    """A trigger, decoded."""

    __slots__ = ("source", "records")

    def __init__(self, source: str, records: list) -> None:
        self.source = source
        self.records = records


def decode_trigger(data: dict, metadata: dict) -> TriggerEvent:
    """Decodes what the host of Azure Functions hands to a custom handler.

    It says of no trigger what it is, so that the members tell; values come as they are, or as JSON
    in a string, or as that in a string again.
    """
    event = {"Data": data, "Metadata": metadata}
    value = next((unwrapped(member) for member in data.values()), None)

    def has(*names: str) -> bool:
        return any(name in metadata for name in names)

    def one(source: str, input: object) -> TriggerEvent:
        return TriggerEvent(source, [EventRecord(input, event)])

    if has("BlobTrigger"):
        return one("blob", _changed_blob(metadata))
    several = isinstance(value, list)
    members = [unwrapped(member) for member in value] if several else [value]
    if has("PartitionContext", "SequenceNumberArray") or (has("SequenceNumber") and has("Offset")):
        return TriggerEvent("event-hubs", [EventRecord(input, event) for input in members])
    events = members if several else [unwrapped(value)]
    if events and all(_is_grid_event(member) for member in events):
        grid = [decode_grid_event(member) for member in events]
        records = [EventRecord(given.input, given.event) for given in grid]
        return TriggerEvent(grid[0].source, records)
    timer = object_of(value) or {}
    if "ScheduleStatus" in timer or "IsPastDue" in timer:
        return one("schedule", value)
    if has("LockToken", "DeliveryCount"):
        return one("service-bus", value)
    return one("storage-queue" if has("DequeueCount") else "azure", value)


def _is_grid_event(event: object) -> bool:
    return (
        string_of(member_of(event, "eventType")) is not None
        or string_of(member_of(event, "specversion")) is not None
    )


def unwrapped(value: object) -> object:
    """A value out of its strings."""
    once = payload_of_text(value) if isinstance(value, str) else value
    return payload_of_text(once) if isinstance(once, str) else once


def _changed_blob(metadata: dict) -> dict:
    path = string_of(unwrapped(metadata.get("BlobTrigger"))) or ""
    bucket, slash, key = path.partition("/")
    properties = unwrapped(metadata.get("Properties"))
    size = member_of(properties, "ContentLength")
    return object_change(
        bucket=bucket if slash else "",
        key=key if slash else path,
        size=number_of(member_of(properties, "Length") if size is None else size),
        e_tag=string_of(member_of(properties, "ETag")),
        type="blobTrigger",
    )
