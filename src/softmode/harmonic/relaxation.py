"""Relaxation of positions and cell by a potential, space group kept, as far as its own noise lets it go."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator

from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray
from softmode.errors import RelaxationError

#: By how much the volume may change when a crystal is relaxed.
VOLUME_RATIO = 1.5
#: Steps without a force norm lower by a tenth, after which it is asked whether noise is all that is left.
_PATIENCE = 40
_FALLEN = 0.9
#: What is left may be so many times the scatter of the forces: a maximum over atoms exceeds it by chance.
NOISE_MULTIPLE = 3.0
#: Fractions of the cell by which the crystal is moved as a whole; irrational, so that no grid meets itself.
_TRANSLATIONS = np.outer(np.arange(1, 6), np.sqrt([2.0, 3.0, 5.0])) % 1.0


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A relaxed cell, and how far the relaxation went.

    Parameters
    ----------
    cell : Cell
        Atoms in the order given.
    largest_force : float
        Largest force that is left, eV/Å; generalised forces of the cell are among them.
    noise : float or None
        Scatter of the forces over translations of the whole crystal, eV/Å, which end a relaxation that cannot
        reach what was asked; None where it did.
    """

    cell: Cell
    largest_force: float
    noise: float | None = None


def relax_cell(
    cell: Cell,
    calculator: Calculator,
    *,
    fmax: float = 1e-4,
    max_steps: int = 500,
    largest_volume_ratio: float = VOLUME_RATIO,
) -> Relaxed:
    """Relax a cell with ASE's ``FixSymmetry`` and ``FrechetCellFilter``.

    By LBFGS, which far from a minimum may go in circles; where it does, FIRE takes over.

    Parameters
    ----------
    cell : Cell
        The starting (reference) unit cell.
    calculator : ase Calculator
        Must give forces and stress.
    fmax : float
        Convergence of forces and of the cell's generalised forces, eV/Å.
    max_steps : int
        Steps allowed.
    largest_volume_ratio : float
        The crystal is lost when its volume grows, or shrinks, by more than this factor. A structure that is
        itself a guess may be allowed more.

    Returns
    -------
    Relaxed
        Where forces have stopped falling above `fmax` and the largest is within three times the potential's
        noise, the cell of the smallest forces met.

    Raises
    ------
    RelaxationError
        If it does not converge, or the volume changes by more than allowed.

    Notes
    -----
    Forces on a crystal do not change when it is moved as a whole. The noise is by how much they do (root mean
    square, over five translations, of the largest difference from their mean): rounding of single-precision
    potentials, or a grid that does not move along. Below it no step of an optimiser has a direction.
    """
    # here, for they bring much of scipy, which tables and pages need not wait for
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter
    from ase.optimize import FIRE, LBFGS

    atoms = cell.to_atoms()
    volume = atoms.get_volume()
    atoms.calc = calculator
    atoms.set_constraint(FixSymmetry(atoms))
    filtered = FrechetCellFilter(atoms)
    best, lowest, fallen_at, step = atoms.copy(), np.inf, 0, 0
    reached, noise, converged = np.inf, None, False
    for optimizer in (LBFGS, FIRE):
        for converged in optimizer(filtered, logfile=None).irun(fmax=fmax, steps=max_steps - step):
            reached = _largest(filtered.get_forces())
            if reached < _FALLEN * lowest:
                fallen_at = step
            if reached < lowest:
                best, lowest = atoms.copy(), reached
            step += 1
            if converged or step - fallen_at <= _PATIENCE:
                continue
            fallen_at, left = step, force_noise(best, calculator)
            noise = left if lowest <= NOISE_MULTIPLE * left else None
            if noise is not None or optimizer is LBFGS:
                break
        if converged or noise is not None or step >= max_steps:
            break
    if not converged and noise is None:
        raise RelaxationError(
            "relaxation",
            f"did not reach {fmax:g} eV/Å in {max_steps} steps (at best {lowest:.2g})",
            "use a potential with less noisy forces, or compare on the reference structure (relax = false)",
        )
    ended = atoms if noise is None else best
    ratio = ended.get_volume() / volume
    if not 1.0 / largest_volume_ratio <= ratio <= largest_volume_ratio:
        raise RelaxationError(
            "relaxation",
            f"volume changed from {volume:.1f} to {ended.get_volume():.1f} Å³",
            "the potential does not hold this crystal; compare on the reference structure (relax = false)",
        )
    ended.set_constraint()
    relaxed = Cell(
        lattice=ended.cell.array,
        scaled_positions=ended.get_scaled_positions(wrap=False),
        numbers=cell.numbers,
        masses=cell.masses,
    )
    return Relaxed(relaxed, lowest if noise is not None else reached, noise)


def force_noise(atoms: Atoms, calculator: Calculator) -> float:
    """Scatter of symmetrised forces, the cell's among them, when the crystal is moved as a whole, eV/Å.

    Parameters
    ----------
    atoms : ase.Atoms
        The crystal.
    calculator : ase Calculator
        Must give forces and stress.
    """
    from ase.constraints import FixSymmetry
    from ase.filters import FrechetCellFilter

    found = []
    for shift in _TRANSLATIONS:
        moved = atoms.copy()
        moved.set_constraint()
        moved.set_scaled_positions(moved.get_scaled_positions(wrap=False) + shift)
        moved.calc = calculator
        moved.set_constraint(FixSymmetry(moved))
        found.append(FrechetCellFilter(moved).get_forces())
    scatter = np.array(found) - np.mean(found, axis=0)
    return float(np.sqrt(np.mean([_largest(one) ** 2 for one in scatter])))


def _largest(forces: FloatArray) -> float:
    """Largest norm of a row."""
    return float(np.linalg.norm(forces, axis=1).max())
