"""What a family of potentials says of itself: all that the registry needs, in one object, nothing loaded."""

from __future__ import annotations

import importlib.util
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pydantic import BaseModel, ConfigDict

from softmode.errors import MissingDependencyError
from softmode.potentials.base import Potential, PotentialInfo
from softmode.potentials.interpreters import Interpreter
from softmode.potentials.modules import distribution_version

if TYPE_CHECKING:
    from softmode.potentials.resolution import ResolvedPotential

_SYMBOLS = """
H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr
Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe
Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Ac Th Pa U Np Pu
"""
#: The 89 elements of MPtrj: H to Pu without Po, At, Rn, Fr and Ra. The MACE models on OMAT and MatPES are
#: published as covering 89 elements too; what a MACE model really covers is read from it when it is loaded.
MATERIALS_PROJECT_ELEMENTS: tuple[str, ...] = tuple(_SYMBOLS.split())

#: Settings that a potential with a weight file has a use for, besides its name, label, precision and options.
FOR_WEIGHTS = ("weights", "sha256", "device")


class Options(BaseModel):
    """What ``kwargs`` of the settings may hold; a family subclasses it with its own options."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    #: Options that change how long an evaluation takes and nothing else.
    without_effect_on_results: ClassVar[frozenset[str]] = frozenset()


@dataclass(frozen=True)
class Package:
    """The Python package that a family needs.

    Parameters
    ----------
    module, distribution : str
        Its top-level module, and its name on PyPI.
    extra : str
        The extra of softmode that installs it; empty where there is none.
    beside : tuple of str
        Further distributions whose versions are recorded; they do not count in the digest.
    alone : str
        The release to install without its dependencies, as ``nequix==0.4.5``, for a package that asks for
        more, or for other versions, than it needs; what it needs is in the extra.
    pins : tuple of str
        What an environment of its own is made of, as ``sevenn==0.13.0``; empty where none can be made.
    releases : str
        Releases that the family works with, as ``==2.0.4`` or ``>=0.4.5,<0.5``; any when empty.
    """

    module: str
    distribution: str
    extra: str = ""
    beside: tuple[str, ...] = ()
    alone: str = ""
    pins: tuple[str, ...] = ()
    releases: str = ""

    def is_installed(self, interpreter: Interpreter | None = None) -> bool:
        """Whether it can be found, here or with another interpreter, without importing it."""
        if interpreter is None:
            return importlib.util.find_spec(self.module) is not None
        # a package installed to be edited may be found by its metadata only
        return bool(interpreter.find(self.module) or interpreter.version_of(self.distribution))

    @property
    def how_to_install(self) -> str:
        """The command that installs it."""
        command = f"pip install '{f'softmode[{self.extra}]' if self.extra else self.distribution}'"
        return f"{command} && pip install --no-deps {self.alone}" if self.alone else command

    def carried(self, path: str, interpreter: Interpreter | None = None) -> Path | None:
        """A file inside the package, found without importing it; None where it is not there."""
        spec = importlib.util.find_spec(self.module) if interpreter is None else interpreter.find(self.module)
        folders = (spec.submodule_search_locations or []) if spec is not None else []
        return next((file for folder in folders if (file := Path(folder) / path).is_file()), None)


def meets(version: str, releases: str) -> bool:
    """Whether a version is among releases.

    Parameters
    ----------
    version : str
        As ``2.0.4``; what comes after the numbers (``+cpu``, ``rc1``) does not count.
    releases : str
        Comparisons with ``==``, ``>=`` or ``<``, separated by commas, as ``>=0.4.5,<0.5``; all must hold.
    """
    compare = {"==": operator.eq, ">=": operator.ge, "<": operator.lt}
    asked = re.findall(r"(==|>=|<)\s*([\d.]+)", releases)
    return all(compare[sign](_numbers(version), _numbers(bound)) for sign, bound in asked)


def _numbers(version: str) -> tuple[int, ...]:
    """The numbers of a version, without zeros at the end."""
    found = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in found.group().split(".")] if found else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def as_tuples(rows: Sequence[Sequence[float]]) -> tuple[tuple[float, ...], ...]:
    """Rows of numbers that cannot be changed."""
    return tuple(map(tuple, rows))


@dataclass(frozen=True)
class Structure:
    """Atoms in a cell, without ASE: what the catalogue holds must be cheap to import.

    Parameters
    ----------
    symbols : tuple of str
        Chemical symbols.
    positions : (n_atoms, 3) tuple
        Å.
    cell : (3, 3) tuple
        Lattice vectors, Å.
    pbc : tuple of bool
        Along which of them it is periodic.
    """

    symbols: tuple[str, ...]
    positions: tuple[tuple[float, ...], ...]
    cell: tuple[tuple[float, ...], ...]
    pbc: tuple[bool, bool, bool] = (True, True, True)


@dataclass(frozen=True)
class KnownAnswer:
    """What a potential gives for one structure.

    Parameters
    ----------
    energy : float
        Total energy, eV.
    forces : (n_atoms, 3) tuple
        Forces, eV/Å.
    source : str
        Which code gave it, with versions.
    structure : Structure, optional
        Of what; :func:`softmode.potentials.answers.compound` when not given.
    """

    energy: float
    forces: tuple[tuple[float, ...], ...]
    source: str
    structure: Structure | None = None


@dataclass(frozen=True)
class SplitFile:
    """Of which crystals a potential saw the Hessians: a JSON file of lists ``train``, ``val``, ``test``.

    Parameters
    ----------
    url, sha256 : str
        Where it is published, and its SHA-256.
    stored_as : str
        Its place in the cache and in a mirror, ``family/file``.
    """

    url: str
    sha256: str
    stored_as: str


@dataclass(frozen=True)
class Entry(PotentialInfo):
    """A potential known by name.

    Parameters
    ----------
    name, elements, training_data, level_of_theory, licence, citation, notes, hessians, parameters, tried
        As in :class:`~softmode.potentials.base.PotentialInfo`.
    aliases : tuple of str
        Other names it answers to. Case, blanks and underscores do not matter in any of them.
    url : str, optional
        Where its weights are downloaded from: a file, or with `files` a folder.
    sha256 : str, optional
        The SHA-256 of that file.
    files : mapping of str to str
        The files of that folder, each with its SHA-256.
    stored_as : str
        Its place in the cache and in a mirror, ``family/file``; the name at the end of `url` when empty.
    packaged : str, optional
        Where its weights lie inside the family's Python package, relative to it.
    licence_binds : bool
        Whether whoever downloads the weights accepts terms by it; they are told.
    answer : KnownAnswer, optional
        What it must reproduce before it is used.
    split : SplitFile, optional
        Of a potential trained on Hessians: of which crystals (:mod:`softmode.potentials.leakage`).
    """

    aliases: tuple[str, ...] = ()
    url: str | None = None
    sha256: str | None = None
    files: Mapping[str, str] = field(default_factory=dict, hash=False)
    stored_as: str = ""
    packaged: str | None = None
    licence_binds: bool = False
    answer: KnownAnswer | None = None
    split: SplitFile | None = None

    def info(self, family: str) -> PotentialInfo:
        """The description of the potential."""
        said = {each.name: getattr(self, each.name) for each in fields(PotentialInfo)}
        return PotentialInfo(**{**said, "family": family})

    @property
    def terms(self) -> str:
        """What using the weights means to accept; empty where the licence asks little."""
        if not self.licence_binds:
            return ""
        return (
            f"{self.name}: its weights come under the {self.licence}. Using them means accepting this "
            "licence (`softmode potentials` lists those of the others)"
        )


@dataclass(frozen=True)
class Origin:
    """Where the code of a potential comes from, and what tells that it has changed.

    Parameters
    ----------
    versions : tuple of (str, str)
        Python packages and their versions; the first one counts in the digest.
    source_sha256 : str or None
        SHA-256 of the module, when that is the user's own and not installed.
    folder : Path or None
        Where the module was found, when that is not on the search path.
    """

    versions: tuple[tuple[str, str], ...]
    source_sha256: str | None = None
    folder: Path | None = None


@dataclass(frozen=True, eq=False)
class Family:
    """A family of potentials. Importing the module that holds it must load no model library.

    Parameters
    ----------
    name : str
        As it stands in tables.
    load : callable
        Makes the potential; the only place where the family's package is imported.
    entries : tuple of Entry
        The potentials known by name.
    package : Package, optional
        The Python package it needs.
    dtypes : tuple of str
        Precisions it can run in, the default first.
    options : type of Options, optional
        What ``kwargs`` may hold; anything when None.
    settings : tuple of str
        Which of ``weights``, ``sha256``, ``device`` and ``elements`` it has a use for; :data:`FOR_WEIGHTS`
        for potentials with a weight file. The others are refused, not ignored.
    pickled : tuple of str
        Ends of the names of weight files that may be unpickled; empty where they are of another kind.
    numbers_only : bool
        Whether pickled files that hold more than numbers are refused; otherwise code in them is run.
    suffixes : tuple of str
        Ends of the names of its weight files, as ``.model``.
    files : tuple of str
        Where its weights are folders: the names of the files that make up one.
    recognises : callable, optional
        Whether a name that is no entry and has no known suffix, be it a file or not, is one of this family.
    others : str
        What else it takes than its entries, for the list of potentials.
    notes : str
        Notes of potentials that are no entry.
    origin : callable, optional
        Where the code behind a name comes from, here or with another interpreter; the package when None.
    revision : int
        Counts in the digest; raised when results of the same weights get other last digits by what this
        family's own code does.
    repeatable : bool or None
        Whether every run on one machine's processor gives the same bits, as measured; None where nobody has.
    """

    name: str
    load: Callable[[ResolvedPotential], Potential]
    entries: tuple[Entry, ...] = ()
    package: Package | None = None
    dtypes: tuple[str, ...] = ("float64",)
    options: type[Options] | None = Options
    settings: tuple[str, ...] = ()
    suffixes: tuple[str, ...] = ()
    pickled: tuple[str, ...] = ()
    numbers_only: bool = False
    files: tuple[str, ...] = ()
    recognises: Callable[[str], bool] | None = None
    others: str = ""
    notes: str = ""
    origin: Callable[[str, Interpreter | None], Origin] | None = None
    revision: int = 0
    repeatable: bool | None = None

    @property
    def has_weights(self) -> bool:
        """Whether its potentials are determined by a weight file."""
        return "weights" in self.settings

    def is_installed(self, interpreter: Interpreter | None = None) -> bool:
        """Whether what it needs can be found, here or with another interpreter, without importing it."""
        return self.package is None or self.package.is_installed(interpreter)

    def last_bits(self, device: str = "cpu") -> str:
        """What is promised of the last bits of its results on a device, in a few words."""
        if device != "cpu":
            return f"last digits may change from run to run on {device}"
        return {
            True: "the same bits in every run on one machine",
            False: "last digits may change from run to run",
            None: "not measured whether every run gives the same bits",
        }[self.repeatable]

    def require(self, subject: str, interpreter: Interpreter | None = None) -> None:
        """Refuse to go on when its package is absent or of another release, here or with another interpreter.

        Raises
        ------
        MissingDependencyError
            With the command that installs it.
        """
        package = self.package
        if package is None:
            return
        version = distribution_version(package.distribution, interpreter)
        if not package.is_installed(interpreter):
            problem = f"the Python package {package.distribution} is not installed"
        elif version != "unknown" and not meets(version, package.releases):
            needed = f"{package.distribution}{package.releases}"
            problem = f"{package.distribution} {version} is installed, but {needed} is needed"
        else:
            return
        where = "" if interpreter is None else f" in the environment of {interpreter.python}"
        raise MissingDependencyError(
            subject,
            f"{problem}{where}",
            f"Install it with: {self.how_to_install(interpreter)}",
        )

    def how_to_install(self, interpreter: Interpreter | None = None) -> str:
        """The command that installs the package that softmode asks for, here or with another interpreter."""
        package = self.package
        if package is None:
            return ""
        if interpreter is None or interpreter.made_for:
            own = f"softmode potentials install {self.name}"
            return own if package.pins else package.how_to_install
        command = f"{interpreter.python} -m pip install"
        wanted = " ".join(package.pins or (package.distribution,))
        return f"{command} {wanted}{f' && {command} --no-deps {package.alone}' if package.alone else ''}"
