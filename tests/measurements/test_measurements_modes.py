"""Modes that are kept with their eigenvectors: which they are, what they are like, and at no cost."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode import harmonic as hm
from softmode.harmonic import BandPath
from softmode.measurements.modes import ROLES, _chosen
from softmode.records import Record
from softmode.study.folder import Study, reopen_study
from softmode.study.results import record_index

SOFT = 0.9


@pytest.fixture(scope="module")
def study(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    folder = tmp_path_factory.mktemp("modes") / "run"
    potentials = (emt(), factory("scaled_emt", "soft", factor=SOFT))
    asked = ["harmonic", "modes"]
    return run_tiny(tiny_study(tiny_dataset, folder, *potentials, ids=["Al", "Cu"], measurements=asked))[0]


def record(study: Study, measurement: str = "modes") -> Record:
    found = study.result("Cu", "soft", measurement)
    assert found is not None
    return found


def test_the_mode_that_is_most_wrong_is_the_highest_where_all_are_scaled(study: Study) -> None:
    values, bands = record(study).values, record(study, "harmonic")
    highest = bands.arrays["frequencies_reference"].max()
    assert values["worst_mode_reference_THz"] == pytest.approx(highest, rel=1e-6)
    assert values["worst_mode_model_THz"] == pytest.approx(np.sqrt(SOFT) * highest, rel=1e-6)
    assert values["worst_mode_alike"] == pytest.approx(1.0, abs=1e-6)  # the same motion, only softer
    assert values["worst_mode_most_alike_THz"] == pytest.approx(highest, rel=1e-6)
    assert values["worst_mode_label"] in {end for pair in bands.values["path_segments"] for end in pair}
    assert not any(name.startswith("reference_mode") for name in values)  # it has no imaginary mode


def test_displacements_are_eigenvectors_of_the_potentials_force_constants(study: Study) -> None:
    arrays = record(study).arrays
    sites = [
        np.abs(moved).sum(axis=1).argmax()
        for moved in record(study, "displaced_forces").arrays["displacements"]
    ]
    case = next(case for case in study.cases if (case.material.name, case.label) == ("Cu", "soft"))
    assert case.entry is not None
    phonon = hm.build_phonopy(case.entry.load())
    forces = record(study, "displaced_forces").arrays
    phonon.dataset = {
        "natom": 8,
        "first_atoms": [
            {"number": int(site), "displacement": moved[site], "forces": force}
            for site, moved, force in zip(sites, forces["displacements"], forces["forces"], strict=True)
        ],
    }  # fmt: skip
    phonon.produce_force_constants(fc_calculator="traditional", calculate_full_force_constants=False)
    phonon.symmetrize_force_constants()
    for place, role in enumerate(arrays["roles"]):
        name = list(ROLES)[role]
        phonon.run_qpoints([arrays["qpoints"][place]], with_eigenvectors=True)
        found = phonon.qpoints
        own = record(study).values[f"{name}_mode_model_THz"]
        near = np.abs(found.frequencies[0] - own) < 0.01
        assert near.sum() == arrays["degenerate"][place]
        moved = arrays["displacements"][place]
        vector = (moved[:, :3] + 1j * moved[:, 3:]).ravel()  # one mass
        share = np.linalg.norm(found.eigenvectors[0][:, near].conj().T @ vector) / np.linalg.norm(vector)
        assert share == pytest.approx(1.0, abs=1e-5)
        assert np.linalg.norm(vector.reshape(-1, 3), axis=1).max() == pytest.approx(1.0)


def test_no_forces_are_asked_for(study: Study) -> None:
    calls = record_index(reopen_study(study.folder)).set_index("measurement")["calls"]
    assert (calls["modes"] == 0).all()
    assert (calls["displaced_forces"] > 0).all()


def test_the_softest_mode_is_the_imaginary_one_else_that_of_a_named_point() -> None:
    points = np.linspace([0.0, 0.0, 0.0], [0.5, 0.0, 0.0], 6)
    path = BandPath(points, np.arange(6.0), (("Γ", "X"),), 6)
    stable = np.column_stack([np.linspace(0.0, 3.0, 6)] * 3 + [np.linspace(5.0, 4.0, 6)])
    soft = stable.copy()
    soft[2, 0] = -1.0
    chosen = {
        one.role: (path.name_at(one.index), one.band)
        for one in _chosen(path, {"model": stable, "reference": soft}, 0.1)
    }
    assert chosen == {"worst": ("Γ–X", 0), "softest": ("X", 0), "reference": ("Γ–X", 0)}
    chosen = {one.role: one.index for one in _chosen(path, {"model": soft, "reference": stable}, 0.1)}
    assert chosen == {"worst": 2, "softest": 2}
