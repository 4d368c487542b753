"""Serving over HTTP: a thread for each connection, none of which runs a handler."""

from __future__ import annotations

import _thread
import os
import socket
import threading
import time

from .call import Call, Request
from .exchange import health_body, too_large, with_evidence
from .failures import StartFailure, describe, failure_body, stack_of
from .http_message import (
    CONTINUE,
    BadRequest,
    ConnectionGone,
    Head,
    Incoming,
    drop_body,
    open_body,
    read_body,
    read_head,
    render_answer,
)
from .log import log
from .protocol import model_metadata
from .routes import is_health_check, route_of
from .service import Service

_BACKLOG = 511


class HttpOptions:
    """Where to listen, and how much to take."""

    __slots__ = ("port", "host", "request_bytes_max", "dialect")

    def __init__(self, port: int, host: str | None, request_bytes_max: int, dialect=None) -> None:
        # 0: any that is free.
        self.port = port
        # None: all interfaces.
        self.host = host
        self.request_bytes_max = request_bytes_max
        # How a platform makes its requests, `route_of(method, url, event)`, and takes their
        # answers, `answer(engine, call, evidence)`; None: plain HTTP.
        self.dialect = dialect


def listen_http(service: Service, options: HttpOptions) -> HttpServer:
    """Begins to serve.

    Raises StartFailure PORT_IN_USE, RUNTIME_UNAVAILABLE.
    """
    import errno

    try:
        listener = _listen(options.port, options.host)
    except OSError as error:
        taken = error.errno == errno.EADDRINUSE
        reason = error.strerror or str(error)
        message = f"cannot listen on port {options.port}: {reason}"
        code = "PORT_IN_USE" if taken else "RUNTIME_UNAVAILABLE"
        raise StartFailure(code, message) from error
    except OverflowError as error:
        message = f"cannot listen on port {options.port}: {error}"
        raise StartFailure("RUNTIME_UNAVAILABLE", message) from error
    server = HttpServer(service, options, listener)
    _thread.start_new_thread(server.accept, ())
    return server


def _listen(port: int, host: str | None) -> socket.socket:
    if host is None and socket.has_ipv6:
        try:
            return _bound(socket.AF_INET6, "::", port)
        except OSError:
            # A machine without IPv6, or a port that is taken: the other family tells.
            pass
    address = "0.0.0.0" if host is None else host
    return _bound(socket.AF_INET6 if ":" in address else socket.AF_INET, address, port)


def _bound(family: int, address: str, port: int) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Elsewhere it would let two servers have one port.
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6 and address == "::":
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listener.bind((address, port))
        listener.listen(_BACKLOG)
        return listener
    except BaseException:
        listener.close()
        raise


class HttpServer:
    """The way in for requests."""

    def __init__(self, service: Service, options: HttpOptions, listener: socket.socket) -> None:
        self.service = service
        self.options = options
        self.port: int = listener.getsockname()[1]
        self.draining = False
        self._listener = listener
        self._connections: set = set()
        self._changed = threading.Condition()
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._close_in_child)

    def accept(self) -> None:
        """Takes connections until the server drains."""
        while True:
            try:
                peer, address = self._listener.accept()
            except OSError as error:
                if self.draining:
                    return
                # No more files may be open: some will be closed.
                log("error", f"no connection could be taken: {error}")
                time.sleep(0.05)
                continue
            connection = _Connection(self, peer, address[0])
            with self._changed:
                if self.draining:
                    peer.close()
                    return
                self._connections.add(connection)
            try:
                _thread.start_new_thread(connection.serve, ())
            except RuntimeError as error:
                log("error", f"no connection could be served: {error}")
                self.forget(connection)
                peer.close()

    def drain(self) -> None:
        """Takes no new request, and returns when the last one is answered."""
        with self._changed:
            self.draining = True
            _end(self._listener)
            self._listener.close()
            for connection in self._connections:
                if not connection.is_busy:
                    _end(connection.socket)
            while any(connection.is_busy for connection in self._connections):
                self._changed.wait()

    def set_busy(self, connection: _Connection, is_busy: bool) -> None:
        """Notes that a connection has a request, or has answered it."""
        with self._changed:
            connection.is_busy = is_busy
            self._changed.notify_all()

    def forget(self, connection: _Connection) -> None:
        with self._changed:
            self._connections.discard(connection)
            self._changed.notify_all()

    def _close_in_child(self) -> None:
        """A process that the handler forks must hold neither the port nor anybody's connection."""
        self._listener.close()
        for connection in list(self._connections):
            connection.socket.close()


