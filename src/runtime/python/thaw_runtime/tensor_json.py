"""JSON as requests bring it, and as answers take it: with numpy's numbers, and nothing else."""

from __future__ import annotations

import json
import re
import sys

SAFE_INTEGER_MAX = 2**53 - 1

# An integer of 16 digits or more may be one that JSON's readers would round. A fraction's digits
# come after a point.
_LARGE_INTEGER = re.compile(r"(?:^|[\[,:]) *-?[0-9]{16,}(?=[\],}]|$)")


def parse_json(text: str) -> object:
    """Reads JSON, and nothing that is not in its standard: no NaN, no Infinity.

    Raises ValueError.
    """
    try:
        return _DECODER.decode(text)
    except RecursionError:
        raise ValueError("it is nested too deep") from None


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is no JSON value")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def render_json(value: object) -> str:
    """Renders any answer as JSON.

    Arrays of numpy, and what else has `tolist`, become lists. 64-bit integers beyond what JSON
    numbers carry exactly become decimal strings; what is not finite becomes null, as JSON has no
    word for it.

    Raises TypeError, ValueError for what JSON cannot carry.
    """
    try:
        text = _ENCODER.encode(value)
    except (TypeError, ValueError) as error:
        if "ircular reference" in str(error):
            raise
        return _ENCODER.encode(_plain(value))
    if _LARGE_INTEGER.search(text) is not None:
        return _ENCODER.encode(_plain(value))
    return text


def render_untouched(value: object) -> str:
    """Renders what a Lambda handler returned: integers of any size stay numbers, as on Lambda.

    Raises TypeError, ValueError for what JSON cannot carry.
    """
    try:
        return _ENCODER.encode(value)
    except (TypeError, ValueError):
        return render_json(value)


def _rendered(value: object) -> object:
    """What the encoder shall take in place of a value that it does not know."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(value, numpy.ndarray):
        return json_array(value)
    if isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError(f"predict returned {type(value).__name__}, which JSON cannot carry")
    tolist = getattr(value, "tolist", None)
    if callable(tolist) and not isinstance(value, type):
        return tolist()
    decimal = sys.modules.get("decimal")
    if decimal is not None and isinstance(value, decimal.Decimal):
        # As Lambda's own runtime renders what DynamoDB gives.
        return float(value)
    raise TypeError(f"predict returned {type(value).__name__}, which JSON cannot carry")


_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_rendered
)


def json_array(array) -> object:
    """A numpy array as nested lists for JSON."""
    import numpy

    kind = array.dtype.kind
    if kind == "f":
        if array.dtype.itemsize > 8:
            array = array.astype(numpy.float64)
        finite = numpy.isfinite(array)
        if finite.all():
            return array.tolist()
        array = array.astype(object)
        array[~finite] = None
        return array.tolist()
    if kind in "iu" and array.dtype.itemsize == 8 and array.size > 0:
        if int(array.max()) > SAFE_INTEGER_MAX or int(array.min()) < -SAFE_INTEGER_MAX:
            return _plain(array.tolist())
        return array.tolist()
    if kind in "biuU":
        return array.tolist()
    if kind == "V":
        # Types of machine learning beyond numpy's own, as bfloat16.
        return json_array(array.astype(numpy.float32))
    return _plain(array.tolist())


def _plain(value: object) -> object:
    """A value with strings for the integers that are too large, and None for what is not finite."""
    if value is None or value is True or value is False or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if -SAFE_INTEGER_MAX <= value <= SAFE_INTEGER_MAX else str(int(value))
    if isinstance(value, float):
        return value if value - value == 0 else None
    if isinstance(value, dict):
        return {_plain_key(name): _plain(member) for name, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(member) for member in value]
    return _plain(_rendered(value))


def _plain_key(name: object) -> object:
    if name is None or isinstance(name, (str, bool, int, float)):
        return name
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(name, numpy.generic):
        return name.item()
    raise TypeError(f"predict returned an object with a {type(name).__name__} for a name")
