"""Any ASE calculator as a potential, named ``module:factory``."""

from __future__ import annotations

import copy
import hashlib
import importlib
import importlib.metadata
import re
import sysconfig
from collections.abc import Mapping
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.abc import GetPropertiesMixin
from ase.calculators.calculator import Calculator

from softmode.errors import MissingDependencyError, PotentialError
from softmode.potentials.base import LoopedPotential, PotentialInfo

_FACTORY = re.compile(r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$")


def is_factory_name(name: str) -> bool:
    """Whether a name has the form ``package.module:factory``."""
    return _FACTORY.match(name) is not None


class CalculatorPotential(LoopedPotential):
    """A potential made by calling a factory, usually the class of an ASE calculator.

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements, when given, are what the potential accepts.
    factory : str
        ``module:factory``, as in ``ase.calculators.emt:EMT``.
    kwargs : mapping
        Keyword arguments of the factory.

    Raises
    ------
    MissingDependencyError
        If the module is not installed.
    PotentialError
        If the factory is absent, raises, or returns something else than a calculator.
    """

    def __init__(self, info: PotentialInfo, factory: str, kwargs: Mapping[str, Any]) -> None:
        self.info = info
        self.dtype = "float64"
        self.device = "cpu"
        self._calculator = _call(info.name, find_factory(info.name, factory), kwargs)

    def calculator(self) -> Calculator:
        """The calculator itself."""
        return self._calculator

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        calculator = atoms.calc = self._calculator
        energy = atoms.get_potential_energy()
        if _keeps_results(type(calculator)) and "forces" in calculator.results:
            # made with the energy, of the same atoms: asking again would compare them with themselves
            return energy, calculator.results["forces"].copy()
        return energy, atoms.get_forces(apply_constraint=False)


def _keeps_results(kind: Any) -> bool:
    """Whether a calculator answers from its ``results``, as ASE's base class does."""
    return (
        issubclass(kind, Calculator)
        and kind.get_property is Calculator.get_property
        and kind.get_forces is Calculator.get_forces
    )


def find_factory(subject: str, factory: str) -> Any:
    """Import a factory.

    Parameters
    ----------
    subject : str
        Name of the potential, for errors.
    factory : str
        ``module:factory``.
    """
    module_name, _, attribute = factory.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as exc:
        raise MissingDependencyError(
            subject,
            f"the Python module {exc.name} is not installed",
            "Install it; a module of your own must be on PYTHONPATH",
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


def _call(subject: str, factory: Any, kwargs: Mapping[str, Any]) -> Any:
    try:
        made = factory(**copy.deepcopy(dict(kwargs)))
    except Exception as exc:
        raise PotentialError(
            subject, f"making the calculator fails with {type(exc).__name__}: {exc}", "Check kwargs"
        ) from exc
    if not isinstance(made, GetPropertiesMixin) and not (
        hasattr(made, "get_potential_energy") and hasattr(made, "get_forces")
    ):
        raise PotentialError(
            subject,
            f"the factory returned an object of type {type(made).__name__}, not an ASE calculator",
            "Name a calculator class, or a function that returns a calculator",
        )
    return made


def factory_version(factory: str) -> str:
    """Version of the distribution a factory comes from, ``"unknown"`` for modules of no distribution."""
    top = factory.partition(":")[0].partition(".")[0]
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        distributions = importlib.metadata.packages_distributions().get(top, [])
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in distributions) or "unknown"


def factory_source_sha256(factory: str) -> str | None:
    """SHA-256 of the source file of a factory's module, when that is the user's own and not installed.

    The module is found without importing it or its parents.
    """
    spec = _find_module(factory.partition(":")[0])
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    path = Path(spec.origin).resolve()
    installed = {Path(sysconfig.get_path(key)).resolve() for key in ("purelib", "platlib", "stdlib")}
    if not path.is_file() or any(path.is_relative_to(directory) for directory in installed):
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _find_module(name: str) -> ModuleSpec | None:
    """As ``importlib.util.find_spec``, which imports the parents of a submodule."""
    search: Any = None
    full_name, spec = "", None
    for part in name.split("."):
        full_name = f"{full_name}.{part}" if full_name else part
        spec = PathFinder.find_spec(full_name, search)
        if spec is None:
            return None
        search = spec.submodule_search_locations or []
    return spec
