"""ASE's .traj and extended XYZ, read by ASE frame by frame; also files that end too early."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from ase import Atoms
from ase.io import read as ase_read
from ase.io.trajectory import TrajectoryReader

from softmode.datasets.reading import ByteStream, as_text, reading
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

_HEADER = 48  # magic, tag, then three integers: version, number of items, place of the table of their places
_ITEM_MARK = b'"positions.": {"ndarray"'
_XYZ_REMEDY = "check that it is extended XYZ, as ase.io writes it, with Lattice and Properties in each frame"
_UNREADABLE = (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError, MemoryError)


def read_ase_trajectory(stream: ByteStream, collector: FrameCollector) -> None:
    """Every whole frame of a .traj.

    Raises
    ------
    InputDataError
        If it is no .traj.
    """
    subject = str(stream.path)
    collector.begin_run(subject)
    head = stream.head()
    if len(head) < _HEADER:
        collector.end_run("its header ends too early")
        return
    announced = int.from_bytes(head[32:40], "little")
    with _seekable(stream) as file, np.errstate(all="ignore"):  # of damaged sizes
        reader = _open(file, subject)
        if reader is not None:
            _take_frames(reader, collector)
    collector.end_run(f"{announced} frames are announced" if collector.seen < announced else "")


def _seekable(stream: ByteStream) -> BinaryIO:
    source = stream.seekable()
    return source.open("rb") if isinstance(source, Path) else source


def _open(file: BinaryIO, subject: str) -> TrajectoryReader | None:
    """ASE's reader; where the table of places is lost, of the file with a new one. None without frames."""
    try:
        return TrajectoryReader(file)
    except _UNREADABLE:
        file.seek(0)
        data, n_found = _with_new_table(file.read())
    if n_found == 0:
        return None
    try:
        return TrajectoryReader(io.BytesIO(data))
    except _UNREADABLE as error:
        problem = f"ASE cannot read it ({error})"
        raise InputDataError(subject, problem, "write it again with ase.io") from error


def _take_frames(reader: TrajectoryReader, collector: FrameCollector) -> None:
    """Frames up to the first that is not there."""
    for index in range(len(reader)):
        try:
            if not collector.wanted:
                reader.backend[
                    index
                ].keys()  # written after the arrays of a frame: that it is there is enough
                collector.pass_over()
                continue
            atoms = reader[index]
        except _UNREADABLE:
            return
        add_atoms(collector, atoms)


def add_atoms(collector: FrameCollector, atoms: Atoms) -> None:
    """Keep what ASE read: forces as given (constraints not applied), from a calculator or an array."""
    results = {} if atoms.calc is None else atoms.calc.results
    forces = results.get("forces", atoms.arrays.get("forces", atoms.arrays.get("force")))
    collector.add(atoms.numbers, atoms.cell.array, forces, positions=atoms.positions)


def _with_new_table(data: bytes) -> tuple[bytes, int]:
    """The file with a new table of places at its end, for when its own is lost; and the number of frames.

    The description of a frame (JSON, its length in front) follows its arrays: if it is whole, so are they.
    """
    places, at = [], data.find(_ITEM_MARK)
    while at >= 0:
        place = _description(data, at)
        if place is not None:
            places.append(place)
        at = data.find(_ITEM_MARK, at + 1)
    padded = data + bytes(-len(data) % 8)
    header = np.array([len(places), len(padded)], dtype="<i8").tobytes()
    table = np.array(places, dtype="<i8").tobytes()
    return padded[:32] + header + padded[_HEADER:] + table, len(places)


def _description(data: bytes, inside: int) -> int | None:
    """Where the description around a place starts, at its length; None when it is not whole."""
    start = data.rfind(b"{", 0, inside + 1)
    while start > inside - 4096 and start >= 8:
        length = int.from_bytes(data[start - 8 : start], "little")
        if inside - start < length <= len(data) - start:
            try:
                json.loads(data[start : start + length])
            except ValueError:
                pass
            else:
                return start - 8
        start = data.rfind(b"{", 0, start)
    return None


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
        with reading(where, "ASE cannot read it as extended XYZ", _XYZ_REMEDY):
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
                where, f"{said!r} stands where the number of atoms should", _XYZ_REMEDY
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
