"""Any ASE calculator as a potential, named ``module:factory``."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from softmode.errors import MissingDependencyError, PotentialError, SoftmodeError
from softmode.potentials.base import LoopedPotential, PotentialInfo
from softmode.potentials.family import Family, Origin
from softmode.potentials.interpreters import Interpreter
from softmode.potentials.modules import (
    folder_beyond_path,
    import_source,
    importable,
    module_version,
    source_sha256,
)

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from softmode.potentials.resolution import ResolvedPotential

_FACTORY = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")


def calculator_of(predict: Callable[[Atoms], tuple[float, Any, Any]]) -> Calculator:
    """An ASE calculator of a function.

    Parameters
    ----------
    predict : callable
        Gives energy, eV, forces, eV/Å, and stress, eV/Å³, as a (3, 3) array, or None where it has no sense.
    """
    from ase.calculators.calculator import Calculator, all_changes
    from ase.stress import full_3x3_to_voigt_6_stress

    class PredictingCalculator(Calculator):  # type: ignore[misc]
        implemented_properties: ClassVar[list[str]] = ["energy", "free_energy", "forces", "stress"]

        def calculate(
            self, atoms: Any = None, properties: Any = None, system_changes: Any = all_changes
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            energy, forces, stress = predict(self.atoms)
            self.results = {"energy": energy, "free_energy": energy, "forces": forces}
            if stress is not None:
                self.results["stress"] = full_3x3_to_voigt_6_stress(stress)

    return PredictingCalculator()


class CalculatorPotential(LoopedPotential):
    """A potential that asks an ASE calculator.

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements, when given, are what the potential accepts.
    calculator : ase.calculators.calculator.Calculator
        Gives the energy, eV, and forces, eV/Å.
    dtype : {"float64", "float32"}
        The precision it works in.

    Raises
    ------
    PotentialError
        If it is not a calculator.
    """

    def __init__(self, info: PotentialInfo, calculator: Any, *, dtype: str = "float64") -> None:
        from ase.calculators.abc import GetPropertiesMixin

        asked = hasattr(calculator, "get_potential_energy") and hasattr(calculator, "get_forces")
        if isinstance(calculator, type) or not (asked or isinstance(calculator, GetPropertiesMixin)):
            raise PotentialError(
                info.name,
                f"an object of type {type(calculator).__name__} is no ASE calculator",
                "Name a calculator class, or a function that returns a calculator",
            )
        self.info = info
        self.dtype = dtype
        self.device = "cpu"
        self._calculator = calculator

    def calculator(self) -> Calculator:
        """The calculator itself."""
        return self._calculator

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        """Anew: some calculators keep lists of neighbours, and their last bits follow what came before."""
        reset = getattr(self._calculator, "reset", None)
        if callable(reset):
            reset()
        return super()._evaluate(configurations)

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        calculator = atoms.calc = self._calculator
        energy = atoms.get_potential_energy()
        if _keeps_results(type(calculator)) and "forces" in calculator.results:
            # made with the energy, of the same atoms: asking again would compare them with themselves
            return energy, calculator.results["forces"].copy()
        return energy, atoms.get_forces(apply_constraint=False)


def _keeps_results(kind: Any) -> bool:
    """Whether a calculator answers from its ``results``, as ASE's base class does."""
    from ase.calculators.calculator import Calculator

    return (
        issubclass(kind, Calculator)
        and kind.get_property is Calculator.get_property
        and kind.get_forces is Calculator.get_forces
    )


def find_factory(subject: str, factory: str, sha256: str | None = None) -> Any:
    """Import a factory.

    Parameters
    ----------
    subject : str
        Name of the potential, for errors.
    factory : str
        ``module:factory``.
    sha256 : str, optional
        Of the source of the module, where that is a user's own; another one is refused.
    """
    module_name, _, attribute = factory.partition(":")
    try:
        found: Any = import_source(module_name, sha256)
    except SoftmodeError:
        raise
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            subject,
            f"the Python module {exc.name} is not installed",
            "Install it; a module of your own must be in the current folder or on PYTHONPATH",
        ) from exc
    except Exception as exc:
        raise PotentialError(
            subject, f"importing {module_name} fails with {type(exc).__name__}: {exc}", "Repair the module"
        ) from exc
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise PotentialError(
                subject, f"the module {module_name} has no {attribute}", "Check the name after the colon"
            )
        found = getattr(found, part)
    if not callable(found):
        raise PotentialError(
            subject,
            f"{factory} is of type {type(found).__name__} and cannot be called",
            "Name a calculator class, or a function that returns a calculator",
        )
    return found


def _called(subject: str, factory: Any, kwargs: Mapping[str, Any]) -> Any:
    try:
        return factory(**copy.deepcopy(dict(kwargs)))
    except Exception as exc:
        raise PotentialError(
            subject, f"making the calculator fails with {type(exc).__name__}: {exc}", "Check kwargs"
        ) from exc


def _load(resolved: ResolvedPotential) -> CalculatorPotential:
    info, settings = resolved.info, resolved.settings
    with importable(resolved.origin.folder):
        factory = find_factory(info.name, settings.name, resolved.source_sha256)
        return CalculatorPotential(info, _called(info.name, factory, settings.kwargs))


def _origin(name: str, interpreter: Interpreter | None) -> Origin:
    module = name.partition(":")[0]
    folder = folder_beyond_path(module, interpreter)
    versions = ((module.partition(".")[0], module_version(module, interpreter)),)
    return Origin(versions, source_sha256(module, folder, interpreter), folder)


FAMILY = Family(
    name="ASE",
    load=_load,
    options=None,
    settings=("elements",),
    recognises=lambda name: _FACTORY.match(name) is not None,
    others="any ASE calculator as module:factory",
    notes="any ASE calculator",
    origin=_origin,
)
