"""How an instance starts: the door opens first, so that requests can queue while all is loaded."""

from __future__ import annotations

import os
import sys

from .engine import Engine, open_engine
from .evidence import begin_boot
from .failures import StartFailure, describe, message_of, stack_of
from .lifetime import Lifetime, begin_lifetime, end_with_stdin
from .log import log, print_line
from .phases import MarkStart, since_birth_ms
from .serve_manifest import Layout, read_serve_manifest
from .service import Service
from .settings import Settings, read_settings


def run(runtime_dir: str) -> None:
    """Serves until the process ends. To be called in the main thread."""
    lifetime = begin_lifetime()
    try:
        _print_lines()
        _start(runtime_dir, lifetime)
    except StartFailure as error:
        if error.__cause__ is not None:
            log(
                "error",
                f"the start failed: {message_of(error)}",
                {"stack": stack_of(error.__cause__)},
            )
        lifetime.fail(error.code, message_of(error))
    except BaseException as error:
        log("error", f"the start failed: {describe(error)}", {"stack": stack_of(error)})
        lifetime.fail("RUNTIME_UNAVAILABLE", describe(error))


def _print_lines() -> None:
    """Has what a handler prints reach its reader line by line, whatever the stream is."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _start(runtime_dir: str, lifetime: Lifetime) -> None:
    marks = MarkStart()
    settings = read_settings(os.environ, sys.argv[1:])
    if settings.lifeline:
        end_with_stdin(lifetime)
    layout = Layout(runtime_dir)
    if settings.runtime_api is not None:
        _start_on_lambda(settings.runtime_api, settings, layout, marks, lifetime)
    else:
        _start_on_http(settings, layout, marks, lifetime)


def _start_on_lambda(
    address: str, settings: Settings, layout: Layout, marks: MarkStart, lifetime: Lifetime
) -> None:
    from .aws.start import start_on_lambda

    def open() -> tuple[str, Engine]:
        manifest = read_serve_manifest(layout.manifest_file)
        return manifest.name, open_engine(layout, manifest, marks.imported)

    start_on_lambda(address, settings, open, marks, lifetime)


def _start_on_http(
    settings: Settings, layout: Layout, marks: MarkStart, lifetime: Lifetime
) -> None:
    from .http_server import HttpOptions, listen_http
    from .worker_engine import WorkerEngine

    manifest = read_serve_manifest(layout.manifest_file)
    boot = begin_boot(settings.image, settings.owns_sandbox)
    service = Service(manifest.name, boot)
    port, dialect = settings.port, None
    if settings.custom_handler_port is not None:
        from .azure import custom_handler

        port, dialect = settings.custom_handler_port, custom_handler(manifest.name)
    host = settings.host or (None if settings.owns_sandbox else "127.0.0.1")
    server = listen_http(service, HttpOptions(port, host, settings.request_bytes_max, dialect))
    engine = WorkerEngine(open_engine(layout, manifest, marks.imported), settings.concurrency)
    service.ready(engine, marks.ready())
    lifetime.drain_with(server.drain)
    ready_ms = round(since_birth_ms(), 3)
    print_line({"event": "ready", "port": server.port, "bootId": boot.id, "readyMs": ready_ms})
    engine.serve()
