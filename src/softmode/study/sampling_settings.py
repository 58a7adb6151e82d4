"""How a study samples configurations from a potential alone: settings of one-shot sampling and dynamics."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from softmode.dynamics import MDSettings, SelfConsistentSettings, ThermalSettings


class OneShotSettings(ThermalSettings):
    """Thermal one-shot sampling, ``[one_shot]`` in a study file; those of :class:`ThermalSettings` besides.

    Attributes
    ----------
    method : {"random", "sign-alternating"}
        Independent random samples, or the deterministic pair of Zacharias and Giustino.
    n_samples : int
        Number of random samples.
    force_constants : {"model", "reference"}
        Whose harmonic crystal the samples are drawn from.
    """

    method: Literal["random", "sign-alternating"] = "random"
    n_samples: int = Field(default=20, ge=1)
    force_constants: Literal["model", "reference"] = "model"


class SelfConsistentSampling(SelfConsistentSettings):
    """Self-consistent sampling, ``[self_consistent]`` in a study file.

    Attributes
    ----------
    n_samples : int
        Number of samples from which σ is taken, after the iterations.
    """

    n_samples: int = Field(default=20, ge=1)


class DynamicsSettings(MDSettings):
    """Molecular dynamics of a study, ``[md]`` in a study file; those of :class:`MDSettings` besides.

    Attributes
    ----------
    replicas : int
        Independent runs, each from its own start.
    discard : int
        Steps at the beginning of each run that σ leaves out.
    """

    replicas: int = Field(default=2, ge=1)
    discard: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _something_is_left(self) -> DynamicsSettings:
        if self.discard + self.sample_every > self.steps:
            raise ValueError(f"a run of {self.steps} steps has no frame after the first {self.discard}")
        return self


#: Dynamics that belong to the named protocols: ``yang2026`` as published, ``default`` canonical.
NAMED_DYNAMICS: dict[str, dict[str, Any]] = {
    "default": {"thermostat": "langevin", "steps": 2000, "sample_every": 5, "discard": 200},
    "yang2026": {"thermostat": "andersen", "steps": 2000, "collision_probability": 0.5},
}


def with_named_dynamics(protocol: str, changes: dict[str, Any]) -> dict[str, Any]:
    """Fields of :class:`DynamicsSettings`: what is given, completed by what belongs to a named protocol.

    Parameters
    ----------
    protocol : str
        Name of the study's protocol; that of a changed one (``yang2026+``) counts as its base.
    changes : dict
        Fields that are given; not checked here.
    """
    base = NAMED_DYNAMICS.get(protocol.removesuffix("+"), NAMED_DYNAMICS["default"])
    steps = changes.get("steps")
    if isinstance(steps, int) and "discard" in base:
        base = {**base, "discard": min(base["discard"], steps // 10)}
    return {**base, **changes}
