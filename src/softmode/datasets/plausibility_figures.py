"""What is looked at of reference data to see whether they are plausible; limits are in `plausibility`."""

from __future__ import annotations

from collections.abc import Iterator
from warnings import catch_warnings, simplefilter

import numpy as np
from ase import units
from ase.data import atomic_masses, covalent_radii, vdw_radii
from phonopy.structure.symmetry import symmetrize_borns_and_epsilon

from softmode.crystal import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
    Trajectory,
)
from softmode.crystal.arrays import FloatArray
from softmode.crystal.frames import (
    copied_share,
    largest_net_force,
    largest_over_usual,
    repeated_force_share,
    slope_and_correlation,
    step_misfit,
)
from softmode.crystal.periodic_images import minimum_image, minimum_image_distances, shortest_vector
from softmode.crystal.response import (
    Response,
    fitted,
    harmonic_part,
    largest_response,
    net_force,
    responses,
    sum_rule,
    translation_asymmetry,
)
from softmode.crystal.supercell_symmetry import SupercellSymmetry, supercell_symmetry
from softmode.datasets.assemble import primitive_atoms, primitive_cell, supercell_of

_STILL = 1e-6  # Å
_FRAMES = 64  # of a trajectory, evenly spread, whose forces are compared with harmonic ones
#: Å: displacements for which the limit of the residual is meant.
_USUAL = 0.01
#: eV Å: e²/4πε₀.
_COULOMB = units.Hartree * units.Bohr
_NOBLE = (2, 10, 18, 36, 54, 86)


def material_figures(material: Material) -> Iterator[tuple[str, float]]:
    """What is looked at of a crystal and its reference: name of the check, and figure."""
    cell = material.unitcell
    yield "shortest_bond", bond_ratio(cell)
    ratios = (cell.masses / atomic_masses[cell.numbers])[cell.numbers > 1]  # deuterium is no mistake
    if len(ratios):
        yield "mass", float(ratios[np.abs(ratios - 1.0).argmax()])
    if material.nac is not None:
        yield from _born_figures(material, material.nac)
    if material.reference is not None:
        yield from _reference_figures(material, material.reference)


def _born_figures(material: Material, nac: NonAnalyticalCorrection) -> Iterator[tuple[str, float]]:
    charges, dielectric = np.array(nac.born_charges), np.array(nac.dielectric)
    with catch_warnings():
        simplefilter("ignore")  # what phonopy says of broken symmetry is refused with its figure
        symmetric = symmetrize_borns_and_epsilon(charges, dielectric, primitive_cell(material))
    yield (
        "born",
        max(
            float(np.abs(one - other).max() / max(np.abs(one).max(), 1e-10))
            for one, other in zip((charges, dielectric), symmetric, strict=True)
        ),
    )
    constants = np.linalg.eigvalsh(0.5 * (dielectric + dielectric.T))
    yield "dielectric", float(constants[0])
    yield "dielectric", float(constants[-1])


def _reference_figures(
    material: Material, reference: DisplacementForces | ForceConstants
) -> Iterator[tuple[str, float]]:
    supercell = supercell_of(material)
    symmetry = supercell_symmetry(material.unitcell, supercell)
    if symmetry is None:
        return
    if isinstance(reference, ForceConstants) and len(reference.values) == supercell.n_atoms:
        yield "site_symmetry", translation_asymmetry(reference, symmetry)
    given = _responses(material, supercell, symmetry)
    if isinstance(reference, DisplacementForces) and not reference.displacements.any(axis=(1, 2)).all():
        yield "displacement", 0.0  # of a supercell that is said to be displaced
    if not given and isinstance(reference, DisplacementForces):
        yield "net_force", largest_net_force(reference.forces)
        yield "copies", copied_share(reference.displacements)
        moved = reference.displacements - reference.displacements.mean(axis=1, keepdims=True)
        yield "force_correlation", slope_and_correlation(reference.forces, -moved)[1]
    if not given:
        return
    curved = 1.0  # share of the residual that counts: what is quadratic in the displacement is no mistake
    if isinstance(reference, DisplacementForces):
        lengths = [np.linalg.norm(one.displacements, axis=1) for one in given]
        yield "displacement", float(min(map(np.min, lengths)))
        longest = float(max(map(np.max, lengths)))
        curved = min(1.0, _USUAL / longest)
        yield "displacement", longest
    largest = largest_response(given)
    if largest == 0.0:
        yield "stiffness", 0.0
        return
    yield "net_force", net_force(given)
    fits = [fitted(one, symmetry) for one in given]
    yield "site_symmetry", max(fit.asymmetry for fit in fits)
    yield "residual", curved * max(fit.residual for fit in fits) / largest
    stiffness = [fit.stiffness for fit in fits]
    yield "stiffness", max(stiffness) * shortest_bond(material.unitcell) ** 3 / _COULOMB
    if max(stiffness) > 0.0:
        yield "softest", min(stiffness) / max(stiffness)
        if (violation := sum_rule(fits, symmetry)) is not None:
            yield "sum_rule", violation


