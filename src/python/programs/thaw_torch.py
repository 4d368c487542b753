"""Converts a PyTorch model to ONNX: TorchScript, an exported program, or a class or function with a checkpoint."""

import importlib
import importlib.util
import inspect
import os
import re
import sys
import warnings

from thaw_protocol import Refusal, converse, one_line, plain_tensor

import torch

TYPES = {
    "FP32": torch.float32,
    "FP64": torch.float64,
    "FP16": torch.float16,
    "INT64": torch.int64,
    "INT32": torch.int32,
    "INT16": torch.int16,
    "INT8": torch.int8,
    "UINT8": torch.uint8,
    "BOOL": torch.bool,
}

# Sizes 0 and 1 are taken for constants by torch's exporter.
EXAMPLE_SIZE = 2
# Another size than the example's shows whether a dimension really may vary.
OTHER_SIZE = 3
NAMES_MAX = 5


def convert(request, conversation):
    torch.manual_seed(0)
    torch.set_grad_enabled(False)
    source = request["source"]
    conversation.step("loading the model with torch %s" % torch.__version__)
    if source["kind"] == "exported-program":
        return convert_program(request, conversation, load_program(source["file"]))
    if source["kind"] == "torchscript":
        module = load_script(source["file"])
    else:
        module = build_module(source, conversation)
        if source["checkpoint"] is not None:
            load_checkpoint(module, source["checkpoint"], conversation)
    return convert_module(request, conversation, module.eval())


# Loading


def load_script(file):
    try:
        return torch.jit.load(file, map_location="cpu")
    except Exception as error:
        raise Refusal("damaged", "%s cannot be read by torch %s: %s" % (file, torch.__version__, one_line(error)), file=file)


def load_program(file):
    if not hasattr(torch, "export") or not hasattr(torch.export, "load"):
        raise Refusal(
            "torch-old",
            "torch %s cannot read an exported program: that takes 2.1 or newer" % torch.__version__,
            torch=torch.__version__,
        )
    try:
        return torch.export.load(file)
    except Exception as error:
        raise Refusal("damaged", "%s cannot be read by torch %s: %s" % (file, torch.__version__, one_line(error)), file=file)


def build_module(source, conversation):
    sys.path.insert(0, os.getcwd())
    module, name = import_source(source["module"]), source["name"]
    conversation.note("imported %s from %s" % (source["module"], getattr(module, "__file__", None) or "memory"))
    value = module
    for part in name.split("."):
        if not hasattr(value, part):
            known = [
                each
                for each, member in vars(module).items()
                if inspect.isclass(member) and issubclass(member, torch.nn.Module) and member.__module__ == module.__name__
            ]
            raise Refusal("class-not-found", "%s has no %s" % (source["module"], name), module=source["module"], known=known)
        value = getattr(value, part)
    if isinstance(value, torch.nn.Module):
        return value
    if not callable(value):
        raise Refusal("class-not-found", "%s:%s is no class or function but %s" % (source["module"], name, type(value).__name__))
    try:
        built = value()
    except TypeError as error:
        needed = required_parameters(value)
        if not needed:
            raise
        raise Refusal(
            "class-arguments",
            "%s:%s needs arguments: %s" % (source["module"], name, ", ".join(needed)),
            module=source["module"],
            name=name,
            needed=needed,
        ) from error
    if not isinstance(built, torch.nn.Module):
        raise Refusal("class-not-found", "%s:%s gives no torch.nn.Module but %s" % (source["module"], name, type(built).__name__))
    return built


def import_source(name):
    try:
        if not name.endswith(".py"):
            return importlib.import_module(name)
        if not os.path.isfile(name):
            raise Refusal("class-not-found", "there is no file %s" % name, module=name)
        sys.path.insert(0, os.path.dirname(os.path.abspath(name)))
        spec = importlib.util.spec_from_file_location(os.path.basename(name)[:-3], name)
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module
    except Refusal:
        raise
    except ModuleNotFoundError as error:
        raise Refusal(
            "module-missing",
            "importing %s failed: there is no module %s" % (name, error.name),
            module=name,
            missing=error.name,
        ) from error
    except Exception as error:
        raise Refusal(
            "import-failed", "importing %s failed: %s: %s" % (name, type(error).__name__, one_line(error)), module=name
        ) from error


