"""How often a potential is asked, and how long it may take, where measurements are handed the potential."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from softmode.deadlines import ends_within
from softmode.potentials.base import Evaluation, FloatArray, Potential

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator


@contextmanager
def _answering(seconds: float) -> Iterator[None]:
    """While a potential is asked, for so long: how numpy takes errors is afterwards as it was."""
    with ends_within(seconds), np.errstate():
        yield


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
        self.batches, self.twice_differentiable = potential.batches, potential.twice_differentiable

    def evaluate(self, configurations: Sequence[Atoms]) -> Evaluation:
        """As the potential does."""
        self._note(len(configurations))
        with _answering(self._potential.time_limit * len(configurations)):
            return self._potential.evaluate(configurations)

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        return self._potential._evaluate(configurations)

    def hessian_products(self, atoms: Atoms, directions: FloatArray) -> FloatArray:
        """As the potential does; each direction counts as a configuration."""
        self._note(len(directions))
        with _answering(self._potential.time_limit * len(directions)):
            return self._potential.hessian_products(atoms, directions)

    @property
    def precisions(self) -> tuple[str, ...]:
        """Those of the potential."""
        return self._potential.precisions

    def in_precision(self, dtype: str) -> Potential | None:
        """The potential in another precision, counted."""
        other = self._potential.in_precision(dtype)
        return None if other is None else CountedPotential(other, self._note)

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

    @contextmanager
    def _asked(self, atoms: Atoms | None) -> Iterator[Any]:
        """The calculator, while it is asked of a configuration (None: of the last one again)."""
        if atoms is not None:
            asked = tuple(
                part.copy() for part in (atoms.numbers, atoms.positions, atoms.cell.array, atoms.pbc)
            )
            if not self._last or not all(map(np.array_equal, asked, self._last)):
                self._note(1)
            self._last = asked
        with _answering(self._limit):
            yield self._calculator

    def get_potential_energy(self, atoms: Atoms | None = None, **options: Any) -> Any:
        with self._asked(atoms) as calculator:
            return calculator.get_potential_energy(atoms, **options)

    def get_forces(self, atoms: Atoms | None = None) -> Any:
        with self._asked(atoms) as calculator:
            return calculator.get_forces(atoms)

    def get_stress(self, atoms: Atoms | None = None) -> Any:
        with self._asked(atoms) as calculator:
            return calculator.get_stress(atoms)

    def get_property(self, name: str, atoms: Atoms | None = None, **options: Any) -> Any:
        with self._asked(atoms) as calculator:
            return calculator.get_property(name, atoms, **options)
