"""A supercell and its force constants in two files: formats, order of rows, bad input."""

from __future__ import annotations

import gzip
import lzma
from collections.abc import Callable
from pathlib import Path

import ase.io
import numpy as np
import pytest
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5
from phonopy.structure.atoms import PhonopyAtoms
from trajectory_cases import UNITCELL, springs

from softmode import harmonic as hm
from softmode.crystal import Cell, Material
from softmode.datasets import reference_from_supercell, reference_notes, supercell_of
from softmode.datasets.plausibility import ACCEPTED, CHECKS
from softmode.errors import InputDataError, SettingsError

SUPERCELL = Cell.from_atoms(UNITCELL.to_atoms().repeat((2, 2, 2)))  # Cs Cl Cs Cl …
CONSTANTS = springs(SUPERCELL)


def write_supercell(path: Path, cell: Cell = SUPERCELL) -> Path:
    ase.io.write(path, cell.to_atoms(), format="vasp" if "POSCAR" in path.name else None)
    return path


def write_constants(path: Path, values: np.ndarray = CONSTANTS, p2s: np.ndarray | None = None) -> Path:
    plain = path.with_suffix("") if path.suffix in (".gz", ".xz") else path
    if ".hdf5" in plain.name:
        write_force_constants_to_hdf5(values, filename=plain, p2s_map=p2s)
    else:
        write_FORCE_CONSTANTS(values, filename=plain, p2s_map=p2s)
    if path != plain:
        compress = gzip.compress if path.suffix == ".gz" else lzma.compress
        path.write_bytes(compress(plain.read_bytes()))
        plain.unlink()
    return path


def full(material: Material) -> np.ndarray:
    """Full force constants as they are used, in phonopy's order of the supercell."""
    phonon = hm.build_phonopy(material)
    constants = hm.full_force_constants(phonon, hm.reference_force_constants(phonon, material))
    return np.asarray(constants.values)


def is_the_crystal(material: Material) -> None:
    cell = supercell_of(material)
    np.testing.assert_allclose(cell.lattice, SUPERCELL.lattice, atol=1e-9)
    np.testing.assert_allclose(cell.scaled_positions, SUPERCELL.scaled_positions, atol=1e-9)
    assert cell.symbols == SUPERCELL.symbols
    assert material.supercell_matrix.tolist() == np.eye(3).tolist()
    np.testing.assert_allclose(full(material), CONSTANTS, atol=1e-12)


@pytest.mark.parametrize(
    "structure", ["SPOSCAR", "supercell.cif", "supercell.extxyz", "CONTCAR", "vasp.dat", "cif.dat"]
)
def test_structures(tmp_path: Path, structure: str) -> None:
    path = tmp_path / structure
    if structure in ("CONTCAR", "vasp.dat", "cif.dat"):
        ase.io.write(path, SUPERCELL.to_atoms(), format="cif" if "cif" in structure else "vasp")
    else:
        write_supercell(path)
    material = reference_from_supercell(path, write_constants(tmp_path / "FORCE_CONSTANTS"))
    is_the_crystal(material)
    assert material.formula == "CsCl"
    assert material.name == path.stem


@pytest.mark.parametrize(
    "name",
    [
        *("FORCE_CONSTANTS", "FORCE_CONSTANTS.gz", "FORCE_CONSTANTS.xz"),
        *("force_constants.hdf5", "force_constants.hdf5.xz", "renamed.dat"),
    ],
)
def test_force_constants(tmp_path: Path, name: str) -> None:
    constants = write_constants(tmp_path / name)
    is_the_crystal(reference_from_supercell(write_supercell(tmp_path / "SPOSCAR"), constants))


