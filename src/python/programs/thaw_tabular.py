"""Converts a scikit-learn, XGBoost or LightGBM model to ONNX."""

import json
import sys
import warnings

from thaw_protocol import Refusal, converse, one_line, plain_tensor

import numpy

ROWS = (1, 16, 64)
BATCH = "batch"
BOOSTED_OPSET = 15


def convert(request, conversation):
    source = request["source"]
    conversation.step("loading the model")
    model = load(source)
    describe, columns = model_of(model), columns_of(model, request["inputs"])
    conversation.step("converting %s" % type(model).__name__)
    onnx_model = write_onnx(model, describe, columns, request["opset"])
    name_batch(onnx_model.graph)
    with open(request["out"], "wb") as out:
        out.write(onnx_model.SerializeToString())
    names = [output.name for output in onnx_model.graph.output]
    random = numpy.random.default_rng(0)
    rows, expected = [], []
    for count in ROWS:
        table = make_table(random, columns, describe, model, count)
        rows.append({name: plain_tensor(values) for name, values in table.items()})
        expected.append(predict(model, describe, table, columns, names))
    return rows, expected, {"varying": True, "versions": versions(describe)}


# Loading


def load(source):
    file = source["file"]
    try:
        if source["kind"] == "xgboost":
            return load_xgboost(file)
        if source["kind"] == "lightgbm":
            import lightgbm

            return lightgbm.Booster(model_file=file)
        import joblib

        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            model = joblib.load(file)
        refuse_other_version(file, told)
        return model
    except Refusal:
        raise
    except (ModuleNotFoundError, AttributeError) as error:
        missing = getattr(error, "name", None)
        raise Refusal(
            "module-missing",
            "%s needs code that is not in the environment: %s" % (file, one_line(error)),
            file=file,
            **({"missing": missing} if missing else {})
        ) from error
    except Exception as error:
        raise Refusal("damaged", "%s cannot be read: %s" % (file, one_line(error)), file=file) from error


def refuse_other_version(file, told):
    """scikit-learn only warns when it reads what another version wrote; the numbers may then be others."""
    for warning in told:
        if type(warning.message).__name__ == "InconsistentVersionWarning":
            raise Refusal("version", "%s: %s" % (file, one_line(warning.message)), file=file)


def load_xgboost(file):
    import xgboost

    booster = xgboost.Booster()
    booster.load_model(file)
    config = json.loads(booster.save_config())
    objective = config["learner"]["objective"]["name"]
    kind = xgboost.XGBClassifier if objective.startswith(("binary:", "multi:")) else xgboost.XGBRegressor
    model = kind()
    model.load_model(file)
    return model


# What it is


def model_of(model):
    """Which library a model is of and what it answers."""
    library = type(model).__module__.split(".")[0]
    known = ("sklearn", "xgboost", "lightgbm", "imblearn")
    if library not in known and not hasattr(model, "predict") and not hasattr(model, "transform"):
        raise Refusal("no-model", "the file holds no model but %s.%s" % (type(model).__module__, type(model).__name__))
    booster = library in ("xgboost", "lightgbm") and type(model).__name__ == "Booster"
    if booster and library == "xgboost":
        raise Refusal(
            "no-model", "the file holds a pickled xgboost.Booster: save it with booster.save_model('model.json') instead"
        )
    if booster:
        objective = str(model.params.get("objective") or model.dump_model()["objective"]).split(" ")[0]
        classifies = objective in ("binary", "multiclass", "multiclassova", "softmax", "cross_entropy")
    else:
        classifies = hasattr(model, "predict_proba") or getattr(model, "_estimator_type", "") == "classifier"
    return {"library": library, "booster": booster, "classifies": classifies}


def features_of(model):
    for name in ("n_features_in_", "num_features", "num_feature"):
        value = getattr(model, name, None)
        if value is not None:
            return int(value() if callable(value) else value)
    raise Refusal("no-model", "%s was never fitted: it does not know its features" % type(model).__name__)


