"""Symmetry-distinct sites of a supercell."""

from __future__ import annotations

import numpy as np
import spglib
from numpy.typing import NDArray

from softmode.crystal import Cell
from softmode.errors import InputDataError


def orbits(cell: Cell, symprec: float = 1e-3) -> NDArray[np.int64]:
    """Index of the symmetry orbit of each atom, counted in the order in which they appear.

    Parameters
    ----------
    cell : Cell
        The reference supercell (or any cell).
    symprec : float
        Tolerance of the symmetry search, Å.

    Raises
    ------
    InputDataError
        If spglib finds no symmetry at all.
    """
    dataset = spglib.get_symmetry_dataset(
        (cell.lattice, cell.scaled_positions, cell.numbers), symprec=symprec
    )
    if dataset is None:
        raise InputDataError("reference supercell", "spglib finds no symmetry", "check the structure")
    _, first, index = np.unique(dataset.crystallographic_orbits, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[index], dtype=np.int64)


def site_labels(cell: Cell, symprec: float = 1e-3) -> tuple[str, ...]:
    """Label of each atom: its element, numbered where an element has several orbits (``Br1``, ``Br2``).

    Orbits, not Wyckoff letters, tell sites apart: two orbits may share a letter.
    """
    orbit = orbits(cell, symprec)
    symbols = cell.symbols
    of_element: dict[str, list[int]] = {}
    for symbol, index in zip(symbols, orbit.tolist(), strict=True):
        found = of_element.setdefault(symbol, [])
        if index not in found:
            found.append(index)
    return tuple(
        symbol if len(of_element[symbol]) == 1 else f"{symbol}{of_element[symbol].index(index) + 1}"
        for symbol, index in zip(symbols, orbit.tolist(), strict=True)
    )
