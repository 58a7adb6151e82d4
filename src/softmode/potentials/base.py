"""One protocol for all potentials: a batch of configurations in, energies and forces (float64) out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from numpy.typing import NDArray

from softmode.errors import NonFiniteForcesError, PotentialError, UncoveredElementError

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PotentialInfo:
    """What is known about a potential before it is loaded.

    Parameters
    ----------
    name : str
        The name used in studies and tables.
    family : str
        ``MACE``, ``CHGNet``, ``SevenNet`` or ``ASE``.
    elements : tuple of str
        Chemical symbols covered; empty when unknown until loaded.
    training_data, level_of_theory, licence, citation : str
        For the table of ``softmode potentials``; ``"unknown"`` where it is.
    notes : str
        Anything a user should know.
    """

    name: str
    family: str
    elements: tuple[str, ...] = ()
    training_data: str = "unknown"
    level_of_theory: str = "unknown"
    licence: str = "unknown"
    citation: str = ""
    notes: str = ""


@dataclass(frozen=True)
class Evaluation:
    """Energies and forces of a batch.

    Parameters
    ----------
    energies : (n_configurations,) array
        Total energies, eV.
    forces : tuple of (n_atoms, 3) arrays
        Forces, eV/Å, float64, in the atom order of each configuration.
    """

    energies: FloatArray
    forces: tuple[FloatArray, ...]

    def stacked_forces(self) -> FloatArray:
        """Forces as one (n_configurations, n_atoms, 3) array, for configurations of equal size."""
        return np.stack(self.forces)


class Potential(ABC):
    """An energy model, loaded and ready.

    Subclasses implement :meth:`_evaluate` and :meth:`calculator`; what every potential must guarantee
    (covered elements, shapes, float64, finite values) is enforced here, once.

    Attributes
    ----------
    info : PotentialInfo
        Description; ``info.elements`` is what :meth:`evaluate` accepts (empty: anything).
    dtype, device : str
        The precision (``"float32"``, ``"float64"``) and the device used.
    """

    info: PotentialInfo
    dtype: str
    device: str

    @abstractmethod
    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        """Energies (eV) and forces (eV/Å) of the configurations, in any float type."""

    @abstractmethod
    def calculator(self) -> Calculator:
        """An ASE calculator of the same model, for relaxation and molecular dynamics."""

    def check_elements(self, configurations: Sequence[Atoms]) -> None:
        """Refuse configurations with elements the potential does not cover.

        Raises
        ------
        UncoveredElementError
            Naming the elements.
        """
        if not self.info.elements:
            return
        present = {symbol for atoms in configurations for symbol in set(atoms.get_chemical_symbols())}
        missing = sorted(present - set(self.info.elements))
        if missing:
            raise UncoveredElementError(
                self.info.name,
                f"does not cover {', '.join(missing)}",
                "choose a potential trained on these elements, or leave the material out",
            )

    def evaluate(self, configurations: Sequence[Atoms]) -> Evaluation:
        """Energies and forces of a batch of configurations.

        Parameters
        ----------
        configurations : sequence of ase.Atoms
            Any number, of any sizes; not modified.

        Returns
        -------
        Evaluation

        Raises
        ------
        UncoveredElementError
            If a configuration holds an element the potential does not cover.
        NonFiniteForcesError
            If an energy or force is not finite; the configurations are named by index.
        """
        self.check_elements(configurations)
        raw_energies, raw_forces = self._evaluate(configurations)
        energies = np.asarray(raw_energies, dtype=np.float64)
        forces = tuple(np.asarray(array, dtype=np.float64) for array in raw_forces)
        expected = [(len(atoms), 3) for atoms in configurations]
        if energies.shape != (len(configurations),) or [array.shape for array in forces] != expected:
            raise PotentialError(
                self.info.name,
                f"returned energies {energies.shape} and forces {[array.shape for array in forces][:3]} "
                f"for configurations of {expected[:3]}",
                "check the calculator: one energy and one force per atom are needed",
            )
        bad = [
            index
            for index, array in enumerate(forces)
            if not (np.isfinite(array).all() and np.isfinite(energies[index]))
        ]
        if bad:
            raise NonFiniteForcesError(
                self.info.name,
                f"returned NaN or infinite values for configuration {', '.join(map(str, bad[:10]))}"
                f"{' …' if len(bad) > 10 else ''} of {len(configurations)} (counted from 0)",
                "inspect those configurations; the potential cannot be trusted there",
            )
        return Evaluation(energies=energies, forces=forces)
