"""The error at the reference's lattice and at the potential's own, and what functionals are said to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ase.calculators.emt import EMT
from softmode_test_factories import scaled_emt
from tiny_study import QUICK, emt, factory, run_tiny, tiny_study

import softmode as sm
from softmode.measurements.functionals import functional, functional_statement
from softmode.notebook.phonons import PhononComparison
from softmode.study.paired import paired_table
from softmode.study.panels import panels_of
from softmode.study.results import cell_table, functional_statements
from softmode.study.settings import parse_study

STIFF = 1.1
#: Aluminium under EMT: K. W. Jacobsen, P. Stoltze and J. K. Nørskov, Surf. Sci. 366, 394 (1996).
EMT_ALUMINIUM = 3.995


@pytest.fixture(scope="module")
def stiff(tiny_dataset: Path) -> PhononComparison:
    """Aluminium: EMT times 1.1 against EMT, at a lattice constant that is not EMT's."""
    model = sm.potential(scaled_emt(STIFF), name="stiff", level_of_theory="PBE+U")
    return sm.compare_phonons(tiny_dataset / "Al", model, structure="both")


def test_force_constants_times_a_factor_are_an_error_of_scale_alone(stiff: PhononComparison) -> None:
    for where in ("path", "mesh"):
        whole = stiff.lattice[f"{where}_rmse_w2_THz2_at_reference"]
        assert stiff.lattice[f"{where}_softening_at_reference"] == pytest.approx(STIFF, rel=1e-9)
        assert stiff.lattice[f"{where}_rmse_w2_scale_THz2_at_reference"] == pytest.approx(whole, rel=1e-9)
        assert stiff.lattice[f"{where}_rmse_w2_rest_THz2_at_reference"] < 1e-6 * whole
    squares = stiff.frequencies_reference_THz**2
    assert stiff.path.rmse_w2_THz2 == pytest.approx((STIFF - 1) * np.sqrt((squares**2).mean()), rel=1e-6)
    assert stiff.path.rmse_w2_rest_THz2 < 1e-6 * stiff.path.rmse_w2_THz2


def test_at_its_own_lattice_it_is_what_a_relaxed_comparison_says(
    stiff: PhononComparison, tiny_dataset: Path
) -> None:
    relaxed = sm.compare_phonons(tiny_dataset / "Al", scaled_emt(STIFF), structure="relaxed")
    for where in ("path", "mesh"):
        alone = getattr(relaxed, where)
        for name in ("rmse_w2_THz2", "mae_w2_THz2", "rmse_w2_rest_THz2", "softening"):
            assert stiff.lattice[f"{where}_{name}_at_own"] == pytest.approx(getattr(alone, name), rel=1e-9)
    cell = stiff.material.unitcell
    given = (4 * abs(np.linalg.det(cell.lattice)) / cell.n_atoms) ** (1 / 3)
    assert stiff.lattice["lattice_ratio_own"] == pytest.approx(EMT_ALUMINIUM / given, rel=2e-3)
    # softer where it is wider, and the other way round (a positive Grüneisen parameter)
    wider = stiff.lattice["lattice_ratio_own"] > 1
    assert (stiff.lattice["path_lattice_scale"] < 1) == wider


def test_a_potential_that_is_the_reference_has_no_error_at_the_references_lattice(tiny_dataset: Path) -> None:
    same = sm.compare_phonons(tiny_dataset / "Al", EMT(), structure="both")
    assert same.lattice["path_rmse_w2_THz2_at_reference"] < 1e-6  # forces are given to 1e-10 eV/Å
    assert same.lattice["path_softening_at_reference"] == pytest.approx(1.0, abs=1e-8)
    moved = same.lattice["path_lattice_rms_w2_THz2"]
    assert same.lattice["path_rmse_w2_THz2_at_own"] == pytest.approx(moved, rel=1e-6)
    assert moved > 1e-3


@pytest.mark.parametrize(
    ("level", "name"),
    [
        ("PBE+U", "PBE"),
        ("PBEsol", "PBEsol"),
        ("pbesol (VASP)", "PBEsol"),
        ("PBE (CP2K, DZVP-MOLOPT-SR-GTH, Γ point of the 80-atom supercell)", "PBE"),
        ("r2SCAN", "r2SCAN"),
        ("RPBE", "RPBE"),
        ("one for each head", ""),
        ("unknown", ""),
        ("", ""),
    ],
)
def test_the_functional_of_a_level_of_theory(level: str, name: str) -> None:
    assert functional(level) == name


def test_a_mismatch_of_functionals_is_said_and_only_that() -> None:
    assert functional_statement(False, "PBE (CP2K)", "PBE+U") == ""
    assert "PBEsol" in functional_statement(True, "PBEsol", "PBE+U")
    assert "functional of the reference and potential not known" in functional_statement(None, "", "unknown")


def test_a_study_asks_for_both_lattices_and_says_whose_functional(tmp_path: Path, tiny_dataset: Path) -> None:
    of_reference: dict[str, Any] = {"level_of_theory": "PBEsol"}
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        emt("pbe", level_of_theory="PBE+U"),
        factory("scaled_emt", "sol", factor=STIFF) | {"level_of_theory": "PBEsol"},
        options=of_reference,
        protocol={**QUICK, "structure": "both"},
        ids=["Al"],
    )
    again = parse_study(
        {**settings.content(), "potential": [emt("own", measurements=["harmonic"])]}, "s.toml"
    )
    assert again.measurements == settings.measurements == (*settings.measurements[:-1], "lattice")
    assert again.potentials[0].measurements == ("harmonic",)  # what a potential names is all it is asked for
    study, report = run_tiny(settings)
    assert report.failed == 0, cell_table(study)["failure"].tolist()
    cells = cell_table(study).set_index("potential")
    assert cells["functionals_differ"].to_dict() == {"pbe": True, "sol": False}
    [said] = functional_statements(cells.reset_index())
    assert said.startswith("pbe: reference PBEsol, potential trained on PBE+U")
    assert cells.loc["sol", "path_rmse_w2_rest_THz2_at_reference"] < 1e-6
    [panel] = [one for one in panels_of(study, cells.reset_index()) if one.key == "lattice"]
    assert [row[0] for row in panel.tables[0].rows] == ["pbe", "sol"]
    assert panel.charts
    assert {"w2", "w2_own", "w2_rest_own"} <= set(paired_table(cells.reset_index(), seed=1)["error"])
