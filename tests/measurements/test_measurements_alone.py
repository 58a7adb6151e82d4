from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.io import write
from scipy.optimize import minimize_scalar
from tiny_study import EMT_NAME, FACTORIES, QUICK, emt, factory, run_tiny

from softmode.harmonic import build_phonopy
from softmode.study.folder import Study
from softmode.study.label_pairs import label_pairs
from softmode.study.label_results import (
    label_table,
    labelled,
    lattice_and_mode_errors,
    lattices_and_modes,
    open_labels,
)
from softmode.study.results import cell_table
from softmode.study.screening import screening_table, softest
from softmode.study.settings import LabelSettings, StudySettings, parse_study

METALS = ("Al", "Cu", "Ni")


def emt_lattice_constant(symbol: str) -> float:
    """By minimising the energy of the primitive cell over its lattice constant."""

    def energy(a: float) -> float:
        atoms = bulk(symbol, "fcc", a=a)
        atoms.calc = EMT()
        return float(atoms.get_potential_energy())

    return float(minimize_scalar(energy, bounds=(3.2, 4.6), method="bounded", options={"xatol": 1e-7}).x)


def screening(folder: Path, *potentials: dict[str, object], **more: object) -> StudySettings:
    content = {
        "name": "tiny screening",
        "output": str(folder / "run"),
        "dataset": {
            "kind": "structures",
            "path": str(folder / "structures"),
            "options": {"supercell_matrix": [2, 2, 2]},
        },
        "potential": list(potentials) or [emt(elements=["Al", "Cu", "Ni", "Ag"])],
        "measurements": ["model_phonons", "one_shot"],
        "protocol": {**QUICK, "relax": True},
        "one_shot": {"n_samples": 12},
        "run": {"executor": f"{FACTORIES}:one_thread"},
        **more,
    }
    return parse_study(content, "screening.toml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("screening")
    (folder / "structures").mkdir()
    for symbol in METALS:
        write(folder / "structures" / f"{symbol}.cif", bulk(symbol, "fcc", cubic=True))
    write(folder / "structures" / "NaCl.cif", bulk("NaCl", "rocksalt", a=5.64, cubic=True))
    return folder


@pytest.fixture(scope="module")
def study(folder: Path) -> Study:
    study, report = run_tiny(screening(folder))
    assert report.failed == 1  # EMT knows no sodium
    return study


@pytest.fixture(scope="module")
def ranked(study: Study) -> pd.DataFrame:
    return screening_table(cell_table(study))


def test_most_stable_first_and_failures_last_with_their_reason(ranked: pd.DataFrame) -> None:
    good = ranked[ranked["state"] == "ok"]
    assert set(good["formula"]) == set(METALS)
    assert good["rank"].tolist() == [1, 2, 3]
    assert good["sigma_one_shot"].is_monotonic_increasing
    last = ranked.iloc[-1]
    assert last["formula"] == "NaCl"
    assert pd.isna(last["rank"])
    assert "does not cover Cl, Na" in last["reason"]


def test_the_lattice_is_the_one_of_lowest_energy(ranked: pd.DataFrame) -> None:
    for _, row in ranked[ranked["state"] == "ok"].iterrows():
        assert row["a_A"] == pytest.approx(emt_lattice_constant(row["formula"]), abs=2e-3)
        assert row["a_A"] == row["b_A"] == row["c_A"]
        assert row["spacegroup"] == "Fm-3m (225)"


def test_fcc_metals_are_harmonically_stable_and_softest_at_rest(ranked: pd.DataFrame) -> None:
    good = ranked[ranked["state"] == "ok"]
    assert good["harmonically_stable"].all()
    assert (good["imaginary_share"] == 0.0).all()
    assert (good["softest_mode_THz"] > 1.0).all()  # without the translations: at the boundary of the zone
    assert (good["softest_mode_at"] != "Γ").all()
    assert (good["n_imaginary_modes"] == 0).all()


def test_sigma_is_that_of_the_forces_on_its_own_configurations(study: Study) -> None:
    """With force constants from EMT by central differences, not from phonopy."""
    cell = next(cell for cell in study.cases if cell.material.name == "Cu")
    records = study.records(cell, with_arrays=True)
    forces = records["displaced_forces_for_dynamics"]
    sampled = records["thermal_forces"]
    assert cell.entry is not None
    phonon = build_phonopy(cell.entry.load())
    lattice = forces.arrays["unitcell_lattice"] @ np.eye(3)
    supercell = phonon.supercell
    scale = lattice[0] @ np.linalg.pinv(phonon.unitcell.cell[:1])
    atoms = bulk("Cu", "fcc", a=1.0).repeat(1)
    atoms = type(atoms)(
        supercell.symbols,
        scaled_positions=supercell.scaled_positions,
        cell=supercell.cell * float(scale[0]),
        pbc=True,
    )
    atoms.calc = EMT()
    rest, n = atoms.positions.copy(), len(atoms)
    hessian = np.empty((n, 3, n, 3))
    for i in range(n):
        for axis in range(3):
            sides = []
            for sign in (1, -1):
                atoms.positions = rest
                atoms.positions[i, axis] += sign * 0.01
                sides.append(atoms.get_forces())
            hessian[i, axis] = -(sides[0] - sides[1]) / 0.02
    ratios = []
    for moved, given in zip(sampled.arrays["displacements"], sampled.arrays["forces"], strict=True):
        atoms.positions = rest + moved
        assert np.allclose(atoms.get_forces(), given, atol=1e-8)
        anharmonic = given + np.einsum("iajb,ia->jb", hessian, moved)
        ratios.append(np.sqrt((anharmonic**2).sum() / (given**2).sum()))
    assert records["one_shot"].values["sigma_one_shot_mean_t"] == pytest.approx(np.mean(ratios), rel=0.02)


def test_softest_modes_by_point(study: Study) -> None:
    points = softest(cell_table(study))
    assert {"X", "L", "W", "Γ"} <= set(points.columns)
    assert (points["Γ"].abs() < 1e-6).all()  # one atom: no optical mode
    assert (points["X"] > 3.0).all()


def test_samples_and_displacements_are_shared_by_the_measurements(study: Study) -> None:
    """Default displacements are equal for both purposes: forces are computed once."""
    for cell in study.cases:
        records = study.records(cell)
        if "displaced_forces" in records and records["displaced_forces"].ok:
            assert records["displaced_forces"].key == records["displaced_forces_for_dynamics"].key


def test_another_temperature_keeps_the_phonons(folder: Path, study: Study, tmp_path: Path) -> None:
    hotter = screening(folder, one_shot={"n_samples": 12, "temperature": 600.0})
    again, _ = run_tiny(hotter)
    for before, after in zip(study.cases, again.cases, strict=True):
        assert before.inputs["model_phonons"] == after.inputs["model_phonons"]
        assert before.inputs["thermal_forces"] != after.inputs["thermal_forces"]
    cold, hot = (
        screening_table(cell_table(which)).set_index("formula")["sigma_one_shot"] for which in (study, again)
    )
    assert (hot[list(METALS)] > cold[list(METALS)]).all()


@pytest.fixture
def labels_file(folder: Path, ranked: pd.DataFrame, tmp_path: Path) -> Path:
    """Labels of which one agrees in class, and one does not; lattice constants 1 % too small."""
    path = tmp_path / "labels.csv"
    lines = ["formula,sigma2,a_A,w_Gamma_THz,w_X_THz"]
    for (_, row), sigma in zip(ranked.iloc[:3].iterrows(), (0.2, 0.3, 1.5), strict=True):
        x = json.loads(row["softest_by_point_THz"])["X"]
        lines.append(f"{row['formula']},{sigma},{row['a_A'] / 1.01:.6f},0.0,{x - 0.25:.6f}")
    path.write_text("\n".join(lines) + "\n")
    return path


def test_agreement_with_labels(study: Study, labels_file: Path) -> None:
    cells = cell_table(study)
    labels = open_labels(LabelSettings(path=labels_file))
    table = label_table(labelled(cells, labels, seed=1)).set_index(["group", "failures_as_wrong"])
    row = table.loc[("all", False)]
    model = screening_table(cells)["sigma_one_shot"].to_numpy(float)[:3]
    assert (model < 0.5).all()
    assert (row["n"], row["failed"]) == (3, 0)  # NaCl has no label
    assert row["accuracy"] == pytest.approx(2 / 3)
    assert row["called_more_stable"] == 1.0  # of those that could be: the unstable one
    assert row["called_less_stable"] == 0.0
    assert row["spearman"] == pytest.approx(1.0)
    assert row["mae_sigma"] == pytest.approx(np.abs(model - [0.2, 0.3, 1.5]).mean())
    assert row["unstable_called_weak_count"] == 1
    assert row["accuracy_of_list"] == row["accuracy"]  # all of the list are there


def test_a_draw_stands_for_the_list_it_is_from(tmp_path: Path) -> None:
    """A weak compound drawn of three, the only strong and both unstable ones: weights 3, 1, 1, 1."""
    common = {"group": "Cl", "prototype": "other", "potential": "p", "state": "ok", "one_shot_state": "ok"}
    names = ["KCl", "NaCl", "LiCl", "RbCl"]
    table = pd.DataFrame(
        {
            **{name: [value] * 4 for name, value in common.items()},
            "formula": names,
            "material": names,
            "sigma_one_shot_mean_t": [0.7, 0.6, 0.9, 1.2],  # labels: weak, strong, unstable, unstable
        }
    )
    path = tmp_path / "labels.csv"
    path.write_text("formula,sigma\nKCl,.2\nCsCl,.3\nAgCl,.4\nNaCl,.6\nLiCl,1.3\nRbCl,1.4\n")
    [found] = labelled(table, open_labels(LabelSettings(path=path)), seed=0)
    row = label_table([found]).iloc[0]
    assert (row["called_less_stable"], row["called_more_stable"]) == (1 / 2, 1 / 3)
    assert row["called_less_stable_of_list"] == pytest.approx(3 / 4)  # the three weak of four
    assert row["called_more_stable_of_list"] == pytest.approx(1 / 3)
    assert row["accuracy_of_list"] == pytest.approx(2 / 6)


def test_two_ways_on_the_same_compounds(tmp_path: Path) -> None:
    ways = {"one_shot": [0.7, 0.6, 0.9, 1.2], "self_consistent": [0.3, 0.4, 1.1, np.nan]}
    names = ["KCl", "NaCl", "LiCl", "RbCl"]
    common = {"group": "Cl", "prototype": "other", "potential": "p", "state": "ok"}
    table = pd.DataFrame(
        {
            **{name: [value] * 4 for name, value in common.items()},
            "formula": names,
            "material": names,
            **{f"{way}_state": ["ok"] * 4 for way in ways},
            **{f"sigma_{way}_mean_t": values for way, values in ways.items()},
        }
    )
    path = tmp_path / "labels.csv"
    path.write_text("formula,sigma\nKCl,.2\nNaCl,.6\nLiCl,1.3\nRbCl,1.4\n")
    [row] = label_pairs(labelled(table, open_labels(LabelSettings(path=path)), seed=0), 0).to_dict("records")
    assert (row["first_way"], row["second_way"]) == ("self_consistent", "one_shot")
    assert row["n"] == 3  # without the one that has no σ by one way
    assert (row["only_first_right"], row["only_second_right"]) == (2, 1)
    assert row["p_right"] == pytest.approx(1.0)
    assert (row["moved_less_stable"], row["moved_more_stable"]) == (2, 1)
    assert row["accuracy_difference"] == pytest.approx(-1 / 3)
    assert row["called_more_stable_difference"] == pytest.approx(0.0)  # of two: first NaCl, then LiCl
    assert row["called_less_stable_difference"] == pytest.approx(1 / 2)  # of two: KCl
    assert row["sigma_difference"] == pytest.approx(0.2)  # of 0.4, 0.2, -0.2


def test_lattice_constants_and_modes_beside_published_ones(study: Study, labels_file: Path) -> None:
    errors = lattice_and_mode_errors(lattices_and_modes(cell_table(study), labels_file))
    errors = errors.set_index("quantity")
    assert errors.loc["a_A", "mean_difference"] == pytest.approx(0.01, abs=1e-5)
    assert errors.loc["X", "mean_difference"] == pytest.approx(0.25, abs=1e-5)
    assert errors.loc["Γ", "mae"] < 1e-6
    assert errors.loc["X", "same_sign_share"] == 1.0


def test_a_failed_potential_counts_against_it_with_labels(folder: Path, labels_file: Path) -> None:
    study, _ = run_tiny(screening(folder, emt(), factory("nan_emt")))
    labels = open_labels(LabelSettings(path=labels_file))
    table = label_table(labelled(cell_table(study), labels, seed=1))
    table = table[table["group"] == "all"].set_index(["potential", "failures_as_wrong"])
    assert table.loc[("nan_emt", True), "failed"] == 3
    assert table.loc[("nan_emt", True), "accuracy"] == 0.0
    assert table.loc[("emt", True), "failed"] == 0


def test_samples_from_a_reference_that_is_not_there_are_a_failure_with_its_reason(folder: Path) -> None:
    study, report = run_tiny(screening(folder, one_shot={"n_samples": 2, "force_constants": "reference"}))
    assert report.failed == len(METALS)  # sodium chloride had failed before
    reasons = cell_table(study).set_index("material")["failure"]
    assert "without reference force constants" in reasons["Cu"]


def test_the_sign_alternating_pair(folder: Path) -> None:
    study, _ = run_tiny(screening(folder, one_shot={"method": "sign-alternating"}))
    row = screening_table(cell_table(study)).set_index("formula").loc["Cu"]
    records = study.records(
        next(cell for cell in study.cases if cell.material.name == "Cu"), with_arrays=True
    )
    displacements = records["thermal_forces"].arrays["displacements"]
    assert len(displacements) == 2
    assert np.allclose(displacements[0], -displacements[1])
    assert pd.isna(row["sigma_one_shot_low"])  # two frames have no interval


def test_a_study_without_questions_to_potentials_alone_has_no_ranking(tmp_path: Path) -> None:
    assert screening_table(pd.DataFrame({"material": ["x"], "potential": [EMT_NAME]})).empty


def test_a_lost_crystal_ranks_last_and_is_unstable_whatever_sigma_was_before(tmp_path: Path) -> None:
    common = {"group": "Cl", "prototype": "other", "potential": "p", "state": "ok", "model_only_state": "ok"}
    table = pd.DataFrame(
        {
            **{name: [value] * 3 for name, value in common.items()},
            "formula": ["KCl", "NaCl", "LiCl"],
            "material": ["KCl", "NaCl", "LiCl"],
            "sigma_model_only_mean_t": [0.1, 0.7, 0.4],
            "md_collapsed": [True, False, False],
        }
    )
    ranked = screening_table(table)
    assert ranked["formula"].tolist() == ["LiCl", "NaCl", "KCl"]
    assert ranked["crystal_lost"].tolist() == [False, False, True]
    path = tmp_path / "labels.csv"
    path.write_text("formula,sigma\nKCl,1.7\nNaCl,0.6\nLiCl,0.3\n")
    found = labelled(table, open_labels(LabelSettings(path=path)), seed=0)[0]
    assert found.score.successes.confusion.accuracy.value == 1.0
    assert found.model.max() > 1.0