def columns_of(model, given):
    """The inputs: those that were given, one for each column where columns are chosen by name, or one table."""
    if given:
        return {each["name"]: {"type": each["type"], "width": width_of(each), "values": None} for each in given}
    named = columns_by_name(model)
    if named:
        return named
    return {"input": {"type": "FP32", "width": features_of(model), "values": None}}


def width_of(each):
    width = each["shape"][-1]
    if len(each["shape"]) != 2 or not isinstance(width, int):
        raise Refusal("wrong-inputs", "input %s must have a shape such as batch,4" % each["name"], inputs=[])
    return width


def columns_by_name(model):
    """Columns of a data frame, where a ColumnTransformer picks them by name; with their categories, where it has some."""
    names = [str(name) for name in getattr(model, "feature_names_in_", [])]
    pickers = [step for step in steps_of(model) if hasattr(step, "transformers_")]
    picked = [column for picker in pickers for _, _, columns in picker.transformers_ for column in as_list(columns)]
    if not names or not any(isinstance(column, str) for column in picked):
        return None
    columns = {name: {"type": "FP32", "width": 1, "values": None} for name in names}
    for picker in pickers:
        for _, transformer, chosen in picker.transformers_:
            for step in steps_of(transformer):
                for name, values in zip(as_list(chosen), getattr(step, "categories_", [])):
                    if name in columns and values.dtype.kind in "OUS":
                        columns[name] = {"type": "BYTES", "width": 1, "values": [str(value) for value in values]}
                    elif name in columns:
                        columns[name] = {**columns[name], "values": values.tolist()}
    return columns


def as_list(columns):
    return [columns] if isinstance(columns, str) else list(columns) if hasattr(columns, "__iter__") else []


def steps_of(model):
    steps = getattr(model, "steps", None)
    if steps is None:
        return [model]
    return [inner for _, step in steps for inner in steps_of(step)]


# Writing


def write_onnx(model, describe, columns, opset):
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if describe["library"] == "xgboost":
                return write_boosted("convert_xgboost", model, columns, opset)
            if describe["library"] == "lightgbm":
                return write_boosted("convert_lightgbm", model, columns, opset, zipmap=False)
            return write_sklearn(model, columns, opset)
    except Refusal:
        raise
    except Exception as error:
        if type(error).__name__ in ("MissingShapeCalculator", "MissingConverter"):
            raise Refusal("unsupported", one_line(error), operator=operator_in(str(error))) from error
        raise


def operator_in(text):
    """The class that a converter does not know, out of its message: … for type '<class 'a.b.C'>' …"""
    return text.split("<class '")[-1].split("'")[0] if "<class '" in text else text.split(".")[0]


def tensor_types(columns, module):
    kinds = {"FP32": "FloatTensorType", "FP64": "DoubleTensorType", "INT64": "Int64TensorType", "BYTES": "StringTensorType"}
    types = []
    for name, column in columns.items():
        if column["type"] not in kinds:
            raise Refusal("wrong-inputs", "input %s: such models take FP32, FP64, INT64 or BYTES, not %s" % (name, column["type"]))
        types.append((name, getattr(module, kinds[column["type"]])([None, column["width"]])))
    return types


def write_boosted(converter, model, columns, opset, **options):
    import onnxmltools
    from onnxmltools.convert.common import data_types

    if len(columns) > 1:
        raise Refusal("wrong-inputs", "such a model has one input, not %s" % ", ".join(columns), inputs=[])
    target = {} if opset is None else {"target_opset": opset}
    return getattr(onnxmltools, converter)(model, initial_types=tensor_types(columns, data_types), **options, **target)


def write_sklearn(model, columns, opset):
    import skl2onnx
    from skl2onnx.common import data_types

    options = {}
    for step in steps_of(model):
        library = type(step).__module__.split(".")[0]
        if library in ("xgboost", "lightgbm"):
            register(step, library)
    if hasattr(model, "predict_proba"):
        options = {id(model): {"zipmap": False}}
    if any(type(step).__module__.split(".")[0] in ("xgboost", "lightgbm") for step in steps_of(model)):
        # What the converters of boosted trees write.
        target = {"target_opset": {"": opset or BOOSTED_OPSET, "ai.onnx.ml": 3}}
    else:
        target = {} if opset is None else {"target_opset": opset}
    return skl2onnx.to_onnx(model, initial_types=tensor_types(columns, data_types), options=options, **target)


