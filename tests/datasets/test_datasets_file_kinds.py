"""Files are known by what is in them; one that cannot be a reference is called what it is."""

from __future__ import annotations

import gzip
import lzma
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import phonopy
import pytest
from phonopy.file_IO import (
    write_FORCE_CONSTANTS,
    write_force_constants_to_hdf5,
    write_FORCE_SETS,
)
from trajectory_cases import UNITCELL, make_case, springs, write_case, write_vibes

from softmode import harmonic as hm
from softmode.crystal import Cell, DisplacementForces, ForceConstants
from softmode.datasets import (
    open_reference,
    read_trajectory,
    reference_from_supercell,
    reference_notes,
    supercell_of,
)
from softmode.datasets.file_kinds import FileKind, kind_of, kind_of_file
from softmode.errors import InputDataError

MATRIX = np.diag([2, 2, 2])
BORN = "14.399652\n3 0 0 0 3 0 0 0 3\n1 0 0 0 1 0 0 0 1\n-1 0 0 0 -1 0 0 0 -1\n"


@pytest.fixture(scope="module")
def phonon() -> phonopy.Phonopy:
    """CsCl with springs, displaced by phonopy."""
    made = phonopy.Phonopy(UNITCELL.to_phonopy(), MATRIX, primitive_matrix="P", log_level=0)
    made.generate_displacements(distance=0.01)
    constants = springs(Cell.from_phonopy(made.supercell))
    u = np.array([cell.positions - made.supercell.positions for cell in made.supercells_with_displacements])
    made.forces = -np.einsum("ijab,njb->nia", constants, u)
    made.force_constants = constants
    return made


@pytest.fixture
def folder(tmp_path: Path, phonon: phonopy.Phonopy) -> Path:
    """One file of each kind, beside one another."""
    ase.io.write(tmp_path / "POSCAR", UNITCELL.to_atoms(), format="vasp")
    ase.io.write(tmp_path / "SPOSCAR", Cell.from_phonopy(phonon.supercell).to_atoms(), format="vasp")
    ase.io.write(tmp_path / "CsCl.cif", UNITCELL.to_atoms())
    write_FORCE_SETS(phonon.dataset, filename=tmp_path / "FORCE_SETS")
    write_FORCE_CONSTANTS(phonon.force_constants, filename=tmp_path / "FORCE_CONSTANTS")
    write_force_constants_to_hdf5(phonon.force_constants, filename=tmp_path / "force_constants.hdf5")
    (tmp_path / "BORN").write_text(BORN)
    (tmp_path / "phonopy.conf").write_text("ATOM_NAME = Cs Cl\nDIM = 2 2 2\n")
    phonon.save(tmp_path / "params.yaml", settings={"force_sets": True, "force_constants": False})
    write_case(make_case(), tmp_path / "vasprun.xml")
    write_case(make_case(), tmp_path / "run.traj")
    write_case(make_case(), tmp_path / "run.extxyz")
    write_vibes(make_case(), tmp_path / "run.nc")
    with tarfile.open(tmp_path / "files.tar", "w") as tar:
        tar.add(tmp_path / "phonopy.conf", arcname="phonopy.conf")
    (tmp_path / "notes.txt").write_text("Nothing of the kind.\n")
    np.savetxt(tmp_path / "FORCE_SETS_random", np.random.default_rng(1).normal(size=(16, 6)))
    return tmp_path


KINDS = {
    "POSCAR": FileKind.POSCAR,
    "SPOSCAR": FileKind.POSCAR,
    "CsCl.cif": FileKind.CIF,
    "FORCE_SETS": FileKind.FORCE_SETS,
    "FORCE_SETS_random": FileKind.FORCE_SETS,
    "FORCE_CONSTANTS": FileKind.FORCE_CONSTANTS,
    "force_constants.hdf5": FileKind.FORCE_CONSTANTS_HDF5,
    "BORN": FileKind.BORN,
    "phonopy.conf": FileKind.PHONOPY_CONF,
    "params.yaml": FileKind.PHONOPY_YAML,
    "vasprun.xml": FileKind.VASPRUN,
    "run.traj": FileKind.ASE_TRAJECTORY,
    "run.extxyz": FileKind.EXTENDED_XYZ,
    "run.nc": FileKind.VIBES,
    "files.tar": FileKind.ARCHIVE,
    "notes.txt": FileKind.UNKNOWN,
}


def test_kinds_by_content(folder: Path) -> None:
    found = {name: kind_of((folder / name).read_bytes()) for name in KINDS}
    assert found == KINDS


@pytest.mark.parametrize("compress", [gzip.compress, lzma.compress, bytes])
def test_kinds_of_compressed_files(folder: Path, compress: Callable[[bytes], bytes]) -> None:
    for name, kind in KINDS.items():
        (folder / "any.dat").write_bytes(compress((folder / name).read_bytes()))
        assert kind_of_file(folder / "any.dat") is kind


def test_a_trajectory_of_vibes_may_have_any_name(folder: Path) -> None:
    shutil.copy(folder / "run.nc", folder / "renamed.dat")
    assert (
        open_reference(folder / "renamed.dat").reference_digest
        == open_reference(folder / "run.nc").reference_digest
    )


@pytest.mark.shared_data
def test_kinds_of_real_files(shared_data: Path) -> None:
    """FORCE_SETS, POSCAR, BORN, settings as others wrote them."""
    from softmode.datasets.reading import Files

    expected = {
        "POSCAR-unitcell": FileKind.POSCAR,
        "FORCE_SETS": FileKind.FORCE_SETS,
        "BORN": FileKind.BORN,
        "phonopy.conf": FileKind.PHONOPY_CONF,
    }
    for archive in sorted((shared_data / "phonondb").glob("*.tar.lzma"))[::5]:
        files = Files.open(archive)
        for name, kind in expected.items():
            if name in files.names:
                assert kind_of(files.data(name)) is kind, (archive.name, name)


