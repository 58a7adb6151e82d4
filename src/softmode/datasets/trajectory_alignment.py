"""A trajectory in the atom order of a supercell: composition, lattice, and which atom is which."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from ase.data import chemical_symbols

from softmode.crystal import Cell, Trajectory
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.atom_order import composition, nearest_sites
from softmode.crystal.periodic_images import minimum_image, minimum_image_distances, shortest_vector
from softmode.datasets.trajectory_frames import (
    SAME_LATTICE,
    relative_lattice_difference,
    vectors,
)
from softmode.errors import InputDataError

#: Root mean square distance from the sites, in units of the shortest bond, above which this is another
#: crystal (crystals melt near 0.1).
_SAME_CRYSTAL = 0.25
#: How far a frame may be moved as a whole (Å) before the shift is taken away, and before it is worth a note.
_LARGEST_SHIFT, _NOTABLE_SHIFT = 0.5, 0.2
_REMEDY = "give the undisplaced supercell of this trajectory, and frames of that crystal, not molten"


@dataclass(frozen=True)
class _Match:
    """How the atoms of a configuration sit on the sites of a supercell.

    Parameters
    ----------
    site : (n_atoms,) int array
        Site of each atom: the nearest of its element once `shift` is taken away.
    distance : (n_atoms,) array
        How far it is from it, Å.
    shift : (3,) array
        Mean vector from site to atom, Å.
    spread : float
        Root mean square distance from the sites, Å.
    """

    site: IntArray
    distance: FloatArray
    shift: FloatArray
    spread: float

    def acceptable(self, bond: float) -> bool:
        """Whether this is a vibrating crystal on these sites; `bond` is the shortest, Å."""
        return len(np.unique(self.site)) == len(self.site) and self.spread <= _SAME_CRYSTAL * bond


def align_trajectory(trajectory: Trajectory, supercell: Cell, subject: str) -> Trajectory:
    """The trajectory with its atoms in the order of a supercell.

    Atoms are matched to sites by element and minimum-image distance of their mean positions. Positions stay
    as they are, wrapped or not, with two exceptions, each noted: where the lattice is not quite that of the
    supercell, fractional coordinates are kept; where a frame is moved as a whole by more than 0.5 Å (another
    origin, drift), the mean displacement of every frame is taken away.

    Parameters
    ----------
    trajectory : Trajectory
        Frames in any atom order; other vectors may describe the same lattice.
    supercell : Cell
        Reference supercell.
    subject : str
        File or material named in errors.

    Raises
    ------
    InputDataError
        If composition or lattice (more than 1e-3, relative) differ, or the map is not one to one; the
        difference, or the atom (counted from 1, in the order of the trajectory) and the distance are named.
    """
    held, wanted = composition(trajectory.numbers), composition(supercell.numbers)
    if held != wanted:
        raise InputDataError(
            subject,
            f"the trajectory holds {held}, but the supercell {wanted}",
            "give the supercell of this trajectory",
        )
    positions, notes = _in_lattice(trajectory, supercell, subject)
    mean, drift = _mean_configuration(positions, supercell.lattice)
    match = _match(mean, trajectory.numbers, supercell)
    _require_acceptable(match, trajectory.numbers, supercell, subject)
    shifts = minimum_image(match.shift + drift, supercell.lattice)
    order = np.argsort(match.site)
    aligned = positions[:, order]
    largest = float(np.linalg.norm(shifts, axis=1).max())
    if largest > _NOTABLE_SHIFT:
        removed = largest > _LARGEST_SHIFT
        notes.append(
            f"{trajectory.source}: the crystal is moved as a whole by up to {largest:.2f} Å"
            + (": taken away in every frame" if removed else "")
        )
        aligned = aligned - shifts[:, None, :] if removed else aligned
    return replace(
        trajectory,
        lattice=supercell.lattice,
        numbers=supercell.numbers,
        positions=aligned,
        forces=trajectory.forces[:, order],
        notes=(*trajectory.notes, *notes),
    )


def _in_lattice(trajectory: Trajectory, supercell: Cell, subject: str) -> tuple[FloatArray, list[str]]:
    """Positions for the lattice of the supercell, and a note where they had to be strained."""
    given, wanted = trajectory.lattice, supercell.lattice
    change = np.rint(given @ np.linalg.inv(wanted))
    target = change @ wanted if round(abs(float(np.linalg.det(change)))) == 1 else wanted
    difference = relative_lattice_difference(given, target)
    if difference > SAME_LATTICE:
        _refuse_lattice(given, wanted, subject)
    if difference < 1e-12:
        return np.asarray(trajectory.positions), []
    strained = trajectory.positions @ (np.linalg.inv(given) @ target)
    if difference < 1e-6:
        return strained, []
    return strained, [
        f"{trajectory.source}: its lattice differs from the supercell's by {difference:.1e} (relative); "
        "fractional coordinates were kept"
    ]


def _refuse_lattice(given: FloatArray, wanted: FloatArray, subject: str) -> None:
    stretches = np.linalg.svd(np.linalg.inv(wanted) @ given, compute_uv=False)
    rotated = bool(np.abs(stretches - 1.0).max() < SAME_LATTICE)
    raise InputDataError(
        subject,
        f"the lattice vectors of the trajectory, {vectors(given)}, are not those of the supercell, "
        f"{vectors(wanted)}: they differ by {relative_lattice_difference(given, wanted):.2g} "
        f"(relative; allowed {SAME_LATTICE:g})"
        + (", but lengths and angles agree: one looks rotated" if rotated else ""),
        "rotate cell, positions and forces of the trajectory into the frame of the supercell"
        if rotated
        else "give the supercell of this trajectory, at the same lattice constants",
    )


def _mean_configuration(positions: FloatArray, lattice: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean position of each atom, whatever images frames use and however they move as a whole.

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3) array
        Cartesian, Å.
    lattice : (3, 3) array
        Lattice vectors as rows, Å.

    Returns
    -------
    mean : (n_atoms, 3) array
        Mean positions with the crystal where it is in the first frame, Å.
    drift : (n_frames, 3) array
        How far each frame is moved as a whole from `mean`, Å.
    """
    moved = minimum_image(positions - positions[0], lattice)
    leader = moved[:, :1]  # differences between atoms stay small where the whole crystal moves far
    relative = minimum_image(moved - leader, lattice)
    centre = relative.mean(axis=1, keepdims=True)
    return positions[0] + (relative - centre).mean(axis=0), (leader + centre)[:, 0]


