"""Whether a crystal in motion has left the phase it is compared with, since when, and for what.

About the sites of a phase atoms move to and fro: over long enough a time their mean displacement is nothing,
also where a mode hops between two symmetric wells (the phase is then that of the average). A crystal that has
left carries a displacement that does not average out. What is asked is therefore how much of the displacement
in one window of time is found again in another (S. F. Edwards & P. W. Anderson, J. Phys. F 5, 965 (1975), on
frozen spins): the pattern is taken from the first half of the frames and tested on the second, so that no
pattern is chosen because it happens to fit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.periodic_images import rounded_image
from softmode.crystal.supercell_symmetry import symmetry_dataset
from softmode.dynamics.md_settings import MDSettings
from softmode.dynamics.normal_modes import NormalModes
from softmode.dynamics.thermostats import friction
from softmode.errors import InputDataError

#: How far averaged atoms may be from symmetric positions, Å: three times the error of the mean over ten
#: independent frames of an atom with a mean square displacement of 0.05 Å² along each axis.
SYMMETRY_TOLERANCE = 0.2
#: A crystal has left when more than this share is frozen …
FROZEN_SHARE = 0.75
#: … in windows so long that of thermal motion no more than this would seem so. Of three modes, for 0.3 to
#: 1 THz and any friction, two in a hundred runs in equilibrium exceed the limit, of eight modes none.
_EXPECTED_SHARE = 0.25
#: Modes softer than this count as this soft when it is asked how long they remember, THz.
_SLOWEST = 0.5
_FEWEST = 8  # frames of a half
#: Frames that are enough for a first look.
FEWEST_FRAMES = 2 * _FEWEST
_LIGANDS, _SAME_SHELL = 6, 1.15


@dataclass(frozen=True, eq=False)
class FrozenDisplacement:
    """A displacement that does not average out.

    Parameters
    ----------
    share : float
        Of the mean square displacement along the tested modes in the second half of the frames, that which is
        a constant displacement along the pattern of the first half: near 0 in the phase of the sites, near 1
        in another.
    expected : float
        What thermal motion, which a short window does not average out, is expected to give.
    n_frames : int
        Number of frames.
    since : int
        First frame from which on the crystal stays on the side of the pattern of the second half, half of it
        or more (means over eight frames).
    mean : (n_atoms, 3) array
        Mean displacement in the second half, Å.
    """

    share: float
    expected: float
    n_frames: int
    since: int
    mean: FloatArray

    @property
    def left(self) -> bool | None:
        """Whether more is frozen than thermal motion explains; None where the run is too short to tell."""
        return None if self.expected > _EXPECTED_SHARE else self.share > FROZEN_SHARE


def thermal_share(window: float, memory: float, n_modes: int) -> float:
    """Share that thermal motion about the sites is expected to give.

    Parameters
    ----------
    window : float
        Length of each of two windows that follow each other, ps.
    memory : float
        Correlation time of the modes, ps.
    n_modes : int
        Number of modes that are tested.

    Notes
    -----
    Of coordinates with the correlation ``exp(-t/τ)`` the means of two windows have the variance ``v`` and the
    covariance ``r``, relative to that of the coordinates; the share is ``r²/v``, and ``v`` over the number of
    modes by chance.
    """
    x = window / memory
    fading = -math.expm1(-x) / x
    variance, covariance = 2.0 * (1.0 - fading) / x, fading**2
    return min(1.0, covariance**2 / variance + variance / n_modes)


def frozen_displacement(
    displacements: FloatArray, modes: NormalModes, settings: MDSettings, *, tolerance: float = 0.1
) -> FrozenDisplacement:
    """How much of the displacement in the first half of a run is there in the second.

    Parameters
    ----------
    displacements : (n_frames, n_atoms, 3) array
        Of the recorded frames of one run, from the sites, centre of mass at rest, Å.
    modes : NormalModes
        At rest. Tested are those at least half as imaginary as the most imaginary one, along which a crystal
        would leave, or all where none is imaginary.
    settings : MDSettings
        Of the run: its thermostat decides how soon the softest of them forgets where it was.
    tolerance : float
        Modes below minus this are imaginary, THz.

    Raises
    ------
    InputDataError
        If there are fewer than sixteen frames.
    """
    half = len(displacements) // 2
    if len(displacements) < FEWEST_FRAMES:
        raise InputDataError(
            "frames", f"{len(displacements)} are too few to see what stays", f"give {FEWEST_FRAMES} or more"
        )
    lowest = float(modes.frequencies.min())
    tested = modes.frequencies <= (0.5 * lowest if lowest < -tolerance else np.inf)
    coordinates = modes.coordinates(displacements)[:, tested]
    early, late = coordinates[:half], coordinates[-half:]
    pattern, of_late = early.mean(axis=0), late.mean(axis=0)
    size = float(np.linalg.norm(pattern)) or 1.0
    square = float((late**2).sum(axis=1).mean()) or 1.0
    window = 1e-3 * settings.timestep * settings.sample_every * half
    return FrozenDisplacement(
        share=max(0.0, float(of_late @ pattern) / size) ** 2 / square,
        expected=thermal_share(window, _memory(settings, modes.frequencies[tested]), int(tested.sum())),
        n_frames=len(displacements),
        since=_since(coordinates @ of_late, float(of_late @ of_late)),
        mean=np.asarray(displacements[-half:].mean(axis=0)),
    )


def _memory(settings: MDSettings, frequencies: FloatArray) -> float:
    """Time over which the slowest of these modes must be averaged, ps: ``γ/ω²``, or a quarter of a period."""
    slowest = max(_SLOWEST, float(np.abs(frequencies).min()))
    omega = 2.0 * math.pi * slowest
    return max(1e3 * friction(settings) / omega**2, 0.25 / slowest)


def _since(projection: FloatArray, whole: float) -> int:
    """First frame from which on half of the pattern or more is there."""
    smooth = np.convolve(projection, np.full(_FEWEST, 1.0 / _FEWEST), mode="valid")
    missing = np.flatnonzero(smooth < 0.5 * whole)
    return int(missing[-1]) + 1 if len(missing) else 0


@dataclass(frozen=True, eq=False)
class Octahedra:
    """Octahedra that share corners: the centres and ligands whose tilts and off-centring are named.

    Parameters
    ----------
    centres : (n,) int array
        Atoms inside.
    ligands : (n, 6) int array
        Their nearest neighbours.
    bonds : (n, 6, 3) array
        From centre to ligand at rest, Å.
    """

    centres: IntArray
    ligands: IntArray
    bonds: FloatArray

    def tilt(self, displacements: FloatArray) -> float:
        """Root mean square angle by which octahedra are turned, degrees.

        Parameters
        ----------
        displacements : (n_atoms, 3) array
            Å; the rotation is the least-squares one, ``Σ r × u / Σ r²⊥``, for small angles.
        """
        moved = displacements[self.ligands] - displacements[self.centres][:, None]
        size = (self.bonds**2).sum(axis=(1, 2)) * 2.0 / 3.0
        rotation = np.cross(self.bonds, moved).sum(axis=1) / size[:, None]
        return float(np.degrees(np.sqrt((rotation**2).sum(axis=1).mean())))

    def off_centring(self, displacements: FloatArray) -> float:
        """Root mean square distance of centres from the middle of their ligands, Å."""
        moved = displacements[self.centres] - displacements[self.ligands].mean(axis=1)
        return float(np.sqrt((moved**2).sum(axis=1).mean()))


def octahedra(supercell: Cell) -> Octahedra | None:
    """The corner-sharing octahedra of a crystal at rest, as perovskites have them; None where there are none.

    Parameters
    ----------
    supercell : Cell
        At rest. An atom is inside an octahedron when its six nearest neighbours, three pairs on opposite
        sides, are nearer than the seventh by a sixth; a ligand belongs to two at most.
    """
    sites = supercell.scaled_positions @ supercell.lattice
    centres, ligands, bonds = [], [], []
    for centre, site in enumerate(sites):
        vectors = rounded_image(sites - site, supercell.lattice)
        distances = np.linalg.norm(vectors, axis=1)
        nearest = np.argsort(distances, kind="stable")[1 : _LIGANDS + 2]
        if len(nearest) <= _LIGANDS or distances[nearest[-1]] < _SAME_SHELL * distances[nearest[-2]]:
            continue
        shell = vectors[nearest[:_LIGANDS]]
        if np.linalg.norm(shell.sum(axis=0)) < 0.1 * distances[nearest[0]]:
            centres.append(centre)
            ligands.append(nearest[:_LIGANDS])
            bonds.append(shell)
    if not centres or np.bincount(np.concatenate(ligands)).max() > 2:
        return None
    return Octahedra(np.array(centres), np.array(ligands), np.array(bonds))


def average_space_group(
    supercell: Cell, mean: FloatArray, tolerance: float = SYMMETRY_TOLERANCE
) -> str | None:
    """Space group of the mean positions, ``P4/mnc (128)``; None where spglib finds none.

    Parameters
    ----------
    supercell : Cell
        At rest; its lattice is kept by dynamics at constant volume.
    mean : (n_atoms, 3) array
        Mean displacement, Å.
    tolerance : float
        How far an atom may be from its symmetric position, Å.
    """
    positions = supercell.scaled_positions + mean @ np.linalg.inv(supercell.lattice)
    moved = Cell(supercell.lattice, positions, supercell.numbers, supercell.masses)
    found = symmetry_dataset(moved, tolerance)
    return None if found is None else f"{found.international} ({found.number})"
