"""The start on AWS Lambda."""

from __future__ import annotations

from ..evidence import begin_boot, restore_boot
from ..failures import message_of
from ..lifetime import Lifetime
from ..log import log, print_line
from ..phases import MarkStart, since_birth_ms
from ..service import Service
from ..settings import Settings
from .lambda_door import LambdaDoor
from .runtime_api import InvocationError, RuntimeApi, RuntimeApiFailure, reason_of


def start_on_lambda(
    address: str, settings: Settings, open, marks: MarkStart, lifetime: Lifetime
) -> None:
    """Serves on Lambda, in the calling thread, until there is nothing more to serve.

    Everything is loaded before the first event is asked for, which is what Lambda takes for the end of the start, and
    one event at a time needs no second thread. `open` reads the manifest, loads what it names, and returns the
    function's name and its engine. Raises StartFailure, RuntimeApiFailure.
    """
    api = RuntimeApi(address)
    lifetime.report_with(
        lambda code, message: api.fail_init(InvocationError(f"Runtime.{reason_of(code)}", message))
    )
    boot = begin_boot(settings.image, settings.owns_sandbox)
    name, engine = open()
    loaded = marks.ready()
    if settings.snapshot:
        api.await_restore()
        boot = restore_boot(boot)
    service = Service(name, boot)
    service.ready(engine, loaded)
    ready_ms = round(since_birth_ms(), 3)
    print_line({"event": "ready", "port": None, "bootId": boot.id, "readyMs": ready_ms})
    door = LambdaDoor(api, service, settings.request_bytes_max)
    lifetime.drain_with(door.drain)
    try:
        door.serve()
    except RuntimeApiFailure as error:
        log("error", message_of(error))
        lifetime.end(1)
