"""Quantizes a model with onnxruntime.quantization, at the settings that thaw has too.

python onnxruntime-quantization.py MODE model.onnx out.onnx rows.json

rows.json: a list of {input: {"shape": [...], "data": [...]}}; static calibrates with them, by smallest and largest.
"""

import json
import logging
import sys
import tempfile

import numpy as np
import onnx

logging.disable(logging.WARNING)
mode, source, target, rows_file = sys.argv[1:]
INT8 = {"per_channel": True, "reduce_range": True}


def static():
    from onnx import version_converter
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    types = {1: np.float32, 6: np.int32, 7: np.int64}
    model = onnx.load(source)
    if next(o.version for o in model.opset_import if o.domain in ("", "ai.onnx")) < 13:
        # Per channel needs this.
        model = version_converter.convert_version(model, 13)
    # It does not look for weights in Constant nodes.
    for node in [node for node in model.graph.node if node.op_type == "Constant"]:
        tensor = node.attribute[0].t
        tensor.name = node.output[0]
        model.graph.initializer.append(tensor)
        model.graph.node.remove(node)
    elements = {i.name: types[i.type.tensor_type.elem_type] for i in model.graph.input}

    class Rows(CalibrationDataReader):
        def __init__(self):
            with open(rows_file) as file:
                self.rows = iter([
                    {name: np.array(t["data"], elements[name]).reshape(t["shape"]) for name, t in row.items()}
                    for row in json.load(file)
                ])

        def get_next(self):
            return next(self.rows, None)

    with tempfile.TemporaryDirectory() as folder:
        lifted, prepared = f"{folder}/lifted.onnx", f"{folder}/prepared.onnx"
        onnx.save(model, lifted)
        quant_pre_process(lifted, prepared, skip_symbolic_shape=True)
        quantize_static(
            prepared, target, Rows(), quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QUInt8, weight_type=QuantType.QInt8, **INT8,
        )


if mode == "dynamic":
    from onnxruntime.quantization import QuantType, quantize_dynamic

    # Not Conv: in integers that are found while it runs, it is slower than in floats.
    operators = ["MatMul", "Gemm", "LSTM", "Gather"]
    quantize_dynamic(source, target, op_types_to_quantize=operators, weight_type=QuantType.QInt8, **INT8)
elif mode == "static":
    static()
elif mode in ("int4", "int8-blocks"):
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        onnx.load(source), bits=4 if mode == "int4" else 8, block_size=32, is_symmetric=False, accuracy_level=4,
        op_types_to_quantize=("MatMul", "Gather") if mode == "int4" else ("MatMul",),
    )
    quantizer.process()
    quantizer.model.save_model_to_file(target)
elif mode == "fp16":
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(onnx.load(source), keep_io_types=True), target)
else:
    sys.exit(f"onnxruntime.quantization has no {mode}")