def _responses(material: Material, supercell: Cell, symmetry: SupercellSymmetry) -> list[Response]:
    """What displaced atoms do: of full force constants the first image of each primitive atom."""
    reference = material.reference
    if reference is None:
        return []
    if isinstance(reference, DisplacementForces):
        return responses(reference)
    full = len(reference.values) == supercell.n_atoms
    return responses(reference, symmetry.first_atoms if full else primitive_atoms(material))


def trajectory_figures(trajectory: Trajectory, material: Material | None) -> Iterator[tuple[str, float]]:
    """What is looked at of a trajectory: name of the check, and figure.

    Parameters
    ----------
    trajectory : Trajectory
        In the order of the supercell of the material, where there is one.
    material : Material or None
        What it belongs to; without force constants forces are compared with displacements.
    """
    forces = trajectory.forces
    yield "copies", copied_share(trajectory.positions)
    yield "net_force", largest_net_force(forces)
    yield "largest_force", largest_over_usual(forces, trajectory.numbers)
    if material is None:
        return
    supercell = supercell_of(material)
    rest = supercell.scaled_positions @ supercell.lattice
    moved = minimum_image(trajectory.positions - rest, supercell.lattice)
    yield "repeated_forces", repeated_force_share(forces, moved)
    if (np.linalg.norm(moved, axis=2) > _STILL).sum(axis=1).max() <= 1:
        return  # one atom displaced in each
    yield "out_of_step", step_misfit(moved, forces, supercell.masses, trajectory.run_lengths)
    moved -= moved.mean(axis=1, keepdims=True)
    yield "jump", largest_over_usual(moved, trajectory.numbers)
    chosen = np.unique(np.linspace(0, trajectory.n_frames - 1, _FRAMES).astype(int))
    symmetry = supercell_symmetry(material.unitcell, supercell)
    rows = [] if symmetry is None else _responses(material, supercell, symmetry)
    if symmetry is None or not rows:
        yield "force_correlation", slope_and_correlation(forces[chosen], -moved[chosen])[1]
        return
    atoms, harmonic = harmonic_part([fitted(row, symmetry) for row in rows], symmetry, moved[chosen])
    slope, correlation = slope_and_correlation(forces[chosen][:, atoms], harmonic)
    yield "force_slope", slope
    yield "force_correlation", correlation


def bond_ratio(cell: Cell) -> float:
    """Shortest distance between atoms, periodic images included, over the sum of their radii.

    Covalent radii; of noble gases those of van der Waals.
    """
    radii = np.where(np.isin(cell.numbers, _NOBLE), vdw_radii[cell.numbers], covalent_radii[cell.numbers])
    return float((_distances(cell) / np.add.outer(radii, radii)).min())


def shortest_bond(cell: Cell) -> float:
    """Shortest distance between atoms, periodic images included, Å."""
    return float(_distances(cell).min())


def _distances(cell: Cell) -> FloatArray:
    """Between all atoms of a cell; of each from its own images."""
    distances = minimum_image_distances(cell.lattice, cell.scaled_positions, cell.scaled_positions)
    np.fill_diagonal(distances, shortest_vector(cell.lattice))
    return distances
