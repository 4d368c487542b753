"""Session options, which manifests spell as ONNX Runtime's binding for JavaScript does."""

from __future__ import annotations

from .log import log

_LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
_MODES = {"sequential": "ORT_SEQUENTIAL", "parallel": "ORT_PARALLEL"}
_ATTRIBUTES = {
    "intraOpNumThreads": "intra_op_num_threads",
    "interOpNumThreads": "inter_op_num_threads",
    "enableCpuMemArena": "enable_cpu_mem_arena",
    "enableMemPattern": "enable_mem_pattern",
    "enableProfiling": "enable_profiling",
    "profileFilePrefix": "profile_file_prefix",
    "optimizedModelFilePath": "optimized_model_filepath",
    "logId": "logid",
    "logSeverityLevel": "log_severity_level",
    "logVerbosityLevel": "log_verbosity_level",
}


def session_options(onnxruntime, options: dict):
    """Makes ONNX Runtime's SessionOptions.

    An option that Python does not know is logged, and left out.
    """
    made = onnxruntime.SessionOptions()
    for name, value in options.items():
        if name == "graphOptimizationLevel" and hasattr(
            onnxruntime.GraphOptimizationLevel, _LEVELS.get(value, "")
        ):
            level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[value])
            made.graph_optimization_level = level
        elif name == "executionMode" and value in _MODES:
            made.execution_mode = getattr(onnxruntime.ExecutionMode, _MODES[value])
        elif name in _ATTRIBUTES:
            setattr(made, _ATTRIBUTES[name], value)
        elif name == "freeDimensionOverrides":
            for symbol, size in value.items():
                made.add_free_dimension_override_by_name(symbol, size)
        elif name == "extra":
            for entry, text in _entries(value, ""):
                made.add_session_config_entry(entry, text)
        elif name != "executionProviders":
            shown = value if isinstance(value, str) else type(value).__name__
            log("error", f"ONNX Runtime for Python has no session option {name}: {shown}")
    return made


def execution_providers(onnxruntime, options: dict) -> list:
    """The execution providers that are asked for and there; the CPU's where nothing is said."""
    asked = options.get("executionProviders") or ["cpu"]
    there = {_short(name): name for name in onnxruntime.get_available_providers()}
    providers = []
    for provider in asked:
        name = provider.get("name") if isinstance(provider, dict) else provider
        found = there.get(_short(str(name)))
        if found is None:
            log("error", f"ONNX Runtime has no execution provider {name}")
        else:
            providers.append(found)
    return providers or ["CPUExecutionProvider"]


def _short(provider: str) -> str:
    return provider.lower().replace("executionprovider", "")


def _entries(tree: dict, prefix: str) -> list:
    """`{session: {disable_prepacking: '1'}}` as `session.disable_prepacking` and `1`."""
    entries = []
    for name, value in tree.items():
        if isinstance(value, dict):
            entries += _entries(value, f"{prefix}{name}.")
        else:
            entries.append((prefix + name, value if isinstance(value, str) else str(value)))
    return entries
