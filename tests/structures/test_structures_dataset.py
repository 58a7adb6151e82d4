"""Structures without reference data: files, formulas, supercells, and what is refused."""

from __future__ import annotations

import gzip
import pickle
from itertools import pairwise
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from softmode.crystal import Cell, Material
from softmode.crystal.periodic_images import shortest_vector
from softmode.datasets import Dataset, Selection, open_dataset, select, supercell_of
from softmode.datasets.structure_files import standard_cell
from softmode.errors import InputDataError, SettingsError
from softmode.structures.prototype_structures import build_structure
from softmode.structures.supercell_choice import choose_supercell

CIF = """data_x
_cell_length_a {a}
_cell_length_b {a}
_cell_length_c {a}
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_space_group_name_H-M_alt 'F m -3 m'
_space_group_IT_number 225
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
{sites}
"""


def cif(*sites: str, a: float = 5.64) -> str:
    return CIF.format(a=a, sites="\n".join(sites))


NACL = cif("Na1 Na 0 0 0 1.0", "Cl1 Cl 0.5 0.5 0.5 1.0")


def load_all(*args: Any, **options: Any) -> dict[str, Material]:
    return {entry.name: entry.load() for entry in open_dataset("structures", *args, **options).entries()}


def load_one(*args: Any, **options: Any) -> Material:
    [material] = load_all(*args, **options).values()
    return material


def test_formulas_with_a_prototype() -> None:
    dataset = open_dataset("structures", formulas=["BiAgCs2Br6", "Cs3TbF6", "C60"], prototype="elpasolite")
    assert isinstance(dataset, Dataset)
    assert [entry.name for entry in dataset.entries()] == ["C60", "Cs2AgBiBr6", "Cs3TbF6"]
    broken, one, _ = dataset.entries()
    with pytest.raises(InputDataError, match=r"'C60': it is no compound .* halide_double_perovskite"):
        broken.load()
    assert not one.has_trajectory
    material = pickle.loads(pickle.dumps(one)).load()
    assert (material.name, material.formula) == ("Cs2AgBiBr6", "Cs2AgBiBr6")
    assert material.reference is None
    assert material.unitcell.n_atoms == 10
    np.testing.assert_array_equal(material.supercell_matrix, 2 * np.eye(3))
    np.testing.assert_array_equal(material.primitive_matrix, np.eye(3))
    assert material.tags["prototype"] == "halide_double_perovskite"
    assert (material.tags["halide"], material.tags["site_B'"]) == ("Br", "Bi")
    assert material.tags["structure_source"] == "halide_double_perovskite from ionic radii"
    assert "structure_notes" not in material.tags
    assert material.structure_digest == one.load().structure_digest
    found = list(select(dataset.entries(), Selection(elements=("Tb",))))
    assert [type(item) for _, item in found] == [InputDataError, Material]


@pytest.mark.parametrize(
    ("formula", "prototype", "n_atoms"),
    [
        ("Cs2AgBiBr6", "elpasolite", 80),
        ("K2PtCl6", "antifluorite", 72),
        ("LiMgF3", "abx3", 40),
        ("NaCl", "rock_salt", 64),
    ],
)
def test_default_supercells(formula: str, prototype: str, n_atoms: int) -> None:
    material = load_one(formulas=formula, prototype=prototype)
    supercell = supercell_of(material)
    assert material.n_supercell_atoms == supercell.n_atoms == n_atoms
    if prototype == "rock_salt":  # the cube, doubled
        np.testing.assert_allclose(supercell.lattice, 11.32 * np.eye(3), atol=1e-9)


def test_guesses_are_noted() -> None:
    material = load_one(formulas="KInCl3", prototype="elpasolite")
    assert material.tags["structure_notes"] == "In+1: covalent radius of In"


