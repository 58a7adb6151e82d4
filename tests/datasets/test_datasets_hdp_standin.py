"""The stand-in database is what it says: crystals, thermal motion, forces that follow from an energy."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.data import atomic_numbers
from ase.db import connect
from ase.io import read
from hdp_potential import VARIANTS, Compound, cheap, compounds
from hdp_standin import make_truth, sposcar, write_compound, write_tree
from phonopy import Phonopy
from phonopy.interface.vasp import read_vasp

from softmode.anharmonic.classes import classify

CAESIUM = Compound("Cs", "Ag", "Bi", "Br")


def test_compounds_are_distinct_and_always_the_same() -> None:
    many = compounds(5000)
    assert len(many) > 3000
    assert len({compound.formula for compound in many}) == len(many)
    assert compounds(7) == many[:7]
    assert Counter(compound.x for compound in many[:200]).keys() == {"F", "Cl", "Br", "I"}
    assert any(compound.a == compound.b for compound in many[:200])
    assert all(atomic_numbers[s] for compound in many[:50] for s in (compound.a, compound.b, compound.b2))


def test_all_classes_occur() -> None:
    scores = [make_truth(compound, (4,)).sigma_t().mean() for compound in compounds(40)]
    counts = Counter(classify(float(score)) for score in scores)
    assert min(counts[name] for name in ("weak", "strong", "unstable")) >= 5
    assert max(scores) < 4.0


def test_without_anharmonicity_sigma_vanishes() -> None:
    truth = make_truth(CAESIUM, (3,), anharmonicity=0.0)
    assert truth.sigma_t().max() < 1e-6  # eight decimals


@pytest.mark.parametrize("compound", compounds(4), ids=lambda compound: compound.formula)
def test_forces_are_the_derivative_of_the_energy_and_force_constants_of_the_forces(
    compound: Compound,
) -> None:
    truth = make_truth(compound, (1,))
    atoms = truth.supercell.copy()
    atoms.positions = truth.scaled[0][0] @ atoms.cell.array
    atoms.calc = cheap()
    np.testing.assert_allclose(atoms.get_forces(), truth.forces[0][0], atol=1e-6)
    for atom, axis in ((3, 0), (20, 1), (70, 2)):
        step = np.zeros((80, 3))
        step[atom, axis] = 1e-4
        energies = []
        for sign in (1.0, -1.0):
            moved = atoms.copy()
            moved.positions += sign * step
            moved.calc = cheap()
            energies.append(moved.get_potential_energy())
        assert -(energies[0] - energies[1]) / 2e-4 == pytest.approx(truth.forces[0][0][atom, axis], abs=1e-5)
        rest = truth.supercell.copy()
        rest.positions += step
        rest.calc = cheap()
        column = truth.force_constants[:, atom, :, axis]
        np.testing.assert_allclose(-rest.get_forces() / 1e-4, column, atol=1e-4)


def test_force_constants_are_those_of_the_crystal() -> None:
    values = make_truth(CAESIUM, (1,)).force_constants
    np.testing.assert_allclose(values.sum(axis=1), 0.0, atol=1e-12)
    np.testing.assert_allclose(values, values.transpose(1, 0, 3, 2), atol=1e-12)
    assert np.linalg.eigvalsh(values.transpose(0, 2, 1, 3).reshape(240, 240))[3] > 0.0


def test_motion_is_that_of_300_kelvin() -> None:
    """The virial theorem, from positions and forces as written."""
    temperatures = []
    for compound in compounds(6):
        truth = make_truth(compound, (30,))
        virial = -np.einsum("fai,fai->f", truth.moved(0), truth.forces[0]).mean()
        temperatures.append(virial / (3 * 79 * units.kB))
    assert np.mean(temperatures) == pytest.approx(300.0, rel=0.05)


def test_files_are_what_other_programs_read(tmp_path: Path) -> None:
    truth = make_truth(CAESIUM, (3, 2))
    folder = write_compound(tmp_path / truth.uid, truth)
    frames = read(folder / "MD" / "vasprun_prod_2.xml", index=":")
    assert len(frames) == 2
    np.testing.assert_allclose(frames[1].get_scaled_positions(wrap=False), truth.scaled[1][1], atol=1e-12)
    np.testing.assert_allclose(frames[1].get_forces(), truth.forces[1][1], atol=1e-12)
    primitive = read_vasp(folder / "CONTCAR")
    phonon = Phonopy(primitive, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="P", log_level=0)
    theirs, ours = phonon.supercell, read_vasp(folder / "SPOSCAR")
    assert theirs.symbols == ours.symbols
    difference = theirs.scaled_positions - ours.scaled_positions
    np.testing.assert_allclose(difference - np.rint(difference), 0.0, atol=1e-12)


def test_a_tree_holds_its_own_answers(tmp_path: Path) -> None:
    labels = write_tree(tmp_path, 3, (3, 3))
    with connect(tmp_path / "double_halide_pv.db") as database:
        rows = {row.uid: row for row in database.select()}
    assert rows.keys() == labels.keys()
    for uid, given in labels.items():
        [folder] = tmp_path.glob(f"*/{uid}")
        assert {path.name for path in folder.iterdir()} == {
            "CONTCAR",
            "SPOSCAR",
            "force_constants.hdf5",
            "MD",
        }
        assert rows[uid].sigma_mode_averaged_300K == given["sigma_mode_averaged_300K"]


def test_errors_of_the_cheap_potentials() -> None:
    atoms = sposcar(CAESIUM)
    atoms.rattle(0.1, seed=1)
    forces = {}
    for name, errors in VARIANTS.items():
        atoms.calc = cheap(**errors)
        forces[name] = atoms.get_forces()
        atoms.calc = cheap(**errors)
        np.testing.assert_array_equal(atoms.get_forces(), forces[name])
    atoms.calc = cheap()
    exact = atoms.get_forces()
    assert len(forces) == 4
    for other in forces.values():
        assert 0.001 < np.abs(other - exact).max() / np.abs(exact).max() < 1.0
    atoms.calc = cheap(stiffness=0.5)
    np.testing.assert_allclose(atoms.get_forces(), 0.5 * exact, atol=1e-12)
