"""σ⁽²⁾ of a potential alone on samples of its self-consistent harmonic crystal."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from softmode import dynamics as dy
from softmode.crystal.arrays import FloatArray
from softmode.measurements.declaration import Measurement, Result, SettingsTable
from softmode.measurements.frames import USUAL, Until, without_until
from softmode.measurements.sampled import forces_on_samples, sampled_sigma, sigma_columns
from softmode.measurements.sampled_details import sampled_details
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View


class SelfConsistentSampling(dy.SelfConsistentSettings, SettingsTable):
    """Self-consistent sampling, ``[self_consistent]`` in a study file.

    Attributes
    ----------
    n_samples : int
        Number of samples from which σ is taken, after the iterations; with `until` the most there may be.
    until : Until
        Evaluate samples until that is reached: ``"adaptive"``, or a certainty or interval.
    """

    n_samples: int = Field(default=20, ge=1)
    until: Until = Until()

    @property
    def identity(self) -> dict[str, Any]:
        """What determines a result."""
        return without_until(self)


def self_consistent_forces(view: View) -> Result:
    """Forces of the potential on samples of its self-consistent harmonic crystal.

    The samples are drawn from frequencies that the forces on earlier samples gave, see
    :func:`softmode.dynamics.self_consistent_modes`; those are computed anew after an interruption.
    """
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    settings = view.settings(SelfConsistentSampling)
    rest = crystal.supercell.to_atoms()
    sites = rest.positions.copy()

    def forces(displacements: FloatArray) -> FloatArray:
        moved = [rest.copy() for _ in displacements]
        for atoms, shift in zip(moved, displacements, strict=True):
            atoms.positions = sites + shift
        return view.potential.evaluate(moved).stacked_forces()

    modes = dy.supercell_normal_modes(crystal.phonon, crystal.full_force_constants)
    effective = dy.self_consistent_modes(modes, forces, settings, view.seed)
    began = dy.random_samples(modes, settings, 1, view.seed)
    samples = dy.random_samples(effective.modes, settings, settings.n_samples, view.seed)
    result = forces_on_samples(view, crystal, samples, "self_consistent", began, settings.until)
    return Result(
        values={
            **result.values,
            "self_consistent_last_change": effective.last_change,
            "self_consistent_lowest_THz": float(effective.modes.frequencies.min()),
        },
        arrays={
            **result.arrays,
            "frequencies_at_rest": effective.frequencies_at_rest,
            "frequencies_effective": effective.modes.frequencies,
            "history": effective.history,
        },
    )


def self_consistent(view: View) -> Result:
    """σ⁽²⁾ of the potential on samples of its self-consistent harmonic crystal.

    The harmonic forces are those of the force constants at rest, as in all other ways to σ.
    """
    return sampled_sigma(view, "self_consistent", view.records["self_consistent_forces"])


def _calls(view: View) -> int:
    settings = view.settings(SelfConsistentSampling)
    most = settings.n_samples if not settings.until.adaptive else min(USUAL, settings.n_samples)
    return most + settings.iterations * settings.samples_per_iteration


MEASUREMENTS = (
    Measurement(
        "self_consistent_forces",
        version=1,
        function=self_consistent_forces,
        uses=("structure", "potential", "self_consistent", "protocol.symmetrise", "seed"),
        stops=("self_consistent.until", "self_consistent.n_samples"),
        requires=("displaced_forces_for_dynamics",),
        settings=SelfConsistentSampling,
        table="self_consistent",
        calls=_calls,
    ),
    Measurement(
        "self_consistent",
        version=2,
        function=self_consistent,
        uses=("structure", "protocol.symmetrise", "seed"),
        requires=("displaced_forces_for_dynamics", "self_consistent_forces"),
        title="σ⁽²⁾ of the potential alone on samples of its self-consistent harmonic crystal",
        details=sampled_details("self_consistent"),
        columns=sigma_columns("self_consistent"),
        chapter="Anharmonicity",
    ),
)
