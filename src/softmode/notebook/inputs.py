"""What is measured, and with what: a crystal with its reference, a potential, conditions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any

from ase import Atoms
from pydantic import ValidationError

from softmode.crystal import DisplacementForces, ForceConstants, Material, Trajectory
from softmode.datasets import align_trajectory, open_reference, read_trajectory, supercell_of
from softmode.datasets.catalog import reference_entry
from softmode.datasets.loose_files import supercell_said
from softmode.datasets.plausibility import plausible_trajectory
from softmode.datasets.structure_files import is_structure
from softmode.errors import SettingsError
from softmode.measurements.conditions import Conditions, explain
from softmode.potentials import (
    CalculatorPotential,
    Potential,
    PotentialInfo,
    PotentialSettings,
    ResolvedPotential,
    resolve,
)
from softmode.structures.dataset import StructureOptions, load_atoms, load_file

Supercell = str | Path | Sequence[int]


@dataclass(frozen=True, eq=False, repr=False)
class Crystal:
    """A crystal, as a rule with a reference.

    Parameters
    ----------
    material : Material
        Structure, supercell, and force constants or forces of the reference.
    read_trajectory : callable, optional
        Reads the reference trajectory, aligned to the supercell.
    accept : tuple of str
        Checks of plausibility whose verdict on it does not count.
    """

    material: Material
    read_trajectory: Callable[[], Trajectory] | None = None
    accept: tuple[str, ...] = ()

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """The reference trajectory, read when first asked for; None where there is none."""
        return None if self.read_trajectory is None else self.read_trajectory()

    def with_trajectory(
        self, source: Trajectory | str | Path | Iterable[str | Path], *, skip: int = 0, every: int = 1
    ) -> Crystal:
        """The same crystal with another reference trajectory.

        Parameters
        ----------
        source : Trajectory, path or paths
            Configurations with forces, each file a run of its own; in any order of atoms.
        skip, every : int
            Of files: frames left out at the start of each run; every n-th frame of what follows.

        Raises
        ------
        InputDataError
            If it cannot be read, does not belong to the supercell, or is not plausible.
        """
        if not isinstance(source, Trajectory):
            paths = [source] if isinstance(source, str | Path) else source
            source = read_trajectory([Path(path) for path in paths], skip=skip, every=every)
        aligned = align_trajectory(source, supercell_of(self.material), source.source)
        aligned = plausible_trajectory(aligned, self.material, self.accept, source.source)
        return Crystal(self.material, lambda: aligned, self.accept)

    def __repr__(self) -> str:
        """Formula, number of atoms, and what reference there is."""
        material = self.material
        name = f"{material.formula} ({material.name})" if material.name != material.formula else material.name
        if isinstance(material.reference, DisplacementForces):
            known = [f"forces on {len(material.reference.forces)} displaced supercells"]
        else:
            known = ["force constants"] if isinstance(material.reference, ForceConstants) else []
        if self.read_trajectory is not None:
            known.append("a trajectory")
        return (
            f"<Crystal {name}: {material.unitcell.n_atoms} atoms, supercell of {material.n_supercell_atoms}; "
            f"reference: {' and '.join(known) or 'none'}>"
        )


def load(
    what: Crystal | Material | Atoms | str | Path,
    supercell: Supercell | None = None,
    accept: Sequence[str] = (),
) -> Crystal:
    """A crystal from wherever there is one.

    Parameters
    ----------
    what : str, Path, ase.Atoms, Material or Crystal
        ``"example"``; a file, folder or archive of a phonopy calculation or of anything else that
        ``softmode phonons`` takes; a structure file; or an object. Structures without a reference are brought
        into their standard primitive cell.
    supercell : str, Path or sequence of int, optional
        Three or nine integers, as ``"2 2 2"``, where no file says it; of the primitive cell where
        there is no reference. Or the file of the supercell of force constants.
    accept : sequence of str
        Checks of plausibility (``docs/datasets.md``) whose verdict does not count.

    Raises
    ------
    SettingsError, InputDataError
        If there is no such file, it holds no crystal or several, or cannot be used or is not plausible.
    """
    if isinstance(what, Crystal | Material):
        if supercell is not None:
            raise SettingsError(repr(what), "it has its supercell already", "Leave the supercell away")
        return what if isinstance(what, Crystal) else Crystal(what)
    said = None if supercell is None else supercell_said(supercell)
    if isinstance(what, Atoms) or is_structure(Path(what)):
        if isinstance(said, Path):
            raise SettingsError(str(said), "is a file", "Give the supercell of a structure as '2 2 2'")
        options = StructureOptions.create("structures", {"supercell_matrix": said})
        return Crystal(
            load_atoms(what, options) if isinstance(what, Atoms) else load_file(Path(what), options)
        )
    if isinstance(said, Path):
        return Crystal(open_reference(what, said, accept), accept=tuple(accept))
    entry = reference_entry(what, said, accept)
    return Crystal(entry.load(), entry.load_trajectory if entry.has_trajectory else None, entry.accept)


@dataclass(frozen=True, eq=False, repr=False)
class Model:
    """A potential, ready.

    Parameters
    ----------
    potential : Potential
        Evaluates configurations: ``model.potential.evaluate([atoms]).forces``, eV/Å.
    resolved : ResolvedPotential or None
        What it was loaded from; None for a calculator object.
    """

    potential: Potential
    resolved: ResolvedPotential | None = None

    @property
    def name(self) -> str:
        """Name in tables and figures."""
        return self.potential.info.name

    def __repr__(self) -> str:
        """Name, family, precision and device."""
        own = self.potential
        return f"<Model {own.info.name} ({own.info.family}), {own.dtype} on {own.device}>"


def potential(
    what: Any,
    *,
    dtype: str | None = None,
    device: str = "cpu",
    name: str = "",
    python: str | None = None,
    level_of_theory: str | None = None,
    **options: Any,
) -> Model:
    """A potential, loaded; weights that are not on this machine are downloaded.

    Parameters
    ----------
    what : str, Path or ASE calculator
        A name of ``softmode potentials``, a weight file, ``module:factory``, or a calculator object.
    dtype, device : str
        Precision and device; for a calculator object its precision, where it is known.
    name : str
        What a calculator object is called in tables; the name of its class when empty.
    python : str, optional
        As ``python`` of a study file: the interpreter it runs with, or ``same`` for the one that runs this.
    level_of_theory : str, optional
        What it was trained on, as ``PBE+U``, where the catalogue does not say.
    **options
        Of the family, as ``kwargs`` of a study file.

    Raises
    ------
    SettingsError, PotentialError
        If there is no such potential, an option is not valid, or it cannot be loaded.
    """
    if isinstance(what, Model):
        return what
    if isinstance(what, str | Path):
        resolved = resolved_potential(
            str(what), dtype, device, options, python=python, level_of_theory=level_of_theory
        )
        return Model(resolved.load(), resolved)
    if options:
        raise SettingsError("potential", f"an object takes no {next(iter(options))}", "Leave it away")
    if not isinstance(what, Potential):
        info = PotentialInfo(name or type(what).__name__, "ASE", level_of_theory=level_of_theory or "unknown")
        what = CalculatorPotential(info, what, dtype=dtype or "float64")
    return Model(what)


def resolved_potential(
    name: str,
    dtype: str | None = None,
    device: str = "cpu",
    options: Mapping[str, Any] = MappingProxyType({}),
    answer: Path | None = None,
    python: str | None = None,
    level_of_theory: str | None = None,
) -> ResolvedPotential:
    """A potential that is settled down to its weights but not loaded.

    Raises
    ------
    SettingsError
        If there is no such potential or an option is not valid.
    """
    content: dict[str, Any] = {
        "name": name,
        "dtype": dtype,
        "device": device,
        "kwargs": dict(options),
        "answer": answer,
    }
    content |= {"python": python, "level_of_theory": level_of_theory}
    try:
        settings = PotentialSettings.model_validate(content)
    except ValidationError as error:
        raise SettingsError(
            f"potential {name!r}", f"its options are not valid ({explain(error)})", "Correct them"
        ) from error
    return resolve(settings)


def conditions_of(who: str, content: Mapping[str, Any]) -> Conditions:
    """Conditions from what was given.

    Raises
    ------
    SettingsError
        If something is not valid.
    """
    try:
        return Conditions.create(content)
    except ValidationError as error:
        raise SettingsError(who, explain(error), "Correct the option") from error
