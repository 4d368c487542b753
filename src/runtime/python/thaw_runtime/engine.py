"""A loaded model with its handler: turns calls into answers."""

from __future__ import annotations

import os
import time

from .call import Answer, Call, GivenEvent
from .context import HandlerContext, LambdaContext
from .failures import (
    RequestFailure,
    describe,
    failure_body,
    frames_of,
    message_of,
    name_of,
    stack_of,
)
from .handler import Handler, import_handler, prepare_path
from .input import parse_body, read_input
from .log import log
from .protocol import infer
from .serve_manifest import Layout, ServeManifest
from .tensor_json import render_json, render_untouched


class Engine:
    """Runs calls in the thread that asks.

    `inputs` and `outputs` are empty where no model is declared.
    """

    __slots__ = ("name", "inputs", "outputs", "event", "_session", "_handler", "_process")

    def __init__(self, name: str, session, handler: Handler | None) -> None:
        self.name = name
        self.inputs = [] if session is None else session.inputs
        self.outputs = [] if session is None else session.outputs
        # What an HTTP request becomes for a Lambda handler: `http` or `direct`; None without one.
        self.event = None if handler is None else handler.event
        self._session = session
        self._handler = handler
        self._process = os.getpid()

    def answer(self, call: Call) -> Answer:
        """Answers a call; whatever the handler raises becomes an answer, too."""
        timer = _Timer()
        try:
            if call.kind == "infer" or self.event is None:
                return self._predict(call, timer)
            if call.kind == "request":
                return self._answer_request(call, timer)
            return self._invoke(call, timer)
        except BaseException as error:
            self._leave_child(error)
            return _failed(call, error, timer.stop())

    def _predict(self, call: Call, timer: _Timer) -> Answer:
        input = read_input(call)
        if not input.given and not input.several:
            return Answer(200, render_json(input.answer), None)
        timer.start()
        results = [self._result(call, given) for given in input.given]
        infer_ms = timer.stop()
        return Answer(200, render_json(results if input.several else results[0]), infer_ms)

    def _result(self, call: Call, given: GivenEvent) -> object:
        session = self._session
        if self._handler is not None and call.kind != "infer":
            return self._call(given.input, HandlerContext(self.name, call, given, session))
        if session is None:
            message = f"{self.name} declares no model that takes tensors"
            raise RequestFailure(404, "UNKNOWN_MODEL", message)
        return infer(self.name, session, given.input)

    def _invoke(self, call: Call, timer: _Timer) -> Answer:
        event = parse_body(call.body) if call.event is None else call.event.input
        timer.start()
        result = self._call(event, LambdaContext(self.name, call, self._session))
        infer_ms = timer.stop()
        return Answer(200, render_untouched(result), infer_ms, result=result)

    def _answer_request(self, call: Call, timer: _Timer) -> Answer:
        from .url_event import read_url_answer, url_event

        event = url_event(call, self.name)
        timer.start()
        result = self._call(event, LambdaContext(self.name, call, self._session))
        infer_ms = timer.stop()
        status, headers, body = read_url_answer(result)
        return Answer(status, body, infer_ms, headers)

    def _call(self, given: object, context: object) -> object:
        result = self._handler(given, context)
        self._leave_child(None)
        return result

    def _leave_child(self, error: BaseException | None) -> None:
        """Ends a process that the handler forked and that came back: it is no server."""
        if os.getpid() == self._process:
            return
        code = 0 if error is None else 1
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else 0 if error.code is None else 1
        elif error is not None:
            log("error", f"a forked process failed: {describe(error)}", {"stack": stack_of(error)})
        os._exit(code)


class _Timer:
    """How long the handler or the model took; nothing where it did not come to that."""

    __slots__ = ("_started_s", "_ms")

    def __init__(self) -> None:
        self._started_s: float | None = None
        self._ms: float | None = None

    def start(self) -> None:
        self._started_s = time.perf_counter()

    def stop(self) -> float | None:
        """Milliseconds until this was first called."""
        if self._ms is None and self._started_s is not None:
            self._ms = (time.perf_counter() - self._started_s) * 1000
        return self._ms


def open_engine(layout: Layout, manifest: ServeManifest, imported) -> Engine:
    """Loads handler, ONNX Runtime and model, in the thread that asks.

    `imported` is called when all code is there and the model is next. Raises StartFailure.
    """
    prepare_path(layout)
    choice = manifest.handler
    found = None if choice is None else import_handler(layout, choice)
    session = None
    if manifest.file is None:
        imported()
    else:
        from .session import load_onnxruntime, open_model

        onnxruntime = load_onnxruntime()
        imported()
        session = open_model(onnxruntime, layout.model_dir, manifest)
    handler = None if found is None else found.set_up(layout, choice.event)
    return Engine(manifest.name, session, handler)


def _failed(call: Call, error: BaseException, infer_ms: float | None) -> Answer:
    if isinstance(error, RequestFailure):
        failure, error_type = error, error.code
    else:
        # What is not a refusal is the handler's own failure: the log gets all of it, the client
        # none.
        facts = {"requestId": call.request_id, "stack": stack_of(error)}
        log("error", f"the handler failed: {describe(error)}", facts)
        message = f"the handler failed on request {call.request_id}; its log says why"
        failure, error_type = RequestFailure(500, "HANDLER_FAILED", message), name_of(error)
    return Answer(
        failure.status,
        failure_body(failure),
        infer_ms,
        error_type=error_type,
        error_message=message_of(error),
        stack_trace=frames_of(error) if call.kind == "invoke" else None,
    )
