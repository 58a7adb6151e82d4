"""Extended XYZ, each frame read by ASE; a last frame that is not whole is found by its lines."""

from __future__ import annotations

import io
from collections.abc import Iterator

from ase.io import read as ase_read

from softmode.datasets.ase_trajectory import add_atoms
from softmode.datasets.reading import ByteStream, as_text, reading
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

_REMEDY = "check that it is extended XYZ, as ase.io writes it, with Lattice and Properties in each frame"


def read_extended_xyz(stream: ByteStream, collector: FrameCollector) -> None:
    """Every whole frame of an extended XYZ file; forces are its column ``forces`` or ``force``.

    Raises
    ------
    InputDataError
        If a frame is not extended XYZ; the frame is named.
    """
    subject = str(stream.path)
    collector.begin_run(subject)
    cut = ""
    for block, whole in _blocks(stream, subject):
        if not whole:
            cut = "its lines end too early"
            break
        if not collector.wanted:
            collector.pass_over()
            continue
        where = f"{subject}, frame {collector.seen} (counted from 0)"
        text = as_text(where, b"".join(block))
        with reading(where, "ASE cannot read it as extended XYZ", _REMEDY):
            atoms = ase_read(io.StringIO(text), index=0, format="extxyz")
        add_atoms(collector, atoms)
    collector.end_run(cut or ("the compressed data end too early" if stream.cut else ""))


def _blocks(stream: ByteStream, subject: str) -> Iterator[tuple[list[bytes], bool]]:
    """Lines of each frame (the number of atoms, a comment, one line an atom), and whether it is whole."""
    lines = stream.lines()
    frame = 0
    for first in lines:
        if not first.strip():
            continue
        try:
            n_atoms = int(first)
            if n_atoms < 1:
                raise ValueError(n_atoms)
        except ValueError as error:
            where = f"{subject}, frame {frame} (counted from 0)"
            said = first.decode(errors="replace").strip()[:40]
            raise InputDataError(
                where, f"{said!r} stands where the number of atoms should", _REMEDY
            ) from error
        block = [first]
        for line in lines:
            block.append(line)
            if len(block) == n_atoms + 2:
                break
        yield block, len(block) == n_atoms + 2 and _line_whole(block)
        frame += 1


def _line_whole(block: list[bytes]) -> bool:
    """Whether the last line is whole: closed, or in columns of fixed width and as long as all the others."""
    last = block[-1]
    if last.endswith(b"\n"):
        return True
    widths = {len(line.rstrip(b"\r\n")) for line in block[2:]}
    return len(block) > 3 and len(widths) == 1 and last.rstrip(b"\r") == last.rstrip()
