"""One protocol for all potentials: a batch of configurations in, energies and forces (float64) out."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from softmode.errors import (
    NonFiniteForcesError,
    OutOfMemoryError,
    PotentialError,
    SoftmodeError,
    UncoveredElementError,
)
from softmode.potentials.runtime import is_out_of_memory

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class PotentialInfo:
    """What is known about a potential before it is loaded.

    Parameters
    ----------
    name : str
        The name used in studies and tables.
    family : str
        The family it belongs to, as ``MACE``; ``ASE`` for any ASE calculator. Empty in an entry of a family.
    elements : tuple of str
        Chemical symbols covered; empty when unknown until loaded.
    training_data, level_of_theory, licence, citation : str
        For the table of ``softmode potentials``; ``"unknown"`` where it is.
    notes : str
        Anything a user should know.
    hessians : bool or None
        Whether second derivatives of the energy were among the training data; None where it is not known.
    parameters : int or None
        Number of trained parameters, where it is known.
    tried : bool
        Whether softmode has been run with it; otherwise it is a recipe, written from its documentation.
    """

    name: str
    family: str = ""
    elements: tuple[str, ...] = ()
    training_data: str = "unknown"
    level_of_theory: str = "unknown"
    licence: str = "unknown"
    citation: str = ""
    notes: str = ""
    hessians: bool | None = None
    parameters: int | None = None
    tried: bool = True


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


def evaluation_failure(subject: str, cause: Exception, configuration: str = "") -> PotentialError:
    """The error for a model that raised while it was evaluated.

    Parameters
    ----------
    subject : str
        Name of the potential.
    cause : Exception
        What the model raised.
    configuration : str
        Which configuration it was evaluating, where known.
    """
    where = f" on {configuration}" if configuration else ""
    if is_out_of_memory(cause):
        return OutOfMemoryError(
            subject, f"ran out of memory{where}", "use fewer workers, a smaller supercell or another device"
        )
    first_line = (str(cause).strip().splitlines() or ["no message"])[0]
    return PotentialError(
        subject,
        f"failed{where} with {type(cause).__name__}: {first_line}",
        "check that the structure is one the potential can handle (periodic, no overlapping atoms)",
    )


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
    batches : bool
        Whether several configurations are evaluated in one pass.
    twice_differentiable : bool
        Whether it gives analytic second derivatives (:meth:`hessian_products`).
    """

    info: PotentialInfo
    dtype: str
    device: str
    batches: bool = False
    twice_differentiable: bool = False
    #: How long one configuration may take where somebody watches, s; see softmode.deadlines.ends_within.
    time_limit: float = math.inf

    @abstractmethod
    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        """Energies (eV) and forces (eV/Å) of the configurations, in any float type."""

    @abstractmethod
    def calculator(self) -> Calculator:
        """An ASE calculator of the same model, for relaxation and molecular dynamics."""

    def _hessian_products(self, atoms: Atoms, directions: FloatArray) -> Any:  # noqa: ARG002
        """As :meth:`hessian_products`, in any float type."""
        raise PotentialError(
            self.info.name,
            "gives no analytic second derivatives",
            'Take finite displacements (force_constants = "finite"); docs/potentials.md says which have them',
        )

    def hessian_products(self, atoms: Atoms, directions: FloatArray) -> FloatArray:
        """Analytic second derivatives of the energy along directions, ``sum_j Phi_ij d_j``.

        A direction that moves one atom along x gives a column of the Hessian, which is symmetric. They are
        taken one by one, so that memory does not grow with their number.

        Parameters
        ----------
        atoms : ase.Atoms
            Not modified.
        directions : (n_directions, n_atoms, 3) array
            Å.

        Returns
        -------
        (n_directions, n_atoms, 3) array
            eV/Å: minus the change of the forces, to first order.

        Raises
        ------
        PotentialError
            If the potential has none, or failed.
        NonFiniteForcesError
            If a value is not finite.
        """
        self.check_elements([atoms])
        self.check_configurations([atoms])
        try:
            products = _real(self._hessian_products(atoms.copy(), directions))
        except SoftmodeError:
            raise
        except Exception as exc:
            raise evaluation_failure(self.info.name, exc, "second derivatives") from exc
        if products.shape != directions.shape or not np.isfinite(products).all():
            raise NonFiniteForcesError(
                self.info.name,
                "returned second derivatives that are not finite, or not of the shape asked for",
                'Take finite displacements (force_constants = "finite")',
            )
        return products

    @property
    def precisions(self) -> tuple[str, ...]:
        """Its own, where it has no other."""
        return (self.dtype,)

    def in_precision(self, dtype: str) -> Potential | None:  # noqa: ARG002
        """The same model, loaded anew in another precision; None where it has no such one."""
        return None

    def close(self) -> None:  # noqa: B027  (nothing to do for most)
        """Give back what the loaded model holds beyond its own memory: a process, compiled programs.

        Whoever loads a potential calls it when done with it; a second call does nothing. The potential and
        its calculator are not used afterwards. A family that holds nothing of the kind leaves it as it is.
        """

    def arithmetic(self) -> dict[str, Any]:
        """What decides the last bits where it is evaluated, for records; empty where that is this process."""
        return {}

    def check_configurations(self, configurations: Sequence[Atoms]) -> None:
        """Refuse positions or cells that are not finite: neighbour searches hang or crash on them.

        Raises
        ------
        PotentialError
            Naming the first such configuration.
        """
        for index, atoms in enumerate(configurations):
            if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
                raise PotentialError(
                    self.info.name,
                    f"was given positions or a cell that are not finite in configuration {index} "
                    f"of {len(configurations)} (counted from 0)",
                    "inspect the structure; a relaxation or a trajectory may have diverged",
                )

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
        PotentialError
            If the model itself failed, or was given positions that are not finite.
        """
        self.check_elements(configurations)
        self.check_configurations(configurations)
        process = os.getpid()
        try:
            raw_energies, raw_forces = self._evaluate(configurations)
        except SoftmodeError:
            raise
        except Exception as exc:
            raise evaluation_failure(self.info.name, exc) from exc
        finally:
            if os.getpid() != process:  # a fork of the model's own, that must not go on in our place
                os._exit(1)
        return self._checked(configurations, raw_energies, raw_forces)

    def _checked(
        self, configurations: Sequence[Atoms], raw_energies: Sequence[float], raw_forces: Sequence[Any]
    ) -> Evaluation:
        """What the model returned, as float64; refused when its shape is wrong or a value is not finite."""
        try:
            energies = _real(raw_energies)
            forces = tuple(map(_real, raw_forces))
        except (TypeError, ValueError) as error:
            raise PotentialError(
                self.info.name,
                f"returned what are no real numbers ({error})",
                "check the calculator: one energy and one force per atom are needed",
            ) from error
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
                configurations=tuple(bad),
            )
        return Evaluation(energies=energies, forces=forces)


def _real(values: Any) -> FloatArray:
    """Numbers as float64; complex ones are refused, not cut."""
    array = np.asarray(values)
    if np.iscomplexobj(array):
        raise TypeError("complex numbers")
    return np.asarray(array, dtype=np.float64)


class LoopedPotential(Potential):
    """A potential whose configurations are evaluated one after the other.

    Subclasses implement :meth:`_evaluate_one`, which receives a copy.
    """

    @abstractmethod
    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        """Energy (eV) and forces (eV/Å) of one configuration, in any float type."""

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        energies: list[float] = []
        forces: list[Any] = []
        for index, atoms in enumerate(configurations):
            try:
                energy, force = self._evaluate_one(atoms.copy())
            except SoftmodeError:
                raise
            except Exception as exc:
                where = f"configuration {index} of {len(configurations)} (counted from 0)"
                raise evaluation_failure(self.info.name, exc, where) from exc
            energies.append(energy)
            forces.append(force)
        return energies, forces
