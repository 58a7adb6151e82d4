"""Modes of one material to be animated: of each potential the most wrong and the softest one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ase.data import chemical_symbols

from softmode.measurements.modes import ROLES
from softmode.measurements.results import MaterialResults
from softmode.panel import percent
from softmode.records import RecordFile
from softmode.report.detail import Mode, Structure

_DIGITS = 4  # of displacements, of which the largest is 1
#: From so much on a mode is the other side's mode of the same rank.
_ALIKE = 0.9


def modes_of(results: MaterialResults) -> Iterator[Mode]:
    """Modes of a material; one that a potential has for two reasons once, those of the reference once."""
    of_reference: tuple[Mode, ...] = ()
    for potential, record in results.results("modes").items():
        own = {role: _mode(record, role, place, potential) for role, place in _places(record).items()}
        if "reference" in own:
            of_reference = (own.pop("reference"),)
        worst, softest = own["worst"], own["softest"]
        if (worst.q, worst.frequency_model) == (softest.q, softest.frequency_model):
            yield replace(worst, role=f"{worst.role}, and {softest.role}")
        else:
            yield from own.values()
    yield from of_reference


def _places(record: RecordFile) -> dict[str, int]:
    """Place of each mode in the arrays, by its role."""
    names = list(ROLES)
    return {names[role]: place for place, role in enumerate(record["roles"].tolist())}


def _mode(record: RecordFile, role: str, place: int, potential: str) -> Mode:
    values, of_reference = record.values, role == "reference"
    q = record["qpoints"][place].round(6).tolist()
    return Mode(
        potential=None if of_reference else potential,
        role=ROLES[role],
        q=(q[0], q[1], q[2]),
        q_label=values[f"{role}_mode_label"],
        frequency_model=None if of_reference else round(values[f"{role}_mode_model_THz"], 5),
        frequency_reference=round(values[f"{role}_mode_reference_THz"], 5),
        structure=_structure(record, "reference" if of_reference else "model"),
        displacements=tuple(map(tuple, record["displacements"][place].round(_DIGITS).tolist())),
        note=_note(values, role, int(record["degenerate"][place])),
    )


def _note(values: dict[str, Any], role: str, degenerate: int) -> str:
    """How it compares with the other side's modes, and how many there are of it."""
    said = []
    if role != "reference":  # which stands once for all potentials: what is of one is said from its cell
        alike, rank = values[f"{role}_mode_alike"], values[f"{role}_mode_reference_THz"]
        said.append(
            f"{percent(alike)} of this motion lies in the reference's mode of the same rank "
            f"({_terahertz(rank)})"
        )
        if alike < _ALIKE:
            most = values[f"{role}_mode_most_alike_THz"]
            said.append(f"the reference's mode most like it has {_terahertz(most)}")
    if degenerate > 1:
        said.append(f"one of {degenerate} modes of this frequency")
    return "; ".join(said)


def _terahertz(frequency: float) -> str:
    """A frequency in a sentence, with an i where imaginary."""
    return f"{abs(frequency):.2f}{'i' if frequency < 0 else ''} THz"


def _structure(record: RecordFile, side: str) -> Structure:
    """Primitive cell of a side."""
    return Structure(
        lattice=tuple(map(tuple, record[f"{side}_lattice"].round(6).tolist())),
        symbols=tuple(chemical_symbols[number] for number in record[f"{side}_numbers"]),
        positions=tuple(map(tuple, record[f"{side}_positions"].round(6).tolist())),
    )
