"""How often a potential is asked, and how long it may take, where measurements are handed the potential."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from softmode.deadlines import ends_within
from softmode.potentials.base import Evaluation, Potential

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


class CountedPotential(Potential):
    """A potential that tells how many configurations it is asked for; otherwise the one it is made of.

    Parameters
    ----------
    potential : Potential
        The potential.
    note : callable
        Told of each number of configurations before they are evaluated.
    """

    def __init__(self, potential: Potential, note: Callable[[int], None]) -> None:
        self._potential, self._note = potential, note
        self.info, self.dtype, self.device = potential.info, potential.dtype, potential.device
        self.batches = potential.batches

    def evaluate(self, configurations: Sequence[Atoms]) -> Evaluation:
        """As the potential does."""
        self._note(len(configurations))
        with ends_within(self._potential.time_limit * len(configurations)):
            return self._potential.evaluate(configurations)

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        return self._potential._evaluate(configurations)

    def calculator(self) -> Calculator:
        """The potential's calculator, counted."""
        return cast("Calculator", _CountedCalculator(self._potential, self._note))

    def arithmetic(self) -> dict[str, Any]:
        """That of the potential."""
        return self._potential.arithmetic()

    def close(self) -> None:
        """Close the potential."""
        self._potential.close()


class _CountedCalculator:
    """A calculator of which each change of configuration counts: all asked of one is evaluated once."""

    def __init__(self, potential: Potential, note: Callable[[int], None]) -> None:
        self._calculator: Any = potential.calculator()
        self._limit, self._note = potential.time_limit, note
        self._last: tuple[Any, ...] = ()

    def __getattr__(self, name: str) -> Any:
        if name == "reset":
            self._last = ()
        return getattr(self._calculator, name)

    def _count(self, atoms: Atoms | None) -> None:
        if atoms is None:  # the last one again
            return
        asked = (atoms.numbers.copy(), atoms.positions.copy(), atoms.cell.array.copy(), atoms.pbc.copy())
        if not self._last or not all(map(np.array_equal, asked, self._last)):
            self._note(1)
        self._last = asked

    def get_potential_energy(self, atoms: Atoms | None = None, **options: Any) -> Any:
        self._count(atoms)
        with ends_within(self._limit):
            return self._calculator.get_potential_energy(atoms, **options)

    def get_forces(self, atoms: Atoms | None = None) -> Any:
        self._count(atoms)
        with ends_within(self._limit):
            return self._calculator.get_forces(atoms)

    def get_stress(self, atoms: Atoms | None = None) -> Any:
        self._count(atoms)
        with ends_within(self._limit):
            return self._calculator.get_stress(atoms)

    def get_property(self, name: str, atoms: Atoms | None = None, **options: Any) -> Any:
        self._count(atoms)
        with ends_within(self._limit):
            return self._calculator.get_property(name, atoms, **options)
