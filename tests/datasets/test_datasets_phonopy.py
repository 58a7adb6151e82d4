"""phonopy's own files: every form gives the same force constants; atom order; damaged files."""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
from pathlib import Path

import numpy as np
import phonopy
import pytest
from phonopy.file_IO import write_FORCE_CONSTANTS, write_force_constants_to_hdf5, write_FORCE_SETS
from phonopy.harmonic.force_constants import compact_fc_to_full_fc
from phonopy.interface.vasp import write_vasp
from phonopy.structure.dataset import get_displacements_and_forces

from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material
from softmode.crystal.atom_order import map_atoms
from softmode.datasets import open_dataset, open_reference
from softmode.datasets.plausibility import CHECKS
from softmode.errors import InputDataError, SettingsError


def make_phonopy(material: Material) -> phonopy.Phonopy:
    """A phonopy object with the displacements and forces of a material."""
    phonon = phonopy.Phonopy(
        material.unitcell.to_phonopy(), material.supercell_matrix, primitive_matrix=material.primitive_matrix
    )
    assert isinstance(material.reference, DisplacementForces)
    phonon.dataset = {
        "natom": material.n_supercell_atoms,
        "first_atoms": [
            {"number": int(atom), "displacement": u[atom], "forces": f}
            for u, f in zip(material.reference.displacements, material.reference.forces, strict=True)
            for atom in [abs(u).sum(axis=1).argmax()]
        ],
    }
    return phonon


@pytest.fixture(scope="module")
def example_phonopy(example: Material) -> phonopy.Phonopy:
    phonon = make_phonopy(example)
    phonon.produce_force_constants()
    return phonon


def force_constants(material: Material) -> np.ndarray:
    """Full force constants (n, n, 3, 3) made by phonopy from what was read."""
    if isinstance(material.reference, DisplacementForces):
        phonon = make_phonopy(material)
        phonon.produce_force_constants()
        return np.asarray(phonon.force_constants)
    phonon = phonopy.Phonopy(
        material.unitcell.to_phonopy(), material.supercell_matrix, primitive_matrix=material.primitive_matrix
    )
    phonon.force_constants = material.reference.values
    if len(material.reference.values) == material.n_supercell_atoms:
        return np.asarray(material.reference.values)
    return np.asarray(compact_fc_to_full_fc(phonon.primitive, phonon.force_constants))


def write_folder(folder: Path, phonon: phonopy.Phonopy, what: str, order: np.ndarray | None = None) -> Path:
    """POSCAR and SPOSCAR with the reference in one form, the supercell atoms in any order."""
    folder.mkdir(exist_ok=True)
    n = len(phonon.supercell)
    order = np.arange(n) if order is None else order
    inverse = np.argsort(order)
    write_vasp(folder / "POSCAR", phonon.unitcell)
    write_sposcar(folder / "SPOSCAR", phonon.supercell, order)
    full = phonon.force_constants[order][:, order]
    p2s = np.array([inverse[a] for a in phonon.primitive.p2s_map])
    if what == "FORCE_SETS":
        first = [
            dict(d, number=int(inverse[d["number"]]), forces=d["forces"][order])
            for d in phonon.dataset["first_atoms"]
        ]
        write_FORCE_SETS({"natom": n, "first_atoms": first}, filename=folder / "FORCE_SETS")
    elif what == "type 2":
        u, f = get_displacements_and_forces(phonon.dataset)
        u, f = u[:, order], f[:, order]
        np.savetxt(folder / "FORCE_SETS", np.concatenate([u, f], axis=2).reshape(-1, 6), fmt="%.16f")
    elif what == "FORCE_CONSTANTS":
        write_FORCE_CONSTANTS(full, filename=folder / what)
    elif what == "compact FORCE_CONSTANTS":
        write_FORCE_CONSTANTS(full[p2s], filename=folder / "FORCE_CONSTANTS", p2s_map=p2s)
    elif what == "hdf5":
        write_force_constants_to_hdf5(
            full, filename=folder / "force_constants.hdf5", physical_unit="eV/angstrom^2"
        )
    elif what == "hdf5 with p2s_map":
        write_force_constants_to_hdf5(full, filename=folder / "force_constants.hdf5", p2s_map=p2s)
    elif what == "compact hdf5":
        write_force_constants_to_hdf5(full[p2s], filename=folder / "force_constants.hdf5", p2s_map=p2s)
    return folder


