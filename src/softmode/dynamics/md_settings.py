"""Settings of molecular dynamics at constant volume and temperature."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator


class MDSettings(BaseModel):
    """How a run is made; frozen, so that a record can state exactly what was done.

    Attributes
    ----------
    thermostat : {"andersen", "langevin", "nose-hoover"}
        ``andersen``: velocity components redrawn at random, as ASE does it (the protocol of Yang et al.);
        at its default probability positions become hotter than velocities, see
        :func:`~softmode.dynamics.thermostats.sampled_temperature`. ``langevin``: friction and noise; samples
        the canonical distribution. ``nose-hoover``: chains, deterministic; in a nearly harmonic crystal they
        set the mean energy but do not exchange energy between modes.
    temperature : float
        K.
    timestep : float
        fs.
    steps : int
        Number of steps. A finished run can be continued with more.
    sample_every : int
        Steps from one recorded frame to the next; the start itself is not recorded.
    checkpoint_every : int
        Steps from one checkpoint to the next: what an interruption can cost.
    seed : int
        Of the velocities at the start and of the thermostat.
    collision_probability : float
        Andersen: probability for each velocity component and step (ASE's meaning).
    friction : float
        Langevin: 1/fs.
    thermostat_time : float
        Nosé–Hoover: period of the thermostat, fs.
    chain_length : int
        Nosé–Hoover: number of thermostats in the chain.
    closest_pair : float
        The crystal is lost when two atoms are closer, Å.
    largest_displacement : float, optional
        The crystal is lost when an atom is farther from its site, Å; by default half the shortest lattice
        vector of the supercell.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    thermostat: Literal["andersen", "langevin", "nose-hoover"] = "andersen"
    temperature: float = Field(default=300.0, gt=0)
    timestep: float = Field(default=1.0, gt=0, le=20)
    steps: int = Field(default=2000, ge=1)
    sample_every: int = Field(default=1, ge=1)
    checkpoint_every: int = Field(default=100, ge=1)
    seed: int = Field(default=0, ge=0)
    collision_probability: float = Field(default=0.5, gt=0, lt=1)
    friction: float = Field(default=0.01, gt=0)
    thermostat_time: float = Field(default=100.0, gt=0)
    chain_length: int = Field(default=3, ge=1)
    closest_pair: float = Field(default=0.5, ge=0)
    largest_displacement: float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _frames_are_recorded(self) -> MDSettings:
        if self.sample_every > self.steps:
            raise ValueError(
                f"a run of {self.steps} steps has no frame when every {self.sample_every}th is kept"
            )
        return self
