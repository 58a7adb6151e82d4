"""Molecular dynamics against statistical mechanics, and what happens when the crystal is lost."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.constraints import FixAtoms
from pydantic import ValidationError
from spring_crystal import SpringCrystal, simple_cubic, spring_force_constants

from softmode.anharmonic.displacements import displacements
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import Cell, Trajectory
from softmode.dynamics import (
    Frames,
    MDRun,
    MDSettings,
    NormalModes,
    ThermalSettings,
    diagnose,
    normal_modes,
    random_samples,
    record_md,
    relaxation_time,
    run_md,
    sampled_temperature,
)
from softmode.errors import InputDataError, NonFiniteForcesError
from softmode.statistics.correlated_means import MeanEstimate, mean_with_interval

CRYSTAL = simple_cubic(3, masses=(60.0, 90.0, 40.0))
CONSTANTS = spring_force_constants(3)
THERMAL = ThermalSettings(temperature=300.0)


@cache
def modes() -> NormalModes:
    """4.5 to 10 THz: all well resolved by 2 fs."""
    return normal_modes(CONSTANTS, CRYSTAL.get_masses())


def displaced(seed: int = 5) -> Atoms:
    """The crystal as it may be found at 300 K."""
    atoms = CRYSTAL.copy()
    atoms.positions += random_samples(modes(), THERMAL, 1, seed).displacements[0]
    return atoms


def collect(settings: MDSettings, quartic: float = 0.0) -> Frames:
    pieces: list[Frames] = []
    result = run_md(
        displaced(),
        SpringCrystal(CRYSTAL.positions, quartic=quartic),
        settings,
        lambda chunk: pieces.append(chunk.frames),
        reference=CRYSTAL.positions,
    )
    assert str(result) == f"completed {settings.steps} steps"
    return Frames.joined(pieces)


def harmonic_run(thermostat: str, probability: float = 0.5) -> tuple[MDSettings, Frames]:
    """A run of the harmonic crystal, made once."""
    return _harmonic_run(thermostat, probability)


@cache
def _harmonic_run(thermostat: str, probability: float) -> tuple[MDSettings, Frames]:
    settings = MDSettings(
        thermostat=thermostat,
        collision_probability=probability,
        friction=0.02,
        timestep=2.0,
        steps=3000,
        sample_every=5,
        checkpoint_every=1000,
        seed=1,
    )
    return settings, collect(settings)


CASES = [("andersen", 0.5), ("andersen", 0.05), ("langevin", 0.5), ("nose-hoover", 0.5)]


@pytest.mark.parametrize(("thermostat", "probability"), CASES)
def test_energies_of_the_harmonic_crystal(thermostat: str, probability: float) -> None:
    """Velocities are at 300 K; positions too, but for frequent collisions, where 450 K are predicted."""
    settings, frames = harmonic_run(thermostat, probability)
    degrees = 3 * 27 - 3
    potential = mean_with_interval(frames.potential_energy[50:], seed=0)
    measured = 2 * potential.mean / (degrees * units.kB)
    error = 2 * potential.standard_error / (degrees * units.kB)
    expected = {0.5: 450.0, 0.05: 300.0 * 0.975 / 0.95}[probability] if thermostat == "andersen" else 300.0
    assert sampled_temperature(settings) == pytest.approx(expected)
    assert error < 0.05 * expected
    assert abs(measured - expected) < 3.5 * error + 0.01 * expected  # 1 %: finite time step
    kinetic = mean_with_interval(frames.temperature, seed=0)
    assert abs(kinetic.mean - 300.0) < 3.5 * kinetic.standard_error + 3.0
    np.testing.assert_allclose(
        2 * frames.kinetic_energy / (degrees * units.kB), frames.temperature, rtol=1e-12
    )
    fluctuation = frames.temperature.std() / (300.0 * np.sqrt(2 / degrees))
    assert fluctuation == pytest.approx(1.0, abs=0.2)


def test_langevin_shares_the_energy_among_modes() -> None:
    _, frames = harmonic_run("langevin")
    coordinates = modes().coordinates(frames.positions[50:] - CRYSTAL.positions)
    energy = modes().eigenvalues * coordinates**2 / (units.kB * 300.0)
    thirds = energy.mean(axis=0).reshape(3, -1).mean(axis=1)  # soft, middling, stiff
    np.testing.assert_allclose(thirds, 1.0, atol=0.12)


@pytest.mark.parametrize("probability", [0.5, 0.05])
def test_modes_relax_as_predicted(probability: float) -> None:
    settings, frames = harmonic_run("andersen", probability)
    coordinates = modes().coordinates(frames.positions - CRYSTAL.positions)
    lag = 10
    rho = (coordinates[lag:] * coordinates[:-lag]).mean(axis=0) / (coordinates**2).mean(axis=0)
    time = 1e-3 * settings.timestep * settings.sample_every * lag
    predicted = np.exp([-time / relaxation_time(settings, frequency) for frequency in modes().frequencies])
    if probability == 0.5:  # overdamped: no oscillation
        assert rho.mean() == pytest.approx(predicted.mean(), abs=0.06)
    else:
        assert np.abs(rho).mean() < predicted.mean()


def test_relaxation_times_in_closed_form() -> None:
    andersen = MDSettings()
    assert relaxation_time(andersen, 1.0) == pytest.approx(1e-3 / (2e-3 * np.pi) ** 2, rel=1e-3)  # 25 ps
    langevin = MDSettings(thermostat="langevin", friction=0.01)
    assert relaxation_time(langevin, 5.0) == pytest.approx(0.2)  # 2/γ
    assert relaxation_time(MDSettings(thermostat="nose-hoover"), 1.0) is None


@pytest.mark.parametrize("thermostat", ["andersen", "langevin", "nose-hoover"])
def test_centre_of_mass_rests(thermostat: str) -> None:
    _, frames = harmonic_run(thermostat)
    masses = CRYSTAL.get_masses()[:, None]
    start = (masses * displaced().positions).sum(axis=0)
    np.testing.assert_allclose((masses * frames.positions).sum(axis=1), np.tile(start, (600, 1)), atol=1e-6)
    np.testing.assert_allclose((masses * frames.velocities).sum(axis=1), 0.0, atol=1e-10)


def test_nose_hoover_conserves_its_energy() -> None:
    _, frames = harmonic_run("nose-hoover")
    assert np.ptp(frames.conserved_energy) < 0.01 * np.ptp(frames.potential_energy)
    assert np.isnan(harmonic_run("langevin")[1].conserved_energy).all()


def sigma_both_ways(quartic: float, steps: int, n_samples: int) -> tuple[MeanEstimate, MeanEstimate]:
    """⟨σ(t)⟩ of Langevin dynamics and of one-shot sampling."""
    cell = Cell.from_atoms(CRYSTAL)
    calculator = SpringCrystal(CRYSTAL.positions, quartic=quartic)
    frames = collect(
        MDSettings(thermostat="langevin", friction=0.02, timestep=2.0, steps=steps, sample_every=10), quartic
    )
    dynamics = Trajectory(cell.lattice, cell.numbers, frames.positions[30:], frames.forces[30:])
    samples = random_samples(modes(), THERMAL, n_samples, seed=3)
    forces = np.array([calculator.get_forces(atoms) for atoms in samples.configurations(cell)])

    def mean(trajectory: Trajectory) -> MeanEstimate:
        harmonic = harmonic_forces(CONSTANTS, displacements(trajectory, cell))
        return mean_with_interval(sigma(trajectory.forces, harmonic).per_frame, seed=0)

    return mean(dynamics), mean(samples.trajectory(cell, forces))


def test_nose_hoover_counts_the_resting_centre_of_mass() -> None:
    """With 3 N degrees of freedom, as ASE counts, eight atoms would be at 343 K."""
    small = simple_cubic(2, masses=(60.0, 90.0, 40.0))
    pieces: list[Frames] = []
    settings = MDSettings(thermostat="nose-hoover", timestep=2.0, steps=2000, seed=3)
    run_md(small, SpringCrystal(small.positions), settings, lambda chunk: pieces.append(chunk.frames))
    assert Frames.joined(pieces).temperature.mean() == pytest.approx(300.0, rel=0.04)


def test_sigma_of_one_shot_sampling_and_of_dynamics_agree() -> None:
    dynamics, sampled = sigma_both_ways(2.0, steps=3000, n_samples=100)
    assert 0.01 < sampled.mean < 0.04
    assert dynamics.low < sampled.high
    assert sampled.low < dynamics.high
    assert dynamics.mean == pytest.approx(sampled.mean, rel=0.12)


@pytest.mark.slow
def test_one_shot_sampling_overestimates_where_anharmonicity_hardens() -> None:
    """Springs that stiffen confine the true crystal more than its force constants at rest say."""
    dynamics, sampled = sigma_both_ways(10.0, steps=20000, n_samples=1000)
    assert dynamics.high < sampled.low
    assert 1.0 - dynamics.mean / sampled.mean == pytest.approx(sampled.mean, abs=0.05)


def test_velocities_at_the_start() -> None:
    from softmode.dynamics.thermostats import start_velocities

    temperatures = []
    for seed in range(300):
        atoms = CRYSTAL.copy()
        start_velocities(atoms, 300.0, np.random.default_rng(seed))
        np.testing.assert_allclose(atoms.get_momenta().sum(axis=0), 0.0, atol=1e-10)
        temperatures.append(2 * atoms.get_kinetic_energy() / (78 * units.kB))
    spread = 300.0 * np.sqrt(2 / 78)
    assert np.mean(temperatures) == pytest.approx(300.0, abs=4 * spread / np.sqrt(300))
    assert np.std(temperatures) == pytest.approx(spread, rel=0.2)


def test_velocities_are_the_rate_of_the_positions() -> None:
    frames = collect(MDSettings(thermostat="nose-hoover", steps=20, timestep=0.5))
    rate = (frames.positions[2:] - frames.positions[:-2]) / (2 * 0.5)
    np.testing.assert_allclose(rate, frames.velocities[1:-1], atol=2e-5)


def test_one_evaluation_a_step_and_the_start_untouched() -> None:
    start, calculator = displaced(), SpringCrystal(CRYSTAL.positions)
    before = start.copy()
    counts = []
    calculate = calculator.calculate
    calculator.calculate = lambda *args, **kwargs: (counts.append(1), calculate(*args, **kwargs))  # type: ignore
    for thermostat in ("andersen", "langevin", "nose-hoover"):
        counts.clear()
        run_md(start, calculator, MDSettings(thermostat=thermostat, steps=12, checkpoint_every=5))
        assert len(counts) == 12 + 3  # three to warm up
    assert start == before
    assert start.calc is None
    assert not start.constraints


class TestCollapse:
    QUICK = MDSettings(steps=40, checkpoint_every=10)

    def test_not_a_number(self, tmp_path: Path) -> None:
        run = record_md(tmp_path, CRYSTAL, Spoiled("nan", at=17), self.QUICK)
        assert run.collapsed
        assert run.summary.startswith("collapsed at step 14: the potential returned an energy or forces")
        assert run.frames.steps.tolist() == list(range(1, 14))
        assert run.trajectory.n_frames == 13
        assert "collapsed at step 14" in run.trajectory.notes[0]

    def test_is_final(self, tmp_path: Path) -> None:
        first = record_md(tmp_path, CRYSTAL, Spoiled("nan", at=17), self.QUICK)
        again = record_md(tmp_path, CRYSTAL, Spoiled("raise", at=1), self.QUICK)
        assert (again.last_step, again.reason) == (first.last_step, first.reason)

    def test_a_potential_that_says_so_itself(self) -> None:
        result = run_md(CRYSTAL, Spoiled("refuse", at=5), self.QUICK)
        assert str(result) == "collapsed at step 2: the potential returned forces that are not finite"

    def test_atoms_far_from_their_sites(self) -> None:
        result = run_md(displaced(), SpringCrystal(CRYSTAL.positions, stiffness=-30.0), MDSettings(steps=400))
        assert result.collapsed
        assert "from its site, more than 4.50 Å" in result.reason or "apart" in result.reason
        near = MDSettings(steps=400, largest_displacement=0.3)
        sooner = run_md(displaced(), SpringCrystal(CRYSTAL.positions, stiffness=-30.0), near)
        assert "more than 0.30 Å" in sooner.reason
        assert sooner.step < result.step

    def test_explosion_at_the_first_step(self, tmp_path: Path) -> None:
        settings = MDSettings(thermostat="nose-hoover", steps=5, timestep=20.0)
        run = record_md(tmp_path, displaced(), SpringCrystal(CRYSTAL.positions, stiffness=1e12), settings)
        assert run.summary.startswith("collapsed at step 1: atom ")
        assert run.n_frames == 0
        with pytest.raises(InputDataError, match=r"there are no frames .collapsed at step 1"):
            _ = run.trajectory

    def test_overlapping_atoms_at_the_start(self) -> None:
        atoms = CRYSTAL.copy()
        atoms.positions[1] = atoms.positions[0] + [0.0, 0.0, 0.3]
        result = run_md(atoms, Spoiled("raise", at=1), self.QUICK)
        assert (
            str(result) == "collapsed at step 0: atoms 0 (Ar) and 1 (Ar) are 0.30 Å apart, less than 0.50 Å"
        )
        assert result.n_frames == 0

    def test_overlap_across_the_boundary_of_an_oblique_cell(self) -> None:
        from softmode.dynamics.collapse import closest_pair

        atoms = bulk("Cu") * (3, 3, 3)
        atoms.positions[5] = atoms.positions[0] + atoms.cell[0] - atoms.cell[2] + [0.1, 0.2, 0.2]
        first, second, distance = closest_pair(atoms.positions, atoms.cell.array)
        assert (first, second) == (0, 5)
        assert distance == pytest.approx(0.3)

    def test_other_errors_of_the_calculator_pass_through(self) -> None:
        with pytest.raises(RuntimeError, match="out of luck"):
            run_md(CRYSTAL, Spoiled("raise", at=6), self.QUICK)

    def test_sites_in_another_image_are_no_displacement(self) -> None:
        elsewhere = CRYSTAL.positions + CRYSTAL.cell.array[0] * np.arange(27)[:, None]
        settings = MDSettings(steps=3)
        assert not run_md(
            displaced(), SpringCrystal(CRYSTAL.positions), settings, reference=elsewhere
        ).collapsed


class Spoiled(SpringCrystal):
    """Springs that fail at an evaluation, counted from 1."""

    def __init__(self, how: str, at: int) -> None:
        super().__init__(CRYSTAL.positions)
        self._how, self._at, self._count = how, at, 0

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        super().calculate(*args, **kwargs)
        self._count += 1
        if self._count < self._at:
            return
        if self._how == "nan":
            self.results["forces"][0, 0] = np.nan
        elif self._how == "refuse":
            raise NonFiniteForcesError("springs", "are gone", "buy new ones", (0,))
        else:
            raise RuntimeError("out of luck")


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 0.0},
        {"temperature": -300.0},
        {"temperature": float("nan")},
        {"timestep": 0.0},
        {"steps": 0},
        {"steps": 5, "sample_every": 6},
        {"collision_probability": 1.0},
        {"thermostat": "berendsen"},
        {"speed": "high"},
    ],
)
def test_settings_that_make_no_sense(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MDSettings(**wrong)


@pytest.mark.parametrize(
    ("atoms", "problem"),
    [
        (Atoms("Ar", cell=[3, 3, 3], pbc=True), "1 atom"),
        (Atoms("Ar2", positions=[[0, 0, 0], [1, 1, 1]]), "not periodic"),
        (Atoms("Ar2", positions=[[0, 0, 0], [np.nan, 1, 1]], cell=[3, 3, 3], pbc=True), "not finite"),
        (
            Atoms("Ar2", [[0, 0, 0], [1, 1, 1]], cell=[3, 3, 3], pbc=True, constraint=FixAtoms([0])),
            "constraints",
        ),
    ],
)
def test_starts_that_make_no_sense(atoms: Atoms, problem: str) -> None:
    with pytest.raises(InputDataError, match=problem):
        run_md(atoms, Spoiled("raise", at=1), MDSettings(steps=1))


def test_pieces_are_laid_out_after_h5md(tmp_path: Path) -> None:
    settings = MDSettings(steps=4, timestep=0.5, sample_every=2)
    run = record_md(tmp_path, CRYSTAL, SpringCrystal(CRYSTAL.positions), settings)
    with h5py.File(tmp_path / "piece_000000.h5") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        position = file["particles/all/position"]
        np.testing.assert_array_equal(position["value"][()], run.frames.positions)
        assert position["value"].attrs["unit"] == "Angstrom"
        assert position["step"][()].tolist() == [2, 4]
        assert position["time"][()].tolist() == [1.0, 2.0]
        np.testing.assert_array_equal(file["particles/all/box/edges"][()], CRYSTAL.cell.array)
        np.testing.assert_array_equal(file["observables/temperature/value"][()], run.frames.temperature)
    np.testing.assert_allclose(run.times, [1e-3, 2e-3])


def as_run(settings: MDSettings, frames: Frames) -> MDRun:
    """A run as it would be read."""
    from softmode.dynamics.chunks import describe_run

    return MDRun(describe_run(CRYSTAL, settings), frames, "completed", settings.steps, "", (), "run")


class TestDiagnosis:
    def test_a_good_run(self) -> None:
        found = diagnose(as_run(*harmonic_run("langevin")))
        assert found.warnings == ()
        assert found.equilibrated
        assert found.skip == found.suggested_skip < 400
        assert found.expected_std == pytest.approx(300.0 * np.sqrt(2 / 78))
        assert found.conserved_drift is None

    def test_conserved_energy(self) -> None:
        found = diagnose(as_run(*harmonic_run("nose-hoover")))
        assert found.conserved_drift is not None
        assert abs(found.conserved_drift.slope) < 0.1  # meV per atom and ps

    def test_frequent_collisions(self) -> None:
        found = diagnose(as_run(*harmonic_run("andersen")))
        assert any("positions to 450 K" in warning for warning in found.warnings)

    def test_a_run_from_rest(self) -> None:
        """Started at the sites, half of the kinetic energy goes; weak friction brings it back slowly."""
        settings = MDSettings(thermostat="langevin", friction=0.005, timestep=2.0, steps=600, sample_every=2)
        pieces: list[Frames] = []
        calculator = SpringCrystal(CRYSTAL.positions)
        run_md(CRYSTAL, calculator, settings, lambda chunk: pieces.append(chunk.frames))
        found = diagnose(as_run(settings, Frames.joined(pieces)), skip=0)
        assert found.warnings
        assert found.suggested_skip > 5

    def test_too_short(self) -> None:
        settings, frames = harmonic_run("langevin")
        with pytest.raises(InputDataError, match="too few to judge"):
            diagnose(as_run(settings, frames), skip=595)
