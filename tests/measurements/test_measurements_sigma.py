"""Anharmonicity in a study: the four combinations of forces and force constants, failures, confusion."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.io import write
from moving_metals import (
    MOVING,
    FloatArray,
    Motion,
    emt_forces,
    emt_hessian,
    moving,
    phonopy_hessian,
    write_moving_metal,
)
from tiny_study import emt, factory, metal_phonopy, record_times, run_tiny, tiny_study, write_metal

from softmode.datasets.plausibility import CHECKS
from softmode.measurements.sigma import APPROACHES
from softmode.records import Record
from softmode.study.folder import Study, open_study
from softmode.study.results import FAILED, OK, cell_table, failures
from softmode.study.run import run_study
from softmode.study.sigma_results import (
    confusion,
    confusion_table,
    reference_sigma,
    sigma_extremes,
    with_learnt_classes,
)

SCALE = 0.9
PARTS = ("force", "harmonic_force", "anharmonic_force")


@dataclass(frozen=True)
class Compared:
    study: Study
    motion: dict[str, Motion]
    hessian: dict[str, FloatArray]
    table: pd.DataFrame = field(repr=False)

    def record(self, material: str, potential: str, measurement: str = "sigma") -> Record:
        [cell] = [c for c in self.study.cases if (c.material.name, c.label) == (material, potential)]
        return self.study.records(cell, with_arrays=True)[measurement]


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Compared:
    """EMT, and EMT times 0.9, on a metal and an alloy that move; not to be changed."""
    root = tmp_path_factory.mktemp("compared")
    motion = {symbol: write_moving_metal(root / "data" / symbol, symbol) for symbol in ("Al", "CuAu")}
    hessian = {symbol: phonopy_hessian(root / "data" / symbol) for symbol in motion}
    potentials = (emt(), factory("scaled_emt", "soft", factor=SCALE))
    study, report = run_tiny(tiny_study(root / "data", root / "o", *potentials, options=MOVING))
    assert (report.computed, report.failed) == (4, 0)
    return Compared(study, motion, hessian, cell_table(study))


def test_sigma_of_the_reference_is_that_of_its_definition(compared: Compared) -> None:
    for symbol, motion in compared.motion.items():
        expected = motion.sigma_t(compared.hessian[symbol])
        assert 0.01 < expected.mean() < 0.6
        record = compared.record(symbol, "emt")
        np.testing.assert_allclose(record.arrays["sigma_t_reference"], expected, rtol=1e-6)
        assert record.values["sigma_reference_mean_t"] == pytest.approx(expected.mean(), rel=1e-6)
        squared = (motion.forces**2).sum(axis=(1, 2))
        overall = np.sqrt((expected**2 * squared).sum() / squared.sum())
        assert record.values["sigma_reference_overall"] == pytest.approx(overall, rel=1e-6)
        assert abs(overall - expected.mean()) > 1e-3  # neither is taken for the other
        total = motion.forces.reshape(len(expected), -1)
        anharmonic = total + motion.displacements.reshape(len(expected), -1) @ compared.hessian[symbol].T
        for element in set(motion.rest.symbols):
            chosen = np.repeat([atom == element for atom in motion.rest.symbols], 3)
            share = np.sqrt((anharmonic[:, chosen] ** 2).sum() / (total[:, chosen] ** 2).sum())
            for kind in ("element", "site"):
                found = record.values[f"sigma_reference_per_{kind}"][element]
                assert found == pytest.approx(share, rel=1e-6)
        # and with derivatives of the energy that phonopy had no part in
        np.testing.assert_allclose(expected, motion.sigma_t(emt_hessian(symbol)), atol=1e-3)
        assert record.arrays["run_lengths"].tolist() == [len(expected)]


def test_a_potential_equal_to_the_reference_changes_nothing(compared: Compared) -> None:
    for symbol, motion in compared.motion.items():
        record = compared.record(symbol, "emt")
        forces = compared.record(symbol, "emt", "trajectory_forces").arrays["forces"]
        np.testing.assert_allclose(forces, motion.forces, atol=1e-8)
        for approach in APPROACHES:
            np.testing.assert_allclose(
                record.arrays[f"sigma_t_{approach}"], record.arrays["sigma_t_reference"], atol=1e-6
            )
        for part in PARTS:
            assert abs(record.values[f"{part}_mae_eV_per_A"]) < 1e-6
            assert abs(record.values[f"{part}_rmse_eV_per_A"]) < 1e-6
        assert abs(record.values["sigma_force_error"]) < 1e-6
        assert abs(record.values["sigma_hessian_error"]) < 1e-6


def test_scaled_forces_and_force_constants_together_leave_sigma(compared: Compared) -> None:
    for symbol in compared.motion:
        record = compared.record(symbol, "soft")
        np.testing.assert_allclose(
            record.arrays["sigma_t_phi_model"], record.arrays["sigma_t_reference"], rtol=1e-6
        )


def test_scaled_forces_with_force_constants_of_the_reference(compared: Compared) -> None:
    for symbol, motion in compared.motion.items():
        record, hessian = compared.record(symbol, "soft"), compared.hessian[symbol]
        phi_ref = motion.sigma_t(hessian, SCALE * motion.forces)
        np.testing.assert_allclose(record.arrays["sigma_t_phi_ref"], phi_ref, rtol=1e-6)
        ref_forces = motion.sigma_t(SCALE * hessian)
        np.testing.assert_allclose(record.arrays["sigma_t_phi_model_ref_forces"], ref_forces, rtol=1e-6)
        assert abs(phi_ref.mean() - ref_forces.mean()) > 0.01
        reference, model = (record.values[f"sigma_{name}_mean_t"] for name in ("reference", "phi_model"))
        force_error = 0.5 * ((phi_ref.mean() - reference) + (model - ref_forces.mean()))
        hessian_error = 0.5 * ((ref_forces.mean() - reference) + (model - phi_ref.mean()))
        assert record.values["sigma_force_error"] == pytest.approx(force_error, abs=1e-7)
        assert record.values["sigma_hessian_error"] == pytest.approx(hessian_error, abs=1e-7)
        assert abs(force_error) > 0.01  # the two are large and cancel


def test_shares_add_up_to_the_difference(compared: Compared) -> None:
    table = compared.table
    shares = table["sigma_force_error"] + table["sigma_hessian_error"]
    difference = table["sigma_phi_model_mean_t"] - table["sigma_reference_mean_t"]
    np.testing.assert_allclose(shares.astype(float), difference.astype(float), atol=1e-14)


def test_force_errors_by_hand(compared: Compared) -> None:
    for symbol, motion in compared.motion.items():
        values = compared.record(symbol, "soft").values
        n_frames = len(motion.positions)
        harmonic = -motion.displacements.reshape(n_frames, -1) @ compared.hessian[symbol].T
        total = motion.forces.reshape(n_frames, -1)
        parts = {"force": total, "harmonic_force": harmonic, "anharmonic_force": total - harmonic}
        for part, truth in parts.items():
            error = (1.0 - SCALE) * truth
            assert values[f"{part}_mae_eV_per_A"] == pytest.approx(np.abs(error).mean(), rel=1e-5)
            assert values[f"{part}_rmse_eV_per_A"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-5)
        rms = np.sqrt((total**2).mean())
        assert values["force_rms_reference_eV_per_A"] == pytest.approx(rms, rel=1e-6)


def test_parity_histograms_hold_every_component(compared: Compared) -> None:
    for symbol, motion in compared.motion.items():
        arrays = compared.record(symbol, "soft").arrays
        edges = arrays["parity_edges"]
        for part in PARTS:
            assert arrays[f"parity_{part}"].sum() == motion.forces.size
        # the first axis is the reference's: forces of the potential are smaller
        centres = 0.5 * (edges[1:] + edges[:-1])
        counts = arrays["parity_force"]
        of_reference = np.sqrt((counts.sum(axis=1) * centres**2).sum() / counts.sum())
        of_model = np.sqrt((counts.sum(axis=0) * centres**2).sum() / counts.sum())
        assert of_model / of_reference == pytest.approx(SCALE, abs=0.01)
        diagonal = np.diag(compared.record(symbol, "emt").arrays["parity_force"]).sum()
        assert diagonal >= motion.forces.size - 1  # rounding may move one across an edge


def test_modes_of_a_study_recombine(compared: Compared) -> None:
    """The modes are all degrees of freedom; of equal masses, the mass-weighted σ is σ itself."""
    for symbol, motion in compared.motion.items():
        record = compared.record(symbol, "soft")
        for side, approach in (("reference", "reference"), ("model", "phi_model")):
            mass_weighted = record.values[f"sigma_{side}_mass_weighted"]
            same = mass_weighted == pytest.approx(record.values[f"sigma_{approach}_overall"], rel=1e-9)
            assert same == (symbol == "Al")
            counts = record.arrays[f"mode_multiplicities_{side}"]
            assert counts.sum() == 3 * len(motion.rest)
        np.testing.assert_allclose(
            record.arrays["mode_frequencies_model"],
            np.sqrt(SCALE) * record.arrays["mode_frequencies_reference"],
            atol=1e-4,
        )


def test_intervals_and_classes_go_with_every_approach(compared: Compared) -> None:
    for _, row in compared.table.iterrows():
        for approach in APPROACHES:
            mean, low, high = (row[f"sigma_{approach}_mean_t{end}"] for end in ("", "_low", "_high"))
            assert low < mean < high
            assert row[f"sigma_{approach}_class"] == ("weak" if mean < 0.5 else "strong")
            chances = [row[f"sigma_{approach}_p_{name}"] for name in ("weak", "strong", "unstable")]
            assert sum(chances) == pytest.approx(1.0)
            assert 1.0 < row[f"sigma_{approach}_n_effective"] <= row["sigma_n_frames"]
        assert json.loads(row["sigma_notes"]) == []
        assert row["sigma_n_frames"] == 24


# Materials without, or with a damaged, trajectory


def test_without_trajectories_there_is_nothing_to_compute(tiny_dataset: Path, tmp_path: Path) -> None:
    study, report = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", ids=["Al"]))
    assert (report.computed, report.failed) == (1, 0)
    row = cell_table(study).iloc[0]
    assert (row["state"], row["harmonic_state"], row["sigma_state"]) == (OK, OK, "")
    assert study.settled(study.cases[0])
    assert run_study(open_study(study.settings)).found == 1
    assert len(failures(cell_table(study))) == 0
    assert len(confusion_table(cell_table(study), seed=1)) == 0


@pytest.fixture(scope="module")
def suffering(tmp_path_factory: pytest.TempPathFactory) -> Study:
    """One good trajectory, one damaged, one of something else, one that is not there."""
    root = tmp_path_factory.mktemp("suffering")
    for symbol in ("Al", "Cu", "Au"):
        write_moving_metal(root / "data" / symbol, symbol, n_frames=8)
    write_metal(root / "data" / "Ni", "Ni")
    damaged = root / "data" / "Cu" / "run.extxyz"
    lines = damaged.read_text().splitlines(keepends=True)
    lines[14] = lines[14].replace(lines[14].split()[4], "oops")
    damaged.write_text("".join(lines))
    shutil.copy(root / "data" / "Al" / "run.extxyz", root / "data" / "Au" / "run.extxyz")
    return run_tiny(tiny_study(root / "data", root / "o", options=MOVING))[0]


def test_a_bad_trajectory_fails_its_anharmonicity_alone(suffering: Study) -> None:
    table = cell_table(suffering).set_index("material")
    assert set(table["harmonic_state"]) == {OK}
    assert table["sigma_state"].to_dict() == {"Al": OK, "Au": FAILED, "Cu": FAILED, "Ni": FAILED}
    assert table["state"].to_dict() == {"Al": OK, "Au": FAILED, "Cu": FAILED, "Ni": FAILED}
    assert table.loc["Cu", "path_softening"] == pytest.approx(1.0, abs=1e-6)
    expected = {
        "Cu": "Cu/run.extxyz",
        "Au": "holds Al8, but the supercell Au8",
        "Ni": "no file in it matches",
    }
    reasons = failures(cell_table(suffering)).set_index("material")["failure"]
    assert set(reasons.index) == set(expected)
    for material, part in expected.items():
        assert part in reasons[material]
        assert f"/{material}" in reasons[material]
        assert "\n" not in reasons[material]


def test_a_mended_trajectory_is_used(suffering: Study, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(suffering.folder.parent, tmp_path / "mended"))
    truth = moving("Cu", n_frames=8)
    write(folder / "data" / "Cu" / "run.extxyz", truth.frames())
    study, report = run_tiny(tiny_study(folder / "data", folder / "o", options=MOVING))
    assert (report.computed, report.failed) == (3, 2)  # those still damaged are copies, and looked at again
    row = cell_table(study).set_index("material").loc["Cu"]
    expected = truth.sigma_t(phonopy_hessian(folder / "data" / "Cu"))
    assert row["sigma_reference_mean_t"] == pytest.approx(expected.mean(), rel=1e-6)


@pytest.mark.parametrize("n_bad", [5, 24])
def test_the_frames_on_which_a_potential_fails_are_named(tmp_path: Path, n_bad: int) -> None:
    truth = write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=30)
    shortest = np.array(
        [frame.get_all_distances(mic=True)[np.triu_indices(len(frame), 1)].min() for frame in truth.frames()]
    )
    limit = float(np.sort(shortest)[n_bad - 1 : n_bad + 1].mean())
    bad = np.flatnonzero(shortest < limit).tolist()
    assert len(bad) == n_bad
    assert len({frame // 8 for frame in bad}) > 1  # in more than one batch
    potential = factory("nan_close_emt", "sometimes", distance=limit)
    study, report = run_tiny(tiny_study(tmp_path / "data", tmp_path / "o", potential, emt(), options=MOVING))
    assert (report.computed, report.failed) == (2, 1)
    rows = cell_table(study).set_index("potential")
    assert rows.loc["sometimes", ["state", "harmonic_state", "sigma_state"]].tolist() == [FAILED, OK, FAILED]
    assert rows.loc["sometimes", "failure_kind"] == "NonFiniteForces"
    message = rows.loc["sometimes", "failure"]
    assert "Al with sometimes" in message
    [listed] = re.findall(rf"on {n_bad} of 30 reference frames: (.*) \(counted from 0\)", message)
    ranges = [[int(end) for end in part.split("-")] for part in listed.split(", ")]
    assert [frame for ends in ranges for frame in range(ends[0], ends[-1] + 1)] == bad
    assert all(later[0] > ends[-1] + 1 for ends, later in pairwise(ranges))
    assert rows.loc["sometimes", "path_softening"] == pytest.approx(1.0, abs=1e-6)
    # the failure would repeat, and it counts
    assert run_study(open_study(study.settings)).found == 2
    table = confusion_table(cell_table(study), seed=1).set_index(["potential", "failures_as_wrong"])
    assert table.loc[("sometimes", True), "accuracy"].tolist() == [0.0, 0.0]
    assert table.loc["sometimes", "failed"].tolist() == [1] * 4
    assert table.loc[("emt", True), "accuracy"].tolist() == [1.0, 1.0]


def test_a_failure_counts_even_where_no_potential_succeeds(tmp_path: Path) -> None:
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=10)
    study, _ = run_tiny(tiny_study(tmp_path / "data", tmp_path / "o", factory("nan_emt"), options=MOVING))
    cells = cell_table(study)
    assert cells["sigma_state"].tolist() == [FAILED]
    assert cells["sigma_reference_mean_t"].notna().all()
    table = confusion_table(cells, seed=1).set_index("failures_as_wrong")
    assert table.loc[True, "accuracy"].tolist() == [0.0, 0.0]
    assert table["failed"].tolist() == [1] * 4


def test_relaxing_for_the_dispersion_leaves_sigma_at_the_reference_structure(tmp_path: Path) -> None:
    """The potential is the reference: whatever is relaxed, no error of σ may appear."""
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=10)
    settings = tiny_study(
        tmp_path / "data", tmp_path / "o", emt(), options=MOVING, protocol={"name": "default", "relax": True}
    )
    study, report = run_tiny(settings)
    assert report.failed == 0
    row = cell_table(study).iloc[0]
    assert row["sigma_phi_model_mean_t"] == pytest.approx(row["sigma_reference_mean_t"], rel=1e-6)
    assert row["sigma_hessian_error"] == pytest.approx(0.0, abs=1e-9)


# Protocols


def test_the_default_protocol_evaluates_displacements_once(tmp_path: Path) -> None:
    write_moving_metal(tmp_path / "data" / "Al", "Al", n_frames=10)
    counts, records = {}, {}
    for protocol in ("default", "yang2026"):
        log = tmp_path / protocol
        settings = tiny_study(
            tmp_path / "data",
            tmp_path / f"o_{protocol}",
            factory("counting_emt", log=str(log)),
            protocol={"name": protocol},
            options=MOVING,
        )
        study, report = run_tiny(settings)
        assert report.failed == 0
        counts[protocol] = len(log.read_text().splitlines())
        records[protocol] = len(record_times(study))
    # the perfect supercell once, one displaced by each distance, and the frames
    assert counts == {"default": 2 + 10, "yang2026": 2 + 1 + 10}
    assert records == {"default": 6, "yang2026": 7}


def test_the_published_protocol_takes_larger_displacements_and_raw_force_constants(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "CuAu"
    motion = write_moving_metal(folder, "CuAu", n_frames=10)
    spoil_sum_rule(folder / "FORCE_SETS", len(motion.rest))
    raw = phonopy_hessian(folder, symmetrise=False)
    n_atoms = len(motion.rest)
    assert np.abs(raw.reshape(-1, n_atoms, 3).sum(axis=1)).max() > 1.0
    found = {}
    for protocol, distance in (("yang2026", 0.02), ("default", 0.01)):
        settings = tiny_study(
            tmp_path / "data", tmp_path / protocol, protocol={"name": protocol}, options=MOVING
        )
        dataset = settings.dataset.model_copy(update={"accept": tuple(CHECKS)})
        study, _ = run_tiny(settings.model_copy(update={"dataset": dataset}))
        records = study.records(study.cases[0], with_arrays=True)
        found[protocol] = records["sigma"].arrays
        lengths = {
            name: float(np.linalg.norm(records[name].arrays["displacements"], axis=-1).max())
            for name in ("displaced_forces", "displaced_forces_for_sigma")
        }
        assert lengths == pytest.approx({"displaced_forces": 0.01, "displaced_forces_for_sigma": distance})
    np.testing.assert_allclose(found["yang2026"]["sigma_t_reference"], motion.sigma_t(raw), rtol=1e-6)
    mended = motion.sigma_t(phonopy_hessian(folder))
    np.testing.assert_allclose(found["default"]["sigma_t_reference"], mended, rtol=1e-6)
    assert np.abs(mended - motion.sigma_t(raw)).max() > 1e-3
    # force constants of the potential at 0.02 Å, by phonopy
    errors = {
        distance: np.abs(motion.sigma_t(_hessian_at(distance)) - found["yang2026"]["sigma_t_phi_model"]).max()
        for distance in (0.01, 0.02)
    }
    assert errors[0.02] < 1e-7
    assert errors[0.01] > 1e-5


def spoil_sum_rule(path: Path, n_atoms: int) -> None:
    """Add the same force to every atom of the last displaced supercell of a FORCE_SETS."""
    lines = path.read_text().splitlines()
    forces = np.array([line.split() for line in lines[-n_atoms:]], dtype=float)
    forces += np.array([0.01, 0.02, -0.01])
    lines[-n_atoms:] = [" ".join(f"{x:.10f}" for x in row) for row in forces]
    path.write_text("\n".join(lines) + "\n")


def _hessian_at(distance: float) -> FloatArray:
    """Force constants of EMT that phonopy makes at this displacement, (3 n_atoms, 3 n_atoms), eV/Å²."""
    phonon = metal_phonopy("CuAu")
    phonon.generate_displacements(distance=distance)
    phonon.forces = np.array(
        [
            emt_forces(Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True))
            for cell in phonon.supercells_with_displacements
        ]
    )
    phonon.produce_force_constants(calculate_full_force_constants=True)
    constants = phonon.force_constants
    return np.asarray(constants.transpose(0, 2, 1, 3).reshape(3 * len(constants), -1))


# Confusion


@pytest.fixture
def table() -> pd.DataFrame:
    """Two potentials on seven materials of two groups; what each says of each."""
    sigma = {  # group, reference, phi_ref and phi_model of A (None: failed), of B
        "m1": ("F", 0.2, (0.3, 0.1), (0.2, 0.2)),
        "m2": ("F", 0.7, (0.6, 0.4), (0.7, 0.7)),
        "m3": ("F", 1.3, None, (1.3, 1.3)),
        "m4": ("Cl", 0.4, (0.6, 0.2), (0.4, 0.4)),
        "m5": ("Cl", 1.1, (1.2, 0.9), (1.1, 1.1)),
        "m6": ("Cl", 0.5, (0.5, 0.49), None),
        "m7": ("Cl", None, None, None),  # no trajectory
    }
    rows = []
    for index, potential in enumerate("AB"):
        for material, (group, reference, *found) in sigma.items():
            values = found[index]
            row = {"material": material, "group": group, "potential": potential}
            if reference is None:
                row |= {"state": OK, "sigma_state": ""}
            elif values is None:
                row |= {"state": FAILED, "sigma_state": FAILED}
            else:
                row |= {"state": OK, "sigma_state": OK, "sigma_reference_mean_t": reference}
                row |= {"sigma_phi_ref_mean_t": values[0], "sigma_phi_model_mean_t": values[1]}
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_reference_is_known_from_any_potential(table: pd.DataFrame) -> None:
    expected = {"m1": 0.2, "m2": 0.7, "m3": 1.3, "m4": 0.4, "m5": 1.1, "m6": 0.5}
    assert reference_sigma(table) == expected


def test_confusion_counts_by_hand(table: pd.DataFrame) -> None:
    matrix = confusion(table, "A", "phi_model")
    assert matrix.counts.tolist() == [[2, 0, 0], [2, 0, 0], [0, 1, 0]]
    assert matrix.failed.tolist() == [0, 0, 1]
    matrix = confusion(table, "A", "phi_ref")
    assert matrix.counts.tolist() == [[1, 1, 0], [0, 2, 0], [0, 0, 1]]
    matrix = confusion(table, "B", "phi_model")
    assert matrix.counts.tolist() == [[2, 0, 0], [0, 1, 0], [0, 0, 2]]
    assert matrix.failed.tolist() == [0, 1, 0]


def test_the_confusion_table_overall_and_by_group(table: pd.DataFrame) -> None:
    found = confusion_table(table, seed=3)
    assert list(found["group"].unique()) == ["all", "F", "Cl"]
    assert len(found) == 2 * 2 * 3 * 2
    rows = found.set_index(["potential", "approach", "group", "failures_as_wrong"])
    row = rows.loc[("A", "phi_model", "all", False)]
    assert (row["n"], row["failed"]) == (6, 1)
    assert row["accuracy"] == pytest.approx(2 / 5)
    assert row["called_more_stable"] == pytest.approx(3 / 3)
    assert row["called_less_stable"] == 0.0
    assert row["strong_called_weak_count"] == 2
    assert row["unstable_called_strong_rate"] == 1.0
    assert row["accuracy_low"] <= row["accuracy"] <= row["accuracy_high"]
    wrong = rows.loc[("A", "phi_model", "all", True)]
    assert wrong["accuracy"] == pytest.approx(2 / 6)
    assert wrong["called_more_stable"] == pytest.approx(4 / 4)
    assert wrong["unstable_called_strong_rate"] == 0.5
    assert rows.loc[("A", "phi_ref", "F", False), "accuracy"] == 1.0
    assert rows.loc[("A", "phi_ref", "F", True), "accuracy"] == pytest.approx(2 / 3)
    assert rows.loc[("A", "phi_ref", "Cl", True), "accuracy"] == pytest.approx(2 / 3)
    assert (rows.loc[("A", "phi_ref", "Cl", True), ["n", "failed"]] == [3, 0]).all()
    assert rows.loc[("B", "phi_ref", "all", False), "kappa"] == 1.0
    assert rows.loc[("B", "phi_ref", "Cl", True), "accuracy"] == pytest.approx(2 / 3)
    counts = [column for column in found if column.endswith("_count")]
    assert len(counts) == 9
    assert (rows[counts].sum(axis=1) == rows["n"] - rows["failed"]).all()


def test_seeds_make_intervals(table: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(confusion_table(table, seed=3), confusion_table(table, seed=3))


def test_extreme_materials(table: pd.DataFrame) -> None:
    # |differences| of phi_model: m1 0.1, m2 0.3, m4 0.2, m5 0.2, m6 0.01
    chosen = sigma_extremes(table, "A")
    assert (chosen["best"], chosen["worst"]) == ("m6", "m2")
    assert chosen["median"] in ("m4", "m5")
    assert sigma_extremes(table[table["sigma_state"] != OK], "A") == {}


def test_classes_of_a_study_are_counted(tmp_path: Path) -> None:
    """Force constants of the reference made too stiff: its σ is about how much."""
    for symbol, force in (("Al", 1.0), ("Cu", 1.7), ("Au", 2.5)):
        write_moving_metal(tmp_path / "data" / symbol, symbol, force, n_frames=6, amplitude=0.05)
    settings = tiny_study(tmp_path / "data", tmp_path / "o", measurements=["sigma"], options=MOVING)
    study, _ = run_tiny(settings)
    table = cell_table(study)
    assert "harmonic_state" not in table
    classes = table.set_index("material")["sigma_reference_class"].to_dict()
    assert classes == {"Al": "weak", "Au": "unstable", "Cu": "strong"}
    assert confusion(table, "emt", "phi_ref").counts.tolist() == np.eye(3, dtype=int).tolist()
    assert confusion(table, "emt", "phi_model").counts.tolist() == [[1, 0, 0]] * 3


def scored(n: int, *, factor: float) -> pd.DataFrame:
    """Cells of a potential whose σ is `factor` times the reference's, but for some scatter."""
    rng = np.random.default_rng(4)
    reference = rng.uniform(0.2, 1.6, n)
    model = factor * reference * np.exp(rng.normal(0.0, 0.05, n))
    return pd.DataFrame(
        {
            "material": [f"m{index}" for index in range(n)],
            "potential": "p",
            "group": "g",
            "sigma_state": OK,
            "sigma_reference_mean_t": reference,
            "sigma_phi_ref_mean_t": reference,
            "sigma_phi_model_mean_t": model,
        }
    )


