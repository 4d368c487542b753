"""Quantizes weights of a model as onnxruntime.quantization and numpy do, for the test to hold thaw's to.

python quantize-weights.py blocks model.onnx out.onnx 4|8
python quantize-weights.py bytes|halves model.onnx folder axes.json

axes.json: {weight: axis}. For each weight the folder gets <weight>.values and, of bytes, <weight>.scales.
"""

import json
import logging
import sys

import numpy as np
import onnx

logging.disable(logging.WARNING)
what, source, target, setting = sys.argv[1:]
model = onnx.load(source)

if what == "blocks":
    from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

    quantizer = MatMulNBitsQuantizer(
        model, bits=int(setting), block_size=32, is_symmetric=False, accuracy_level=4, op_types_to_quantize=("MatMul",)
    )
    quantizer.process()
    quantizer.model.save_model_to_file(target)
else:
    from onnxruntime.quantization.quant_utils import compute_scale_zp, quantize_nparray

    weights = {tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    with open(setting) as file:
        axes = json.load(file)
    for name, axis in axes.items():
        weight = weights[name]
        if what == "halves":
            weight.astype(np.float16).tofile(f"{target}/{name}.values")
            continue
        values, scales = np.empty(weight.shape, np.int8), np.empty(weight.shape[axis], np.float32)
        for channel in range(weight.shape[axis]):
            at = tuple(channel if one == axis else slice(None) for one in range(weight.ndim))
            part = weight[at]
            zero, scale = compute_scale_zp(
                part.min(), part.max(), np.array(-127, np.int8), np.array(127, np.int8), symmetric=True
            )
            values[at] = quantize_nparray(onnx.TensorProto.INT8, part, scale, zero, -127, 127)
            scales[channel] = scale
        values.tofile(f"{target}/{name}.values")
        scales.tofile(f"{target}/{name}.scales")
