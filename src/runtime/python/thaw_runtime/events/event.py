"""Events of platforms, decoded."""

from __future__ import annotations

SAFE_INTEGER_MAX = 2**53 - 1
"""The largest whole number that JSON's readers agree on."""

_SPACES = "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a" \
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
_DECIMAL = frozenset("0123456789+-.eE")
_BASES = {"0x": 16, "0o": 8, "0b": 2}


class GivenEvent:
    """What `predict` is given of one event: a message, a changed object, a row."""

    __slots__ = ("source", "input", "event")

    def __init__(self, source, input, event):
        self.source = source
        """Where it came from: `sqs`, `s3`, `pubsub`, …"""
        self.input = input
        self.event = event
        """The event as it came."""


class EventRecord:
    """One record of an event."""

    __slots__ = ("input", "event", "id")

    def __init__(self, input, event, id=None):
        self.input = input
        self.event = event
        self.id = id
        """How the platform calls it when it is told that it failed; None if it has no name."""


class SourceEvent:
    """An event of a platform. Its records are predicted one at a time, in order."""

    __slots__ = ("source", "records", "failing")

    def __init__(self, source, records, failing):
        self.source = source
        self.records = records
        self.failing = failing
        """What a failed record means for the others: of a queue each fails by itself (`alone`); of
        a stream, or a queue that keeps the order, the first one ends the batch (`stream`, `rest`);
        without partial failures the event fails as a `whole`."""


def object_change(bucket, key, size, e_tag, type):
    """An object of an object store that was made, changed or removed, the same for every store.

    `key` is decoded, `size` is in bytes (None where the event does not say), and `type` is what
    happened, in the store's own words.
    """
    return {"bucket": bucket, "key": key, "size": size, "eTag": e_tag, "type": type}


def object_of(value):
    """A JSON object, or None."""
    return value if isinstance(value, dict) else None


def member_of(value, name):
    """A member of what may be a JSON object, or None."""
    return value.get(name) if isinstance(value, dict) else None


def string_of(value):
    """A string, or None."""
    return value if isinstance(value, str) else None


def number_of(value):
    """A number that is there, or stands there as text and is finite; else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or value == "":
        return None
    number = number_of_text(value)
    return number if number is not None and number - number == 0 else None


def number_of_text(text):
    """The number that a text is in JavaScript, so that both runtimes read alike; None for none."""
    plain = text.strip(_SPACES)
    if plain == "":
        return 0
    base = _BASES.get(plain[:2].lower())
    try:
        if base is not None:
            return int(plain[2:], base) if plain[2:].isalnum() and plain.isascii() else None
        if plain.lstrip("+-") == "Infinity":
            return float(plain)
        if not _DECIMAL.issuperset(plain):
            return None
    except ValueError:
        return None
    for read in (int, float):
        try:
            return read(plain)
        except ValueError:
            continue
    return None
