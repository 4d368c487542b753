"""What a caller gives, as the tensors that a model takes."""

from __future__ import annotations

import json
from itertools import chain

import numpy

from .failures import RequestFailure
from .tensor_json import SAFE_INTEGER_MAX
from .tensor_types import ELEMENTS, ElementType, TensorInfo


def tensors_from_feeds(inputs: list, feeds: object) -> dict:
    """Turns what a caller gave into the model's input arrays.

    For each input that is `{data, shape}`, or a list, nested or an array, whose shape is inferred.
    Every input must be given and nothing else; shapes and types are checked against the model.

    Raises RequestFailure 422 that names the tensor.
    """
    if not isinstance(feeds, dict):
        message = "the model is fed by an object with one member for each input"
        raise RequestFailure(422, "WRONG_SHAPE", message)
    names = [input.name for input in inputs]
    for name in feeds:
        if name not in names:
            message = f"the model has no input {name}; it has {', '.join(names)}"
            raise RequestFailure(422, "UNKNOWN_INPUT", message, str(name))
    return {input.name: _array_from_feed(input, feeds.get(input.name)) for input in inputs}


def show_shape(shape: list) -> str:
    """A shape as people write it; of an absurd one, the beginning."""
    sizes = ["?" if size == "" else str(size) for size in shape[:8]]
    return f"[{', '.join(sizes)}{', …' if len(shape) > len(sizes) else ''}]"


def _array_from_feed(input: TensorInfo, feed: object) -> numpy.ndarray:
    if feed is None:
        message = f"input {input.name} is missing"
        raise RequestFailure(422, "MISSING_INPUT", message, input.name)
    data, shape = _unwrap(input, feed)
    if isinstance(data, numpy.ndarray):
        return _array_from_array(input, data, list(data.shape) if shape is None else shape)
    if shape is None:
        shape = _shape_of_nested(input, data)
    _check_shape(input, shape)
    structure = shape if _is_list(data[0] if data else None) else [_size_of(shape)]
    flat = _flatten(input, data, structure, shape)
    return _elements(input, flat).reshape(shape)


def _unwrap(input: TensorInfo, feed: object) -> tuple:
    """The data, a list or an array, and the shape if one was given."""
    shape = None
    if isinstance(feed, dict):
        data, shape = feed.get("data"), feed.get("shape")
        data = _as_data(data)
        shape = list(shape) if isinstance(shape, (list, tuple)) else None
        if data is not None and shape is not None and all(map(_is_size, shape)):
            return data, [int(size) for size in shape]
    else:
        data = _as_data(feed)
        if data is not None:
            return data, None
    message = f"input {input.name} must be an array, or an object with data and shape"
    raise RequestFailure(422, "WRONG_SHAPE", message, input.name)


def _as_data(value: object) -> list | numpy.ndarray | None:
    """Lists as they are; arrays, and what numpy makes arrays of, as arrays."""
    if isinstance(value, (list, tuple)):
        if not _holds_arrays(value):
            return value
        try:
            return numpy.asarray(value)
        except ValueError:
            return value
    if isinstance(value, numpy.ndarray):
        return value
    # Tensors of other libraries, array.array.
    if hasattr(value, "__array__") or type(value).__name__ == "array":
        return numpy.asarray(value)
    return None


