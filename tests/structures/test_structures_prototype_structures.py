"""Structures from formulas: radii, charges, sites, symmetry, and lattice constants against measured ones."""

from __future__ import annotations

import csv
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import spglib
from hypothesis import given
from hypothesis import strategies as st

from softmode.crystal.periodic_images import minimum_image_distances
from softmode.datasets import classify, open_dataset
from softmode.datasets.elements import CHARGES, SHANNON
from softmode.errors import InputDataError, SettingsError
from softmode.structures.formulas import assign_sites, buildable_prototype, parse_formula
from softmode.structures.ionic_radii import (
    CHARGE_STEP,
    STEP_8,
    STEP_12,
    balanced_charges,
    ionic_radius,
)
from softmode.structures.prototype_structures import build_structure


def test_radii_are_shannons() -> None:
    data = pytest.importorskip("pymatgen.core")
    numerals = {6: "VI", 8: "VIII", 12: "XII"}
    for (element, charge, coordination), radius in SHANNON.items():
        spins = data.Element(element).data["Shannon radii"][f"{charge}"][numerals[coordination]]
        expected = spins.get("High Spin") or spins.get("") or next(iter(spins.values()))
        assert radius == expected["ionic_radius"], (element, charge, coordination)


def test_what_stands_in_for_a_radius() -> None:
    assert ionic_radius("Cs", 1, 12) == (1.88, "")
    steps = np.array([STEP_12, STEP_8, CHARGE_STEP])
    np.testing.assert_allclose(steps, [0.28, 0.12, 0.10], atol=0.005)
    assert ionic_radius("Li", 1, 12).value == pytest.approx(0.92 + STEP_12 - STEP_8)
    assert "eight-fold" in ionic_radius("Li", 1, 12).note
    assert ionic_radius("Au", 1, 12).value == pytest.approx(1.37 + STEP_12)
    assert ionic_radius("Au", 2, 6).value == pytest.approx((1.37 + 0.85) / 2)
    assert ionic_radius("Zr", 2, 6).value == pytest.approx(0.72 + 2 * CHARGE_STEP)
    assert ionic_radius("Sm", 2, 6).value == pytest.approx(1.27 - STEP_8)
    assert ionic_radius("In", 1, 6) == (1.42, "In+1: covalent radius of In")
    assert ionic_radius("Rn", 2, 6).note == "Rn+2: covalent radius of Rn"
    with pytest.raises(ValueError, match="no chemical symbol"):
        ionic_radius("Xx", 1, 6)
    with pytest.raises(ValueError, match="not 4"):
        ionic_radius("Zn", 2, 4)


def test_charges_balance() -> None:
    assert balanced_charges([("Cs", 2), ("Ag", 1), ("Bi", 1)], 6) == (1, 1, 3)
    assert balanced_charges([("Rb", 2), ("Mn", 1), ("Hg", 1)], 6) == (1, 2, 2)
    assert balanced_charges([("K", 2), ("In", 1), ("In", 1)], 6) == (1, 1, 3)
    assert balanced_charges([("K", 2), ("Pt", 1)], 6) == (1, 4)
    assert balanced_charges([("Cs", 2), ("Ba", 1), ("Bi", 1)], 6) is None
    assert all(len(set(charges)) == len(charges) for charges in CHARGES.values())


@pytest.mark.parametrize(
    ("formula", "prototype", "expected"),
    [
        ("Cs2AgBiBr6", "elpasolite", "Cs2AgBiBr6"),
        ("BiAgCs2Br6", "halide_double_perovskite", "Cs2AgBiBr6"),
        ("Br12Bi2Ag2Cs4", "double-perovskite", "Cs2AgBiBr6"),
        ("Cs2(AgBi)Br6", "elpasolite", "Cs2AgBiBr6"),
        ("TbCs3F6", "elpasolite", "Cs3TbF6"),
        ("KInCl3", "elpasolite", "K2In2Cl6"),
        ("PtCl6K2", "antifluorite", "K2PtCl6"),
        ("LiMgF3", "perovskite", "LiMgF3"),
        ("PbCsBr3", "abx3", "CsPbBr3"),
        ("F3MgLi", "perovskite", "LiMgF3"),
        ("LiBaF3", "perovskite", "LiBaF3"),
        ("BaLiF3", "perovskite", "BaLiF3"),
        ("AgInF3", "perovskite", "AgInF3"),
        ("InAgF3", "perovskite", "InAgF3"),
        ("ClK", "rock_salt", "KCl"),
        ("OMg", "rocksalt", "MgO"),
    ],
)
def test_sites_from_formulas(formula: str, prototype: str, expected: str) -> None:
    assert assign_sites(formula, prototype).formula == expected
    built = build_structure(formula, prototype)
    if buildable_prototype(prototype) != "rock_salt":  # classify knows the structure by itself
        found = classify(built.cell)
        assert (found.formula, dict(found.sites)) == (expected, dict(built.assignment.sites))


