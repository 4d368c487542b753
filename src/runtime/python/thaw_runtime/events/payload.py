"""What messages carry."""

from __future__ import annotations

from binascii import a2b_base64

from ..tensor_json import parse_json

# The digits of base64 in its two alphabets, of which the one for URLs is turned into the plain one.
_DIGITS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_FROM_URL = bytes.maketrans(b"-_", b"+/")
_NO_DIGITS = bytes(octet for octet in range(256) if octet not in _DIGITS)


def payload_of(data: bytes) -> object:
    """What bytes carry: the value if it is JSON, the text if it is text, else the bytes."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return bytes(data)
    return payload_of_text(without_mark(text))


def payload_of_text(text: str) -> object:
    """The value if the text is JSON, else the text."""
    try:
        return parse_json(text)
    except ValueError:
        return text


def payload_of_base64(base64: str) -> object:
    """What a message carries as base64."""
    return payload_of(bytes_of_base64(base64))


def without_mark(text: str) -> str:
    """A text without the byte order mark that some writers put in front."""
    return text[1:] if text.startswith("\ufeff") else text


def bytes_of_base64(base64: str) -> bytes:
    """Decodes base64 of either alphabet up to its padding, and passes over what belongs to none."""
    coded = base64.partition("=")[0].encode("ascii", "ignore")
    digits = coded.translate(_FROM_URL, _NO_DIGITS)
    # One digit alone is less than a byte.
    whole = digits[:-1] if len(digits) % 4 == 1 else digits
    return a2b_base64(whole + b"=" * (-len(whole) % 4))