@pytest.mark.parametrize(
    ("name", "problem", "remedy"),
    [
        ("CsCl.cif", "this is a structure (CIF)", "a reference needs forces or force constants"),
        ("POSCAR", "this is a structure (POSCAR)", "a reference needs forces or force constants"),
        ("BORN", "this is BORN: Born effective charges", "give the folder it belongs to"),
        ("phonopy.conf", "this is settings of phonopy", "give the folder it belongs to"),
        (
            "FORCE_SETS",
            "this is FORCE_SETS: forces on displaced supercells, without their crystal",
            "--supercell SPOSCAR",
        ),
        (
            "FORCE_CONSTANTS",
            "this is FORCE_CONSTANTS: force constants of phonopy, without their crystal",
            "--supercell SPOSCAR",
        ),
        (
            "force_constants.hdf5",
            "this is HDF5 with force constants of phonopy, without their crystal",
            "--supercell SPOSCAR",
        ),
        ("vasprun.xml", "this is vasprun.xml of VASP", "give a phonopy_params.yaml, or a folder"),
    ],
)
@pytest.mark.parametrize("renamed", [False, True])
def test_files_that_are_no_reference_by_themselves(
    folder: Path, name: str, problem: str, remedy: str, renamed: bool
) -> None:
    path = folder / name
    if renamed:
        path = Path(shutil.copy(path, folder / "reference.dat"))
    with pytest.raises(InputDataError) as caught:
        open_reference(path)
    assert (caught.value.subject, caught.value.problem) == (str(path), problem)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["FORCE_SETS", "FORCE_CONSTANTS", "force_constants.hdf5", "renamed.dat"])
def test_force_sets_are_taken_as_force_constants(folder: Path, phonon: phonopy.Phonopy, name: str) -> None:
    if name == "renamed.dat":
        shutil.copy(folder / "FORCE_SETS", folder / name)
    material = reference_from_supercell(folder / "SPOSCAR", folder / name)
    built = hm.build_phonopy(material)
    constants = hm.full_force_constants(built, hm.reference_force_constants(built, material))
    order = np.argsort(
        [
            np.abs((site - supercell_of(material).scaled_positions + 0.5) % 1 - 0.5).sum(axis=1).argmin()
            for site in phonon.supercell.scaled_positions
        ]
    )
    np.testing.assert_allclose(constants.values[order][:, order], phonon.force_constants, atol=1e-6)
    assert open_reference(folder / name, folder / "SPOSCAR").reference_digest == material.reference_digest


@pytest.mark.parametrize("name", ["POSCAR", "BORN", "CsCl.cif", "FORCE_CONSTANTS", "phonopy.conf"])
def test_what_are_no_trajectories(folder: Path, name: str) -> None:
    with pytest.raises(InputDataError) as caught:
        read_trajectory([folder / name])
    assert caught.value.subject == str(folder / name)
    assert caught.value.problem == f"this is {KINDS[name].value}, and no trajectory"
    assert "vasprun.xml" in caught.value.remedy


@pytest.mark.parametrize("name", ["BORN", "CsCl.cif", "vasprun.xml", "phonopy.conf"])
def test_what_are_no_force_constants(folder: Path, name: str) -> None:
    with pytest.raises(InputDataError, match=f"this is {KINDS[name].value[:8]}") as caught:
        reference_from_supercell(folder / "SPOSCAR", folder / name)
    assert caught.value.subject == str(folder / name)
    assert "FORCE_SETS" in caught.value.remedy


def test_which_file_was_used(tmp_path: Path, folder: Path, phonon: phonopy.Phonopy) -> None:
    """A YAML file without forces is completed by what lies beside it, and that is said."""
    path = folder / "phonopy_disp.yaml"
    phonon.save(path, settings={"force_sets": False, "force_constants": False, "displacements": True})
    forces = open_reference(path)
    assert isinstance(forces.reference, DisplacementForces)
    told = f"{path}: forces of FORCE_SETS rather than force_constants.hdf5 or FORCE_CONSTANTS"
    assert reference_notes(forces, path) == [told]
    (folder / "FORCE_CONSTANTS").unlink()
    (folder / "FORCE_SETS").unlink()
    constants = open_reference(path)
    assert isinstance(constants.reference, ForceConstants)
    assert reference_notes(constants, path) == [f"{path}: force constants of force_constants.hdf5"]
    own = folder / "params.yaml"
    assert open_reference(own).tags["reference_source"] == "params.yaml"
    assert reference_notes(open_reference(own), own) == []


def test_a_folder_says_which_file_was_used_and_how_its_supercell_was_found(folder: Path) -> None:
    (folder / "phonopy.conf").unlink()
    (folder / "FORCE_CONSTANTS").unlink()
    preferred = f"{folder}: forces of FORCE_SETS rather than force_constants.hdf5"
    assert reference_notes(open_reference(folder), folder) == [preferred]
    (folder / "force_constants.hdf5").unlink()
    assert reference_notes(open_reference(folder), folder) == []  # nothing to choose
    (folder / "SPOSCAR").unlink()
    assert reference_notes(open_reference(folder), folder) == [
        f"{folder}: supercell 2 2 2, the only one that FORCE_SETS allows",
    ]
