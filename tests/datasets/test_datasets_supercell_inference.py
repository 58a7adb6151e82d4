"""A supercell that no file states: found where atoms, lattice and forces allow one, asked for elsewhere."""

from __future__ import annotations

import tarfile
from pathlib import Path

import numpy as np
import pytest
from ase.io import write
from numpy.typing import NDArray
from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5, write_FORCE_SETS
from trajectory_cases import UNITCELL, make_case, springs, write_vibes

from softmode.crystal import Cell, DisplacementForces, ForceConstants
from softmode.datasets import open_reference
from softmode.datasets.assemble import phonopy_supercell
from softmode.datasets.plausibility import CHECKS
from softmode.datasets.reading import Files
from softmode.errors import InputDataError, SettingsError

TETRAGONAL = Cell(
    UNITCELL.lattice * np.array([1.0, 1.0, 1.1])[:, None], UNITCELL.scaled_positions, UNITCELL.numbers
)
LOW = Cell(
    np.array([[4.0, 0, 0], [0.3, 4.4, 0], [0.2, -0.4, 5.1]]), UNITCELL.scaled_positions, UNITCELL.numbers
)
FORMS = ["FORCE_SETS", "FORCE_CONSTANTS", "compact FORCE_CONSTANTS", "force_constants.hdf5", "compact hdf5"]


def constants(cell: Cell, multiples: tuple[int, int, int]) -> NDArray[np.float64]:
    return springs(Cell.from_phonopy(phonopy_supercell(cell, np.diag(multiples), "supercell")))


def write_folder(folder: Path, cell: Cell, multiples: tuple[int, int, int], form: str) -> Path:
    """POSCAR and the forces or force constants of springs, and nothing else."""
    folder.mkdir(parents=True)
    write(folder / "POSCAR", cell.to_atoms(), format="vasp", direct=True)
    values, times = constants(cell, multiples), int(np.prod(multiples))
    first = np.arange(0, len(values), times)
    if form == "FORCE_SETS":
        moved = [
            {"number": int(atom), "displacement": 0.01 * axis, "forces": -0.01 * values[:, atom] @ axis}
            for atom in first
            for axis in np.eye(3)
        ]
        write_FORCE_SETS({"natom": len(values), "first_atoms": moved}, filename=folder / "FORCE_SETS")
    elif "FORCE_CONSTANTS" in form:
        rows = first if "compact" in form else None
        write_FORCE_CONSTANTS(
            values if rows is None else values[rows], filename=folder / "FORCE_CONSTANTS", p2s_map=rows
        )
    else:
        rows = first if "compact" in form else None
        write_force_constants_to_hdf5(
            values if rows is None else values[rows], filename=folder / "force_constants.hdf5", p2s_map=rows
        )
    return folder


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("cell", "multiples"),
    [
        (UNITCELL, (1, 1, 1)),
        (UNITCELL, (2, 2, 2)),
        (UNITCELL, (3, 3, 3)),
        (TETRAGONAL, (2, 2, 2)),  # as many atoms as 1 1 8
        (TETRAGONAL, (1, 1, 8)),
        (TETRAGONAL, (4, 4, 1)),  # as many as 2 2 4 and 1 1 16
    ],
)
def test_the_only_supercell(tmp_path: Path, cell: Cell, multiples: tuple[int, int, int], form: str) -> None:
    material = open_reference(write_folder(tmp_path / "CsCl", cell, multiples, form))
    np.testing.assert_array_equal(material.supercell_matrix, np.diag(multiples))
    assert material.tags["supercell_source"].startswith(" ".join(map(str, multiples)))
    source = "force_constants.hdf5" if "hdf5" in form else form.removeprefix("compact ")
    assert material.tags["reference_source"] == source
    said = open_reference(tmp_path / "CsCl", " ".join(map(str, multiples)))
    assert said.reference_digest == material.reference_digest
    assert "supercell_source" not in said.tags
    if form == "FORCE_CONSTANTS":
        assert isinstance(material.reference, ForceConstants)
        np.testing.assert_allclose(material.reference.values, constants(cell, multiples), atol=1e-12)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("cell", "multiples", "problem"),
    [
        (UNITCELL, (4, 2, 1), 'the forces on its 16 atoms have not the symmetry of the supercell "2 2 2"'),
        (UNITCELL, (2, 1, 1), "no multiple of the unit cell that keeps its symmetry has 4 atoms"),
        (LOW, (1, 1, 2), 'its 4 atoms can be the supercell "1 1 2" or "1 2 1" or "2 1 1"'),
    ],
)
def test_supercells_that_must_be_said(
    tmp_path: Path, cell: Cell, multiples: tuple[int, int, int], problem: str, form: str
) -> None:
    folder = write_folder(tmp_path / "CsCl", cell, multiples, form)
    with pytest.raises(InputDataError) as caught:
        open_reference(folder)
    assert problem in caught.value.problem
    assert "no supercell matrix is given" in caught.value.problem
    assert '--supercell "2 2 2"' in caught.value.remedy
    np.testing.assert_array_equal(open_reference(folder, multiples).supercell_matrix, np.diag(multiples))


