"""The Open Inference Protocol, version 2, over JSON: what KServe and Triton speak."""

from __future__ import annotations

import json

from .failures import RequestFailure
from .tensor_json import SAFE_INTEGER_MAX, json_array
from .tensor_types import TensorInfo


def infer(model_name: str, session, body: object) -> dict:
    """Answers one inference request.

    Raises RequestFailure 422 for a request that is not one, or whose tensors do not fit.
    """
    request = body if isinstance(body, dict) else {}
    tensors = request.get("inputs")
    if not isinstance(tensors, list):
        message = "the request needs inputs: [{name, shape, datatype, data}]"
        raise RequestFailure(422, "WRONG_SHAPE", message)
    wanted = _wanted_outputs(session.outputs, request.get("outputs"))
    results = session.run(_feeds_of(session.inputs, tensors))
    answer: dict = {"model_name": model_name}
    if isinstance(request.get("id"), str):
        answer["id"] = request["id"]
    types = {output.name: output.type for output in session.outputs}
    answer["outputs"] = [
        {
            "name": name,
            "shape": list(results[name].shape),
            "datatype": types[name],
            "data": json_array(results[name].ravel()),
        }
        for name in wanted
        if name in results
    ]
    return answer


def _feeds_of(inputs: list, tensors: list) -> dict:
    infos = {input.name: input for input in inputs}
    feeds: dict = {}
    for tensor in tensors:
        if not isinstance(tensor, dict) or not isinstance(tensor.get("name"), str):
            raise RequestFailure(422, "WRONG_SHAPE", "every input needs a name")
        name = tensor["name"]
        if name in feeds:
            raise RequestFailure(422, "WRONG_SHAPE", f"input {name} is given twice", name)
        info = infos.get(name)
        if info is not None:
            _check_tensor(info, tensor)
        feeds[name] = {"data": tensor.get("data"), "shape": tensor.get("shape")}
    return feeds


def _check_tensor(info: TensorInfo, tensor: dict) -> None:
    from .feeds import show_shape

    name = info.name
    datatype = tensor.get("datatype")
    if datatype != info.type:
        message = f"input {name} has datatype {_shown(tensor)}, the model takes {info.type}"
        raise RequestFailure(422, "WRONG_TYPE", message, name)
    if not isinstance(tensor.get("shape"), list):
        message = f"input {name} needs a shape, the model takes {show_shape(info.shape)}"
        raise RequestFailure(422, "WRONG_SHAPE", message, name)
    if info.type in ("INT64", "UINT64"):
        _check_exact(info, tensor.get("data"))


def _shown(tensor: dict) -> str:
    if "datatype" not in tensor:
        return "undefined"
    datatype = tensor["datatype"]
    return datatype if isinstance(datatype, str) else json.dumps(datatype)


def _check_exact(info: TensorInfo, data: object) -> None:
    """Refuses numbers that most writers of JSON have rounded; strings are exact."""
    if isinstance(data, list):
        plain = set(map(type, data)) == {int}
        if plain and max(data) <= SAFE_INTEGER_MAX and min(data) >= -SAFE_INTEGER_MAX:
            return
        for member in data:
            if type(member) is list:
                _check_exact(info, member)
            elif type(member) is int and abs(member) > SAFE_INTEGER_MAX:
                shown = f"input {info.name} takes {info.type} elements, and one is {member}"
                raise RequestFailure(422, "WRONG_TYPE", shown[:160], info.name)


def _wanted_outputs(outputs: list, asked: object) -> list:
    """The outputs a request asks for; all of them if it does not say."""
    names = [output.name for output in outputs]
    if not isinstance(asked, list) or not asked:
        return names
    wanted = []
    for output in asked:
        given = output.get("name") if isinstance(output, dict) else None
        name = given if isinstance(given, str) else "undefined" if given is None else str(given)
        if name not in names:
            message = f"the model has no output {name}; it has {', '.join(names)}"
            raise RequestFailure(422, "UNKNOWN_OUTPUT", message, name)
        wanted.append(name)
    return wanted


def model_metadata(name: str, inputs: list, outputs: list) -> str:
    """What the protocol says of a model, as JSON."""
    metadata = {
        "name": name,
        "versions": [],
        # A handler's own model is known to nobody else.
        "platform": "onnxruntime_onnx" if outputs else "python",
        "inputs": [_metadata_of(input) for input in inputs],
        "outputs": [_metadata_of(output) for output in outputs],
    }
    return json.dumps(metadata, ensure_ascii=False, separators=(",", ":"))


def _metadata_of(info: TensorInfo) -> dict:
    shape = [size if isinstance(size, int) else -1 for size in info.shape]
    return {"name": info.name, "datatype": info.type, "shape": shape}
