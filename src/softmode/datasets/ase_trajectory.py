"""ASE's .traj, read by ASE frame by frame; also files that end too early."""

from __future__ import annotations

import io
import json

import numpy as np
from ase import Atoms
from ase.io.trajectory import TrajectoryReader

from softmode.datasets.streams import ByteStream
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

MAGIC = b"- of UlmASE-Trajectory"
_HEADER = 48  # magic, tag, then three integers: version, number of items, place of the table of their places
_ITEM_MARK = b'"positions.": {"ndarray"'
_UNREADABLE = (ValueError, IndexError, KeyError, TypeError, AttributeError, OSError)


def read_ase_trajectory(stream: ByteStream, collector: FrameCollector) -> None:
    """Every whole frame of a .traj.

    Raises
    ------
    InputDataError
        If it is no .traj.
    """
    subject = str(stream.path)
    collector.begin_run(subject)
    data = stream.whole()
    if len(data) < _HEADER:
        collector.end_run("its header ends too early")
        return
    announced = int.from_bytes(data[32:40], "little")
    try:
        reader = TrajectoryReader(io.BytesIO(data))
    except _UNREADABLE:
        reader = None
    if reader is None:
        data, n_found = _with_new_table(data)
        if n_found == 0:
            collector.end_run(f"{announced} frames are announced")
            return
        try:
            reader = TrajectoryReader(io.BytesIO(data))
        except _UNREADABLE as error:
            raise InputDataError(
                subject, f"ASE cannot read it ({error})", "write it again with ase.io"
            ) from error
    cut = ""
    for index in range(len(reader)):
        try:
            if collector.wanted:
                atoms = reader[index]
            else:
                _touch(reader, index)
        except _UNREADABLE:
            cut = f"{announced} frames are announced"
            break
        if collector.wanted:
            add_atoms(collector, atoms)
        else:
            collector.pass_over()
    if not cut and (len(reader) < announced or stream.cut):
        cut = f"{announced} frames are announced"
    collector.end_run(cut)


def add_atoms(collector: FrameCollector, atoms: Atoms) -> None:
    """Keep what ASE read: forces as given (constraints not applied), from a calculator or an array."""
    results = {} if atoms.calc is None else atoms.calc.results
    forces = results.get("forces", atoms.arrays.get("forces", atoms.arrays.get("force")))
    collector.add(atoms.numbers, atoms.cell.array, forces, positions=atoms.positions)


def _touch(reader: TrajectoryReader, index: int) -> None:
    """Read the description of a frame, which is written after its arrays: that it is there is enough."""
    reader.backend[index].keys()


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
