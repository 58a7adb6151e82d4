"""Relaxation of positions and cell by a potential, space group kept."""

from __future__ import annotations

from ase.calculators.calculator import Calculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.optimize import LBFGS

from softmode.crystal import Cell
from softmode.errors import RelaxationError

#: By how much the volume may change when a crystal is relaxed.
VOLUME_RATIO = 1.5


def relax_cell(
    cell: Cell,
    calculator: Calculator,
    *,
    fmax: float = 1e-4,
    max_steps: int = 500,
    largest_volume_ratio: float = VOLUME_RATIO,
) -> Cell:
    """Relax a cell with ASE's ``FixSymmetry`` and ``FrechetCellFilter``.

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

    Raises
    ------
    RelaxationError
        If it does not converge, or the volume changes by more than allowed.
    """
    atoms = cell.to_atoms()
    volume = atoms.get_volume()
    atoms.calc = calculator
    atoms.set_constraint(FixSymmetry(atoms))
    optimizer = LBFGS(FrechetCellFilter(atoms), logfile=None)
    converged = optimizer.run(fmax=fmax, steps=max_steps)
    if not converged:
        raise RelaxationError(
            "relaxation",
            f"did not reach {fmax:g} eV/Å in {max_steps} steps",
            "use a potential with less noisy forces, or compare on the reference structure (relax = false)",
        )
    ratio = atoms.get_volume() / volume
    if not 1.0 / largest_volume_ratio <= ratio <= largest_volume_ratio:
        raise RelaxationError(
            "relaxation",
            f"volume changed from {volume:.1f} to {atoms.get_volume():.1f} Å³",
            "the potential does not hold this crystal; compare on the reference structure (relax = false)",
        )
    atoms.set_constraint()
    return Cell(
        lattice=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(wrap=False),
        numbers=cell.numbers,
        masses=cell.masses,
    )
