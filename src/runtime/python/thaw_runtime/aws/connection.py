"""HTTP over one connection that is kept, without what Python's own client costs at the start."""

from __future__ import annotations

# The module beneath `socket`, which takes three milliseconds more to import.
import _socket

CHUNK_BYTES = 256 * 1024


class Reply:
    """An answer that came whole."""

    __slots__ = ("status", "headers", "body")

    def __init__(self, status: int, headers: dict, body: bytes) -> None:
        self.status = status
        # Names in lower case.
        self.headers = headers
        self.body = body


class Connection:
    """A connection to one server, opened when it is first used and again after it broke."""

    __slots__ = ("_host", "_port", "_authority", "_socket", "_read")

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._socket = None
        self._read = b""

    def open(self) -> None:
        """Connects, where there is no connection. Raises OSError."""
        if self._socket is None:
            self._socket = _connected(self._host, self._port)

    def send(self, method: str, path: str, body: bytes | None = None, headers=()) -> Reply:
        """Sends a request and waits for its answer, for as long as it takes.

        `headers` are pairs of name and value. Raises OSError where the connection breaks.
        """
        self.open()
        try:
            self._socket.sendall(self._request(method, path, body, headers))
            return self._reply()
        except BaseException:
            self.close()
            raise

    def interrupt(self) -> None:
        """Makes a wait for an answer fail, from another thread."""
        waiting = self._socket
        if waiting is not None:
            try:
                waiting.shutdown(_socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self) -> None:
        """Closes the connection, if there is one."""
        if self._socket is not None:
            self._socket.close()
        self._socket = None
        self._read = b""

    def _request(self, method: str, path: str, body: bytes | None, headers) -> bytes:
        lines = [f"{method} {path} HTTP/1.1", f"host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in headers]
        if body is not None:
            lines.append(f"content-length: {len(body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii", "replace") + (body or b"")

    def _reply(self) -> Reply:
        status, headers = 100, {}
        while status < 200:
            head = self._until(b"\r\n\r\n").decode("utf-8", "replace").split("\r\n")
            status = _status_of(head[0])
            headers = dict(map(_header_of, head[1:]))
        body = self._body(status, headers)
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Reply(status, headers, body)

    def _body(self, status: int, headers: dict) -> bytes:
        if status in (204, 304):
            return b""
        if headers.get("transfer-encoding", "").lower() == "chunked":
            return b"".join(self._chunks())
        if "content-length" in headers:
            return self._exactly(_number_of(headers["content-length"], 10))
        headers["connection"] = "close"
        return b"".join(self._rest())

    def _chunks(self):
        while True:
            size = _number_of(self._until(b"\r\n").partition(b";")[0], 16)
            if size == 0:
                break
            yield self._exactly(size)
            self._until(b"\r\n")
        while self._until(b"\r\n"):
            pass

    def _rest(self):
        yield self._read
        self._read = b""
        while True:
            received = self._socket.recv(CHUNK_BYTES)
            if not received:
                return
            yield received

    def _until(self, end: bytes) -> bytes:
        """What comes before `end`, which is passed over."""
        at = self._read.find(end)
        while at < 0:
            seen = len(self._read)
            self._read += self._receive()
            at = self._read.find(end, max(0, seen - len(end)))
        found, self._read = self._read[:at], self._read[at + len(end) :]
        return found

    def _exactly(self, size: int) -> bytes:
        """The next `size` bytes."""
        pieces = [self._read]
        missing = size - len(self._read)
        while missing > 0:
            pieces.append(self._receive())
            missing -= len(pieces[-1])
        read = b"".join(pieces)
        self._read = read[size:]
        return read[:size]

    def _receive(self) -> bytes:
        received = self._socket.recv(CHUNK_BYTES)
        if not received:
            raise ConnectionError("the connection ended before the answer did")
        return received


def _connected(host: str, port: int) -> _socket.socket:
    """A socket that is connected to the first address that takes it. Raises OSError."""
    failure = None
    for family, kind, protocol, _, address in _socket.getaddrinfo(
        host, port, 0, _socket.SOCK_STREAM
    ):
        opened = _socket.socket(family, kind, protocol)
        try:
            opened.connect(address)
            opened.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
            return opened
        except OSError as error:
            opened.close()
            failure = error
    raise failure or OSError(f"{host} has no address")


def _status_of(line: str) -> int:
    """The status of an answer's first line, `HTTP/1.1 200 OK`."""
    protocol, _, rest = line.partition(" ")
    if not protocol.startswith("HTTP/1."):
        raise ConnectionError(f"the answer begins with {line[:80]!r}, which is no HTTP")
    return _number_of(rest[:3], 10)


def _header_of(line: str) -> tuple:
    name, _, value = line.partition(":")
    return name.strip().lower(), value.strip()


def _number_of(text: str | bytes, base: int) -> int:
    try:
        return int(text, base)
    except ValueError:
        raise ConnectionError(f"the answer holds {text[:80]!r} where a number should be") from None
