"""Events of platforms, decoded."""

from __future__ import annotations

# What JavaScript trims from a text before it reads a number.
_SPACES = (
    "\t\n\v\f\r \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
_DECIMAL = frozenset("0123456789+-.eE")
_BASES = {"0x": 16, "0o": 8, "0b": 2}


class EventRecord:
    """One record of an event."""

    __slots__ = ("input", "event", "id")

    def __init__(self, input: object, event: object, id: str | None = None) -> None:
        self.input = input
        self.event = event
        # How the platform calls it when it is told that it failed.
        self.id = id


class SourceEvent:
    """An event of a platform. Its records are predicted one at a time, in order."""

    __slots__ = ("source", "records", "failing")

    def __init__(self, source: str, records: list, failing: str) -> None:
        self.source = source
        self.records = records
        # What a failed record means for the others: of a queue each fails by itself (`alone`); of a stream, or a
        # queue that keeps the order, the first one ends the batch (`stream`, `rest`); without partial failures the
        # event fails as a `whole`.
        self.failing = failing


def object_change(
    bucket: str, key: str, size: int | float | None, e_tag: str | None, type: str
) -> dict:
    """An object of an object store that was made, changed or removed, the same for every store.

    `key` is its name, decoded; `size` is in bytes, None where the event does not say; `type` is what happened, in the
    store's own words.
    """
    return {"bucket": bucket, "key": key, "size": size, "eTag": e_tag, "type": type}


def object_of(value: object) -> dict | None:
    """A JSON object, or None."""
    return value if isinstance(value, dict) else None


def member_of(value: object, name: str) -> object:
    """A member of what may be a JSON object, or None."""
    return value.get(name) if isinstance(value, dict) else None


def string_of(value: object) -> str | None:
    """A string, or None."""
    return value if isinstance(value, str) else None


def number_of(value: object) -> int | float | None:
    """A number that is there, or stands there as text and is finite; else None."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    if not isinstance(value, str) or value == "":
        return None
    number = number_of_text(value)
    return number if number is not None and number - number == 0 else None


def number_of_text(text: str) -> int | float | None:
    """The number that a text is to JavaScript, so that both runtimes read alike; None for what is none."""
    plain = text.strip(_SPACES)
    if plain == "":
        return 0
    base = _BASES.get(plain[:2].lower())
    if base is not None:
        digits = plain[2:]
        return _read(digits, lambda: int(digits, base)) if digits.isalnum() else None
    if plain.lstrip("+-") == "Infinity":
        return _read(plain, lambda: float(plain))
    if not _DECIMAL.issuperset(plain):
        return None
    whole = _read(plain, lambda: int(plain))
    return _read(plain, lambda: float(plain)) if whole is None else whole


def _read(text: str, read) -> int | float | None:
    try:
        return read() if text.isascii() else None
    except ValueError:
        return None