def register(step, library):
    """Boosted trees as a step of a pipeline."""
    import skl2onnx
    from skl2onnx.common import shape_calculator

    classifies = hasattr(step, "predict_proba")
    shapes = "calculate_linear_%s_output_shapes" % ("classifier" if classifies else "regressor")
    if library == "xgboost":
        from onnxmltools.convert.xgboost.operator_converters.XGBoost import convert_xgboost as converter
    else:
        from onnxmltools.convert.lightgbm.operator_converters.LightGbm import convert_lightgbm as converter
    skl2onnx.update_registered_converter(
        type(step),
        "%s%s" % (library, type(step).__name__),
        getattr(shape_calculator, shapes),
        converter,
        options={"nocl": [True, False], "zipmap": [True, False, "columns"]} if classifies else None,
    )


def name_batch(graph):
    """The first dimension is the number of rows: it varies, and has a name. One converter writes 1 for that of labels."""
    for value in list(graph.input) + list(graph.output):
        dims = value.type.tensor_type.shape.dim
        if len(dims) > 0 and dims[0].dim_value in (0, 1) and not dims[0].dim_param:
            dims[0].dim_param = BATCH


# Comparing


def make_table(random, columns, describe, model, count):
    """Rows to compare by: spread as the training data were, where a scaler remembers them, and over several sizes."""
    centers, scales = spread_of(model)
    table = {}
    for name, column in columns.items():
        shape = (count, column["width"])
        if column["values"]:
            values = random.choice(numpy.array(column["values"], dtype=object), shape)
        elif column["type"] == "BYTES":
            values = random.choice(numpy.array(["a", "b"], dtype=object), shape)
        else:
            values = random.normal(size=shape) * 10.0 ** random.integers(-1, 3, size=(count, 1))
            if centers is not None and len(centers) == column["width"]:
                values = random.normal(size=shape) * scales + centers
        kinds = {"FP32": "float32", "FP64": "float64", "INT64": "int64", "BYTES": object}
        table[name] = values.astype(kinds[column["type"]])
    return table


def spread_of(model):
    for step in steps_of(model)[:1]:
        center, scale = getattr(step, "mean_", None), getattr(step, "scale_", None)
        if center is not None and scale is not None:
            return numpy.asarray(center), numpy.asarray(scale)
    return None, None


def predict(model, describe, table, columns, names):
    """What the model itself gives, under the names of the ONNX outputs."""
    data = frame_of(table) if len(columns) > 1 else next(iter(table.values()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if describe["booster"]:
            values = booster_outputs(model, data, describe)
        elif describe["classifies"]:
            values = [model.predict(data)]
            if hasattr(model, "predict_proba"):
                values.append(model.predict_proba(data))
            elif hasattr(model, "decision_function"):
                values.append(model.decision_function(data))
        elif hasattr(model, "predict"):
            values = [model.predict(data)]
            if hasattr(model, "transform") and len(names) > 1:
                values.append(model.transform(data))
        else:
            values = [model.transform(data)]
    return {name: plain_tensor(dense(value)) for name, value in zip(names, values)}


def dense(value):
    return numpy.asarray(value.todense() if hasattr(value, "todense") else value)


def frame_of(table):
    import pandas

    return pandas.DataFrame({name: values.reshape(-1) for name, values in table.items()})


def booster_outputs(model, data, describe):
    raw = numpy.asarray(model.predict(data))
    if not describe["classifies"]:
        return [raw]
    shares = raw if raw.ndim == 2 else numpy.stack([1 - raw, raw], axis=1)
    return [shares.argmax(axis=1), shares]


def versions(describe):
    found = {}
    for name in ("sklearn", "xgboost", "lightgbm", "skl2onnx", "onnxmltools", "onnx"):
        if name in sys.modules:
            found["scikit-learn" if name == "sklearn" else name] = sys.modules[name].__version__
    return found


if __name__ == "__main__":
    converse(convert)