def required_parameters(value):
    try:
        parameters = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return []
    positional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return [each.name for each in parameters if each.default is inspect.Parameter.empty and each.kind not in positional]


def load_checkpoint(module, file, conversation):
    wanted = module.state_dict()
    state = fit_prefix(unwrap(read_checkpoint(file, conversation), file), wanted)
    missing = [name for name in wanted if name not in state]
    unexpected = [name for name in state if name not in wanted]
    shapes = [
        "%s is %s in the file and %s in the class" % (name, list(state[name].shape), list(wanted[name].shape))
        for name in wanted
        if name in state and hasattr(state[name], "shape") and state[name].shape != wanted[name].shape
    ]
    if not (missing or unexpected or shapes):
        module.load_state_dict(state)
        return
    parts = [
        "%d weights of the class are not in it (%s)" % (len(missing), few(missing)) if missing else None,
        "it has %d that the class does not know (%s)" % (len(unexpected), few(unexpected)) if unexpected else None,
        "%d have another shape (%s)" % (len(shapes), few(shapes)) if shapes else None,
    ]
    raise Refusal(
        "checkpoint-mismatch",
        "%s does not fit the class: %s" % (file, "; ".join(part for part in parts if part)),
        file=file,
        missing=missing[:NAMES_MAX],
        unexpected=unexpected[:NAMES_MAX],
        shapes=shapes[:NAMES_MAX],
    )


def few(names):
    shown = ", ".join(names[:NAMES_MAX])
    return shown if len(names) <= NAMES_MAX else shown + ", …"


def read_checkpoint(file, conversation):
    try:
        if is_safetensors(file):
            from safetensors.torch import load_file

            return load_file(file)
        try:
            return torch.load(file, map_location="cpu", weights_only=True)
        except Exception:
            # More than weights lies in it; that its code may run was asked before.
            conversation.note("%s holds more than weights: it was unpickled whole" % file)
            return torch.load(file, map_location="cpu", **({"weights_only": False} if takes_weights_only() else {}))
    except (ModuleNotFoundError, AttributeError) as error:
        raise Refusal("module-missing", "%s needs code that is not here: %s" % (file, one_line(error)), file=file)
    except Exception as error:
        raise Refusal("damaged", "%s cannot be read by torch %s: %s" % (file, torch.__version__, one_line(error)), file=file)


def takes_weights_only():
    return "weights_only" in inspect.signature(torch.load).parameters


def is_safetensors(file):
    with open(file, "rb") as opened:
        return opened.read(9)[8:9] == b"{"


WRAPPINGS = ("state_dict", "model_state_dict", "model_state", "model", "net", "weights")
PREFIXES = ("module.", "_orig_mod.", "model.")


def unwrap(loaded, file):
    """The weights in what training scripts save: under a key, as a whole module, or with a wrapper's prefix."""
    for _ in range(3):
        if isinstance(loaded, torch.nn.Module):
            loaded = loaded.state_dict()
        inner = [loaded[key] for key in WRAPPINGS if isinstance(loaded, dict) and key in loaded]
        inner = [each for each in inner if isinstance(each, (dict, torch.nn.Module))]
        if not inner:
            break
        loaded = inner[0]
    if not isinstance(loaded, dict) or not any(torch.is_tensor(value) for value in loaded.values()):
        raise Refusal("checkpoint-mismatch", "%s holds no weights but %s" % (file, type(loaded).__name__), file=file)
    return loaded


def fit_prefix(state, wanted):
    """Weights without the prefix that a wrapper for training has left on all of them."""
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in state) and not any(name.startswith(prefix) for name in wanted):
            state = {name[len(prefix) :]: value for name, value in state.items()}
    return state


# Converting