def test_atoms_in_another_order_are_noticed(tmp_path: Path) -> None:
    """The forces then break the symmetry of the supercell, and an SPOSCAR is needed."""
    folder = write_folder(tmp_path / "CsCl", UNITCELL, (2, 2, 2), "FORCE_CONSTANTS")
    order = np.random.default_rng(1).permutation(8)
    order = np.concatenate([order, 8 + order[::-1]])
    write_FORCE_CONSTANTS(
        constants(UNITCELL, (2, 2, 2))[order][:, order], filename=folder / "FORCE_CONSTANTS"
    )
    with pytest.raises(InputDataError, match="have not the symmetry"):
        open_reference(folder)


def test_counts_that_do_not_fit(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "CsCl", UNITCELL, (2, 2, 2), "FORCE_CONSTANTS")
    write_FORCE_CONSTANTS(np.zeros((15, 15, 3, 3)), filename=folder / "FORCE_CONSTANTS")
    with pytest.raises(InputDataError, match="15 atoms, which is no multiple of the 2 of the unit cell"):
        open_reference(folder)


def test_random_displacements_do_not_say_how_many_atoms_there_are(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "CsCl", UNITCELL, (2, 2, 2), "nothing")
    table = np.random.default_rng(2).normal(size=(3 * 16, 6))
    np.savetxt(folder / "FORCE_SETS", table)
    (folder / "force_constants.hdf5").unlink()
    with pytest.raises(InputDataError, match="do not say how many atoms") as caught:
        open_reference(folder)
    assert '--supercell "2 2 2"' in caught.value.remedy
    reference = open_reference(folder, "2 2 2", accept=tuple(CHECKS)).reference
    assert isinstance(reference, DisplacementForces)
    np.testing.assert_allclose(reference.forces, table[:, 3:].reshape(3, 16, 3))


@pytest.mark.parametrize("given", ["two", "none/SPOSCAR"])
def test_a_supercell_that_is_neither_integers_nor_a_file(tmp_path: Path, given: str) -> None:
    folder = write_folder(tmp_path / "CsCl", UNITCELL, (2, 2, 2), "FORCE_SETS")
    with pytest.raises(SettingsError, match=f"'{given}' is not made of integers, and there is no such file"):
        open_reference(folder, given)
    with pytest.raises(InputDataError, match="three or nine integers"):
        open_reference(folder, "2 2")


def test_what_brings_its_own_supercell(cscl_like: Path, tmp_path: Path) -> None:
    """Archives and folders of the phonon database, FHI-vibes files, the embedded example."""
    archive = tmp_path / "materials-id-1-cscl.tar.xz"
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(cscl_like, arcname=cscl_like.name)
    write_vibes(make_case(), tmp_path / "run.nc")
    for path in (cscl_like, archive, tmp_path / "run.nc", "example"):
        with pytest.raises(SettingsError, match="it brings its own supercell"):
            open_reference(path, "2 2 2")
    with pytest.raises(SettingsError, match="no such file or folder"):
        open_reference(tmp_path / "none", "2 2 2")


@pytest.mark.shared_data
def test_materials_of_the_phonon_database(shared_data: Path, tmp_path: Path) -> None:
    """From POSCAR and FORCE_SETS alone; the archive says which supercell it was."""
    archives = sorted((shared_data / "phonondb").glob("*.tar.lzma"))
    for archive in archives[::7]:
        material = open_reference(archive)
        files = Files.open(archive)
        folder = tmp_path / material.name
        folder.mkdir()
        (folder / "POSCAR").write_text(files.text("POSCAR-unitcell"))
        (folder / "FORCE_SETS").write_text(files.text("FORCE_SETS"))
        found = open_reference(folder)
        np.testing.assert_array_equal(found.supercell_matrix, material.supercell_matrix)
        assert isinstance(found.reference, DisplacementForces)
        assert isinstance(material.reference, DisplacementForces)
        assert found.reference.digest == material.reference.digest
