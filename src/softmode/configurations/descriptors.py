"""Atomic environments as vectors: SOAP (A. P. Bartók, R. Kondor & G. Csányi, Phys. Rev. B 87, 184115 (2013)).

The vectors are dscribe's (L. Himanen et al., Comput. Phys. Commun. 247, 106949 (2020)), made for a few frames
at a time: 5,600 frames of 80 atoms of four elements would take 10 GB at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field

from softmode.crystal import Trajectory
from softmode.crystal.arrays import IntArray
from softmode.crystal.atom_order import composition
from softmode.errors import InputDataError, MissingExtraError
from softmode.numerics import limited_threads

#: Features made at once, bytes.
_BLOCK_BYTES = 32 * 2**20


class SoapSettings(BaseModel):
    """How environments are described; frozen, so that a record can state exactly what was done.

    The defaults are those of Yang et al. (2026), §2.3.

    Attributes
    ----------
    r_cut : float
        Radius of an environment, Å; above 1 Å (dscribe's radial functions need it).
    n_max : int
        Number of radial functions.
    l_max : int
        Largest angular momentum.
    sigma : float
        Width of the Gaussian that stands for an atom, Å.
    dtype : {"float64", "float32"}
        Precision in which the vectors are handed on. They are computed in double precision; single precision
        moves a similarity by 1e-7, to be compared with a spread of some 1e-5 between thermal frames.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    r_cut: float = Field(default=5.0, gt=1.0)
    n_max: int = Field(default=7, ge=1, le=20)
    l_max: int = Field(default=6, ge=0, le=19)
    sigma: float = Field(default=0.1, gt=0)
    dtype: Literal["float64", "float32"] = "float64"


class FrameFeatures(Protocol):
    """Feature vectors of the atoms of numbered frames, made when they are asked for."""

    @property
    def numbers(self) -> IntArray:
        """Atomic numbers in the order of the vectors, ascending, (n_atoms,)."""
        ...

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        ...

    def __call__(self, frames: ArrayLike) -> NDArray[Any]:
        """Unit vectors of the atoms of some frames, (n, n_atoms, n_features)."""
        ...


@dataclass(frozen=True, eq=False)
class ArrayFeatures:
    """Feature vectors that are already there.

    Parameters
    ----------
    values : (n_frames, n_atoms, n_features) array
        Unit vectors, atoms sorted by atomic number.
    numbers : (n_atoms,) array
        Atomic numbers, ascending.
    """

    values: NDArray[Any]
    numbers: IntArray

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.values.shape[1] != len(self.numbers):
            raise ValueError(f"{len(self.numbers)} atoms, but features of shape {self.values.shape}")
        if np.any(np.diff(self.numbers) < 0):
            raise ValueError("atoms must be sorted by atomic number")
        if not np.isfinite(self.values).all():
            raise InputDataError(
                "features", "some are not finite (NaN)", "Leave out frames whose positions are not finite"
            )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.values)

    def __call__(self, frames: ArrayLike) -> NDArray[Any]:
        """Unit vectors of the atoms of some frames."""
        return np.asarray(self.values[np.asarray(frames, dtype=np.int64)])


@dataclass(frozen=True, eq=False)
class SoapFeatures:
    """SOAP vectors of the frames of one or several trajectories of one composition, one after the other.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        Same number of atoms of each element; atom order and lattice may differ.
    settings : SoapSettings
        Parameters of the descriptor.

    Raises
    ------
    InputDataError
        If compositions differ or there is only one frame in all.
    """

    trajectories: Sequence[Trajectory]
    settings: SoapSettings = field(default_factory=SoapSettings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "trajectories", tuple(self.trajectories))
        check_frames(self.trajectories)

    @cached_property
    def numbers(self) -> IntArray:
        """Atomic numbers in the order of the vectors, ascending, (n_atoms,)."""
        return np.sort(self.trajectories[0].numbers)

    @cached_property
    def n_frames(self) -> int:
        """Number of frames of all trajectories together."""
        return sum(trajectory.n_frames for trajectory in self.trajectories)

    @property
    def n_features(self) -> int:
        """Length of a vector."""
        return int(self._soap.get_number_of_features())

    @cached_property
    def _soap(self) -> Any:
        return _soap(self.settings, tuple(sorted(set(self.numbers.tolist()))))

    def __call__(self, frames: ArrayLike) -> NDArray[Any]:
        """Unit vectors of the atoms of some frames, counted through all trajectories.

        Parameters
        ----------
        frames : (n,) int array

        Returns
        -------
        (n, n_atoms, n_features) array
            Atoms sorted by atomic number, in their own order within an element.
        """
        features = np.array(
            [self._soap.create(self._configuration(frame)) for frame in np.atleast_1d(frames)]
        )
        features /= np.linalg.norm(features, axis=-1, keepdims=True)
        return features.astype(self.settings.dtype, copy=False)

    def _configuration(self, frame: int) -> Atoms:
        rest = frame
        for trajectory in self.trajectories:
            if rest < trajectory.n_frames:
                order = np.argsort(trajectory.numbers, kind="stable")
                return Atoms(
                    numbers=trajectory.numbers[order],
                    positions=trajectory.positions[rest][order],
                    cell=trajectory.lattice,
                    pbc=True,
                )
            rest -= trajectory.n_frames
        raise IndexError(f"there are {self.n_frames} frames, so none has the number {frame}")


def frame_blocks(n_frames: int, n_atoms: int, n_features: int) -> list[IntArray]:
    """Numbers of all frames in blocks whose feature vectors take a bounded amount of memory."""
    size = max(1, _BLOCK_BYTES // (8 * n_atoms * n_features))
    return [np.arange(start, min(start + size, n_frames)) for start in range(0, n_frames, size)]


def soap_features(trajectory: Trajectory, settings: SoapSettings | None = None) -> NDArray[Any]:
    """SOAP vectors of a whole trajectory at once; for more than a hundred frames see :class:`SoapFeatures`.

    Returns
    -------
    (n_frames, n_atoms, n_features) array
        Unit vectors, atoms sorted by atomic number.
    """
    source = SoapFeatures((trajectory,), settings or SoapSettings())
    return source(np.arange(trajectory.n_frames))


def check_frames(trajectories: Sequence[Trajectory]) -> None:
    """Refuse what no map can be made of.

    Raises
    ------
    InputDataError
        If compositions differ or there is only one frame in all.
    """
    if not trajectories:
        raise InputDataError("map", "no trajectory was given", "Give at least one")
    first = trajectories[0]
    for other in trajectories[1:]:
        if not np.array_equal(np.sort(other.numbers), np.sort(first.numbers)):
            raise InputDataError(
                other.source,
                f"is of {composition(other.numbers)}, but {first.source} of {composition(first.numbers)}",
                "Compare supercells of the same composition and size",
            )
    if sum(trajectory.n_frames for trajectory in trajectories) < 2:
        raise InputDataError(first.source, "has a single frame", "A map needs two frames or more")


def _soap(settings: SoapSettings, species: tuple[int, ...]) -> Any:
    try:
        from dscribe.descriptors import SOAP
    except ImportError as problem:
        raise MissingExtraError(
            "configuration maps", "dscribe is not installed", "Install it with: pip install 'softmode[maps]'"
        ) from problem
    with limited_threads():  # orthogonalises its radial functions: the same bits on any number of threads
        return SOAP(
            species=species,
            r_cut=settings.r_cut,
            n_max=settings.n_max,
            l_max=settings.l_max,
            sigma=settings.sigma,
            periodic=True,
        )
