"""VASP's vasprun.xml, read as a stream: memory for one frame beside those kept, whole frames only.

ase.io holds the tree of the whole file, needs an energy in every frame, and takes a frame of a run cut short
whenever its energy has begun; here a frame counts once its ``calculation`` element is closed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

import numpy as np
from ase.data import atomic_numbers

from softmode.crystal.arrays import FloatArray, IntArray
from softmode.datasets.reading import ByteStream
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.errors import InputDataError

_DECLARATION = b"<?xml"
_OLD_NAMES = {"X": "Xe", "r": "Zr"}  # as VASP misspells them
_REMEDY = "fetch the file again, or leave it out"


def read_vasprun(stream: ByteStream, collector: FrameCollector) -> None:
    """Every whole frame of one vasprun.xml, or of several concatenated (each a run).

    Forces are those in the file: selective dynamics changes nothing in them.

    Raises
    ------
    InputDataError
        If it is no vasprun.xml, is damaged other than by being cut short, or a frame lacks its structure.
    """
    subject = str(stream.path)
    run: _Run | None = None
    n_runs = 0
    for begins, piece in _documents(stream):
        if begins:
            if run is not None:
                run.end()
            n_runs += 1
            run = _Run(subject if n_runs == 1 else f"{subject}, run {n_runs}", collector)
        if run is not None:
            run.feed(piece)
    if run is None:
        collector.begin_run(subject)
        collector.end_run("nothing is in it")
    else:
        run.end("the compressed data end too early" if stream.cut else "")


def _documents(pieces: Iterable[bytes]) -> Iterator[tuple[bool, bytes]]:
    """The file in pieces that do not reach over the start of an XML document; whether one starts here."""
    held, started = b"", False
    for piece in pieces:
        data = held + piece
        while (at := data.find(_DECLARATION, 1)) > 0:
            yield _starts(data, started), data[:at]
            data, started = data[at:], True
        keep = min(len(data), len(_DECLARATION) - 1)
        if data.startswith(_DECLARATION) or len(data) > keep + len(_DECLARATION):
            at = max(len(data) - keep, len(_DECLARATION))
            yield _starts(data, started), data[:at]
            data, started = data[at:], True
        held = data
    if held:
        yield _starts(held, started), held


def _starts(data: bytes, started: bool) -> bool:
    return not started or data.startswith(_DECLARATION)


class _Run:
    """One XML document on its way into a collector."""

    def __init__(self, subject: str, collector: FrameCollector) -> None:
        self._subject = subject
        self._collector = collector
        self._parser: XMLPullParser[Element] = XMLPullParser(events=("end",))
        self._numbers: IntArray | None = None
        self._padded = False
        collector.begin_run(subject)

    def feed(self, data: bytes) -> None:
        """Take some more of the document."""
        if self._padded:
            return
        at = data.find(b"\x00")  # what a file system leaves of data never written
        if at >= 0:
            data, self._padded = data[:at], True
        try:
            self._parser.feed(data)
        except (LookupError, ValueError) as error:  # an encoding that nobody knows, or of several bytes
            raise self._no_xml(error) from error
        self._take()

    def _no_xml(self, error: Exception) -> InputDataError:
        seen = self._collector.seen
        where = f"{self._subject}, after frame {seen - 1} (counted from 0)" if seen else self._subject
        return InputDataError(where, f"this is not the XML of a vasprun.xml ({error})", _REMEDY)

    def _take(self) -> None:
        try:
            events = cast(Iterator[tuple[str, Element]], self._parser.read_events())
            for _, element in events:
                if element.tag == "calculation":
                    self._frame(element)
                    element.clear()
                elif element.tag == "atominfo":
                    self._numbers = _atomic_numbers(element, self._subject)
        except ParseError as error:
            raise self._no_xml(error) from error

    def end(self, cut: str = "") -> None:
        """Finish the run; an unclosed document was cut short."""
        try:
            self._parser.close()
        except ParseError:
            cut = cut or "the XML ends too early"
        else:
            self._take()
        self._collector.end_run(cut)

    def _frame(self, calculation: Element) -> None:
        if not self._collector.wanted:
            self._collector.pass_over()
            return
        where = f"{self._subject}, frame {self._collector.seen} (counted from 0)"
        if self._numbers is None:
            raise InputDataError(self._subject, "it names no atoms (atominfo)", _REMEDY)
        basis = calculation.find("structure/crystal/varray[@name='basis']")
        positions = calculation.find("structure/varray[@name='positions']")
        forces = calculation.find("varray[@name='forces']")
        if basis is None or positions is None:
            raise InputDataError(where, "it has no structure", _REMEDY)
        self._collector.add(
            self._numbers,
            _table(basis, where),
            None if forces is None else _table(forces, where),
            scaled_positions=_table(positions, where),
        )


def _table(varray: Element, where: str) -> FloatArray:
    """Rows of three numbers of a ``varray``."""
    words = " ".join(v.text or "" for v in varray).split()
    try:
        return np.array([float(word) for word in words]).reshape(len(varray), 3)
    except ValueError as error:
        raise InputDataError(
            where, f"its {varray.get('name')} are not three numbers an atom ({error})", _REMEDY
        ) from error


def _atomic_numbers(atominfo: Element, subject: str) -> IntArray:
    names = [(entry[0].text or "").strip() for entry in atominfo.iterfind("array[@name='atoms']/set/rc")]
    symbols = [_OLD_NAMES.get(name, name) for name in names]
    unknown = [symbol for symbol in symbols if atomic_numbers.get(symbol, 0) < 1]
    if unknown or not symbols:
        problem = f"{unknown[0]!r} is no chemical symbol" if unknown else "it names no atoms (atominfo)"
        raise InputDataError(subject, problem, _REMEDY)
    return np.array([atomic_numbers[symbol] for symbol in symbols], dtype=np.int64)