def convert_module(request, conversation, module):
    inputs = named_inputs(request["inputs"], module)
    symbolic = any(not isinstance(size, int) for each in inputs for size in each["shape"])
    varying = request["varying"] and symbolic and varies(module, inputs)
    if not varying:
        inputs = [{**each, "shape": fixed(each)} for each in inputs]
    example = make_feed(inputs, EXAMPLE_SIZE)
    try:
        outputs = flatten(module(*example.values()))
    except Refusal:
        raise
    except Exception as error:
        shapes = ", ".join("%s %s" % (name, list(tensor.shape)) for name, tensor in example.items())
        raise Refusal(
            "wrong-inputs",
            "the model does not take %s: %s" % (shapes, one_line(error)),
            inputs=[each["name"] for each in inputs],
        ) from error
    if symbolic and not varying:
        conversation.note("no dimension varies: the model is converted for the sizes that were given")
    export(request, conversation, module, inputs, example, list(outputs))
    sizes = [EXAMPLE_SIZE, OTHER_SIZE, 1] if varying else [EXAMPLE_SIZE] * 2
    rows, expected = [], []
    for size in sizes:
        feed = make_feed(inputs, size)
        rows.append({name: plain_tensor(tensor.numpy()) for name, tensor in feed.items()})
        expected.append(plain_outputs(module(*feed.values())))
    return rows, expected, {"varying": varying, "versions": {"torch": torch.__version__}}


def fixed(each):
    """Its shape with the sizes that were given, where a dimension turned out not to vary."""
    sizes = zip(each["shape"], each["given"])
    return [size if isinstance(size, int) else given if given is not None else EXAMPLE_SIZE for size, given in sizes]


def named_inputs(inputs, module):
    """The inputs in the order in which forward takes them."""
    if isinstance(module, torch.jit.ScriptModule):
        names = [argument.name for argument in module.forward.schema.arguments][1:]
    else:
        names = [
            each.name
            for each in inspect.signature(module.forward).parameters.values()
            if each.kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
        ]
    strangers = [each["name"] for each in inputs if each["name"] not in names]
    if names and strangers:
        raise Refusal(
            "wrong-inputs",
            "forward takes %s, not %s" % (", ".join(names), ", ".join(strangers)),
            inputs=names,
        )
    return sorted(inputs, key=lambda each: names.index(each["name"])) if names else inputs


def make_feed(inputs, size):
    feed = {}
    for each in inputs:
        shape = [entry if isinstance(entry, int) else size for entry in each["shape"]]
        kind = TYPES[each["type"]]
        if kind.is_floating_point:
            feed[each["name"]] = torch.randn(shape, dtype=torch.float32).to(kind)
        else:
            # Small enough to be an index into anything.
            feed[each["name"]] = torch.randint(0, 2, shape).to(kind)
    return feed


def varies(module, inputs):
    """Whether the model runs at several sizes of what may vary."""
    try:
        for size in (EXAMPLE_SIZE, OTHER_SIZE, 1):
            module(*make_feed(inputs, size).values())
        return True
    except Exception:
        return False


def flatten(value, name="output"):
    """A model's outputs by name: the keys of a dict, or output, output_1, …"""
    if hasattr(value, "to_tuple") and hasattr(value, "items"):
        value = {key: member for key, member in value.items()}
    if torch.is_tensor(value):
        return {name: value}
    if isinstance(value, dict):
        return {key: member for key, member in value.items() if torch.is_tensor(member)}
    if isinstance(value, (tuple, list)):
        tensors = flat_list(value)
        return {name if at == 0 else "%s_%d" % (name, at): tensor for at, tensor in enumerate(tensors)}
    raise Refusal("wrong-outputs", "the model gives no tensors but %s" % type(value).__name__)


def flat_list(value):
    if torch.is_tensor(value):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    return [tensor for member in value for tensor in flat_list(member)] if isinstance(value, (tuple, list)) else []


def plain_outputs(value):
    return {name: plain_tensor(tensor.detach().cpu().numpy()) for name, tensor in flatten(value).items()}


def export(request, conversation, module, inputs, example, output_names):
    opset = {} if request["opset"] is None else {"opset_version": request["opset"]}
    settings = {"input_names": [each["name"] for each in inputs], "output_names": output_names, **opset}
    if has_dynamo() and not isinstance(module, torch.jit.ScriptModule):
        conversation.step("exporting the graph")
        try:
            export_dynamo(module, example, request["out"], [symbols(each) for each in inputs], **settings)
            return
        except Exception as error:
            print(one_line(error, 4000), file=sys.stderr)
            conversation.note("torch's newer exporter cannot take this model: it is traced instead")
    conversation.step("tracing the model")
    export_traced(module, example, inputs, request["out"], settings)


def has_dynamo():
    return tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 6)


