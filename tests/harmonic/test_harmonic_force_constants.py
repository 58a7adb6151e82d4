"""Displacements, force constants, the sum rule, relaxation."""

from __future__ import annotations

import copy
from typing import Any, ClassVar

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.optimize import LBFGS
from phonopy import Phonopy
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from tiny_study import metal_phonopy

from softmode import harmonic as hm
from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material
from softmode.errors import InputDataError, RelaxationError
from softmode.harmonic.displacement_solver import displacement_solver
from softmode.harmonic.finite_displacement import symmetrised


@pytest.fixture(scope="module")
def example_force_constants(example: Material) -> tuple[object, np.ndarray]:
    """phonopy object and full symmetrised force constants: a harmonic crystal to experiment on."""
    phonon = hm.build_phonopy(example)
    compact = symmetrised(phonon, hm.reference_force_constants(phonon, example))
    return phonon, compact_fc_to_full_fc(phonon.primitive, np.array(compact.values))


def harmonic_forces(full: np.ndarray, displacements: np.ndarray) -> np.ndarray:
    return -np.einsum("ijab,njb->nia", full, displacements)


def test_force_constants_of_a_harmonic_crystal_are_recovered(example_force_constants) -> None:
    phonon, full = example_force_constants
    plan = hm.plan_displacements(phonon, 0.01)
    forces = harmonic_forces(full, plan.displacements)
    found = hm.force_constants_from_forces(phonon, DisplacementForces(plan.displacements, forces))
    np.testing.assert_allclose(found.values, full[phonon.primitive.p2s_map], atol=1e-10)


def test_random_displacements_of_all_atoms_give_the_same_force_constants(example_force_constants) -> None:
    phonon, full = example_force_constants
    displacements = np.random.default_rng(1).normal(0.0, 0.02, (4, len(full), 3))
    data = DisplacementForces(displacements, harmonic_forces(full, displacements))
    found = hm.force_constants_from_forces(phonon, data)
    np.testing.assert_allclose(found.values, full[phonon.primitive.p2s_map], atol=1e-6)


def test_displacements_have_the_asked_length_and_move_one_atom_each(example: Material) -> None:
    phonon = hm.build_phonopy(example)
    plan = hm.plan_displacements(phonon, 0.02)
    lengths = np.linalg.norm(plan.displacements, axis=2)
    np.testing.assert_allclose(lengths.max(axis=1), 0.02)
    assert ((lengths > 0).sum(axis=1) == 1).all()
    supercells = plan.supercells()
    np.testing.assert_allclose(
        supercells[1].positions - plan.perfect.positions, plan.displacements[1], atol=1e-12
    )


def test_sum_rule_violation_is_what_was_put_in(example_force_constants) -> None:
    phonon, full = example_force_constants
    assert hm.acoustic_sum_rule_violation(phonon, ForceConstants(full)) < 1e-10
    broken = full.copy()
    broken[3, 3, 0, 1] += 0.25
    assert hm.acoustic_sum_rule_violation(phonon, ForceConstants(broken)) == pytest.approx(0.25)


def test_sum_rule_violation_looks_along_both_indices(example_force_constants) -> None:
    phonon, full = example_force_constants
    one_way = full.copy()
    one_way[0, 5, 0, 0] += 0.1
    one_way[0, 6, 0, 0] -= 0.1  # the row of atom 0 still sums to zero, the columns do not
    assert hm.acoustic_sum_rule_violation(phonon, ForceConstants(one_way)) == pytest.approx(0.1)


def test_symmetrised_force_constants_obey_sum_rule_and_permutation(example: Material) -> None:
    phonon = hm.build_phonopy(example)
    raw = hm.reference_force_constants(phonon, example)
    assert hm.acoustic_sum_rule_violation(phonon, raw) > 1e-3  # as the data's own description says
    clean = symmetrised(phonon, raw)
    assert hm.acoustic_sum_rule_violation(phonon, clean) < 1e-10
    full = compact_fc_to_full_fc(phonon.primitive, np.array(clean.values))
    np.testing.assert_allclose(full, full.transpose(1, 0, 3, 2), atol=1e-12)


def test_relaxation_finds_the_lattice_constant_of_minimal_energy() -> None:
    atoms = bulk("Cu", "fcc", a=3.75, cubic=True)
    result = hm.relax_cell(Cell.from_atoms(atoms), EMT(), fmax=1e-4)
    relaxed = result.cell
    assert result.largest_force < 1e-4
    assert result.noise is None
    lattice_constants = np.linspace(3.5, 3.7, 81)
    energies = []
    for a in lattice_constants:
        trial = bulk("Cu", "fcc", a=a, cubic=True)
        trial.calc = EMT()
        energies.append(trial.get_potential_energy())
    minimum = lattice_constants[int(np.argmin(energies))]
    assert relaxed.lattice[0, 0] == pytest.approx(minimum, abs=0.005)
    np.testing.assert_allclose(relaxed.lattice, np.eye(3) * relaxed.lattice[0, 0], atol=1e-8)