def test_the_order_of_a_double_perovskite_does_not_matter() -> None:
    orders = {
        assign_sites("".join(parts), "elpasolite").formula
        for parts in permutations(["Cs2", "Ag", "Bi", "Br6"])
    }
    assert orders == {"Cs2AgBiBr6"}


@pytest.mark.parametrize(
    ("formula", "prototype", "message"),
    [
        ("Cs2AgBiO6", "elpasolite", "no halide"),
        ("Cs2AgBiBr3Cl3", "elpasolite", r"2 halides \(Br, Cl\)"),
        ("K2PtCl6", "elpasolite", "take the prototype a2bx6"),
        ("CsAgBiNaBr6", "elpasolite", "check its numbers"),
        ("Cs2Pb2Br6", "elpasolite", "take the prototype abx3"),
        ("Cs2AgBiBr6", "perovskite", "take the prototype halide_double_perovskite"),
        ("CsBr3", "perovskite", "two different cations"),
        ("CsPbBr3", "k2ptcl6", "for ABX3 abx3"),
        ("CsPb", "rock_salt", "no compound of the prototype rock_salt"),
        ("KCl2", "rock_salt", "no compound of the prototype rock_salt"),
        ("Xx2AgBiBr6", "elpasolite", "'Xx' is no chemical symbol"),
        ("Cs2AgBi Br6", "elpasolite", "no chemical formula"),
        ("Cs2AgBiBr6.5", "elpasolite", "no chemical formula"),
        ("Cs2Ag(Bi", "elpasolite", "no chemical formula"),
        ("cs2agbibr6", "elpasolite", "no chemical formula"),
        ("Cs0AgBr", "elpasolite", "it holds no Cs"),
        ("", "elpasolite", "no chemical formula"),
    ],
)
def test_what_is_no_compound_of_a_prototype_is_refused(formula: str, prototype: str, message: str) -> None:
    with pytest.raises(InputDataError, match=message) as caught:
        build_structure(formula, prototype)
    assert repr(formula) in caught.value.subject


def test_unknown_prototypes_are_refused() -> None:
    with pytest.raises(SettingsError, match="did you mean elpasolite"):
        build_structure("Cs2AgBiBr6", "elpasolit")