@pytest.mark.parametrize("name", ["FORCE_CONSTANTS", "force_constants.hdf5"])
@pytest.mark.parametrize("rows", [(0, 1), (6, 13), (9, 2)])
def test_compact_force_constants_say_of_which_atoms(tmp_path: Path, name: str, rows: tuple[int, int]) -> None:
    """phonopy takes the first atom of each kind; others are equivalent by a translation."""
    chosen = np.array(rows)
    constants = write_constants(tmp_path / name, CONSTANTS[chosen], chosen)
    is_the_crystal(reference_from_supercell(write_supercell(tmp_path / "SPOSCAR"), constants))


def test_force_constants_that_phonopy_itself_wrote(tmp_path: Path) -> None:
    """Compact, in the order of the supercell that phonopy built and wrote: Cs first, then Cl."""
    from phonopy.interface.vasp import write_vasp

    unitcell = PhonopyAtoms(
        cell=UNITCELL.lattice, scaled_positions=UNITCELL.scaled_positions, numbers=UNITCELL.numbers
    )
    phonon = Phonopy(unitcell, np.diag([2, 2, 2]), primitive_matrix="P", log_level=0)
    write_vasp(tmp_path / "SPOSCAR", phonon.supercell)
    cell = Cell(phonon.supercell.cell, phonon.supercell.scaled_positions, phonon.supercell.numbers)
    values = springs(cell)
    p2s = phonon.primitive.p2s_map
    constants = write_constants(tmp_path / "force_constants.hdf5", values[p2s], p2s)
    found = full(reference_from_supercell(tmp_path / "SPOSCAR", constants))
    np.testing.assert_allclose(found, values, atol=1e-12)


def test_another_order_of_atoms_is_refused(tmp_path: Path) -> None:
    """Nothing else shows it: the crystal is the same, and all numbers are wrong."""
    order = np.random.default_rng(2).permutation(8)
    order = np.ravel(np.column_stack([2 * order, 2 * np.random.default_rng(3).permutation(8) + 1]))
    supercell = write_supercell(tmp_path / "SPOSCAR")
    for name in ("FORCE_CONSTANTS", "force_constants.hdf5"):
        material = reference_from_supercell(supercell, write_constants(tmp_path / name))
        assert ACCEPTED not in material.tags
        shuffled = write_constants(tmp_path / name, CONSTANTS[order][:, order])
        with pytest.raises(InputDataError, match="break the symmetry of a site") as caught:
            reference_from_supercell(supercell, shuffled)
        assert caught.value.subject == str(shuffled)
        accepted = reference_from_supercell(supercell, shuffled, tuple(CHECKS))
        assert "site_symmetry" in accepted.tags[ACCEPTED]
        (said,) = reference_notes(accepted, shuffled)
        assert said.startswith(f"{shuffled}: accepted though forces break the symmetry of a site by")
    rows = np.array([4, 9])
    compact = write_constants(tmp_path / "force_constants.hdf5", CONSTANTS[order][:, order][rows], rows)
    with pytest.raises(InputDataError, match="break the symmetry of a site"):
        reference_from_supercell(supercell, compact)
    compact = write_constants(tmp_path / "force_constants.hdf5", CONSTANTS[rows], rows)
    assert ACCEPTED not in reference_from_supercell(supercell, compact).tags


@pytest.mark.shared_data
def test_real_force_constants_are_not_doubted(shared_data: Path) -> None:
    folder = shared_data / "srtio3_alamode"
    material = reference_from_supercell(folder / "SPOSCAR", folder / "force_constants.hdf5")
    assert ACCEPTED not in material.tags


def no_supercell(folder: Path) -> tuple[Path, Path]:
    return folder / "SPOSCAR", write_constants(folder / "FORCE_CONSTANTS")


def no_constants(folder: Path) -> tuple[Path, Path]:
    return write_supercell(folder / "SPOSCAR"), folder / "FORCE_CONSTANTS"


def folder_for_constants(folder: Path) -> tuple[Path, Path]:
    (folder / "material").mkdir()
    return write_supercell(folder / "SPOSCAR"), folder / "material"


def folder_for_supercell(folder: Path) -> tuple[Path, Path]:
    return folder, write_constants(folder / "FORCE_CONSTANTS")


