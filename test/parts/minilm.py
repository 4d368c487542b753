"""Writes all-MiniLM-L6-v2 as the ONNX file that PyTorch's exporter would make of it, from its published weights.

python minilm.py model.safetensors minilm.onnx
"""

import json
import struct
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, HIDDEN, EPSILON = 6, 12, 384, 1e-12
HEAD = HIDDEN // HEADS


def read_safetensors(path):
    with open(path, "rb") as file:
        (size,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(size))
        data = file.read()
    header.pop("__metadata__", None)
    floats = {name: entry for name, entry in header.items() if entry["dtype"] == "F32"}
    return {
        name: np.frombuffer(data[slice(*entry["data_offsets"])], np.float32).reshape(entry["shape"])
        for name, entry in floats.items()
    }


class Graph:
    def __init__(self, weights):
        self.weights = weights
        self.nodes, self.initializers, self.count = [], [], 0

    def constant(self, name, array):
        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def node(self, op, *inputs, output=None, **attributes):
        self.count += 1
        output = output or f"{op}_{self.count}_output"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=f"{op}_{self.count}", **attributes))
        return output

    def linear(self, x, name):
        weight = self.constant(f"{name}.weight_transposed", self.weights[f"{name}.weight"].T)
        bias = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.node("Add", bias, self.node("MatMul", x, weight))

    def normalize(self, x, name, output=None):
        scale = self.constant(f"{name}.weight", self.weights[f"{name}.weight"])
        offset = self.constant(f"{name}.bias", self.weights[f"{name}.bias"])
        return self.node("LayerNormalization", x, scale, offset, output=output, axis=-1, epsilon=EPSILON)

    def embed(self, ids, name):
        return self.node("Gather", self.constant(name, self.weights[name]), ids)

    def heads(self, x, perm):
        return self.node("Transpose", self.node("Reshape", x, "by_head"), perm=perm)

    def layer(self, x, mask, at, output):
        name = f"encoder.layer.{at}"
        query = self.heads(self.linear(x, f"{name}.attention.self.query"), [0, 2, 1, 3])
        key = self.heads(self.linear(x, f"{name}.attention.self.key"), [0, 2, 3, 1])
        value = self.heads(self.linear(x, f"{name}.attention.self.value"), [0, 2, 1, 3])
        scores = self.node("Div", self.node("MatMul", query, key), "head_root")
        weights = self.node("Softmax", self.node("Add", scores, mask), axis=-1)
        context = self.node("Transpose", self.node("MatMul", weights, value), perm=[0, 2, 1, 3])
        attended = self.linear(self.node("Reshape", context, "by_token"), f"{name}.attention.output.dense")
        x = self.normalize(self.node("Add", attended, x), f"{name}.attention.output.LayerNorm")
        inner = self.linear(x, f"{name}.intermediate.dense")
        gate = self.node("Add", self.node("Erf", self.node("Div", inner, "root_of_2")), "one")
        gelu = self.node("Mul", self.node("Mul", inner, gate), "half")
        outer = self.linear(gelu, f"{name}.output.dense")
        return self.normalize(self.node("Add", outer, x), f"{name}.output.LayerNorm", output)


def build(weights):
    graph = Graph(weights)
    graph.constant("by_head", np.array([0, 0, HEADS, HEAD], np.int64))
    graph.constant("by_token", np.array([0, 0, HIDDEN], np.int64))
    graph.constant("axes", np.array([1, 2], np.int64))
    for name, number in [
        ("head_root", HEAD**0.5), ("root_of_2", 2**0.5), ("one", 1), ("half", 0.5), ("lowest", -1e4),
    ]:
        graph.constant(name, np.float32(number))
    mask = graph.node("Cast", graph.node("Unsqueeze", "attention_mask", "axes"), to=TensorProto.FLOAT)
    mask = graph.node("Mul", graph.node("Sub", "one", mask), "lowest")
    ends = [graph.constant(f"slice_{part}", np.array([at], np.int64)) for part, at in [("from", 0), ("axis", 1)]]
    length = graph.node("Gather", graph.node("Shape", "input_ids"), graph.constant("length_at", np.array([1], np.int64)))
    ids = graph.constant("position_ids", np.arange(512, dtype=np.int64)[None])
    positions = graph.node("Slice", ids, ends[0], length, ends[1])
    words = graph.embed("input_ids", "embeddings.word_embeddings.weight")
    types = graph.embed("token_type_ids", "embeddings.token_type_embeddings.weight")
    places = graph.embed(positions, "embeddings.position_embeddings.weight")
    x = graph.normalize(graph.node("Add", graph.node("Add", words, types), places), "embeddings.LayerNorm")
    for at in range(LAYERS):
        x = graph.layer(x, mask, at, "last_hidden_state" if at == LAYERS - 1 else None)

    names = ["input_ids", "attention_mask", "token_type_ids"]
    inputs = [helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "length"]) for name in names]
    output = helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", "length", HIDDEN])
    made = helper.make_graph(graph.nodes, "minilm", inputs, [output], graph.initializers)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


onnx.save(build(read_safetensors(sys.argv[1])), sys.argv[2])
