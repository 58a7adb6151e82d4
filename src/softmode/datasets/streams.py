"""Contents of a plain or compressed file, also of one that was cut short in mid-write."""

from __future__ import annotations

import gzip
import io
import lzma
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

from softmode.datasets.reading import reading

_PIECE = 1 << 17
_GZIP, _XZ = b"\x1f\x8b", b"\xfd7zXZ\x00"


class ByteStream:
    """The bytes of a file in pieces, decompressed (``.gz``, ``.xz``, ``.lzma``; found by content).

    A compressed file that ends too early gives what can be decompressed; `cut` then says so. One that is
    damaged elsewhere is refused.

    Parameters
    ----------
    path : Path
        The file.
    data : bytes, optional
        What it holds, where that is in memory already (out of an archive); `path` is then for messages.

    Attributes
    ----------
    cut : bool
        Whether the compressed data ended too early; meaningful once all pieces were taken.
    """

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self.cut = False
        self._data = data

    def __iter__(self) -> Iterator[bytes]:
        """Pieces, of any size, none empty.

        Raises
        ------
        InputDataError
            If the file cannot be read or its compression is damaged.
        """
        subject, compression = str(self.path), self._compression()
        with reading(subject, "the file cannot be read", "check the path and its permissions"):
            raw = self._raw()
        with raw:
            if compression is None:
                yield from iter(lambda: raw.read(_PIECE), b"")
                return
            file = gzip.GzipFile(fileobj=raw) if compression == "gzip" else lzma.LZMAFile(raw)  # noqa: SIM115
            self.cut = True  # until its end is seen
            empty = True
            while True:
                with reading(subject, "the compressed file is damaged", "fetch or copy it again"):
                    try:
                        piece = file.read1(_PIECE)
                    except EOFError:
                        return
                if not piece:
                    self.cut = empty
                    return
                empty = False
                yield piece

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
        return self.path if self._compression() is None else io.BytesIO(self.whole())

    def _compression(self) -> str | None:
        with (
            reading(str(self.path), "the file cannot be read", "check the path and its permissions"),
            self._raw() as file,
        ):
            start = file.read(6)
        suffix = self.path.suffix.lower()
        if start.startswith(_GZIP):
            return "gzip"
        if start.startswith(_XZ) or suffix in (".xz", ".lzma"):
            return "xz"
        return "gzip" if suffix == ".gz" else None

    def _raw(self) -> BinaryIO:
        return io.BytesIO(self._data) if self._data is not None else cast(BinaryIO, self.path.open("rb"))
