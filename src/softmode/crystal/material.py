"""A crystal with its reference data, frozen and checked on creation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np

from softmode.crystal.arrays import FloatArray, IntArray, array_digest, frozen, require
from softmode.crystal.cell import Cell
from softmode.crystal.force_constants import DisplacementForces, ForceConstants, NonAnalyticalCorrection


@dataclass(frozen=True, eq=False)
class Material:
    """A crystal, as a rule with the reference data its phonons are made from.

    Parameters
    ----------
    name : str
        Identifier, unique in its dataset (``mp-989571``).
    formula : str
        Reduced chemical formula; halide double perovskites as A2BB'X6.
    unitcell : Cell
        Reference (DFT) structure.
    supercell_matrix : (3, 3) int array
        phonopy's supercell matrix with respect to `unitcell`.
    primitive_matrix : (3, 3) array
        phonopy's primitive matrix with respect to `unitcell`.
    reference : DisplacementForces or ForceConstants
        What the reference force constants are made from, or they themselves; None for a structure of which
        nothing else is known (as in screening).
    nac : NonAnalyticalCorrection, optional
        Present when the reference has Born effective charges.
    tags : mapping of str to str
        What is known about the material: ``prototype``, ``halide``, ``site_A`` …, ``level_of_theory``.

    Raises
    ------
    InputDataError
        If the reference does not belong to the supercell.
    """

    name: str
    formula: str
    unitcell: Cell
    supercell_matrix: IntArray
    primitive_matrix: FloatArray
    reference: DisplacementForces | ForceConstants | None = None
    nac: NonAnalyticalCorrection | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "supercell_matrix", frozen(self.supercell_matrix, np.int64))
        object.__setattr__(self, "primitive_matrix", frozen(self.primitive_matrix))
        object.__setattr__(self, "tags", MappingProxyType(dict(self.tags)))
        n_supercell = self.n_supercell_atoms
        require(n_supercell > 0, self.name, "the supercell matrix is singular", "check DIM")
        if self.reference is None:
            return
        if isinstance(self.reference, DisplacementForces):
            n_given = self.reference.forces.shape[1]
            what = "forces on"
        else:
            n_given = self.reference.values.shape[1]
            what = "force constants of"
        require(
            n_given == n_supercell,
            self.name,
            f"{what} {n_given} atoms, but the supercell has {n_supercell}",
            "check that structure, supercell matrix (DIM) and forces belong together",
        )

    def __getstate__(self) -> dict[str, Any]:
        """Mapping proxies do not pickle; worker processes receive a plain dict."""
        state = {key: value for key, value in self.__dict__.items() if not key.endswith("digest")}
        state["tags"] = dict(self.tags)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.__dict__["tags"] = MappingProxyType(state["tags"])

    @property
    def n_supercell_atoms(self) -> int:
        """Number of atoms of the reference supercell."""
        return round(abs(float(np.linalg.det(self.supercell_matrix)))) * self.unitcell.n_atoms

    @property
    def elements(self) -> tuple[str, ...]:
        """Distinct chemical symbols."""
        return self.unitcell.elements

    @property
    def group(self) -> str:
        """The key results are grouped by: the halide where there is one, else the prototype."""
        return self.tags.get("halide") or self.tags.get("prototype") or "ungrouped"

    @cached_property
    def structure_digest(self) -> str:
        """Digest of what a potential is evaluated on: cell, supercell and primitive cell."""
        return array_digest(self.unitcell.digest, self.supercell_matrix, self.primitive_matrix)

    @cached_property
    def reference_digest(self) -> str:
        """Digest of the structure together with the reference data; empty when there are none."""
        if self.reference is None:
            return ""
        nac = self.nac.digest if self.nac is not None else "none"
        return array_digest(self.structure_digest, self.reference.digest, nac)
