"""Percent-encoding."""

from __future__ import annotations

_HEX = frozenset("0123456789abcdefABCDEF")


def decode_uri(text: str) -> str:
    """Decodes every `%XX` of a text, which together must be UTF-8.

    Raises ValueError.
    """
    first, *pieces = text.split("%")
    decoded = [first]
    run = bytearray()
    for piece in pieces:
        code, rest = piece[:2], piece[2:]
        if len(code) < 2 or not _HEX.issuperset(code):
            raise ValueError(f"%{code} encodes nothing")
        run.append(int(code, 16))
        if rest:
            decoded += (run.decode("utf-8"), rest)
            run.clear()
    decoded.append(run.decode("utf-8"))
    return "".join(decoded)