def symbols(each):
    return {at: size for at, size in enumerate(each["shape"]) if not isinstance(size, int)}


def export_dynamo(module, example, out, varying, **settings):
    if any(varying):
        dims = {symbol: torch.export.Dim(symbol) for entries in varying for symbol in entries.values()}
        settings["dynamic_shapes"] = tuple({at: dims[name] for at, name in entries.items()} for entries in varying)
    torch.onnx.export(
        module, tuple(example.values()), out, dynamo=True, external_data=False, verbose=False, **settings
    )


def export_traced(module, example, inputs, out, settings):
    axes = {each["name"]: symbols(each) for each in inputs if symbols(each)}
    batch = next((dims[0] for dims in axes.values() if 0 in dims), None)
    if batch is not None:
        outputs = flatten(module(*example.values()))
        for name, tensor in outputs.items():
            if tensor.dim() > 0 and tensor.shape[0] == EXAMPLE_SIZE:
                axes[name] = {0: batch}
    if has_dynamo():
        settings = {**settings, "dynamo": False}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            torch.onnx.export(module, tuple(example.values()), out, dynamic_axes=axes, do_constant_folding=True, **settings)
    except Exception as error:
        raise unsupported(error) from error


def unsupported(error):
    """A refusal that names the operator, where the exporter does."""
    text = one_line(error, 2000)
    found = re.search(r"operator '?([\w:.]+)'?|(aten[:.]+[\w.]+)", text)
    facts = {"operator": found.group(1) or found.group(2)} if found else {}
    named = " %s" % facts["operator"] if facts else ""
    if found or "nsupported" in text:
        return Refusal("unsupported", "torch cannot write the operator%s as ONNX: %s" % (named, one_line(error)), **facts)
    return Refusal("failed", one_line(error), type=type(error).__name__)


def convert_program(request, conversation, program):
    if not has_dynamo():
        raise Refusal(
            "torch-old",
            "torch %s cannot write an exported program as ONNX: that takes 2.6 or newer" % torch.__version__,
            torch=torch.__version__,
        )
    names = list(program.graph_signature.user_inputs)
    metas = {node.name: node.meta["val"] for node in program.graph.nodes if node.op == "placeholder"}
    constant = [name for name in names if name not in metas or not torch.is_tensor(metas[name])]
    if constant:
        raise Refusal("wrong-inputs", "the exported program takes other things than tensors: %s" % few([str(each) for each in constant]))
    symbols_seen = {}
    inputs = []
    for name in names:
        shape = [size if isinstance(size, int) else symbols_seen.setdefault(str(size), "dim_%d" % len(symbols_seen)) for size in metas[name].shape]
        kind = next((key for key, value in TYPES.items() if value == metas[name].dtype), None)
        if kind is None:
            raise Refusal("wrong-inputs", "input %s has type %s" % (name, metas[name].dtype))
        inputs.append({"name": name, "shape": shape, "type": kind})
    module = program.module()
    sizes = [size for size in (EXAMPLE_SIZE, OTHER_SIZE) if runs(module, inputs, size)] if symbols_seen else [EXAMPLE_SIZE] * 2
    if not sizes:
        raise Refusal("wrong-inputs", "the exported program takes none of the sizes %d and %d" % (EXAMPLE_SIZE, OTHER_SIZE))
    outputs = flatten(module(*make_feed(inputs, sizes[0]).values()))
    conversation.step("exporting the graph")
    opset = {} if request["opset"] is None else {"opset_version": request["opset"]}
    try:
        torch.onnx.export(
            program,
            tuple(make_feed(inputs, sizes[0]).values()),
            request["out"],
            dynamo=True,
            external_data=False,
            verbose=False,
            input_names=names,
            output_names=list(outputs),
            **opset,
        )
    except Exception as error:
        raise unsupported(error) from error
    rows, expected = [], []
    for size in sizes:
        feed = make_feed(inputs, size)
        rows.append({name: plain_tensor(tensor.numpy()) for name, tensor in feed.items()})
        expected.append(plain_outputs(module(*feed.values())))
    return rows, expected, {"varying": bool(symbols_seen), "versions": {"torch": torch.__version__}}


def runs(module, inputs, size):
    try:
        module(*make_feed(inputs, size).values())
        return True
    except Exception:
        return False


if __name__ == "__main__":
    converse(convert)