def write_sposcar(path: Path, supercell: phonopy.structure.atoms.PhonopyAtoms, order: np.ndarray) -> None:
    symbols = [supercell.symbols[i] for i in order]
    lines = ["supercell", "1.0", *(" ".join(f"{x:.16f}" for x in row) for row in supercell.cell)]
    lines += [" ".join(symbols), " ".join("1" for _ in symbols), "Direct"]
    lines += [" ".join(f"{x:.16f}" for x in supercell.scaled_positions[i]) for i in order]
    path.write_text("\n".join(lines) + "\n")


FORMS = ["FORCE_SETS", "type 2", "FORCE_CONSTANTS", "compact FORCE_CONSTANTS"]
HDF5 = ["hdf5", "compact hdf5", "hdf5 with p2s_map"]


@pytest.mark.parametrize("permuted", [False, True])
@pytest.mark.parametrize("what", FORMS + HDF5)
def test_round_trip(
    tmp_path: Path, example: Material, example_phonopy: phonopy.Phonopy, what: str, permuted: bool
) -> None:
    order = np.random.default_rng(3).permutation(80) if permuted else None
    material = open_reference(write_folder(tmp_path / "here", example_phonopy, what, order))
    assert material.name == "here"
    assert material.formula == "Cs2AgBiBr6"
    np.testing.assert_array_equal(material.supercell_matrix, example.supercell_matrix)
    np.testing.assert_allclose(material.primitive_matrix, np.eye(3), atol=1e-12)
    if what in ("FORCE_SETS", "type 2"):
        assert isinstance(material.reference, DisplacementForces)
        assert isinstance(example.reference, DisplacementForces)
        np.testing.assert_allclose(material.reference.forces, example.reference.forces, atol=1e-9)
        np.testing.assert_allclose(
            material.reference.displacements, example.reference.displacements, atol=1e-12
        )
    else:
        assert isinstance(material.reference, ForceConstants)
        assert len(material.reference.values) == (10 if "compact" in what else 80)
        np.testing.assert_allclose(force_constants(material), example_phonopy.force_constants, atol=2e-10)


def test_compact_rows_on_translated_atoms(
    tmp_path: Path, example_phonopy: phonopy.Phonopy, example: Material
) -> None:
    """Compact force constants may be those of any atom of each sublattice."""
    rows = np.array(
        [np.flatnonzero(example_phonopy.primitive.s2p_map == a)[5] for a in example_phonopy.primitive.p2s_map]
    )
    folder = write_folder(tmp_path / "here", example_phonopy, "nothing")
    write_FORCE_CONSTANTS(
        example_phonopy.force_constants[rows], filename=folder / "FORCE_CONSTANTS", p2s_map=rows
    )
    np.testing.assert_allclose(
        force_constants(open_reference(folder)), example_phonopy.force_constants, atol=2e-3
    )


def test_matrix_from_conf_or_option(
    tmp_path: Path, example: Material, example_phonopy: phonopy.Phonopy
) -> None:
    folder = write_folder(tmp_path / "here", example_phonopy, "FORCE_SETS")
    (folder / "SPOSCAR").unlink()
    (inferred,) = open_dataset("phonopy", folder).entries()
    np.testing.assert_array_equal(inferred.load().supercell_matrix, np.diag([2, 2, 2]))
    for given in ("2 2 2", [2, 2, 2], np.diag([2, 2, 2])):
        (entry,) = open_dataset("phonopy", folder, supercell_matrix=given, level_of_theory="PBE").entries()
        assert entry.load().structure_digest == open_example_digest(example, entry.load())
        assert entry.load().tags["level_of_theory"] == "PBE"
    (folder / "phonopy.conf").write_text("DIM = 2 2 2  # comment\nPRIMITIVE_AXES = P\n")
    np.testing.assert_array_equal(open_reference(folder).supercell_matrix, np.diag([2, 2, 2]))
    with pytest.raises(InputDataError, match="it brings its own supercell") as caught:
        open_reference(folder, "3 3 3")
    assert "supercell_matrix" in caught.value.remedy