def test_relaxation_that_does_not_converge_says_so() -> None:
    atoms = bulk("Cu", "fcc", a=3.9, cubic=True)
    with pytest.raises(RelaxationError, match="did not reach"):
        hm.relax_cell(Cell.from_atoms(atoms), EMT(), fmax=1e-4, max_steps=1)


class Balloon(Calculator):  # type: ignore[misc]
    """A crystal whose energy is that of its volume, V0 = 64 Å³, and whose stress is off by 1 meV/Å³."""

    implemented_properties: ClassVar[list[str]] = ["energy", "forces", "stress"]
    moves_along, size = False, 1e-3

    def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
        super().calculate(atoms, properties, system_changes)
        strain = np.log(atoms.get_volume() / 64.0)
        if self.moves_along:
            error = np.sign(strain)
        else:  # without rule, whatever is changed
            error = np.sin(1e11 * (atoms.cell.array.sum() + atoms.positions.sum()))
        pressure = strain + self.size * error  # eV/Å³
        self.results = {
            "energy": 32.0 * strain**2,
            "forces": np.zeros((len(atoms), 3)),
            "stress": pressure * np.array([1, 1, 1, 0, 0, 0]),
        }


class Smooth(Balloon):
    size = 0.0


def test_relaxation_ends_where_noise_is_all_that_is_left() -> None:
    result = hm.relax_cell(Cell.from_atoms(bulk("Cu", "sc", a=3.9)), Balloon())
    assert result.noise is not None
    # the largest generalised force is that of the cell, stress times volume for one atom
    assert 0.3 * 0.064 < result.noise <= 0.064
    assert 1e-4 < result.largest_force <= 3.0 * result.noise
    assert result.cell.lattice[0, 0] == pytest.approx(4.0, abs=0.005)


def test_an_optimiser_that_goes_in_circles_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    class Circling(LBFGS):  # type: ignore[misc]
        def step(self, forces: Any = None) -> None:
            self.side = -getattr(self, "side", -1)
            self.optimizable.set_x(self.optimizable.get_x() * (1.0 + 0.01 * self.side))

    monkeypatch.setattr("ase.optimize.LBFGS", Circling)
    result = hm.relax_cell(Cell.from_atoms(bulk("Cu", "sc", a=3.9)), Smooth())
    assert result.noise is None
    assert result.largest_force < 1e-4
    assert result.cell.lattice[0, 0] == pytest.approx(4.0, abs=1e-5)


def test_forces_that_do_not_vanish_are_no_noise() -> None:
    calculator = Balloon()
    calculator.moves_along = True
    with pytest.raises(RelaxationError, match=r"did not reach 0\.0001 eV/Å in 120 steps"):
        hm.relax_cell(Cell.from_atoms(bulk("Cu", "sc", a=3.9)), calculator, max_steps=120)


def by_phonopy(phonon: Phonopy, data: DisplacementForces) -> np.ndarray:
    """Compact force constants from phonopy's own solver."""
    atoms = np.linalg.norm(data.displacements, axis=2).argmax(axis=1)
    solver = copy.copy(phonon)
    solver.dataset = {
        "natom": data.forces.shape[1],
        "first_atoms": [
            {"number": int(atom), "displacement": moved[atom].copy(), "forces": forces.copy()}
            for atom, moved, forces in zip(atoms, data.displacements, data.forces, strict=True)
        ],
    }
    solver.produce_force_constants(calculate_full_force_constants=False, show_drift=False)
    return np.array(solver.force_constants)


@pytest.mark.parametrize("name", ["Al", "CuAu", "example"])
def test_force_constants_are_those_of_phonopy_bit_for_bit(name: str, example: Material) -> None:
    """Whatever the forces: these have no symmetry at all."""
    phonon = hm.build_phonopy(example) if name == "example" else metal_phonopy(name)
    plan = hm.plan_displacements(phonon, 0.01)
    forces = np.random.default_rng(3).normal(size=plan.displacements.shape)
    data = DisplacementForces(plan.displacements, forces)
    assert np.array_equal(hm.force_constants_from_forces(phonon, data).values, by_phonopy(phonon, data))


def test_a_solver_serves_many_sets_of_forces(example_force_constants) -> None:
    phonon, _ = example_force_constants
    plan = hm.plan_displacements(phonon, 0.01)
    solver = displacement_solver(phonon, plan.displacements)
    random = np.random.default_rng(4)
    for forces in random.normal(size=(3, *plan.displacements.shape)):
        data = DisplacementForces(plan.displacements, forces)
        assert np.array_equal(solver.solve(forces).values, by_phonopy(phonon, data))


def test_displacements_that_leave_an_atom_out_are_refused(example: Material) -> None:
    phonon = hm.build_phonopy(example)
    plan = hm.plan_displacements(phonon, 0.01)
    with pytest.raises(InputDataError, match="do not determine"):
        displacement_solver(phonon, plan.displacements[:1])
