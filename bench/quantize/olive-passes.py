"""Quantizes a model with Olive, at the settings that thaw has too.

python olive-passes.py MODE model.onnx out.onnx rows.json

rows.json: a list of {input: {"shape": [...], "data": [...]}}; static calibrates with them, by smallest and largest.
"""

import json
import sys
import tempfile

import numpy as np
import onnx
from olive.data.config import DataComponentConfig, DataConfig
from olive.data.registry import Registry
from olive.hardware import AcceleratorSpec
from olive.model import ONNXModelHandler
from olive.passes.olive_pass import create_pass_from_dict

mode, source, target, rows_file = sys.argv[1:]
INT8 = {"per_channel": True, "reduce_range": True, "precision": "int8"}


@Registry.register_dataset()
def rows(**_):
    types = {1: np.float32, 6: np.int32, 7: np.int64}
    elements = {i.name: types[i.type.tensor_type.elem_type] for i in onnx.load(source).graph.input}
    with open(rows_file) as file:
        return [
            ({name: np.array(t["data"], elements[name]).reshape(t["shape"]) for name, t in row.items()}, 0)
            for row in json.load(file)
        ]


def as_they_are(dataset, **_):
    return dataset


Registry.register_dataloader()(as_they_are)


def choose():
    if mode == "dynamic":
        from olive.passes.onnx.quantization import OnnxDynamicQuantization

        operators = ["MatMul", "Gemm", "LSTM", "Gather"]
        return OnnxDynamicQuantization, {**INT8, "op_types_to_quantize": operators}
    if mode == "static":
        from olive.passes.onnx.quantization import OnnxStaticQuantization

        data = DataConfig(
            name="rows",
            load_dataset_config=DataComponentConfig(type="rows"),
            dataloader_config=DataComponentConfig(type="as_they_are"),
        )
        return OnnxStaticQuantization, {**INT8, "data_config": data, "quant_format": "QDQ", "activation_type": "uint8"}
    if mode in ("int4", "int8-blocks"):
        from olive.passes.onnx.rtn_quantization import OnnxBlockWiseRtnQuantization

        settings = {"bits": 4 if mode == "int4" else 8, "block_size": 32, "is_symmetric": False, "accuracy_level": 4}
        return OnnxBlockWiseRtnQuantization, settings
    if mode == "fp16":
        from olive.passes.onnx.float16_conversion import OnnxFloatToFloat16

        return OnnxFloatToFloat16, {"keep_io_types": True}
    sys.exit(f"Olive has no {mode}")


with tempfile.TemporaryDirectory() as folder:
    kind, settings = choose()
    made = create_pass_from_dict(
        kind, settings, disable_search=True, accelerator_spec=AcceleratorSpec("cpu", "CPUExecutionProvider")
    ).run(ONNXModelHandler(source), f"{folder}/made.onnx")
    onnx.save(onnx.load(made.model_path), target)