def _holds_arrays(value: list | tuple) -> bool:
    """Whether it is a list of arrays or of numpy's scalars, however deep."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return hasattr(value, "__array__")


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def _is_size(size: object) -> bool:
    if isinstance(size, float):
        size = int(size) if size.is_integer() else -1
    whole = isinstance(size, (int, numpy.integer)) and not isinstance(size, bool)
    return whole and 0 <= size <= SAFE_INTEGER_MAX


def _size_of(shape: list) -> int:
    size = 1
    for axis in shape:
        size *= axis
    return size


def _shape_of_nested(input: TensorInfo, data: object) -> list:
    """The shape of nested lists, as their first elements tell it."""
    shape = []
    level = data
    while _is_list(level):
        shape.append(len(level))
        if len(level) == 0:
            # Of an empty list the model alone can tell how deep it would be.
            rest = input.shape[len(shape) :]
            return shape + [size if isinstance(size, int) else 0 for size in rest]
        level = level[0]
    return shape


def _check_shape(input: TensorInfo, shape: list) -> None:
    fits = len(shape) == len(input.shape) and all(
        isinstance(wanted, str) or wanted == size for wanted, size in zip(input.shape, shape)
    )
    if not fits:
        takes = show_shape(input.shape)
        message = f"input {input.name} has shape {show_shape(shape)}, the model takes {takes}"
        raise RequestFailure(422, "WRONG_SHAPE", message, input.name)


def _wrong_length(input: TensorInfo, length: int, wanted: int, shape: list) -> RequestFailure:
    message = (
        f"input {input.name} has {length} elements where its shape {show_shape(shape)} has {wanted}"
    )
    return RequestFailure(422, "WRONG_SHAPE", message, input.name)


def _flatten(input: TensorInfo, data: list, structure: list, shape: list) -> list:
    """The elements in order. Nested lists must have the same length everywhere along an axis."""
    level = data
    if len(level) != structure[0]:
        raise _wrong_length(input, len(level), structure[0], shape)
    for length in structure[1:]:
        if not set(map(type, level)) <= {list, tuple}:
            raise _wrong_element(input, next(one for one in level if not _is_list(one)))
        lengths = set(map(len, level))
        if not lengths <= {length}:
            odd = next(len(one) for one in level if len(one) != length)
            raise _wrong_length(input, odd, length, shape)
        level = list(chain.from_iterable(level))
    return level


def _elements(input: TensorInfo, flat: list) -> numpy.ndarray:
    """The elements as the model takes them.

    Their kinds are looked at together: that is fast, and mostly all is well.
    """
    element = ELEMENTS[input.type]
    kinds = set(map(type, flat))
    if element.kind in ("float", "half"):
        if kinds <= {float, int}:
            return _floats(input, element, flat)
    elif element.kind == "integer":
        if kinds <= {float, int}:
            return _integers(input, element, flat, kinds)
    elif element.kind == "bigint":
        if kinds <= {int}:
            return _integers(input, element, flat, kinds)
        return numpy.array([_big_integer(input, element, one) for one in flat], element.numpy)
    elif element.kind == "boolean":
        for one in flat:
            if type(one) not in (bool, int, float) or one not in (0, 1):
                raise _wrong_element(input, one)
        return numpy.array(flat, "bool")
    elif kinds <= {str}:
        # numpy would give strings of its own a fixed width.
        array = numpy.empty(len(flat), "object")
        array[:] = flat
        return array
    allowed = (str,) if element.kind == "string" else (float, int)
    raise _wrong_element(input, next(one for one in flat if type(one) not in allowed))


def _floats(input: TensorInfo, element: ElementType, flat: list) -> numpy.ndarray:
    # What is beyond a type's range becomes infinite, as in any array of floats.
    with numpy.errstate(over="ignore"):
        try:
            if element.kind == "half":
                return numpy.array(flat, "float32").astype("float16")
            return numpy.array(flat, element.numpy)
        except OverflowError:
            huge = next(one for one in flat if isinstance(one, int) and abs(one) > 10**308)
            raise _wrong_element(input, huge) from None


def _integers(input: TensorInfo, element: ElementType, flat: list, kinds: set) -> numpy.ndarray:
    if float in kinds:
        for one in flat:
            if isinstance(one, float) and not one.is_integer():
                raise _wrong_element(input, one)
        flat = [int(one) for one in flat]
    if flat and (min(flat) < element.min or max(flat) > element.max):
        raise _wrong_element(
            input, next(one for one in flat if not element.min <= one <= element.max)
        )
    return numpy.array(flat, element.numpy)


def _big_integer(input: TensorInfo, element: ElementType, value: object) -> int:
    """A 64-bit integer, which comes as a decimal string where JSON numbers are not exact."""
    whole = None
    if type(value) is int:
        whole = value
    elif isinstance(value, float) and value.is_integer() and abs(value) <= SAFE_INTEGER_MAX:
        whole = int(value)
    elif isinstance(value, str) and len(value) <= 21:
        digits = value[1:] if value.startswith("-") else value
        if 1 <= len(digits) <= 20 and digits.isascii() and digits.isdigit():
            whole = int(value)
    if whole is None or not element.min <= whole <= element.max:
        raise _wrong_element(input, value)
    return whole


def _array_from_array(input: TensorInfo, data: numpy.ndarray, shape: list) -> numpy.ndarray:
    """The array as the model takes it, without a copy where it already is so."""
    _check_shape(input, shape)
    if list(data.shape) != shape:
        if data.size != _size_of(shape):
            raise _wrong_length(input, data.size, _size_of(shape), shape)
        data = data.reshape(shape)
    element = ELEMENTS[input.type]
    if element.kind == "string":
        flat = data.ravel().tolist()
        return _elements(input, flat).reshape(shape)
    wanted = numpy.dtype(element.numpy)
    if data.dtype == wanted:
        return data
    kind = data.dtype.kind
    if kind == "O":
        return _elements(input, [_item(one) for one in data.ravel().tolist()]).reshape(shape)
    if kind not in "fiub" or (kind == "b") != (element.kind == "boolean") and kind == "b":
        raise _wrong_element(input, data.ravel()[0].item() if data.size else None)
    with numpy.errstate(over="ignore", invalid="ignore"):
        if element.kind in ("float", "half"):
            return data.astype(wanted)
        # Integers and truth values: only where nothing is lost.
        cast = data.astype(wanted)
        lost = cast != data
        if element.kind != "boolean":
            lost |= (data < element.min) | (data > element.max)
    if lost.any():
        raise _wrong_element(input, data[lost].ravel()[0].item())
    return cast


def _item(value: object) -> object:
    return value.item() if isinstance(value, numpy.generic) else value


def _wrong_element(input: TensorInfo, value: object) -> RequestFailure:
    if _is_list(value) or isinstance(value, numpy.ndarray):
        shown = "an array"
    else:
        shown = json.dumps(_shown(value), ensure_ascii=False, separators=(",", ":"), default=str)
    message = f"input {input.name} takes {input.type} elements, and one is {shown[:80]}"
    return RequestFailure(422, "WRONG_TYPE", message, input.name)


def _shown(value: object) -> object:
    """An element as messages show it.

    JSON has no word for what is not finite, and JavaScript writes whole numbers without a point.
    """
    if isinstance(value, float):
        if value - value != 0:
            return None
        return int(value) if value.is_integer() and abs(value) < 1e21 else value
    return value
