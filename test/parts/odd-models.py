"""Writes models with everything in them that the format has and few use.

python odd-models.py folder
"""

import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

folder = sys.argv[1]
rng = np.random.default_rng(1)
K, N = 48, 40


def weight(name, *shape):
    return numpy_helper.from_array((rng.standard_normal(shape) * 0.15).astype(np.float32), name)


def save(name, graph, **more):
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("local", 1), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=imports, ir_version=10, **more)
    onnx.save(model, f"{folder}/{name}.onnx")
    return model


def graph(nodes, initializers, **more):
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["rows", K])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    return helper.make_graph(nodes, "odd", [x], [y], initializers, **more)


# A function that multiplies what it is given, and one with a weight of its own.
imports = [helper.make_opsetid("", 18)]
multiply = helper.make_function(
    "local", "Multiply", ["a", "b"], ["c"], [helper.make_node("MatMul", ["a", "b"], ["c"])], imports
)
own = helper.make_function(
    "local", "Own", ["a"], ["c"],
    [
        helper.make_node("Constant", [], ["k"], value=weight("k", N, N)),
        helper.make_node("MatMul", ["a", "k"], ["c"]),
    ],
    imports,
)
save(
    "functions",
    graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], name="plain"),
            helper.make_node("Multiply", ["h", "v"], ["m"], domain="local", name="called"),
            helper.make_node("Own", ["m"], ["y"], domain="local", name="owning"),
        ],
        [weight("w", K, N), weight("v", N, N)],
    ),
    functions=[multiply, own],
)

# A Loop whose body multiplies by a weight around it and by one of its own.
body = helper.make_graph(
    [
        helper.make_node("MatMul", ["state", "v"], ["once"], name="outer"),
        helper.make_node("MatMul", ["once", "u"], ["twice"], name="inner"),
        helper.make_node("Tanh", ["twice"], ["next"]),
        helper.make_node("Identity", ["go"], ["on"]),
    ],
    "body",
    [
        helper.make_tensor_value_info("step", TensorProto.INT64, []),
        helper.make_tensor_value_info("go", TensorProto.BOOL, []),
        helper.make_tensor_value_info("state", TensorProto.FLOAT, None),
    ],
    [
        helper.make_tensor_value_info("on", TensorProto.BOOL, []),
        helper.make_tensor_value_info("next", TensorProto.FLOAT, None),
    ],
    [weight("u", N, N)],
)
save(
    "loop",
    graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["h"], name="before"),
            helper.make_node("Loop", ["steps", "", "h"], ["y"], body=body),
        ],
        [weight("w", K, N), weight("v", N, N), numpy_helper.from_array(np.array(3, np.int64), "steps")],
    ),
)

# A sparse weight, and every other message that a model can hold.
values = numpy_helper.from_array(rng.standard_normal(300).astype(np.float32), "sparse")
places = numpy_helper.from_array(np.sort(rng.choice(K * N, 300, replace=False)).astype(np.int64), "places")
sparse = helper.make_sparse_tensor(values, places, [K, N])
everything = graph(
    [
        helper.make_node("MatMul", ["x", "sparse"], ["h"], name="sparse_product", doc_string="a note"),
        helper.make_node("MatMul", ["h", "w"], ["y"], name="product"),
    ],
    [weight("w", N, N)],
    sparse_initializer=[sparse],
    doc_string="a graph",
)
annotation = everything.quantization_annotation.add()
annotation.tensor_name = "h"
entry = annotation.quant_parameter_tensor_names.add()
entry.key, entry.value = "SCALE_TENSOR", "w"
for holder in (everything, everything.node[0], everything.initializer[0], everything.input[0]):
    entry = holder.metadata_props.add()
    entry.key, entry.value = "who", "nobody"
everything.node[0].overload = "one"
everything.initializer[0].doc_string = "a weight"
everything.input[0].type.denotation = "IMAGE"
model = save("everything", everything, doc_string="a model", model_version=7, producer_version="2.0")
onnx.helper.set_model_props(model, {"a": "b"})
training = model.training_info.add()
training.algorithm.CopyFrom(helper.make_graph([helper.make_node("Relu", ["p"], ["q"])], "t", [], []))
device = model.configuration.add()
device.name, device.num_devices = "two", 2
# No runtime reads these last; a reader that loses nothing keeps them.
onnx.save(model, f"{folder}/unread.onnx")