def test_supercells_that_are_asked_for() -> None:
    options = {"formulas": "CsPbBr3", "prototype": "perovskite"}
    assert load_one(**options, supercell_matrix=[4, 4, 4]).n_supercell_atoms == 320
    assert load_one(**options, supercell_matrix="0 2 2 2 0 2 2 2 0").n_supercell_atoms == 80
    assert load_one(**options, minimum_length=12).n_supercell_atoms == 135
    for bad, message in (
        ({"supercell_matrix": "2 2"}, "neither three nor nine"),
        ({"supercell_matrix": [0, 0, 0]}, "determinant"),
        ({"minimum_length": -3}, "minimum_length = -3 makes no sense .*greater than 0"),
        ({"minimum_length": "far"}, "minimum_length = 'far' makes no sense"),
        ({"symprec": float("nan")}, "symprec = nan makes no sense"),
        ({"supercell_matrix": [2, 2, 2], "minimum_length": 8}, "both set"),
    ):
        with pytest.raises(SettingsError, match=message):
            open_dataset("structures", **options, **bad)


@settings(max_examples=30, deadline=None)
@given(st.floats(4.0, 14.0), st.integers(0, 10_000))
def test_chosen_supercells_keep_images_apart(length: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    skewed = Cell(rng.uniform(-1, 1, (3, 3)) + 4 * np.eye(3), rng.random((1, 3)), np.array([11]))
    fcc = standard_cell(Cell.from_atoms(bulk("Cu")), 1e-3)
    for cell in (standard_cell(skewed, 1e-5), fcc):
        matrix = choose_supercell(cell, minimum_length=length)
        assert np.linalg.det(matrix) > 0
        assert shortest_vector(matrix.T @ cell.lattice) >= length - 1e-5


def test_large_cells_are_not_made_conventional() -> None:
    fcc = standard_cell(Cell.from_atoms(bulk("Cu")), 1e-3)
    np.testing.assert_array_equal(choose_supercell(fcc, minimum_length=20), 8 * np.eye(3))
    assert np.linalg.det(choose_supercell(fcc, minimum_length=10)) == pytest.approx(4 * 27)


def write_all(folder: Path) -> None:
    """The same rock salt under different names and in different cells."""
    (folder / "one.cif").write_text(NACL)
    cube = crystal(["Na", "Cl"], [(0, 0, 0), (0.5, 0.5, 0.5)], spacegroup=225, cellpar=[5.64] * 3 + [90] * 3)
    ase.io.write(folder / "two.extxyz", cube)
    ase.io.write(folder / "three.vasp", cube.repeat((2, 1, 1)), format="vasp")
    (folder / "four").mkdir()
    cube.rotate(30, "x", rotate_cell=True)
    ase.io.write(folder / "four" / "CONTCAR", cube, format="vasp")
    (folder / "four" / "POSCAR").write_text("never read")
    (folder / "POSCAR_five").write_bytes((folder / "three.vasp").read_bytes())
    with gzip.open(folder / "six.cif.gz", "wt") as file:
        file.write(NACL)
    (folder / "notes.txt").write_text("no structure")
    (folder / "seven").mkdir()


def test_structure_files_of_a_folder(tmp_path: Path) -> None:
    write_all(tmp_path)
    found = load_all(tmp_path)
    assert list(found) == ["POSCAR_five", "four", "one", "six", "three", "two"]
    for material in found.values():
        assert (material.formula, material.n_supercell_atoms) == ("NaCl", 64)
        np.testing.assert_allclose(material.unitcell.lattice, found["one"].unitcell.lattice, atol=1e-6)
        assert material.tags["structure_source"] == "file"
    assert list(load_all(tmp_path / "four" / "CONTCAR")) == ["four"]
    both = load_all(
        tmp_path / "one.cif", files=[tmp_path / "two.extxyz"], formulas="KCl", prototype="rock_salt"
    )
    assert list(both) == ["KCl", "one", "two"]


def test_fingerprints_follow_files_formulas_and_options(tmp_path: Path) -> None:
    (tmp_path / "one.cif").write_text(NACL)

    def identity(**options: Any) -> str:
        [entry] = open_dataset("structures", tmp_path / "one.cif", **options).entries()
        return entry.fingerprint

    first = identity()
    assert first == identity()
    different = {
        first,
        identity(symprec=0.1),
        identity(minimum_length=8),
        identity(supercell_matrix=[3, 3, 3]),
    }
    (tmp_path / "one.cif").write_text(NACL + "# longer\n")
    assert len(different | {identity()}) == 5

    def of_formula(**options: Any) -> str:
        [entry] = open_dataset("structures", formulas="KInCl3", **options).entries()
        return entry.fingerprint

    assert of_formula(prototype="abx3") == of_formula(prototype="perovskite")
    assert len({of_formula(prototype=name) for name in ("perovskite", "elpasolite")}) == 2


def test_noisy_structures_are_made_symmetric() -> None:
    cell = build_structure("Cs2AgBiBr6", "elpasolite", conventional=True).cell
    noise = np.random.default_rng(0).normal(scale=0.002, size=(40, 3))
    noisy = Cell(cell.lattice, cell.scaled_positions + noise @ np.linalg.inv(cell.lattice), cell.numbers)
    assert standard_cell(noisy, 0.05).n_atoms == 10
    assert standard_cell(noisy, 1e-5).n_atoms == 40
    symbols = standard_cell(noisy, 0.05).symbols
    assert len([a for a, b in pairwise(symbols) if a != b]) == 3  # kinds stand together


REFUSED = {
    "mixed.cif": (cif("Na1 Na 0 0 0 0.5", "K1 K 0 0 0 0.5", "Cl1 Cl 0.5 0.5 0.5 1.0"), "partially occupied"),
    "holes.cif": (cif("Na1 Na 0 0 0 0.8", "Cl1 Cl 0.5 0.5 0.5 1.0"), r"partially occupied \(Na 0.8\)"),
    "close.cif": (
        cif("Na1 Na 0 0 0 1.0", "Cl1 Cl 0.05 0 0 1.0"),
        r"atoms 1 \(Na\) and \d+ \(Cl\) are 0.28 Å",
    ),
    "tiny.cif": (cif("Na1 Na 0 0 0 1.0", a=0.4), "Å apart"),
    "unknown.cif": (cif("Qq1 Qq 0 0 0 1.0"), "ASE cannot read a structure from it"),
    "text.cif": ("this is no CIF at all", "ASE cannot read a structure from it|holds 0 structures"),
    "empty.xyz": ("", "ASE cannot read a structure from it|holds 0 structures"),
    "molecule.xyz": ("2\n\nO 0 0 0\nH 0 0 1\n", "not periodic in three directions"),
    "POSCAR_flat": ("flat\n1\n1 0 0\n0 1 0\n1 1 0\nNa\n1\nDirect\n0 0 0\n", "span no volume"),
    "POSCAR_short": ("short\n1\n4 0 0\n0 4 0\n0 0 4\nNa\n2\nDirect\n0 0 0\n", "2 atoms announced, 1 given"),
    "POSCAR_what": ("what\n1\n4 0 0\n0 4 0\n0 0 4\nXx\n1\nDirect\n0 0 0\n", "no element symbols"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_bad_structures_are_refused_when_loaded(name: str, tmp_path: Path) -> None:
    content, message = REFUSED[name]
    (tmp_path / name).write_text(content)
    (tmp_path / "good.cif").write_text(NACL)
    entries = open_dataset("structures", tmp_path).entries()  # listing reads nothing
    assert len(entries) == 2
    [bad] = [entry for entry in entries if entry.name != "good"]
    with pytest.raises(InputDataError, match=message) as caught:
        bad.load()
    assert name in caught.value.subject


def test_several_structures_and_slabs_are_refused(tmp_path: Path) -> None:
    ase.io.write(tmp_path / "many.extxyz", [bulk("Cu"), bulk("Ag")])
    with pytest.raises(InputDataError, match="it holds 2 structures"):
        load_one(tmp_path / "many.extxyz")
    slab = Atoms("Cu", cell=[3, 3, 20], pbc=[True, True, False])
    ase.io.write(tmp_path / "slab.extxyz", slab)
    with pytest.raises(InputDataError, match="not periodic in three directions"):
        load_one(tmp_path / "slab.extxyz")
    ase.io.write(tmp_path / "ghost.extxyz", Atoms("X", cell=[3, 3, 3], pbc=True))
    with pytest.raises(InputDataError, match="an element that does not exist"):
        load_one(tmp_path / "ghost.extxyz")


def test_bad_datasets_are_refused(tmp_path: Path) -> None:
    for options, message in (
        ({}, "neither structures nor formulas"),
        ({"formulas": "KCl"}, "no prototype is given"),
        ({"formulas": "KCl", "prototype": "diamond"}, "no structure can be built by that name"),
        ({"formulas": 7, "prototype": "rock_salt"}, "formulas = 7 makes no sense"),
        ({"files": [str(tmp_path / "absent.cif")]}, "no such file"),
        ({"path": tmp_path / "absent.cif"}, "no such file"),
        ({"formula": "KCl"}, "no option 'formula'"),
    ):
        with pytest.raises(SettingsError, match=message):
            open_dataset("structures", **options).entries()
    with pytest.raises(InputDataError, match="no structures are in it"):
        open_dataset("structures", tmp_path).entries()
    twice = open_dataset("structures", formulas=["Cs2AgBiBr6", "BiAgCs2Br6"], prototype="elpasolite")
    with pytest.raises(InputDataError, match=r"'Cs2AgBiBr6' and .*'BiAgCs2Br6' are both named Cs2AgBiBr6"):
        twice.entries()
    (tmp_path / "KCl.cif").write_text(NACL)
    mixed = open_dataset("structures", tmp_path, formulas=["KCl"], prototype="rock_salt")
    with pytest.raises(InputDataError, match="both named KCl"):
        mixed.entries()


def test_lists_of_formulas(tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(
        "# two perovskites\nCsPbBr3\nLiMgF3  # small\n\nK2PtCl6, antifluorite\n"
    )
    assert list(load_all(tmp_path / "list.txt", prototype="perovskite")) == ["CsPbBr3", "K2PtCl6", "LiMgF3"]
    (tmp_path / "list.csv").write_text("\ufeffn,System,prototype\n1,CsPbBr3,abx3\n2,,\n3,KCl,\n")
    assert list(load_all(files=tmp_path / "list.csv", prototype="rock_salt")) == ["CsPbBr3", "KCl"]
    with pytest.raises(SettingsError, match="formula 'KCl': no prototype is given"):
        open_dataset("structures", tmp_path / "list.csv").entries()
    (tmp_path / "bad.csv").write_text("name,sigma\nCsPbBr3,0.3\n")
    with pytest.raises(InputDataError, match="no column is named formula, system or compound"):
        open_dataset("structures", tmp_path / "bad.csv", prototype="abx3").entries()
    (tmp_path / "bad.txt").write_text("Cs Pb Br3\n")
    with pytest.raises(InputDataError, match="line 1 holds 3 words"):
        open_dataset("structures", tmp_path / "bad.txt", prototype="abx3").entries()
    (tmp_path / "worse.txt").write_text("CsPbBr3 quartz\n")
    with pytest.raises(SettingsError, match="prototype 'quartz'"):
        open_dataset("structures", tmp_path / "worse.txt").entries()


@pytest.mark.shared_data
def test_a_label_file_is_a_list_of_formulas(shared_data: Path) -> None:
    path = shared_data / "labels" / "hdp_sigma_300K.csv"
    entries = open_dataset("structures", path, prototype="elpasolite").entries()
    assert len(entries) == 1165
    assert entries[0].load().n_supercell_atoms == 80
