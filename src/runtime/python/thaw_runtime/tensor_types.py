"""Element types as the Open Inference Protocol spells them, and as ONNX Runtime and numpy do."""

from __future__ import annotations


class TensorInfo:
    """A named input or output of a model.

    Its shape has one entry a dimension: a size, or the symbol of one that may vary.
    """

    __slots__ = ("name", "type", "shape")

    def __init__(self, name: str, type: str, shape: list) -> None:
        self.name = name
        self.type = type
        self.shape = shape

    def __repr__(self) -> str:
        return f"TensorInfo(name={self.name!r}, type={self.type!r}, shape={self.shape!r})"


class ElementType:
    """How an element type is named by ONNX Runtime and numpy, and which values it takes."""

    __slots__ = ("ort", "numpy", "kind", "min", "max")

    def __init__(self, ort: str, numpy: str, kind: str, min: int = 0, max: int = 0) -> None:
        self.ort = ort
        self.numpy = numpy
        # float, half, integer, bigint (64 bits), boolean or string.
        self.kind = kind
        # Inclusive range of the integers.
        self.min = min
        self.max = max


ELEMENTS = {
    "BOOL": ElementType("bool", "bool", "boolean"),
    "UINT8": ElementType("uint8", "uint8", "integer", 0, 2**8 - 1),
    "UINT16": ElementType("uint16", "uint16", "integer", 0, 2**16 - 1),
    "UINT32": ElementType("uint32", "uint32", "integer", 0, 2**32 - 1),
    "UINT64": ElementType("uint64", "uint64", "bigint", 0, 2**64 - 1),
    "INT8": ElementType("int8", "int8", "integer", -(2**7), 2**7 - 1),
    "INT16": ElementType("int16", "int16", "integer", -(2**15), 2**15 - 1),
    "INT32": ElementType("int32", "int32", "integer", -(2**31), 2**31 - 1),
    "INT64": ElementType("int64", "int64", "bigint", -(2**63), 2**63 - 1),
    "FP16": ElementType("float16", "float16", "half"),
    "FP32": ElementType("float", "float32", "float"),
    "FP64": ElementType("double", "float64", "float"),
    "BYTES": ElementType("string", "object", "string"),
}

_TYPES = {f"tensor({element.ort})": type for type, element in ELEMENTS.items()}

# ONNX's numbers of the element types that no JSON can carry.
_OTHER_NUMBERS = {
    "complex64": 14,
    "complex128": 15,
    "bfloat16": 16,
    "float8e4m3fn": 17,
    "float8e4m3fnuz": 18,
    "float8e5m2": 19,
    "float8e5m2fnuz": 20,
    "uint4": 21,
    "int4": 22,
    "float4e2m1": 23,
}


def is_tensor(ort: str) -> bool:
    """Whether ONNX Runtime's name of a type, `tensor(float)`, is that of a tensor."""
    return ort.startswith("tensor(")


def type_of_ort(ort: str) -> str | None:
    """The name of a tensor's element type; None for those that no JSON can carry."""
    return _TYPES.get(ort)


def onnx_number(ort: str) -> int | str:
    """ONNX's number of an element type that no JSON can carry, or its name."""
    name = ort[len("tensor(") : -1]
    return _OTHER_NUMBERS.get(name, name)
