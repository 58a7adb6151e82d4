"""The same crystal as two references have it: other cells, another orientation, a slightly other lattice."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from phonopy import Phonopy

from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray
from softmode.crystal.supercell_symmetry import symmetry_dataset
from softmode.errors import InputDataError
from softmode.harmonic.dispersion import Dispersion

#: How far the standard cells of two references may be from each other, as a strain. Functionals make some per
#: cent; axes that are named differently (a for b) more, as a rule.
_STRAIN = 0.1


@dataclass(frozen=True, eq=False)
class Correspondence:
    """How q-points and directions of one primitive cell read in another one of the same crystal.

    Parameters
    ----------
    reciprocal : (3, 3) array
        ``q_other = reciprocal @ q_one`` in fractional coordinates of either reciprocal basis.
    rotation : (3, 3) array
        ``v_one = rotation @ v_other``, Cartesian.
    """

    reciprocal: FloatArray
    rotation: FloatArray

    def qpoints(self, of_one: FloatArray) -> FloatArray:
        """The q-points (n_q, 3) of one as they are called in the other."""
        found: FloatArray = of_one @ self.reciprocal.T
        return found

    def seen_from_one(self, of_other: Dispersion, qpoints: FloatArray) -> Dispersion:
        """Phonons of the other, at those q-points, under the names and in the orientation of one."""

        def turned(vectors: FloatArray | None) -> FloatArray | None:
            return None if vectors is None else vectors @ self.rotation.T

        velocities, slopes = turned(of_other.group_velocities), turned(of_other.slopes)
        return Dispersion(qpoints, of_other.frequencies, velocities, slopes)


def correspondence(one: Phonopy, other: Phonopy, subject: str) -> Correspondence:
    """Match two primitive cells of the same crystal by their standard settings (spglib).

    Which of the settings that symmetry makes equal is taken does not matter: phonons are equal there, too.

    Parameters
    ----------
    one, other : phonopy.Phonopy
        Of which the primitive cells count.
    subject : str
        For messages.

    Raises
    ------
    InputDataError
        If they are not the same crystal: other elements, another space group, another lattice.
    """
    found = []
    for phonon in (one, other):
        dataset = symmetry_dataset(Cell.from_phonopy(phonon.primitive), 1e-3)
        if dataset is None:
            raise InputDataError(subject, "spglib finds no symmetry", "check the structures")
        found.append(dataset)
    contents = [sorted(phonon.primitive.symbols) for phonon in (one, other)]
    if contents[0] != contents[1]:
        raise InputDataError(
            subject, f"are {' '.join(contents[0])} and {' '.join(contents[1])}", "give the same crystal"
        )
    if found[0].number != found[1].number:
        raise InputDataError(
            subject,
            f"have the space groups {found[0].international} and {found[1].international}",
            "give the same crystal in the same phase",
        )
    strain = np.linalg.solve(found[0].std_lattice, found[1].std_lattice) - np.eye(3)
    if np.abs(strain).max() > _STRAIN:
        raise InputDataError(
            subject,
            f"have standard cells that differ by {np.abs(strain).max():.0%}",
            "give the same crystal, with its axes in the same order",
        )
    to_standard = [dataset.transformation_matrix for dataset in found]
    rotations = [dataset.std_rotation_matrix for dataset in found]
    return Correspondence(
        reciprocal=to_standard[1].T @ np.linalg.inv(to_standard[0]).T,
        rotation=rotations[0].T @ rotations[1],
    )
