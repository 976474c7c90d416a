"""Long answers in bounded pieces: one zlib stream, cut every `PART` bytes, and put together again. Pure."""

from __future__ import annotations

import zlib
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from typing import Iterator

from node_helper.codec import Malformed

PART = 48 << 10
INLINE = 32 << 10
_STEP = 1 << 18


def cut(data: bytes) -> Iterator[str]:
    """The pieces in base64, each of at most `PART` bytes before it, made as they are taken."""
    packer = zlib.compressobj(1)
    ready = bytearray()
    for start in range(0, len(data), _STEP):
        ready += packer.compress(data[start : start + _STEP])
        while len(ready) >= PART:
            yield _text(ready[:PART])
            del ready[:PART]
    ready += packer.flush()
    for start in range(0, len(ready), PART):
        yield _text(ready[start : start + PART])


class Joined:
    """Pieces put together in their order, to at most `most` bytes of content. Raises `Malformed`."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._next = 0
        self._unpacker = zlib.decompressobj()
        self._content = bytearray()

    def add(self, number: int, piece: str) -> None:
        """Take piece `number`, counted from 0."""
        if number != self._next:
            raise Malformed(f"part {number} came instead of part {self._next}")
        self._next += 1
        try:
            self._content += self._unpacker.decompress(a2b_base64(piece), self._most - len(self._content) + 1)
        except (zlib.error, NotBase64, ValueError) as e:
            raise Malformed(f"part {number}: {e}") from e
        if len(self._content) > self._most:
            raise Malformed(f"an answer of more than {self._most} bytes")

    def content(self) -> bytes:
        """The whole, once the last piece came."""
        if not self._unpacker.eof:
            raise Malformed("the answer ended before its last part")
        return bytes(self._content)


def _text(data: bytearray) -> str:
    return b2a_base64(data, newline=False).decode()
