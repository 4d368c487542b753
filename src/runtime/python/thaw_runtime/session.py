"""A loaded model, on ONNX Runtime."""

from __future__ import annotations

import os

from .failures import RequestFailure, StartFailure, message_of
from .log import log
from .serve_manifest import ServeManifest
from .session_choice import choose_session
from .tensor_types import TensorInfo, is_tensor, onnx_number, type_of_ort

# Only errors: ONNX Runtime's warnings are about the model, and the packager has judged that.
_LOG_LEVEL = 3


class Session:
    """A loaded model: `inputs` and `outputs` are lists of TensorInfo."""

    __slots__ = ("inputs", "outputs", "_native", "_names", "_arrays_from")

    def __init__(self, native, file: str) -> None:
        # It needs numpy, which is there once ONNX Runtime is.
        from .feeds import tensors_from_feeds

        self._arrays_from = tensors_from_feeds
        self._native = native
        self.inputs = [_tensor_info_of(value, file) for value in native.get_inputs()]
        # Maps and sequences, as scikit-learn's exporters add them, are no tensors: leave them out.
        outputs = [value for value in native.get_outputs() if is_tensor(value.type)]
        self.outputs = [_tensor_info_of(value, file) for value in outputs]
        if not self.outputs:
            raise StartFailure("MODEL_INVALID", f"{file} has no output that is a tensor")
        self._names = [output.name for output in self.outputs]

    def run(self, feeds: dict) -> dict:
        """Runs the model on `{name: array}`, `{name: nested lists}` or `{name: {data, shape}}`.

        Gives `{name: numpy array}`. Raises RequestFailure 422 for feeds that do not fit; left
        uncaught, that is the answer which names the tensor. Raises RequestFailure 500 where the
        model itself fails on them.
        """
        arrays = self._arrays_from(self.inputs, feeds)
        try:
            results = self._native.run(self._names, arrays)
        except Exception as error:
            message = f"the model failed: {message_of(error)}"
            raise RequestFailure(500, "MODEL_FAILED", message) from error
        return dict(zip(self._names, results))


def load_onnxruntime():
    """Imports ONNX Runtime.

    Raises StartFailure RUNTIME_UNAVAILABLE.
    """
    # It is read when the library is loaded; unset, a device id is kept in the home folder and
    # uploaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime

        onnxruntime.set_default_logger_severity(_LOG_LEVEL)
    except Exception as error:
        message = f"ONNX Runtime does not load: {message_of(error)}"
        raise StartFailure("RUNTIME_UNAVAILABLE", message) from error
    return onnxruntime


def open_model(onnxruntime, model_dir: str, manifest: ServeManifest) -> Session:
    """Loads the model in the way that was measured, or where that fails in the plain one.

    Raises StartFailure MODEL_INVALID.
    """
    file = os.path.join(model_dir, manifest.file or "")
    if not os.path.exists(file):
        raise StartFailure("MODEL_INVALID", f"the model file {file} is missing")
    choice = choose_session(manifest, onnxruntime.__version__)
    if choice.fallback is not None:
        _say_plain(choice.fallback)
    if choice.session is manifest.session:
        return _open_session(onnxruntime, file, choice.session)
    try:
        return _open_session(onnxruntime, file, choice.session)
    except StartFailure as error:
        _say_plain(f"with them it fails: {message_of(error)}")
        return _open_session(onnxruntime, file, manifest.session)


def _say_plain(why: str) -> None:
    words = "the model is loaded with plain options instead of the measured ones"
    log("info", f"{words}: {why}")


def _open_session(onnxruntime, file: str, options: dict) -> Session:
    from .session_options import execution_providers, session_options

    try:
        native = onnxruntime.InferenceSession(
            file,
            sess_options=session_options(onnxruntime, options),
            providers=execution_providers(onnxruntime, options),
        )
    except Exception as error:
        raise StartFailure("MODEL_INVALID", message_of(error)) from error
    return Session(native, file)


def _tensor_info_of(value, file: str) -> TensorInfo:
    type = type_of_ort(value.type)
    if type is None:
        known = is_tensor(value.type)
        what = f"of ONNX's element type {onnx_number(value.type)}" if known else "not a tensor"
        message = f"{file}: {value.name} is {what}, which cannot be served"
        raise StartFailure("MODEL_INVALID", message)
    shape = [size if isinstance(size, int) and size >= 0 else size or "" for size in value.shape]
    return TensorInfo(value.name, type, [size if size != -1 else "" for size in shape])
