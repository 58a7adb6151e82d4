"""Molecular dynamics of a case: settings, ``[md]`` in a study file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from softmode.dynamics import MDSettings
from softmode.measurements.declaration import SettingsTable

#: Dynamics that belong to the named protocols: ``yang2026`` as published, ``default`` canonical.
NAMED_DYNAMICS: dict[str, dict[str, Any]] = {
    "default": {"thermostat": "langevin", "steps": 2000, "sample_every": 5, "discard": 200},
    "yang2026": {"thermostat": "andersen", "steps": 2000, "collision_probability": 0.5},
}


class DynamicsSettings(MDSettings, SettingsTable):
    """Molecular dynamics of a study, ``[md]`` in a study file; those of :class:`MDSettings` besides.

    Attributes
    ----------
    replicas : int
        Independent runs, each from its own start.
    discard : int
        Steps at the beginning of each run that σ leaves out.
    start_temperature : float, optional
        Of the thermal displacements that a run begins with where there is no reference trajectory, K; by
        default ``temperature``. They differ where a thermostat has positions at another temperature than
        velocities, see :func:`~softmode.dynamics.thermostats.sampled_temperature`.
    """

    replicas: int = Field(default=2, ge=1)
    discard: int = Field(default=0, ge=0)
    start_temperature: float | None = Field(default=None, gt=0)

    @property
    def identity(self) -> dict[str, Any]:
        """What determines a run; without a start temperature where it is that of the run."""
        return self.model_dump(
            mode="json", exclude={"start_temperature"} if self.start_temperature is None else None
        )

    @model_validator(mode="after")
    def _something_is_left(self) -> DynamicsSettings:
        if self.discard + self.sample_every > self.steps:
            raise ValueError(f"a run of {self.steps} steps has no frame after the first {self.discard}")
        return self

    @classmethod
    def completed(cls, given: Mapping[str, Any], protocol: str) -> dict[str, Any]:
        """What is given, completed by the dynamics that belongs to a named protocol.

        Parameters
        ----------
        given : mapping
            Fields that are given; not checked here.
        protocol : str
            Name of the protocol; that of a changed one (``yang2026+``) counts as its base.
        """
        base = NAMED_DYNAMICS.get(protocol.removesuffix("+"), NAMED_DYNAMICS["default"])
        steps = given.get("steps")
        if isinstance(steps, int) and "discard" in base:
            base = {**base, "discard": min(base["discard"], steps // 10)}
        return {**base, **given}
