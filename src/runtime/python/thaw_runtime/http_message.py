"""HTTP/1.1 as it comes and goes on a connection: heads and bodies of requests, and answers."""

from __future__ import annotations

import time

_HEAD_BYTES_MAX = 64 * 1024
_PIECE_BYTES = 256 * 1024
# A request that has begun must come to its end in this time.
_REQUEST_S_MAX = 300.0

_REASONS = {
    100: "Continue",
    200: "OK",
    201: "Created",
    202: "Accepted",
    204: "No Content",
    301: "Moved Permanently",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    307: "Temporary Redirect",
    308: "Permanent Redirect",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    408: "Request Timeout",
    409: "Conflict",
    410: "Gone",
    413: "Payload Too Large",
    415: "Unsupported Media Type",
    417: "Expectation Failed",
    418: "I'm a Teapot",
    422: "Unprocessable Entity",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
    504: "Gateway Timeout",
}

# Of these the first counts, and what else comes under the name is dropped; other headers are lists.
_SINGLE = frozenset(
    (
        "age",
        "authorization",
        "content-length",
        "content-type",
        "etag",
        "expires",
        "from",
        "host",
        "if-modified-since",
        "if-unmodified-since",
        "last-modified",
        "location",
        "max-forwards",
        "proxy-authorization",
        "referer",
        "retry-after",
        "server",
        "user-agent",
    )
)


class ConnectionGone(Exception):
    """The other side went away."""