def _end(connection: socket.socket) -> None:
    """Wakes whoever waits at a socket."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass


class _Connection:
    """One client, and its requests one after the other."""

    __slots__ = ("socket", "is_busy", "_server", "_peer", "_incoming")

    def __init__(self, server: HttpServer, peer: socket.socket, address: str) -> None:
        self.socket = peer
        self.is_busy = False
        self._server = server
        self._peer = address[7:] if address.startswith("::ffff:") else address
        self._incoming = Incoming(peer)

    def serve(self) -> None:
        try:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._serve_request():
                self._server.set_busy(self, False)
        except (ConnectionGone, OSError):
            # The client may have gone at any moment.
            pass
        except Exception as error:
            log("error", f"a request failed: {describe(error)}", {"stack": stack_of(error)})
        finally:
            self._server.forget(self)
            self.socket.close()

    def _serve_request(self) -> bool:
        """Answers the next request; false if it is the last."""
        incoming = self._incoming
        incoming.wait()
        self._server.set_busy(self, True)
        try:
            head = read_head(incoming)
            body = open_body(head, incoming)
            keeps_alive = _Exchange(self, head, body).answer()
            if keeps_alive:
                drop_body(body)
                incoming.rest()
            elif not body.is_read:
                self._close_gently()
            return keeps_alive
        except BadRequest as error:
            self.send(render_answer(error.status, [], b"", False, True))
            self._close_gently()
            return False

    def send(self, answer: bytes) -> None:
        self.socket.sendall(answer)

    def _close_gently(self) -> None:
        """Whoever is still sending would lose an answer that it has not read yet."""
        self.socket.shutdown(socket.SHUT_WR)
        self.socket.settimeout(1.0)
        for _ in range(64):
            if self.socket.recv(65536) == b"":
                return

    @property
    def server(self) -> HttpServer:
        return self._server

    @property
    def peer(self) -> str:
        return self._peer


class _Exchange:
    """One request and its answer."""

    __slots__ = (
        "_connection",
        "_server",
        "_service",
        "_head",
        "_body",
        "_keeps_alive",
        "_is_awaited",
    )

    def __init__(self, connection: _Connection, head: Head, body) -> None:
        self._connection = connection
        self._server = connection.server
        self._service = connection.server.service
        self._head = head
        self._body = body
        self._keeps_alive = head.keeps_alive
        # The client waits for a word before it sends the body.
        self._is_awaited = head.awaits_continue

    def answer(self) -> bool:
        """Answers; false if the connection cannot go on."""
        head, service = self._head, self._service
        health = self._health_check()
        if health is not None:
            up = health == "live" or (service.is_ready and not self._server.draining)
            return self._send(200 if up else 503, [_JSON], health_body(up))
        if head.headers.get("expect") is not None and not head.awaits_continue:
            return self._send(417, [], "")
        arrival = service.arrive()
        engine = service.engine
        # CloudEvents' senders ask first whether a web hook wants what they send.
        asking = head.headers.get("webhook-request-origin")
        if head.method == "OPTIONS" and asking is not None and engine.event != "http":
            consent = [("webhook-allowed-origin", asking), ("webhook-allowed-rate", "*")]
            return self._send(200, [_JSON, *consent], "{}")

        def reply(
            status: int, text: str | bytes, infer_ms: float | None, headers: list | None = None
        ) -> bool:
            evidence = service.evidence(arrival, infer_ms)
            return self._send(status, with_evidence(headers, evidence), text)

        route = self._route(engine.event)
        if route.failure is not None:
            return reply(route.failure.status, failure_body(route.failure), None)
        if route.kind == "metadata":
            body = model_metadata(service.name, engine.inputs, engine.outputs)
            return reply(200, body, None)
        bytes_max = self._server.options.request_bytes_max
        if self._body.length > bytes_max:
            return reply(413, failure_body(too_large(bytes_max)), None)
        if self._is_awaited:
            self._connection.send(CONTINUE)
            self._is_awaited = False
        content = read_body(self._body, bytes_max)
        if content is None:
            return reply(413, failure_body(too_large(bytes_max)), None)
        answer = self._ask(engine, route.kind, content, arrival)
        return reply(answer.status, answer.body, answer.infer_ms, answer.headers)

    def _health_check(self) -> str | None:
        head, dialect = self._head, self._server.options.dialect
        if dialect is None:
            return is_health_check(head.method, head.url, self._service.name)
        kind = dialect.route_of(head.method, head.url, None).kind
        return kind if kind in ("live", "ready") else None

    def _route(self, event: str | None):
        head, dialect = self._head, self._server.options.dialect
        if dialect is None:
            return route_of(head.method, head.url, self._service.name, event)
        return dialect.route_of(head.method, head.url, event)

    def _ask(self, engine, kind: str, content: bytes, arrival):
        head, service, dialect = self._head, self._service, self._server.options.dialect
        call = Call(
            kind,
            content,
            head.headers.get("x-request-id") or service.request_id(arrival),
            None,
            head.headers,
            request=Request(head.method, head.url, self._connection.peer),
        )
        if dialect is None:
            return engine.answer(call)
        return dialect.answer(engine, call, lambda infer_ms: service.evidence(arrival, infer_ms))

    def _send(self, status: int, headers: list, text: str | bytes) -> bool:
        body = text if isinstance(text, bytes) else text.encode("utf-8", "backslashreplace")
        # Who was not told to go on may send its body all the same, or not: nobody can know what
        # comes next.
        keeps = self._keeps_alive and not self._is_awaited and not self._server.draining
        with_body = self._head.method != "HEAD"
        self._connection.send(render_answer(status, headers, body, keeps, with_body))
        return keeps


_JSON = ("content-type", "application/json")
