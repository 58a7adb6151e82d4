"""σ⁽²⁾ of a potential alone on thermal one-shot samples of its harmonic crystal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from softmode import dynamics as dy
from softmode.errors import InputDataError
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Facts, Measurement, Result, SettingsTable, Use
from softmode.measurements.frames import USUAL, Until, without_until
from softmode.measurements.sampled import forces_on_samples, sampled_sigma, sigma_columns
from softmode.measurements.sampled_details import sampled_details
from softmode.measurements.shared import ModelCrystal, full_reference_force_constants, phonon
from softmode.measurements.view import View


class OneShotSettings(dy.ThermalSettings, SettingsTable):
    """Thermal one-shot sampling, ``[one_shot]`` in a study file; those of :class:`ThermalSettings` besides.

    Attributes
    ----------
    method : {"random", "sign-alternating"}
        Independent random samples, or the deterministic pair of Zacharias and Giustino.
    n_samples : int
        Number of random samples; with `until` the most there may be.
    until : Until
        Evaluate random samples until that is reached: ``"adaptive"``, or a certainty or interval.
    force_constants : {"model", "reference"}
        Whose harmonic crystal the samples are drawn from.
    """

    method: Literal["random", "sign-alternating"] = "random"
    n_samples: int = Field(default=20, ge=1)
    until: Until = Until()
    force_constants: Literal["model", "reference"] = "model"

    @model_validator(mode="after")
    def _samples_that_can_be_judged(self) -> Self:
        if self.until.adaptive and self.method != "random":
            raise ValueError("until needs method = 'random': the pair is two samples, which have no interval")
        return self

    @property
    def identity(self) -> dict[str, Any]:
        """What determines a result."""
        return without_until(self)


def _samples(view: View, crystal: ModelCrystal) -> dy.ThermalSamples:
    settings = view.settings(OneShotSettings)
    if settings.force_constants == "reference":
        if not view.has_reference:
            raise InputDataError(
                view.name,
                "it comes without reference force constants",
                'Set one_shot.force_constants = "model"',
            )
        modes = dy.supercell_normal_modes(phonon(view), full_reference_force_constants(view))
    else:
        modes = dy.supercell_normal_modes(crystal.phonon, crystal.full_force_constants)
    if settings.method == "sign-alternating":
        return dy.sign_alternating_samples(modes, settings)
    return dy.random_samples(modes, settings, settings.n_samples, view.seed)


def thermal_forces(view: View) -> Result:
    """Forces of the potential on thermal one-shot samples; goes on where it was stopped."""
    crystal = ModelCrystal(view, view.records["displaced_forces_for_dynamics"])
    samples = _samples(view, crystal)
    until = view.settings(OneShotSettings).until
    return forces_on_samples(view, crystal, samples, "one_shot", samples, until)


def one_shot(view: View) -> Result:
    """σ⁽²⁾ of the potential on thermal one-shot samples, with its own force constants."""
    random = view.settings(OneShotSettings).method == "random"
    return sampled_sigma(
        view,
        "one_shot",
        view.records["thermal_forces"],
        no_interval="" if random else "a deterministic pair has no interval",
    )


def _uses(conditions: Conditions, facts: Facts) -> tuple[Use, ...]:
    # where there is none, the measurement is made all the same and says so
    of_reference = conditions.of(OneShotSettings).force_constants == "reference" and facts.reference
    return (
        "structure",
        "potential",
        "one_shot",
        "protocol.symmetrise",
        "seed",
        *(("reference",) if of_reference else ()),
    )


def _divides(inputs: Mapping[str, Any]) -> bool:
    """Whether it is known beforehand how many samples."""
    return "until" not in inputs["one_shot"]


def _calls(view: View) -> int:
    settings = view.settings(OneShotSettings)
    most = settings.n_samples if not settings.until.adaptive else min(USUAL, settings.n_samples)
    return most if settings.method == "random" else 2


MEASUREMENTS = (
    Measurement(
        "thermal_forces",
        version=1,
        function=thermal_forces,
        uses=_uses,
        requires=("displaced_forces_for_dynamics",),
        stops=("one_shot.until", "one_shot.n_samples"),
        divides=_divides,
        settings=OneShotSettings,
        table="one_shot",
        calls=_calls,
    ),
    Measurement(
        "one_shot",
        version=2,
        function=one_shot,
        uses=("structure", "one_shot.method", "protocol.symmetrise", "seed"),
        requires=("displaced_forces_for_dynamics", "thermal_forces"),
        title="σ⁽²⁾ of the potential alone on thermal samples of its harmonic crystal",
        details=sampled_details("one_shot"),
        columns=sigma_columns("one_shot"),
        chapter="Anharmonicity",
    ),
)