def open_example_digest(example: Material, other: Material) -> str:
    """Digest of the example with the digits a POSCAR keeps."""
    np.testing.assert_allclose(other.unitcell.lattice, example.unitcell.lattice, atol=1e-12)
    np.testing.assert_allclose(other.unitcell.masses, example.unitcell.masses, atol=1e-5)
    return other.structure_digest


@pytest.mark.parametrize("compress", [None, lzma.compress, gzip.compress])
def test_yaml_forms(
    tmp_path: Path, example: Material, example_phonopy: phonopy.Phonopy, compress: object
) -> None:
    path = tmp_path / "phonopy_params.yaml"
    example_phonopy.save(path, settings={"force_constants": False})
    if callable(compress):
        suffix = ".xz" if compress is lzma.compress else ".gz"
        (tmp_path / f"phonopy_params.yaml{suffix}").write_bytes(compress(path.read_bytes()))
        path.unlink()
        path = tmp_path / f"phonopy_params.yaml{suffix}"
    for where in (path, tmp_path):
        material = open_reference(where)
        assert isinstance(material.reference, DisplacementForces)
        np.testing.assert_allclose(material.reference.forces, example.reference.forces, atol=1e-9)  # type: ignore[union-attr]
    assert open_reference(path).name == "phonopy_params"


@pytest.mark.parametrize("compact", [False, True])
def test_yaml_force_constants_of_another_supercell_order(
    tmp_path: Path, example: Material, compact: bool
) -> None:
    """Supercells made through the Smith normal form have another atom order than phonopy's default."""
    matrix = np.array([[-1, 1, 1], [1, -1, 1], [1, 1, -1]])
    cell = example.unitcell.to_phonopy()
    default = phonopy.Phonopy(cell, matrix, primitive_matrix="P")
    smith = phonopy.Phonopy(cell, matrix, primitive_matrix="P", use_SNF_supercell=True)
    order = map_atoms(Cell.from_phonopy(smith.supercell), Cell.from_phonopy(default.supercell))
    assert not np.array_equal(order, np.arange(40))
    invented = np.random.default_rng(5).normal(size=(10, 40, 3, 3))
    full = np.asarray(compact_fc_to_full_fc(default.primitive, invented))
    theirs = full[order][:, order]
    smith.force_constants = theirs[smith.primitive.p2s_map] if compact else theirs
    smith.save(tmp_path / "phonopy.yaml", settings={"force_constants": True})
    material = open_reference(tmp_path / "phonopy.yaml", accept=tuple(CHECKS))
    assert isinstance(material.reference, ForceConstants)
    np.testing.assert_allclose(material.reference.values, invented if compact else full, atol=1e-9)


def test_disp_yaml_with_force_sets(
    tmp_path: Path, example: Material, example_phonopy: phonopy.Phonopy
) -> None:
    example_phonopy.save(
        tmp_path / "phonopy_disp.yaml", settings={"force_sets": False, "displacements": True}
    )
    with pytest.raises(InputDataError, match="neither forces nor force constants"):
        open_reference(tmp_path)
    write_folder(tmp_path, example_phonopy, "FORCE_SETS")
    for where in (tmp_path, tmp_path / "phonopy_disp.yaml"):
        reference = open_reference(where).reference
        assert isinstance(reference, DisplacementForces)
        np.testing.assert_allclose(reference.forces, example.reference.forces, atol=1e-9)  # type: ignore[union-attr]
    text = (tmp_path / "FORCE_SETS").read_text()
    (tmp_path / "FORCE_SETS").write_text(
        text.replace("0.0200000000000000", "0.0100000000000000", 1).replace("0.01414", "0.00714")
    )
    with pytest.raises(InputDataError, match="of other displacements"):
        open_reference(tmp_path)


