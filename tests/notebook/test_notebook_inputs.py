"""What `import softmode` offers and costs; crystals and potentials from whatever stands for one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from moving_metals import write_moving_metal
from tiny_study import EMT_NAME

import softmode as sm
from softmode.datasets import open_reference
from softmode.errors import PotentialError, SettingsError


def test_importing_is_light() -> None:
    program = (
        "import sys; before = set(sys.modules)\n"
        "import softmode\n"
        "assert set(softmode.__all__) <= set(dir(softmode))\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - set(sys.stdlib_module_names) == {"softmode"}


def test_all_that_is_named_is_there() -> None:
    for name in sm.__all__:
        assert callable(getattr(sm, name))
    with pytest.raises(AttributeError, match="has no attribute 'lode'"):
        _ = sm.lode


def test_the_example_comes_with_its_trajectory() -> None:
    crystal = sm.load("example")
    assert repr(crystal) == (
        "<Crystal Cs2AgBiBr6: 10 atoms, supercell of 80; "
        "reference: forces on 4 displaced supercells and a trajectory>"
    )
    assert crystal.trajectory is not None
    assert crystal.trajectory.positions.shape == (15, 80, 3)
    assert sm.load(crystal) is crystal


def test_files_folders_and_objects(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = sm.load(tiny_dataset / "Al")
    assert folder.trajectory is None
    assert folder.material.reference_digest == open_reference(tiny_dataset / "Al").reference_digest
    assert sm.load(folder.material).material is folder.material
    assert "reference: forces on 1 displaced supercells>" in repr(folder)
    atoms = bulk("Al", "fcc", cubic=True)
    write(tmp_path / "Al.cif", atoms)
    for structure in (sm.load(atoms, "2 2 2"), sm.load(tmp_path / "Al.cif", (2, 2, 2))):
        material = structure.material
        assert (material.name, material.formula, material.reference) == ("Al", "Al", None)
        assert (material.unitcell.n_atoms, material.n_supercell_atoms) == (1, 8)  # the primitive cell
        assert abs(np.linalg.det(material.unitcell.lattice)) == pytest.approx(atoms.get_volume() / 4)
    assert sm.load(atoms).material.n_supercell_atoms > 8  # chosen


@pytest.mark.parametrize(
    ("what", "supercell", "problem"),
    [
        ("no_such_folder", None, "no such file"),
        (bulk("Al"), "two", "not made of integers"),
        (bulk("Al"), __file__, "is a file"),
        (bulk("Al"), "0 0 0", "supercell_matrix"),
        (sm.load("example"), "2 2 2", "it has its supercell already"),
    ],
)
def test_what_cannot_be_loaded_is_explained(what: object, supercell: str | None, problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        sm.load(what, supercell)


def test_a_trajectory_is_added(tmp_path: Path) -> None:
    motion = write_moving_metal(tmp_path / "Al", "Al", n_frames=6)
    bare = sm.load(tmp_path / "Al")
    crystal = bare.with_trajectory(tmp_path / "Al" / "run.extxyz", skip=1, every=2)
    assert bare.trajectory is None
    assert crystal.trajectory is not None
    np.testing.assert_allclose(crystal.trajectory.forces, motion.forces[1::2], atol=1e-7)


def test_potentials_by_name_and_as_objects() -> None:
    named, given = sm.potential(EMT_NAME), sm.potential(EMT(), name="mine")
    elsewhere = sm.potential(EMT_NAME, python=sys.executable)
    assert repr(named) == f"<Model {EMT_NAME} (ASE), float64 on cpu>"
    assert repr(given) == "<Model mine (ASE), float64 on cpu>"
    assert sm.potential(EMT()).name == "EMT"
    assert sm.potential(named) is named
    atoms = bulk("Cu", cubic=True)
    atoms.rattle(0.1, seed=1)
    forces = [model.potential.evaluate([atoms]).forces[0] for model in (named, given, elsewhere)]
    np.testing.assert_array_equal(forces[1], forces[0])
    np.testing.assert_array_equal(forces[2], forces[0])


def test_what_is_no_potential_is_explained() -> None:
    with pytest.raises(PotentialError, match="an object of type int is no ASE calculator"):
        sm.potential(7)
    with pytest.raises(PotentialError, match="is no ASE calculator"):
        sm.potential(EMT)  # the class
    with pytest.raises(SettingsError, match="an object takes no factor"):
        sm.potential(EMT(), factor=2.0)
    with pytest.raises(SettingsError, match="its options are not valid"):
        sm.potential(EMT_NAME, dtype="float16")
    with pytest.raises(SettingsError, match="not a known name"):
        sm.potential("chagnet-of-mine")