def yaml(folder: Path) -> tuple[Path, Path]:
    (folder / "phonopy.yaml").write_text("phonopy:\n  version: 4.1\n")
    return write_supercell(folder / "SPOSCAR"), folder / "phonopy.yaml"


@pytest.mark.parametrize(
    ("files", "subject", "problem"),
    [
        (no_supercell, "SPOSCAR", "there is no such file"),
        (no_constants, "FORCE_CONSTANTS", "there is no such file"),
        (folder_for_constants, "material", "brings its own supercell"),
        (folder_for_supercell, "", "it is a folder"),
        (yaml, "phonopy.yaml", "brings its own supercell"),
    ],
)
def test_files_that_are_not_what_is_asked_for(
    tmp_path: Path, files: Callable[[Path], tuple[Path, Path]], subject: str, problem: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        reference_from_supercell(*files(tmp_path))
    assert caught.value.subject == str(tmp_path / subject)
    assert problem in caught.value.problem


def of_half_the_atoms(folder: Path) -> tuple[Path, Path]:
    return write_supercell(folder / "SPOSCAR"), write_constants(folder / "FORCE_CONSTANTS", CONSTANTS[:8, :8])


def cut_text(folder: Path) -> tuple[Path, Path]:
    path = write_constants(folder / "FORCE_CONSTANTS")
    path.write_text(path.read_text()[:-500])
    return write_supercell(folder / "SPOSCAR"), path


def cut_hdf5(folder: Path) -> tuple[Path, Path]:
    path = write_constants(folder / "FORCE_CONSTANTS.hdf5")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return write_supercell(folder / "SPOSCAR"), path


def cut_xz(folder: Path) -> tuple[Path, Path]:
    path = write_constants(folder / "FORCE_CONSTANTS.xz")
    path.write_bytes(path.read_bytes()[:-50])
    return write_supercell(folder / "SPOSCAR"), path


def not_finite(folder: Path) -> tuple[Path, Path]:
    values = CONSTANTS.copy()
    values[3, 4, 0, 0] = np.nan
    return write_supercell(folder / "SPOSCAR"), write_constants(folder / "force_constants.hdf5", values)


def rows_of_one_kind(folder: Path) -> tuple[Path, Path]:
    rows = np.array([0, 2])  # both Cs
    return write_supercell(folder / "SPOSCAR"), write_constants(
        folder / "force_constants.hdf5", CONSTANTS[rows], rows
    )


@pytest.mark.parametrize(
    ("files", "problem"),
    [
        (of_half_the_atoms, "the supercell has 16 atoms"),
        (cut_text, "cut short"),
        (cut_hdf5, "truncated"),
        (cut_xz, "truncated"),
        (not_finite, "not finite"),
        (rows_of_one_kind, "are not those of the primitive cell"),
    ],
)
def test_force_constants_that_cannot_be_used(
    tmp_path: Path, files: Callable[[Path], tuple[Path, Path]], problem: str
) -> None:
    supercell, constants = files(tmp_path)
    with pytest.raises(InputDataError) as caught:
        reference_from_supercell(supercell, constants)
    assert caught.value.subject.startswith(str(constants))
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("structure", ["SPOSCAR", "broken.cif", "molecule.extxyz", "SPOSCAR.bin"])
def test_structures_that_cannot_be_used(tmp_path: Path, structure: str) -> None:
    path = tmp_path / structure
    if structure == "molecule.extxyz":
        atoms = SUPERCELL.to_atoms()
        atoms.pbc = False
        ase.io.write(path, atoms)
    elif structure == "SPOSCAR.bin":
        path.write_bytes(bytes(range(256)))
    else:
        path.write_text("nonsense\n")
    with pytest.raises(InputDataError) as caught:
        reference_from_supercell(path, write_constants(tmp_path / "FORCE_CONSTANTS"))
    assert caught.value.subject == str(path)
    assert "\n" not in str(caught.value)
