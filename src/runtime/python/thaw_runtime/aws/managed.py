"""A handler for the Python that Lambda manages: what fetches events there is not this program, but
each goes through the same door.
"""

from __future__ import annotations

import json
import os
import time

from ..call import Invocation
from ..engine import open_engine
from ..evidence import begin_boot
from ..failures import StartFailure, message_of
from ..log import print_line
from ..phases import MarkStart, since_birth_ms
from ..serve_manifest import Layout, read_serve_manifest
from ..service import Service
from ..settings import Settings, read_settings
from .lambda_door import LambdaDoor
from .runtime_api import InvocationError, NextEvent, reason_of

# Where Lambda unpacks an archive. Anywhere else the temporary folder may be everybody's.
_TASK_ROOT = "/var/task"


def open_handler(runtime_dir: str):
    """Loads everything, which Lambda waits for before it has any event answered, and returns what it calls.

    `runtime_dir` is the folder with this package; the other parts lie beside it. Raises an exception whose class is
    named as Lambda shall report it.
    """
    # Before ONNX Runtime is loaded, or it keeps a device id and calls home.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    marks = MarkStart()
    try:
        settings = read_settings(os.environ, [])
        boot = begin_boot(settings.image, runtime_dir == f"{_TASK_ROOT}/runtime")
        layout = Layout(runtime_dir)
        manifest = read_serve_manifest(layout.manifest_file)
        engine = open_engine(layout, manifest, marks.imported)
    except StartFailure as failure:
        print_line({"event": "failed", "code": failure.code, "message": message_of(failure)})
        raise _named(f"Runtime.{reason_of(failure.code)}", message_of(failure)) from failure
    service = Service(manifest.name, boot)
    service.ready(engine, marks.ready())
    ready_ms = round(since_birth_ms(), 3)
    print_line({"event": "ready", "port": None, "bootId": boot.id, "readyMs": ready_ms})
    return lambda event, context: _answer(service, settings, event, context)


def _answer(service: Service, settings: Settings, event: object, context) -> object:
    api = _OneEvent(event, context)
    LambdaDoor(api, service, settings.request_bytes_max).serve()
    if api.error is not None:
        raise _named(api.error.type, api.error.message)
    return json.loads(api.body)


class _OneEvent:
    """The Runtime API as the door knows it, with one event in it."""

    __slots__ = ("_waiting", "body", "error")

    def __init__(self, event: object, context) -> None:
        remaining_ms = context.get_remaining_time_in_millis()
        self._waiting = NextEvent(
            request_id=context.aws_request_id,
            deadline_ms=int(time.time() * 1000) + remaining_ms,
            trace_id=os.environ.get("_X_AMZN_TRACE_ID"),
            invocation=Invocation(
                function_arn=context.invoked_function_arn,
                tenant_id=getattr(context, "tenant_id", None),
            ),
            body=json.dumps(event).encode("utf-8"),
        )
        self.body = b"null"
        self.error = None

    def next(self) -> NextEvent | None:
        event, self._waiting = self._waiting, None
        return event

    def respond(self, _request_id: str, body: bytes) -> str:
        self.body = body
        return "taken"

    def fail(self, _request_id: str, error: InvocationError) -> None:
        self.error = error

    def close(self) -> None:
        self._waiting = None


def _named(name: str, message: str) -> Exception:
    """Lambda reports the name of an exception's class as its type."""
    return type(name, (Exception,), {})(message)
