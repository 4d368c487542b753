"""Quantizes a model with onnxruntime.quantization, at the settings that thaw has too.

python quantize.py dynamic|static model.onnx out.onnx rows.json

rows.json: a list of {input: {"shape": [...], "data": [...]}}; static calibrates with them, by smallest and largest.
"""

import json
import logging
import sys
import tempfile

import numpy as np
import onnx
from onnx import version_converter
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process

logging.disable(logging.WARNING)
mode, source, target, rows_file = sys.argv[1:]
NUMPY = {1: np.float32, 6: np.int32, 7: np.int64}
PER_CHANNEL_OPSET = 13


def constants_to_initializers(graph):
    for node in [node for node in graph.node if node.op_type == "Constant"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        graph.initializer.append(tensor)
        graph.node.remove(node)


class Rows(CalibrationDataReader):
    def __init__(self, model):
        types = {i.name: NUMPY[i.type.tensor_type.elem_type] for i in model.graph.input}
        with open(rows_file) as file:
            self.rows = iter([
                {name: np.array(t["data"], types[name]).reshape(t["shape"]) for name, t in row.items()}
                for row in json.load(file)
            ])

    def get_next(self):
        return next(self.rows, None)


with tempfile.TemporaryDirectory() as folder:
    settings = {"weight_type": QuantType.QInt8, "per_channel": True, "reduce_range": True}
    if mode == "dynamic":
        # Not Conv: in integers that are found while it runs, it is slower than in floats.
        quantize_dynamic(source, target, op_types_to_quantize=["MatMul", "Gemm", "LSTM", "Gather"], **settings)
    else:
        model = onnx.load(source)
        opset = next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx"))
        if opset < PER_CHANNEL_OPSET:
            model = version_converter.convert_version(model, PER_CHANNEL_OPSET)
        # It does not look for weights in Constant nodes.
        constants_to_initializers(model.graph)
        lifted, prepared = f"{folder}/lifted.onnx", f"{folder}/prepared.onnx"
        onnx.save(model, lifted)
        quant_pre_process(lifted, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, target, Rows(model), quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8, **settings,
        )