def _match(configuration: FloatArray, numbers: IntArray, supercell: Cell) -> _Match:
    """The best match: of the crystal as it is, then moved so that one atom falls on each site it may take."""
    bond = _shortest_bond(supercell)
    in_place = _nearest_sites(configuration, numbers, supercell, np.zeros(3))
    if in_place.acceptable(bond):
        return in_place
    elements, counts = np.unique(numbers, return_counts=True)
    rarest = elements[counts.argmin()]
    atom = configuration[np.flatnonzero(numbers == rarest)[0]]
    sites = supercell.scaled_positions[supercell.numbers == rarest] @ supercell.lattice
    matches = [in_place]
    for start in minimum_image(atom - sites, supercell.lattice):
        first = _nearest_sites(configuration, numbers, supercell, start)
        matches.append(_nearest_sites(configuration, numbers, supercell, first.shift))
    return min(matches, key=lambda match: (not match.acceptable(bond), round(match.spread, 6)))


def _nearest_sites(
    configuration: FloatArray, numbers: IntArray, supercell: Cell, shift: FloatArray
) -> _Match:
    lattice = supercell.lattice
    scaled = (configuration - shift) @ np.linalg.inv(lattice)
    site, _ = nearest_sites(lattice, scaled, numbers, supercell)
    offsets = minimum_image((scaled - supercell.scaled_positions[site]) @ lattice, lattice)
    mean = offsets.mean(axis=0)
    distance = np.linalg.norm(offsets - mean, axis=1)
    return _Match(site, distance, shift + mean, float(np.sqrt((distance**2).mean())))


def _shortest_bond(supercell: Cell) -> float:
    """Shortest distance between two sites, or between a site and its image, Å."""
    scaled = supercell.scaled_positions
    distances = minimum_image_distances(supercell.lattice, scaled, scaled)
    distances[np.diag_indices_from(distances)] = np.inf
    return min(float(distances.min()), shortest_vector(supercell.lattice))


def _require_acceptable(match: _Match, numbers: IntArray, supercell: Cell, subject: str) -> None:
    bond = _shortest_bond(supercell)
    if match.acceptable(bond):
        return
    sites, counts = np.unique(match.site, return_counts=True)
    if (counts > 1).any():
        shared = sites[counts.argmax()]
        first, second = np.flatnonzero(match.site == shared)[:2]
        raise InputDataError(
            subject,
            f"atoms {first + 1} and {second + 1} ({chemical_symbols[numbers[first]]}) of the trajectory both "
            f"fall on site {shared + 1} of the supercell, {match.distance[first]:.3f} and "
            f"{match.distance[second]:.3f} Å away",
            _REMEDY,
        )
    worst = int(match.distance.argmax())
    raise InputDataError(
        subject,
        f"atom {worst + 1} ({chemical_symbols[numbers[worst]]}) of the trajectory is "
        f"{match.distance[worst]:.3f} Å from the nearest site of its element; all atoms are "
        f"{match.spread:.2f} Å from theirs (root mean square; allowed {_SAME_CRYSTAL * bond:.2f} Å)",
        _REMEDY,
    )
