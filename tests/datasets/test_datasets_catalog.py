"""Catalog, selection, the embedded example and the site names of prototypes."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
from ase.spacegroup import crystal
from pydantic import ValidationError

from softmode.crystal import Cell, DisplacementForces, Material
from softmode.datasets import (
    Dataset,
    MaterialEntry,
    Selection,
    classify,
    known_datasets,
    open_dataset,
    open_reference,
    select,
)
from softmode.datasets.elements import electronegativity
from softmode.errors import InputDataError, SettingsError


def test_example(example: Material) -> None:
    assert example.name == example.formula == "Cs2AgBiBr6"
    assert isinstance(example.reference, DisplacementForces)
    assert example.reference.forces.shape == (4, 80, 3)
    np.testing.assert_allclose(
        np.linalg.norm(example.reference.displacements, axis=2).max(axis=1), 0.02, atol=1e-9
    )
    tags = example.tags
    assert (tags["site_A"], tags["site_B"], tags["site_B'"], tags["site_X"]) == ("Cs", "Ag", "Bi", "Br")
    assert tags["level_of_theory"].startswith("PBE (CP2K")
    (entry,) = open_dataset("example").entries()
    assert pickle.loads(pickle.dumps(entry)).load().reference_digest == example.reference_digest
    assert open_reference("Cs2AgBiBr6").reference_digest == example.reference_digest


def test_catalog(tmp_path: Path) -> None:
    infos = known_datasets()
    assert [info.name for info in infos] == ["phonondb", "hdp", "phonopy", "vibes", "example", "structures"]
    assert all(info.title and info.holds and info.citation and info.licence for info in infos)
    assert isinstance(open_dataset("example"), Dataset)
    assert open_dataset("PhononDB", tmp_path).kind.name == "phonondb"
    assert open_dataset("cs2agbibr6").kind.name == "example"
    assert open_reference("Example").name == "Cs2AgBiBr6"
    with pytest.raises(SettingsError, match="or 'example' for the embedded Cs2AgBiBr6"):
        open_reference("exampel")
    with pytest.raises(SettingsError, match="did you mean phonondb"):
        open_dataset("phonodb", tmp_path)
    with pytest.raises(SettingsError, match="no path is given"):
        open_dataset("phonopy")
    with pytest.raises(SettingsError, match="takes no path"):
        open_dataset("example", tmp_path)
    with pytest.raises(SettingsError, match=r"there is no option 'supercel'\. did you mean supercell_matrix"):
        open_dataset("phonopy", tmp_path, supercel="2 2 2")
    with pytest.raises(SettingsError, match="no such file or folder"):
        open_dataset("phonondb", tmp_path / "absent")


def fail() -> Material:
    raise InputDataError("x", "broken", "mend it")


def test_selection(example: Material) -> None:
    assert Selection().matches(example)
    assert Selection(prototype="halide_double_perovskite", elements="Cs").matches(example)  # type: ignore[arg-type]
    assert Selection(prototype=["abx3", "all"]).matches(example)  # type: ignore[arg-type]
    for alias in ("elpasolite", "Halide-Double-Perovskite"):
        assert Selection(prototype=alias).prototype == ("halide_double_perovskite",)  # type: ignore[arg-type]
    assert not Selection(prototype="rock_salt").matches(example)  # type: ignore[arg-type]
    assert not Selection(elements=("Cs", "K")).matches(example)
    assert Selection(only_elements=("Cs", "Ag", "Bi", "Br", "Cl")).matches(example)
    assert not Selection(only_elements=("Cs", "Ag", "Br")).matches(example)
    assert not Selection(without_elements=("Bi",)).matches(example)
    for bad in ({"prototyp": "all"}, {"prototype": "quartz"}, {"elements": ["Xx"]}, {"limit": 0}):
        with pytest.raises(ValidationError):
            Selection.model_validate(bad)


def test_ids_limit_and_failures() -> None:
    entries = [
        MaterialEntry(name, "f", open_dataset("example").entries()[0].loader) for name in ("mp-10", "mp-9")
    ]
    entries.append(MaterialEntry("mp-1", "f", fail))
    assert [e.name for e in Selection().pick(entries)] == ["mp-1", "mp-9", "mp-10"]
    assert [e.name for e in Selection(ids=("mp-10", "mp-9")).pick(entries)] == ["mp-9", "mp-10"]
    with pytest.raises(SettingsError, match="did you mean mp-10 or mp-1"):
        Selection(ids=("mp-101",)).pick(entries)
    with pytest.raises(SettingsError, match="known are: mp-1, mp-9, mp-10"):
        Selection(ids=("KCl",)).pick(entries)
    found = list(select(entries, Selection(limit=1)))
    assert [e.name for e, _ in found] == ["mp-1", "mp-9"]
    assert isinstance(found[0][1], InputDataError)
    assert isinstance(found[1][1], Material)


def cubic(symbols: list[str], basis: list[tuple[float, float, float]], number: int, primitive: bool) -> Cell:
    return Cell.from_atoms(
        crystal(symbols, basis, spacegroup=number, cellpar=[10, 10, 10, 90, 90, 90], primitive_cell=primitive)
    )


C, A, B, E = (0.25, 0.25, 0.25), (0, 0, 0), (0.5, 0.5, 0.5), (0.24, 0, 0)


@pytest.mark.parametrize("primitive", [True, False])
@pytest.mark.parametrize("swapped", [True, False])
@pytest.mark.parametrize(
    ("a", "b", "b_prime", "x", "formula"),
    [
        ("Cs", "Ag", "Bi", "Br", "Cs2AgBiBr6"),
        ("Tl", "Na", "Ga", "F", "Tl2NaGaF6"),
        ("Cs", "Cs", "Tb", "F", "Cs3TbF6"),
        ("Cs", "Na", "In", "Cl", "Cs2NaInCl6"),
        ("Cs", "K", "Rb", "I", "Cs2KRbI6"),
        ("Cs", "Au", "Au", "Cl", "Cs2Au2Cl6"),
    ],
)
def test_double_perovskites(
    a: str, b: str, b_prime: str, x: str, formula: str, swapped: bool, primitive: bool
) -> None:
    basis = [C, B, A, E] if swapped else [C, A, B, E]
    found = classify(cubic([a, b, b_prime, x], basis, 225, primitive))
    assert found.prototype == "halide_double_perovskite"
    assert dict(found.sites) == {"A": a, "B": b, "B'": b_prime, "X": x}
    assert (found.formula, found.halide, found.spacegroup) == (formula, x, "Fm-3m (225)")
    copies = 1 if primitive else 4
    assert [found.labels.count(s) for s in ("A", "B", "B'", "X")] == [2 * copies, copies, copies, 6 * copies]


@pytest.mark.parametrize(
    ("symbols", "basis", "number", "prototype", "formula"),
    [
        (["K", "Pt", "Cl"], [C, A, E], 225, "a2bx6", "K2PtCl6"),
        (["K", "Pt", "Cl"], [C, B, (0.26, 0, 0)], 225, "a2bx6", "K2PtCl6"),
        (["K", "Pt", "O"], [C, A, E], 225, "other", "K2PtO6"),
        (["Cs", "Na", "In", "O"], [C, A, B, E], 225, "other", None),
        (["Na", "Cl"], [A, B], 225, "rock_salt", "NaCl"),
        (["Cl", "Na"], [A, B], 225, "rock_salt", "NaCl"),
        (["Li", "O"], [C, A], 225, "other", "Li2O"),
        (["Cs", "Cl"], [A, B], 221, "cscl", "CsCl"),
        (["Cu", "Br"], [A, C], 216, "zincblende", "CuBr"),
        (["Cs", "Pb", "Br"], [B, A, (0.5, 0, 0)], 221, "abx3", "CsPbBr3"),
        (["Cs", "Pb", "Br"], [A, B, (0, 0.5, 0.5)], 221, "abx3", "CsPbBr3"),
        (["Sr", "Ti", "O"], [B, A, (0.5, 0, 0)], 221, "other", "SrTiO3"),
        (["Si"], [(0, 0, 0)], 227, "other", "Si"),
    ],
)
def test_other_prototypes(
    symbols: list[str],
    basis: list[tuple[float, float, float]],
    number: int,
    prototype: str,
    formula: str | None,
) -> None:
    found = classify(cubic(symbols, basis, number, False))
    assert found.prototype == prototype
    assert formula is None or found.formula == formula
    assert (found.halide is None) == (prototype == "other")
    assert all(found.labels)


def test_electronegativities() -> None:
    assert (
        electronegativity("Cs")
        < electronegativity("K")
        == electronegativity("Rb")
        < electronegativity("F")
        == 3.98
    )
    assert electronegativity("He") == float("inf")