class BadRequest(Exception):
    """What came is no request, or none that can be read to its end.

    The connection is given up, with a status.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"{status}")
        self.status = status


class Incoming:
    """The bytes that come over a connection."""

    __slots__ = ("_socket", "_buffer", "_hurried")

    def __init__(self, socket) -> None:
        self._socket = socket
        self._buffer = bytearray()
        self._hurried = False

    def wait(self) -> None:
        """Waits, for as long as it takes, for the beginning of a request.

        Raises ConnectionGone.
        """
        if not self._buffer:
            self._fill()

    def until(self, mark: bytes, bytes_max: int) -> bytes:
        """What comes before a mark, which is consumed, too.

        Raises ConnectionGone, BadRequest.
        """
        searched = 0
        while True:
            at = self._buffer.find(mark, searched)
            if at >= 0:
                found = bytes(self._buffer[:at])
                del self._buffer[: at + len(mark)]
                return found
            if len(self._buffer) > bytes_max:
                raise BadRequest(431)
            searched = max(0, len(self._buffer) - len(mark) + 1)
            self._fill_soon()

    def some(self, bytes_max: int) -> bytes:
        """At least one byte, and no more than these.

        Raises ConnectionGone, BadRequest.
        """
        if self._buffer:
            piece = bytes(self._buffer[:bytes_max])
            del self._buffer[:bytes_max]
            return piece
        self._hurry()
        try:
            piece = self._socket.recv(min(bytes_max, _PIECE_BYTES))
        except TimeoutError:
            raise BadRequest(408) from None
        if piece == b"":
            raise ConnectionGone
        return piece

    def expect(self, mark: bytes) -> None:
        """Consumes a mark.

        Raises ConnectionGone, BadRequest where something else comes.
        """
        while len(self._buffer) < len(mark):
            self._fill_soon()
        if not self._buffer.startswith(mark):
            raise BadRequest(400)
        del self._buffer[: len(mark)]

    def skip_line_ends(self) -> None:
        """Some clients send an empty line after a body."""
        while self._buffer[:2] == b"\r\n":
            del self._buffer[:2]

    def begins_like_request(self) -> bool:
        """Whether the first byte can be that of a method."""
        return not self._buffer or 0x41 <= self._buffer[0] <= 0x5A or self._buffer[0] == 0x0D

    def rest(self) -> None:
        """The request has come to its end: the next may take as long as it wants."""
        if self._hurried:
            self._socket.settimeout(None)
            self._hurried = False

    def _fill_soon(self) -> None:
        self._hurry()
        try:
            self._fill()
        except TimeoutError:
            raise BadRequest(408) from None

    def _hurry(self) -> None:
        if not self._hurried:
            self._socket.settimeout(_REQUEST_S_MAX)
            self._hurried = True

    def _fill(self) -> None:
        piece = self._socket.recv(_PIECE_BYTES)
        if piece == b"":
            raise ConnectionGone
        self._buffer += piece


class Head:
    """What comes before the body of a request."""

    __slots__ = ("method", "url", "headers", "keeps_alive")

    def __init__(self, method: str, url: str, headers: dict, keeps_alive: bool) -> None:
        self.method = method
        # Path and query, as they came.
        self.url = url
        # Names in lower case.
        self.headers = headers
        self.keeps_alive = keeps_alive

    @property
    def awaits_continue(self) -> bool:
        """The client sends its body only when told to."""
        return self.headers.get("expect", "").lower() == "100-continue"


def read_head(incoming: Incoming) -> Head:
    """Reads the head of a request.

    Raises ConnectionGone, BadRequest.
    """
    incoming.skip_line_ends()
    if not incoming.begins_like_request():
        raise BadRequest(400)
    lines = incoming.until(b"\r\n\r\n", _HEAD_BYTES_MAX).decode("latin-1").split("\r\n")
    start = lines[0].split(" ")
    if len(start) != 3 or not start[0].isalpha() or start[1] == "":
        raise BadRequest(400)
    method, url, version = start
    if version not in ("HTTP/1.1", "HTTP/1.0"):
        raise BadRequest(400)
    headers = _headers_of(lines)
    if version == "HTTP/1.1" and "host" not in headers:
        raise BadRequest(400)
    options = headers.get("connection", "").lower().replace(" ", "").split(",")
    keeps = "close" not in options if version == "HTTP/1.1" else "keep-alive" in options
    return Head(method, url, headers, keeps)


def _headers_of(lines: list) -> dict:
    headers: dict = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        # Space before the colon, or at the beginning of a line that continues the one before, hides
        # headers.
        if colon == "" or name == "" or name != name.strip() or " " in name:
            raise BadRequest(400)
        name, value = name.lower(), value.strip(" \t")
        before = headers.get(name)
        if before is None:
            headers[name] = value
        elif name == "content-length" and before != value:
            raise BadRequest(400)
        elif name not in _SINGLE:
            headers[name] = f"{before}{'; ' if name == 'cookie' else ', '}{value}"
    return headers


def open_body(head: Head, incoming: Incoming):
    """The body of a request, of which nothing has been read.

    Raises BadRequest.
    """
    encoding = head.headers.get("transfer-encoding")
    length = head.headers.get("content-length")
    if encoding is not None:
        if length is not None or encoding.lower() != "chunked":
            raise BadRequest(400)
        return ChunkedBody(incoming)
    if length is None:
        return SizedBody(incoming, 0)
    if not (length.isascii() and length.isdigit()) or len(length) > 15:
        raise BadRequest(400)
    return SizedBody(incoming, int(length))


class SizedBody:
    """A body whose length was given."""

    __slots__ = ("length", "_incoming", "_left")

    def __init__(self, incoming: Incoming, length: int) -> None:
        self.length = length
        self._incoming = incoming
        self._left = length

    @property
    def is_read(self) -> bool:
        return self._left == 0

    def some(self) -> bytes:
        """The next bytes; none at the end."""
        if self._left == 0:
            return b""
        piece = self._incoming.some(self._left)
        self._left -= len(piece)
        return piece


class ChunkedBody:
    """A body that comes in chunks, each with its length."""

    __slots__ = ("length", "_incoming", "_left", "_ended")

    def __init__(self, incoming: Incoming) -> None:
        # Nobody knows.
        self.length = 0
        self._incoming = incoming
        self._left = 0
        self._ended = False

    @property
    def is_read(self) -> bool:
        return self._ended

    def some(self) -> bytes:
        """The next bytes; none at the end."""
        if self._ended:
            return b""
        if self._left == 0:
            self._left = self._next_length()
            if self._left == 0:
                self._skip_trailers()
                self._ended = True
                return b""
        piece = self._incoming.some(self._left)
        self._left -= len(piece)
        if self._left == 0:
            self._incoming.expect(b"\r\n")
        return piece

    def _next_length(self) -> int:
        size = self._incoming.until(b"\r\n", 4096).split(b";")[0].strip()
        if not 1 <= len(size) <= 12 or not all(
            digit in b"0123456789abcdefABCDEF" for digit in size
        ):
            raise BadRequest(400)
        return int(size, 16)

    def _skip_trailers(self) -> None:
        while self._incoming.until(b"\r\n", _HEAD_BYTES_MAX) != b"":
            pass


def read_body(body, bytes_max: int) -> bytes | None:
    """The whole body; None as soon as it is larger than allowed, with the rest still to come.

    Raises ConnectionGone, BadRequest.
    """
    first = body.some()
    if len(first) == body.length and len(first) <= bytes_max:
        return first
    pieces, size, piece = [], 0, first
    while piece != b"":
        pieces.append(piece)
        size += len(piece)
        if size > bytes_max:
            return None
        piece = body.some()
    return b"".join(pieces)


def drop_body(body) -> None:
    """Reads what is still to come.

    Closing the connection instead would take the answer from a client that is still sending.
    """
    while body.some() != b"":
        pass


def render_answer(
    status: int, headers: list, body: bytes, keeps_alive: bool, with_body: bool
) -> bytes:
    """An answer as it goes over the connection, in one piece.

    `headers` are pairs of name and value.
    """
    lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers]
    bodiless = status in (204, 304)
    if not bodiless:
        lines.append(f"content-length: {len(body)}")
    lines.append(time.strftime("date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()))
    lines.append(f"connection: {'keep-alive' if keeps_alive else 'close'}\r\n\r\n")
    text = "\r\n".join(lines)
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError:
        head = text.encode("utf-8")
    return head + body if with_body and not bodiless else head


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