def test_quantum_espresso_units(tmp_path: Path, example: Material) -> None:
    """Bohr and Ry/Bohr in the file, Å and eV/Å in the material."""
    from phonopy.physical_units import get_calculator_physical_units

    units = get_calculator_physical_units("qe")
    cell = example.unitcell.to_phonopy()
    cell.cell = cell.cell / units.distance_to_A
    phonon = phonopy.Phonopy(cell, example.supercell_matrix, primitive_matrix="P", calculator="qe")
    assert isinstance(example.reference, DisplacementForces)
    phonon.dataset = {
        "displacements": example.reference.displacements / units.distance_to_A,
        "forces": example.reference.forces / units.force_to_eVperA,
    }
    phonon.nac_params = {
        "born": np.zeros((10, 3, 3)),
        "dielectric": np.eye(3) * 5,
        "factor": units.nac_factor,
    }
    phonon.save(tmp_path / "phonopy_params.yaml")
    material = open_reference(tmp_path)
    assert isinstance(material.reference, DisplacementForces)
    np.testing.assert_allclose(material.unitcell.lattice, example.unitcell.lattice, atol=1e-9)
    np.testing.assert_allclose(material.reference.displacements, example.reference.displacements, atol=1e-9)
    np.testing.assert_allclose(material.reference.forces, example.reference.forces, atol=1e-7)
    assert material.nac is not None
    assert material.nac.unit_factor == pytest.approx(14.399652, abs=1e-5)


@pytest.mark.shared_data
def test_kcl(shared_data: Path) -> None:
    entries = open_dataset("phonopy", shared_data / "kcl_phonopy").entries()
    materials = {entry.name: entry.load() for entry in entries}
    shapes = {
        "phonopy_fc222_JPCM2022": (2, 64, 3, 3),
        "phonopy_fc444_JPCM2022": (2, 512, 3, 3),
        "phonopy_mlpsscha_params_KCl-120": (120, 64, 3),
        "phonopy_sscha_fc_JPCM2022": (2, 64, 3, 3),
    }
    for name, shape in shapes.items():
        material = materials[name]
        assert (material.formula, material.tags["prototype"]) == ("KCl", "rock_salt")
        reference = material.reference
        assert (
            shape == (reference.values if isinstance(reference, ForceConstants) else reference.forces).shape
        )
        assert material.nac is not None
        assert material.nac.born_charges.shape == (2, 3, 3)
        np.testing.assert_allclose(material.primitive_matrix, (np.ones((3, 3)) - np.eye(3)) / 2)
    theirs = phonopy.load(
        shared_data / "kcl_phonopy" / "phonopy_mlpsscha_params_KCl-120.yaml.xz", produce_fc=False, log_level=0
    )
    ours = materials["phonopy_mlpsscha_params_KCl-120"].reference
    assert isinstance(ours, DisplacementForces)
    np.testing.assert_array_equal(ours.displacements, theirs.displacements)
    np.testing.assert_array_equal(ours.forces, theirs.forces)
    with pytest.raises(InputDataError, match="it holds 4 materials"):
        open_reference(shared_data / "kcl_phonopy")


def test_folder_of_folders(tmp_path: Path, example_phonopy: phonopy.Phonopy) -> None:
    for name in ("b10", "b9"):
        write_folder(tmp_path / name, example_phonopy, "hdf5")
    (tmp_path / "notes").mkdir()
    assert [e.name for e in open_dataset("phonopy", tmp_path).entries()] == ["b9", "b10"]


def test_names_that_are_not_utf8(tmp_path: Path, example_phonopy: phonopy.Phonopy) -> None:
    write_folder(tmp_path / os.fsdecode(b"caf\xe9"), example_phonopy, "hdf5")
    [entry] = open_dataset("phonopy", tmp_path).entries()
    assert entry.name == "caf\\udce9"
    assert entry.load().n_supercell_atoms == 80


@pytest.mark.parametrize("fraction", [0.0, 0.2, 0.5, 0.95])
@pytest.mark.parametrize("suffix", ["", ".xz", ".gz"])
def test_truncated_yaml(
    tmp_path: Path, example_phonopy: phonopy.Phonopy, fraction: float, suffix: str
) -> None:
    example_phonopy.save(tmp_path / "all.yaml")
    data = (tmp_path / "all.yaml").read_bytes()
    data = {"": data, ".xz": lzma.compress(data), ".gz": gzip.compress(data)}[suffix]
    path = tmp_path / f"phonopy_params.yaml{suffix}"
    path.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(InputDataError) as caught:
        open_reference(path)
    assert str(path) in caught.value.subject
    assert caught.value.remedy


@pytest.mark.parametrize(
    "text", ["garbage", "a: [1, 2", "- 1\n- 2", "unit_cell: 3\nsupercell_matrix: x", "\x00"]
)
def test_garbage_yaml(tmp_path: Path, text: str) -> None:
    path = tmp_path / "phonopy.yaml"
    path.write_text(text)
    with pytest.raises(InputDataError) as caught:
        open_reference(path)
    assert caught.value.subject.startswith(str(path))
    assert "again" in caught.value.remedy


