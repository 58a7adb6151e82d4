"""Two references of the same crystal: other cells and another orientation are no difference, scales are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from scipy.spatial.transform import Rotation
from tiny_study import write_metal

import softmode as sm
from softmode import harmonic as hm
from softmode.crystal import ForceConstants
from softmode.errors import InputDataError
from softmode.notebook.phonons import compare_references

#: A tetragonal layered CuAu, in which no two axes are alike but by symmetry.
LATTICE = np.diag([2.85, 2.85, 3.7])
POSITIONS = np.array([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5]])
SUPERCELL = np.diag([2, 2, 2])


def crystal(basis: np.ndarray, rotation: np.ndarray, scale: float = 1.0) -> tuple[Phonopy, ForceConstants]:
    """The same crystal in another basis (unimodular, columns) and orientation; EMT's force constants."""
    lattice = (rotation @ (scale * LATTICE).T @ basis).T
    positions = POSITIONS @ np.linalg.inv(basis).T
    phonon = Phonopy(
        PhonopyAtoms(symbols=["Cu", "Au"], cell=lattice, scaled_positions=positions),
        supercell_matrix=np.rint(np.linalg.inv(basis) @ SUPERCELL).astype(int),
        primitive_matrix=np.eye(3),
    )
    phonon.generate_displacements(distance=0.001)
    forces = []
    for cell in phonon.supercells_with_displacements:
        atoms = Atoms(cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
        atoms.calc = EMT()
        forces.append(atoms.get_forces())
    phonon.forces = np.array(forces)
    phonon.produce_force_constants(calculate_full_force_constants=False)
    return phonon, ForceConstants(phonon.force_constants)


def at(side: tuple[Phonopy, ForceConstants], qpoints: np.ndarray) -> hm.Dispersion:
    return hm.compute_dispersion(hm.real_space_dynamical_matrix(*side), qpoints)


def test_other_cells_and_orientations_are_no_difference() -> None:
    one = crystal(np.eye(3), np.eye(3))
    basis = np.array([[1, 1, 0], [0, 1, 0], [1, 0, 1]])
    other = crystal(basis, Rotation.from_euler("xyz", [0.3, -1.1, 2.0]).as_matrix())
    match = hm.correspondence(one[0], other[0], "CuAu")
    qpoints = np.random.default_rng(2026).uniform(-0.5, 0.5, (40, 3))
    expected = at(one, qpoints)
    found = match.seen_from_one(at(other, match.qpoints(qpoints)), qpoints)
    np.testing.assert_allclose(found.frequencies, expected.frequencies, atol=1e-3)
    compared = hm.compare(expected, found)
    assert compared.rmse_vg < 1e-2 < 0.1 < np.abs(expected.group_velocities).mean()
    assert compared.rmse_slope < 1e-3 * np.sqrt((expected.slopes**2).mean())
    # and not because any q would do
    assert np.abs(at(other, qpoints).frequencies - expected.frequencies).max() > 0.1


def test_a_wider_lattice_corresponds_and_another_crystal_does_not() -> None:
    one, wider = crystal(np.eye(3), np.eye(3)), crystal(np.eye(3), np.eye(3), scale=1.03)
    np.testing.assert_allclose(hm.correspondence(one[0], wider[0], "CuAu").reciprocal, np.eye(3), atol=1e-12)
    cubic = Phonopy(PhonopyAtoms(symbols=["Cu", "Au"], cell=3 * np.eye(3), scaled_positions=POSITIONS))
    with pytest.raises(InputDataError, match="have the space groups P4/mmm and Pm-3m"):
        hm.correspondence(one[0], cubic, "CuAu")
    huge = crystal(np.eye(3), np.eye(3), scale=1.2)
    with pytest.raises(InputDataError, match="differ by 20%"):
        hm.correspondence(one[0], huge[0], "CuAu")


def test_forces_of_another_reference_times_a_factor_are_a_floor_of_scale_alone(tmp_path: Path) -> None:
    for name, factor in (("a", 1.0), ("b", 1.21)):
        write_metal(tmp_path / name, "Al", factor)
    floor = compare_references(tmp_path / "a", tmp_path / "b")
    for where in ("path", "mesh"):
        assert floor[where].softening == pytest.approx(1.21, rel=1e-6)
        assert floor[where].rmse_w2_rest_THz2 < 1e-5 * floor[where].rmse_w2_THz2
    copper = write_metal(tmp_path / "c", "Cu")
    with pytest.raises(InputDataError, match="are Al and Cu"):
        compare_references(tmp_path / "a", sm.load(copper))
