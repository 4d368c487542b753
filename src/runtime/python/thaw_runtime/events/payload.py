"""What messages carry."""

from __future__ import annotations

import json
from binascii import a2b_base64

_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")


def payload_of(data):
    """What bytes carry: the value if it is JSON, the text if it is text, else the bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(data)
    return payload_of_text(without_mark(text))


def payload_of_text(text):
    """The value if the text is JSON, else the text."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def payload_of_base64(base64):
    """What a message carries as base64."""
    return payload_of(bytes_of_base64(base64))


def parse_json(text):
    """Parses JSON, and JSON alone: Python's own reader also takes NaN and Infinity.

    Raises ValueError.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _refuse_constant(name):
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def without_mark(text):
    """A text without the byte order mark that some writers put in front."""
    return text[1:] if text.startswith("\ufeff") else text


def bytes_of_base64(base64):
    """Decodes base64 of either alphabet up to its padding, and passes over what belongs to none."""
    coded = base64.partition("=")[0].encode("ascii", "ignore").translate(_FROM_URL)
    kept = bytes(byte for byte in coded if byte in _BASE64) if not _BASE64.issuperset(coded) else coded
    whole = kept[:-1] if len(kept) % 4 == 1 else kept
    return a2b_base64(whole + b"=" * (-len(whole) % 4))


_FROM_URL = bytes.maketrans(b"-_", b"+/")
