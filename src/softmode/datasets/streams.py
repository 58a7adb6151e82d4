"""Contents of a plain or compressed file, also of one that was cut short in mid-write."""

from __future__ import annotations

import io
import lzma
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from softmode.datasets.reading import reading
from softmode.errors import InputDataError

_PIECE = 1 << 17
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


class _Decompressor(Protocol):
    def decompress(self, data: bytes, /) -> bytes: ...

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...


class ByteStream:
    """The bytes of a file in pieces, decompressed (``.gz``, ``.xz``, ``.lzma``; found by content).

    A compressed file that ends too early gives what can be decompressed; `cut` then says so. One that is
    damaged elsewhere is refused.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    cut : bool
        Whether the compressed data ended too early; meaningful once all pieces were taken.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cut = False

    def __iter__(self) -> Iterator[bytes]:
        """Pieces, of any size, none empty.

        Raises
        ------
        InputDataError
            If the file cannot be read or its compression is damaged.
        """
        new = self._decompressor()
        pieces = self._raw()
        if new is None:
            yield from pieces
            return
        decompressor = new()
        for piece in pieces:
            rest = piece
            while rest:
                if decompressor.eof:  # another member of a concatenated file, or padding
                    rest = rest.lstrip(b"\x00")
                    if not rest:
                        break
                    decompressor = new()
                with reading(str(self.path), "the compressed file is damaged", "fetch or copy it again"):
                    data = decompressor.decompress(rest)
                if data:
                    yield data
                rest = decompressor.unused_data if decompressor.eof else b""
        self.cut = not decompressor.eof

    def lines(self) -> Iterator[bytes]:
        """Lines with their line feeds; the last one may lack its own."""
        held = b""
        for piece in self:
            *whole, held = (held + piece).split(b"\n")
            for line in whole:
                yield line + b"\n"
        if held:
            yield held

    def head(self) -> bytes:
        """The first bytes, at most a few thousand."""
        collected = b""
        for piece in self:
            collected += piece
            if len(collected) >= 4096:
                break
        return collected[:4096]

    def whole(self) -> bytes:
        """Everything that can be had."""
        return b"".join(self)

    def seekable(self) -> Path | io.BytesIO:
        """What random access needs: the file itself, or in memory what a compressed one holds."""
        return self.path if self._decompressor() is None else io.BytesIO(self.whole())

    def _decompressor(self) -> Callable[[], _Decompressor] | None:
        start = next(self._raw(6), b"")
        if start.startswith(_GZIP):
            return lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)
        if start.startswith(_XZ) or self.path.suffix.lower() in (".xz", ".lzma"):
            return lzma.LZMADecompressor
        return (lambda: zlib.decompressobj(zlib.MAX_WBITS | 16)) if self.path.suffix == ".gz" else None

    def _raw(self, size: int = _PIECE) -> Iterator[bytes]:
        problem = "the file cannot be read"
        try:
            with self.path.open("rb") as file:
                while piece := file.read(size):
                    yield piece
        except OSError as error:
            detail = error.strerror or type(error).__name__
            raise InputDataError(
                str(self.path), f"{problem} ({detail})", "check the path and its permissions"
            ) from error