def test_nan_force_in_yaml(tmp_path: Path, example_phonopy: phonopy.Phonopy) -> None:
    example_phonopy.save(tmp_path / "phonopy_params.yaml")
    head, forces, tail = (tmp_path / "phonopy_params.yaml").read_text().rpartition("forces:\n")
    _, rest = tail.split("\n", 1)
    (tmp_path / "phonopy_params.yaml").write_text(head + forces + "  - [ .nan, 0.0, 0.0 ]\n" + rest)
    with pytest.raises(
        InputDataError, match=r"phonopy_params.yaml.*not finite \(NaN\) in displaced supercell 4"
    ):
        open_reference(tmp_path)
    (tmp_path / "phonopy_params.yaml").write_text(head + forces + rest)
    with pytest.raises(InputDataError, match=r"phonopy_params.yaml"):
        open_reference(tmp_path)


@pytest.mark.parametrize("what", ["FORCE_CONSTANTS", "hdf5"])
def test_force_constants_of_wrong_size_or_cut(
    tmp_path: Path, example_phonopy: phonopy.Phonopy, what: str
) -> None:
    folder = write_folder(tmp_path / "here", example_phonopy, what)
    file = folder / ("FORCE_CONSTANTS" if what == "FORCE_CONSTANTS" else "force_constants.hdf5")
    whole = file.read_bytes()
    for fraction in (0.0, 0.3, 0.9):
        file.write_bytes(whole[: int(fraction * len(whole))])
        with pytest.raises(InputDataError) as caught:
            open_reference(folder)
        assert caught.value.subject == str(file)
        assert "phonopy --writefc" in caught.value.remedy
    wrong = np.zeros((40, 40, 3, 3))
    if what == "FORCE_CONSTANTS":
        write_FORCE_CONSTANTS(wrong, filename=file)
    else:
        write_force_constants_to_hdf5(wrong, filename=file)
    with pytest.raises(InputDataError, match="the supercell has 80 atoms") as caught:
        open_reference(folder)
    assert "belong together" in caught.value.remedy


def test_compact_rows_of_another_primitive_cell(tmp_path: Path, example_phonopy: phonopy.Phonopy) -> None:
    folder = write_folder(tmp_path / "here", example_phonopy, "nothing")
    rows = np.arange(10)
    write_FORCE_CONSTANTS(
        example_phonopy.force_constants[rows], filename=folder / "FORCE_CONSTANTS", p2s_map=rows
    )
    with pytest.raises(InputDataError, match="not those of the primitive cell") as caught:
        open_reference(folder)
    assert "primitive_matrix" in caught.value.remedy


@pytest.mark.parametrize("row", [-1, 80, 10**9])
def test_compact_rows_of_atoms_that_are_not_there(
    tmp_path: Path, example_phonopy: phonopy.Phonopy, row: int
) -> None:
    folder = write_folder(tmp_path / "here", example_phonopy, "nothing")
    rows = np.array([*example_phonopy.primitive.p2s_map[:-1], row])
    write_force_constants_to_hdf5(
        example_phonopy.force_constants[:10], filename=folder / "force_constants.hdf5", p2s_map=rows
    )
    with pytest.raises(InputDataError, match="but the supercell has 80"):
        open_reference(folder)


def test_another_supercell(tmp_path: Path, example_phonopy: phonopy.Phonopy) -> None:
    folder = write_folder(tmp_path / "here", example_phonopy, "hdf5")
    text = (folder / "SPOSCAR").read_text()
    (folder / "SPOSCAR").write_text(text.replace("11.46", "12.46"))
    with pytest.raises(InputDataError, match="no multiple of the unit cell"):
        open_reference(folder)
    shutil.copy(folder / "POSCAR", folder / "SPOSCAR")
    (folder / "phonopy.conf").write_text("DIM = 2 2 2")
    with pytest.raises(InputDataError, match="lattice vectors differ"):
        open_reference(folder)


def test_paths(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file or folder"):
        open_reference(tmp_path / "absent.yaml")
    with pytest.raises(InputDataError, match="no phonopy files are in it"):
        open_reference(tmp_path)
