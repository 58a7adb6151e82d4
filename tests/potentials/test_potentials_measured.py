"""What ``measure_conformance`` finds in potentials whose faults are known, and in one without."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.neighborlist import neighbor_list
from shared_weights import shared_weights

from softmode.numerics import THREAD_VARIABLES
from softmode.potentials import Potential, PotentialInfo
from softmode.potentials.conformance import default_crystal, measure_conformance, verdict
from softmode.potentials.registry import find, recognise

CUTOFF = 5.0


def pairs(atoms: Atoms) -> tuple[float, np.ndarray]:
    """E = Σ (1 − r²/c²)⁴ over pairs, smooth at the cutoff, weaker between unlike atoms."""
    i, j, vectors = neighbor_list("ijD", atoms, CUTOFF)
    strength = np.where(atoms.numbers[i] == atoms.numbers[j], 4.0, 1.0)
    left = 1 - (vectors**2).sum(axis=1) / CUTOFF**2
    forces = np.zeros((len(atoms), 3))
    np.add.at(forces, i, -8 * (strength * left**3)[:, None] * vectors / CUTOFF**2)
    return float(0.5 * (strength * left**4).sum()), forces


class Pairs(Potential):
    """The potential of pairs, spoiled by a function of configuration, energy and forces."""

    def __init__(self, spoil: Callable[..., tuple[float, Any]], dtype: str = "float64") -> None:
        self.info, self.dtype, self.device, self.spoil = PotentialInfo("pairs"), dtype, "cpu", spoil
        self.asked = 0

    def calculator(self) -> Calculator:
        raise NotImplementedError

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[list[float], list[Any]]:
        self.asked += len(configurations)
        energies, forces = zip(*(self.spoil(each, *pairs(each)) for each in configurations), strict=True)
        return list(energies), list(forces)


def as_it_is(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    return energy, forces


def in_single(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    """Coordinates, energy and forces rounded, as by a model that works in single precision."""
    rounded = atoms.copy()
    rounded.positions = rounded.positions.astype(np.float32)
    energy, forces = pairs(rounded)
    return float(np.float32(energy)), forces.astype(np.float32)


def swirling(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    """No gradient: each force turned by a milliradian about an axis that turns with the crystal."""
    axis = atoms.cell.array[0] / np.linalg.norm(atoms.cell.array[0])
    return energy, forces + 1e-2 * np.cross(axis, forces)


def sorted_by_element(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    return energy, forces[np.argsort(atoms.numbers, kind="stable")]


def reversed_order(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    return energy, forces[::-1]


def leaning(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    """A field along z, derivative of an energy that is not periodic."""
    forces = forces.copy()
    forces[:, 2] += 0.01
    return energy - 0.01 * atoms.positions[:, 2].sum(), forces


def of_the_cell(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    """An energy that depends on which basis of the lattice is chosen."""
    return energy + 1e-3 * len(atoms) * float(np.linalg.norm(atoms.cell.array, axis=1).max()), forces


def in_electronvolts_per_atom(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
    return energy / len(atoms), forces


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_faultless_potential_keeps_to_double_precision(dtype: str) -> None:
    potential = Pairs(as_it_is, dtype)
    found = measure_conformance(potential)
    assert found.precision == "float64"
    assert found.conservative
    assert found.broken("float64") == ()
    assert found.figures["repetition"].value == 0
    assert found.crystal == "Na4Cl4"
    assert potential.asked < 150
    assert verdict(found, dtype).startswith(
        "Conservative and invariant to float64; displacements from 1e-09 Å"
    )


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_single_precision_inside_is_found_whatever_is_said(dtype: str) -> None:
    found = measure_conformance(Pairs(in_single, dtype))
    assert found.precision == "float32"
    assert found.broken() == ()
    assert found.figures["permutation"].precision == "float64"  # nothing is added up in single precision
    assert {"work", "translation", "displacement"} <= set(found.broken("float64"))
    assert 1e-7 <= found.figures["displacement"].value <= 1e-3
    assert ("It is said to work in float64, but does not" in verdict(found, dtype)) is (dtype == "float64")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("spoil", "broken"),
    [
        (swirling, {"work", "basis"}),
        (sorted_by_element, {"work", "permutation", "supercell"}),
        (reversed_order, {"work", "permutation"}),
        (leaning, {"rotation", "rotation_energy", "translation_energy", "net_force"}),
        (of_the_cell, {"basis_energy", "supercell_energy"}),
        (in_electronvolts_per_atom, {"work", "supercell_energy"}),
    ],
)
def test_each_fault_breaks_the_figures_that_show_it(
    spoil: Callable[..., tuple[float, Any]], broken: set[str], dtype: str
) -> None:
    found = measure_conformance(Pairs(spoil, dtype))
    assert broken <= set(found.broken("float32"))
    assert found.precision == ""
    assert found.conservative is ("work" not in broken)
    assert verdict(found, dtype).startswith("FAILS")
    for name in broken:
        assert found.figures[name].title in verdict(found, dtype)


def test_the_size_of_a_fault_is_measured() -> None:
    """Of a constant force along one axis that no energy has: its component along the path."""

    def pushed(atoms: Atoms, energy: float, forces: np.ndarray) -> tuple[float, Any]:
        forces = forces.copy()
        forces[0, 2] += 0.01
        return energy, forces

    found = measure_conformance(Pairs(pushed))
    assert found.figures["net_force"].value == pytest.approx(0.01 / 8, rel=1e-9)
    assert 1e-4 < found.figures["work"].value < 0.01


@pytest.mark.parametrize(
    ("elements", "formula"),
    [((), "Na4Cl4"), (("Cl", "H", "Na"), "Na4Cl4"), (("Cu", "Al"), "Cu4Al4"), (("Ar",), "Ar4")],
)
def test_the_crystal_holds_what_is_covered(elements: tuple[str, ...], formula: str) -> None:
    assert default_crystal(elements).get_chemical_formula(mode="metal") in (formula, "Al4Cu4")


@pytest.mark.real_potential
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("a small MACE", "mace"),
        ("chgnet", "chgnet"),
        pytest.param("7net-0", "sevenn", marks=pytest.mark.slow),
        pytest.param("nequix-mp-1", "nequix", marks=pytest.mark.slow),
        pytest.param("TensorNet-MatPES-PBE-v2025.1-PES", "matgl", marks=pytest.mark.slow),
    ],
)
def test_every_run_gives_the_same_bits(name: str, module: str, request: pytest.FixtureRequest) -> None:
    """Fresh processes, whatever the environment says of threads; what is left by rounding shows all bits."""
    pytest.importorskip(module)
    found = find(name)
    arguments = [name]
    if found is None:
        arguments = [str(request.getfixturevalue("small_mace_path"))]
    elif found[1].stored_as:
        weights = shared_weights(found[1])
        if weights is None:
            pytest.skip("its weights are not here")
        arguments = [str(weights)]
    command = [sys.executable, "-m", "softmode", "potentials", "check", *arguments, "--json"]
    texts = []
    for threads in ("1", "3"):
        environment = os.environ | dict.fromkeys(THREAD_VARIABLES, threads)
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        texts.append(json.dumps(json.loads(done.stdout)[0]["figures"]))
    assert texts[0] == texts[1]
    family = recognise(arguments[0]) if found is None else found[0]
    assert family.repeatable is True
    assert "may change" in family.last_bits("cuda")