@given(st.dictionaries(st.sampled_from(["Cs", "K", "Ag", "Bi", "Br", "Cl"]), st.integers(1, 7), min_size=1))
def test_formulas_are_read_as_written(counts: dict[str, int]) -> None:
    divisor = np.gcd.reduce(list(counts.values()))
    written = "".join(f"{symbol}{count}" for symbol, count in counts.items())
    assert parse_formula(written) == {symbol: count // divisor for symbol, count in counts.items()}
    assert list(parse_formula(written)) == list(counts)


@pytest.mark.parametrize(
    ("formula", "prototype", "spacegroup", "atoms"),
    [
        ("Cs2AgBiBr6", "elpasolite", 225, (10, 40)),
        ("Cs3TbF6", "elpasolite", 225, (10, 40)),
        ("K2In2Cl6", "elpasolite", 225, (10, 40)),
        ("K2PtCl6", "k2ptcl6", 225, (9, 36)),
        ("CsPbBr3", "perovskite", 221, (5, 5)),
        ("NaCl", "rock_salt", 225, (2, 8)),
    ],
)
def test_symmetry_of_the_primitive_and_the_conventional_cell(
    formula: str, prototype: str, spacegroup: int, atoms: tuple[int, int]
) -> None:
    small, cube = (build_structure(formula, prototype, conventional=flag) for flag in (False, True))
    assert (small.cell.n_atoms, cube.cell.n_atoms) == atoms
    volumes = [abs(np.linalg.det(built.cell.lattice)) for built in (small, cube)]
    assert volumes[1] / volumes[0] == pytest.approx(atoms[1] / atoms[0])
    assert volumes[1] == pytest.approx(small.lattice_constant**3)
    for built in (small, cube):
        cell = built.cell
        found = spglib.get_symmetry_dataset((cell.lattice, cell.scaled_positions, cell.numbers), symprec=1e-6)
        assert found.number == spacegroup
        assert len(np.unique(found.mapping_to_primitive)) == atoms[0]


def test_bonds_of_a_double_perovskite_are_as_its_radii() -> None:
    built = build_structure("Cs2NaBiCl6", "elpasolite", conventional=True)
    labels, positions = np.array(classify(built.cell).labels), built.cell.scaled_positions

    def bond(site: str) -> float:
        one, halides = positions[labels == site][:1], positions[labels == "X"]
        return float(minimum_image_distances(built.cell.lattice, one, halides).min())

    na, bi = bond("B"), bond("B'")
    assert na + bi == pytest.approx(built.lattice_constant / 2)
    assert na / bi == pytest.approx((1.02 + 1.81) / (1.03 + 1.81))
    assert dict(built.charges) == {"A": 1, "B": 1, "B'": 3, "X": -1}
    assert built.notes == ()
    assert build_structure("Cs2BaBiCl6", "elpasolite").notes[0].startswith("no common charges balance")


@pytest.mark.parametrize(
    ("formula", "prototype", "measured", "tolerance"),
    [  # room temperature, cubic phases, Å
        ("KMgF3", "perovskite", 3.989, 0.01),
        ("CsPbBr3", "perovskite", 5.87, 0.01),
        ("CsPbCl3", "perovskite", 5.605, 0.01),
        ("Cs2AgBiBr6", "elpasolite", 11.27, 0.02),
        ("Cs2NaYCl6", "elpasolite", 10.73, 0.02),
        ("K2NaAlF6", "elpasolite", 8.12, 0.02),
        ("K2PtCl6", "k2ptcl6", 9.75, 0.02),
        ("Cs2SnI6", "k2ptcl6", 11.65, 0.02),
        ("NaCl", "rock_salt", 5.64, 0.01),
        ("MgO", "rock_salt", 4.212, 0.01),
    ],
)
def test_lattice_constants_of_known_crystals(
    formula: str, prototype: str, measured: float, tolerance: float
) -> None:
    assert build_structure(formula, prototype).lattice_constant == pytest.approx(measured, rel=tolerance)


PROTOTYPES = {
    "halide_double_perovskite": ("elpasolite", 10, 4),
    "a2bx6": ("k2ptcl6", 9, 4),
    "abx3": ("perovskite", 5, 1),
    "rock_salt": ("rock_salt", 2, 4),
}


@pytest.mark.slow
@pytest.mark.shared_data
def test_lattice_constants_and_sites_of_the_phonon_database(phonondb: Path) -> None:
    errors: dict[str, list[float]] = {name: [] for name in PROTOTYPES}
    for entry in open_dataset("phonondb", phonondb).entries():
        cell = entry.load().unitcell
        found = classify(cell)
        if found.prototype not in PROTOTYPES or found.halide is None:
            continue
        name, n_atoms, centring = PROTOTYPES[found.prototype]
        volume = abs(np.linalg.det(cell.lattice)) * n_atoms / cell.n_atoms * centring
        built = build_structure(found.formula, name)
        assert dict(classify(built.cell).sites) == dict(found.sites)
        errors[found.prototype].append(built.lattice_constant / volume ** (1 / 3) - 1.0)
    mean = {name: float(np.mean(np.abs(values))) for name, values in errors.items()}
    worst = {name: float(np.max(np.abs(values))) for name, values in errors.items()}
    assert [len(values) for values in errors.values()] == [58, 35, 19, 16]
    # docs/screening.md
    assert mean == pytest.approx(
        {"halide_double_perovskite": 0.0078, "a2bx6": 0.0139, "abx3": 0.0139, "rock_salt": 0.0230}, abs=5e-5
    )
    assert worst == pytest.approx(
        {"halide_double_perovskite": 0.037, "a2bx6": 0.040, "abx3": 0.041, "rock_salt": 0.100}, abs=5e-4
    )


@pytest.mark.shared_data
def test_lattice_constants_and_sites_of_the_label_files(shared_data: Path) -> None:
    with (shared_data / "labels" / "abx3_halide_sigma_300K.csv").open() as file:
        rows = list(csv.DictReader(file))
    built = [build_structure(row["formula"], "perovskite") for row in rows]
    assert [item.assignment.formula for item in built] == [
        row["formula"] for row in rows
    ]  # A, B, X as written
    errors = np.array(
        [b.lattice_constant / float(row["a_A"]) - 1 for b, row in zip(built, rows, strict=True)]
    )
    found = [np.abs(errors).mean(), np.median(np.abs(errors)), np.abs(errors).max()]
    np.testing.assert_allclose(found, [0.0349, 0.0272, 0.162], atol=5e-4)  # docs/screening.md
    with (shared_data / "labels" / "hdp_sigma_300K.csv").open() as file:
        formulas = [row["system"] for row in csv.DictReader(file)]
    assert len(formulas) == 1165
    for formula in formulas:
        item = build_structure(formula, "elpasolite")
        assert not any("balance" in note for note in item.notes)
        assert parse_formula(item.assignment.formula) == {**parse_formula(formula)}
