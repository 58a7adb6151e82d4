"""What a measurement is given and what it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from numpy.typing import NDArray
from phonopy import Phonopy

from softmode.crystal import Material, Trajectory
from softmode.harmonic import HarmonicProtocol
from softmode.potentials.base import Potential
from softmode.study.map_settings import MapSettings
from softmode.study.material_work import MaterialWork
from softmode.study.records import Partial, Record
from softmode.study.sampling_settings import DynamicsSettings, OneShotSettings, SelfConsistentSampling


@dataclass(frozen=True)
class Result:
    """Values (JSON-able) and arrays of a measurement."""

    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Mapping[str, NDArray[Any]] = field(default_factory=dict)


@dataclass(eq=False)
class CellContext:
    """What a measurement may use; everything is loaded when first asked for.

    Parameters
    ----------
    material : Material
        The material with its reference data.
    load_potential : callable
        Returns the potential, loaded once per process.
    protocol : HarmonicProtocol
        The study's protocol.
    records : dict of str to Record
        Records of the measurements already made in this cell.
    load_trajectory : callable, optional
        Returns the reference trajectory in phonopy's supercell order, if the reference has one.
    partial : Partial, optional
        Where a long measurement keeps what it has, so that it can go on after an interruption.
    seed : int
        Seed of everything random.
    one_shot : OneShotSettings
        How thermal samples are drawn.
    md : DynamicsSettings
        How molecular dynamics is made.
    self_consistent : SelfConsistentSampling
        How self-consistent samples are drawn.
    map : MapSettings
        How maps of configuration space are made.
    advance : callable
        Told of each step of molecular dynamics, possibly from threads: replica, and number of the step.
    shared : MaterialWork, optional
        What other cells of this material have made already, under the same protocol.
    """

    material: Material
    load_potential: Callable[[], Potential]
    protocol: HarmonicProtocol
    records: dict[str, Record] = field(default_factory=dict)
    load_trajectory: Callable[[], Trajectory] | None = None
    partial: Partial | None = None
    seed: int = 0
    one_shot: OneShotSettings = field(default_factory=OneShotSettings)
    md: DynamicsSettings = field(default_factory=DynamicsSettings)
    self_consistent: SelfConsistentSampling = field(default_factory=SelfConsistentSampling)
    map: MapSettings = field(default_factory=MapSettings)
    advance: Callable[[int, int], None] = lambda replica, step: None
    shared: MaterialWork | None = None

    @cached_property
    def potential(self) -> Potential:
        """The potential, loaded."""
        return self.load_potential()

    @cached_property
    def work(self) -> MaterialWork:
        """What does not depend on the potential."""
        return self.shared or MaterialWork(self.material, self.protocol, self.load_trajectory)

    @property
    def phonon(self) -> Phonopy:
        """phonopy's view of the reference structure."""
        return self.work.phonon

    @property
    def trajectory(self) -> Trajectory:
        """The reference trajectory."""
        return self.work.trajectory
