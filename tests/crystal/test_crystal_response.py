"""What displaced atoms do to the others: against phonopy, and against springs whose answer is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from trajectory_cases import UNITCELL, springs

from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material
from softmode.crystal.response import (
    Response,
    fitted,
    net_force,
    responses,
    sum_rule,
    translation_asymmetry,
)
from softmode.crystal.supercell_symmetry import SupercellSymmetry, supercell_symmetry
from softmode.harmonic import build_phonopy, reference_force_constants

FCC = Cell(
    np.eye(3) * 5.6,
    np.vstack(
        [np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]]) + shift for shift in (0, 0.5)]
    ),
    np.repeat([11, 17], 4),
)
HEXAGONAL = Cell(
    np.array([[3.2, 0, 0], [-1.6, 1.6 * np.sqrt(3), 0], [0, 0, 5.2]]),
    np.array([[1 / 3, 2 / 3, 0], [2 / 3, 1 / 3, 0.5]]),
    np.array([30, 30]),
)


def supercell_of(unitcell: Cell, matrix: Sequence[int]) -> Cell:
    made = Phonopy(unitcell.to_phonopy(), np.diag(matrix), primitive_matrix="P", log_level=0)
    return Cell.from_phonopy(made.supercell)


def symmetry_of(unitcell: Cell, supercell: Cell) -> SupercellSymmetry:
    found = supercell_symmetry(unitcell, supercell)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("unitcell", "matrix"), [(UNITCELL, (2, 2, 2)), (FCC, (1, 1, 2)), (HEXAGONAL, (2, 2, 1))]
)
def test_operations_bring_each_atom_onto_one_of_its_element(unitcell: Cell, matrix: Sequence[int]) -> None:
    supercell = supercell_of(unitcell, matrix)
    symmetry = symmetry_of(unitcell, supercell)
    positions = supercell.scaled_positions @ supercell.lattice
    for atom in (0, supercell.n_atoms - 1):
        rotations, images = symmetry.site_operations(atom)
        assert len(rotations) > 1
        for rotation, image in zip(rotations, images, strict=True):
            moved = positions[atom] + (positions - positions[atom]) @ rotation.T
            away = (moved - positions[image]) @ np.linalg.inv(supercell.lattice)
            np.testing.assert_allclose(away, np.rint(away), atol=1e-9)
            np.testing.assert_array_equal(supercell.numbers[image], supercell.numbers)
    for image in symmetry.translations():
        away = (positions[image] - positions) @ np.linalg.inv(supercell.lattice)
        np.testing.assert_allclose(away - away[0], np.rint(away - away[0]), atol=1e-9)
    assert len(symmetry.translations()) * len(symmetry.first_atoms) == supercell.n_atoms


def test_fitted_force_constants_and_sum_rule_are_those_of_phonopy(example: Material) -> None:
    phonon = build_phonopy(example)
    compact = reference_force_constants(phonon, example).values
    full = compact_fc_to_full_fc(phonon.primitive, np.array(compact))
    assert isinstance(example.reference, DisplacementForces)
    symmetry = symmetry_of(example.unitcell, Cell.from_phonopy(phonon.supercell))
    fits = [fitted(one, symmetry) for one in responses(example.reference)]
    for fit in fits:
        np.testing.assert_allclose(fit.force_constants, full[fit.atom].transpose(0, 2, 1), atol=1e-10)
    stiffest = max(np.trace(full[fit.atom, fit.atom]) / 3 for fit in fits)
    assert sum_rule(fits, symmetry) == pytest.approx(np.abs(full.sum(axis=0)).max() / stiffest, rel=1e-6)


def test_springs_break_no_rule_and_random_numbers_all() -> None:
    supercell = supercell_of(UNITCELL, (2, 2, 2))
    symmetry = symmetry_of(UNITCELL, supercell)
    good = ForceConstants(springs(supercell))
    bad = ForceConstants(np.random.default_rng(1).normal(size=good.values.shape))
    for constants, breaks in ((good, False), (bad, True)):
        rows = responses(constants, symmetry.first_atoms)
        fits = [fitted(one, symmetry) for one in rows]
        figures = [
            net_force(rows),
            max(fit.asymmetry for fit in fits),
            translation_asymmetry(constants, symmetry),
        ]
        assert all(figure > 0.3 for figure in figures) if breaks else max(figures) < 1e-12
    assert sum_rule(fits, symmetry) is None or sum_rule(fits, symmetry) > 0.3


def test_atoms_that_are_not_displaced_leave_the_sum_rule_unknown() -> None:
    supercell = supercell_of(UNITCELL, (2, 2, 2))
    symmetry = symmetry_of(UNITCELL, supercell)
    rows = responses(ForceConstants(springs(supercell)), np.array([0]))
    assert sum_rule([fitted(rows[0], symmetry)], symmetry) is None


@settings(max_examples=25, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(
    angles=st.tuples(*[st.floats(0.0, 2.0 * np.pi)] * 3),
    shift=st.tuples(*[st.floats(-1.0, 1.0)] * 3),
    matrix=st.sampled_from([(1, 1, 1), (2, 1, 1), (2, 2, 2), (3, 2, 1)]),
    noise=st.integers(0, 99),
)
def test_figures_do_not_depend_on_orientation_origin_or_supercell(
    angles: tuple[float, ...], shift: tuple[float, ...], matrix: tuple[int, ...], noise: int
) -> None:
    """With 1 % noise on every component no figure comes near a limit."""
    turn = np.eye(3)
    for axis, angle in enumerate(angles):
        c, s = np.cos(angle), np.sin(angle)
        one = np.eye(3)
        others = [k for k in range(3) if k != axis]
        one[np.ix_(others, others)] = [[c, -s], [s, c]]
        turn = turn @ one
    cell = Cell(FCC.lattice @ turn.T, FCC.scaled_positions + np.array(shift), FCC.numbers)
    supercell = supercell_of(cell, matrix)
    symmetry = symmetry_of(cell, supercell)
    constants = springs(supercell)
    rng = np.random.default_rng(noise)
    rows = []
    for atom in symmetry.first_atoms:
        displacements = 0.01 * np.eye(3) @ turn.T
        forces = -np.einsum("kij,mj->mki", constants[:, atom], displacements)
        rows.append(Response(int(atom), displacements, forces * (1.0 + 0.01 * rng.normal(size=forces.shape))))
    fits = [fitted(one, symmetry) for one in rows]
    largest = max(np.abs(one.forces).max() / 0.01 for one in rows)
    assert net_force(rows) < 0.05
    assert max(fit.asymmetry for fit in fits) < 0.1
    assert max(fit.residual for fit in fits) / largest < 0.1
    violation = sum_rule(fits, symmetry)
    assert violation is not None
    assert violation < 0.1
    expected = np.trace(constants[0, 0]) / 3
    assert fits[0].stiffness == pytest.approx(expected, rel=0.03)
