"""Rows of DynamoDB."""

from __future__ import annotations

from ..tensor_json import SAFE_INTEGER_MAX
from .event import number_of_text, object_of
from .payload import bytes_of_base64


def plain_item(item: object) -> dict | None:
    """Turns a row, `{name: {"S": "x"}}`, into plain values; None for what is no row."""
    members = object_of(item)
    if members is None:
        return None
    return {name: _plain_value(value) for name, value in members.items()}


def _plain_value(value: object) -> object:
    """A value by its type letter. Sets become lists; a type unknown here stays as it is."""
    if not isinstance(value, dict) or not value:
        return value
    type, given = next(iter(value.items()))
    if type in ("S", "BOOL", "SS"):
        return given
    if type == "NULL":
        return None
    if type == "M":
        return plain_item(given)
    if type in _ONE:
        return _ONE[type](given)
    if type in _SEVERAL:
        return [_SEVERAL[type](member) for member in given] if isinstance(given, list) else given
    return value


def _plain_number(text: object) -> object:
    """Numbers come as text of up to 38 digits: whole ones that a double would round stay text."""
    if not isinstance(text, str):
        return text
    value = number_of_text(text)
    if value is None:
        return text
    whole = isinstance(value, int) or value.is_integer()
    return text if whole and abs(value) > SAFE_INTEGER_MAX else value


def _plain_bytes(base64: object) -> object:
    return bytes_of_base64(base64) if isinstance(base64, str) else base64


_ONE = {"N": _plain_number, "B": _plain_bytes}
_SEVERAL = {"NS": _plain_number, "BS": _plain_bytes, "L": _plain_value}