def test_probabilities_learnt_from_other_materials_know_how_wrong_the_potential_is() -> None:
    table = with_learnt_classes(scored(60, factor=0.7), seed=1)
    reference, model = table["sigma_reference_mean_t"], table["sigma_phi_model_mean_t"]
    doubted = (model < 0.48) & (reference > 0.55)  # "weak" by its own score
    assert doubted.sum() >= 3
    assert (table.loc[doubted, "sigma_phi_model_learnt_p_strong"] > 0.5).all()
    chances = table[[f"sigma_phi_model_learnt_p_{name}" for name in ("weak", "strong", "unstable")]]
    np.testing.assert_allclose(chances.sum(axis=1), 1.0)
    # a material's own reference is not used
    other = scored(60, factor=0.7)
    before = with_learnt_classes(other, seed=1)
    place = int(np.argmin(np.abs(reference - 0.52)))
    other.loc[place, "sigma_reference_mean_t"] = 0.9  # the same class, so that folds stay as they are
    after = with_learnt_classes(other, seed=1)
    pd.testing.assert_series_equal(
        before.loc[place].filter(like="learnt"), after.loc[place].filter(like="learnt")
    )
    few = scored(20, factor=0.7)
    assert list(with_learnt_classes(few, seed=1)) == list(few)
