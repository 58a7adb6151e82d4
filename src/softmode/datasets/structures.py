"""Structures without reference data: files, and formulas with a prototype. What screening starts from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from softmode.crystal import Cell, Material
from softmode.datasets.base import DatasetInfo, MaterialEntry, natural_key
from softmode.datasets.formula_lists import ListedFormula, is_formula_list, read_formulas
from softmode.datasets.prototype_structures import build_structure
from softmode.datasets.prototypes import classify
from softmode.datasets.reading import fingerprint, naming
from softmode.datasets.site_assignment import BUILDABLE, assign_sites, prototype_named
from softmode.datasets.structure_files import (
    find_structures,
    read_structure,
    standard_primitive,
    structure_name,
)
from softmode.datasets.structure_options import DEFAULTS, INFO, StructureOptions
from softmode.datasets.supercell_choice import choose_supercell
from softmode.errors import InputDataError, SettingsError

__all__ = ["INFO", "StructureOptions", "Structures", "load_file", "load_formula"]


@dataclass(frozen=True)
class Structures:
    """Structure files and formulas.

    Parameters
    ----------
    files : tuple of Path
        Structure files, folders of them, or lists of formulas (``.csv`` with a column formula or system and
        maybe prototype; ``.txt`` with a formula, and maybe its prototype, on each line).
    formulas : tuple of str
        Formulas.
    prototype : str or None
        Prototype of all formulas that do not name their own.
    options : StructureOptions
        How structures become materials.
    """

    files: tuple[Path, ...] = ()
    formulas: tuple[str, ...] = ()
    prototype: str | None = None
    options: StructureOptions = DEFAULTS

    @classmethod
    def create(
        cls,
        path: Path | None = None,
        *,
        files: object = (),
        formulas: object = (),
        prototype: str | None = None,
        **options: object,
    ) -> Structures:
        """The dataset from whatever a study file or a caller gives.

        Raises
        ------
        SettingsError
            If an option is not understood, a file does not exist, formulas have no prototype, or nothing is
            given at all.
        """
        paths = [Path(name) for name in _strings("files", files)]
        for given in paths:
            if not given.exists():
                raise SettingsError(str(given), "there is no such file or folder", "give an existing path")
        paths = ([path] if path is not None else []) + paths
        texts = _strings("formulas", formulas)
        if not paths and not texts:
            raise SettingsError(
                f"dataset {INFO.name}",
                "neither structures nor formulas are given",
                "set path to structure files, or the options formulas and prototype",
            )
        if prototype is not None:
            prototype = prototype_named(prototype)
        elif texts:
            raise _no_prototype(f"dataset {INFO.name}")
        return cls(tuple(paths), texts, prototype, StructureOptions.create(**options))

    @property
    def info(self) -> DatasetInfo:
        """What this is."""
        return INFO

    def entries(self) -> Sequence[MaterialEntry]:
        """All materials, listed without reading structures, sorted by name.

        A formula that is no compound of its prototype is listed under the formula as given, and fails when
        it is loaded.

        Raises
        ------
        InputDataError
            If nothing is found, or two materials bear the same name.
        SettingsError
            If a formula in a list has no prototype.
        """
        named = [*self._from_files(), *self._from_formulas()]
        if not named:
            shown = ", ".join(map(str, self.files))
            raise InputDataError(
                shown, "no structures are in it", "point to CIF, POSCAR or extended XYZ files or their folder"
            )
        by_name: dict[str, tuple[str, MaterialEntry]] = {}
        for source, entry in named:
            if entry.name in by_name:
                raise InputDataError(
                    f"dataset {INFO.name}",
                    f"{by_name[entry.name][0]} and {source} are both named {entry.name}",
                    "rename or remove one of them",
                )
            by_name[entry.name] = (source, entry)
        return [by_name[name][1] for name in sorted(by_name, key=natural_key)]

    def _from_files(self) -> Iterable[tuple[str, MaterialEntry]]:
        for given in self.files:
            for path in find_structures(given) if given.is_dir() else [given]:
                if is_formula_list(path):
                    continue
                identity = fingerprint([path], path.parent) + self.options.mark
                loader = partial(load_file, path, self.options)
                yield str(path), MaterialEntry(structure_name(path), identity, loader)

    def _from_formulas(self) -> Iterable[tuple[str, MaterialEntry]]:
        listed = [ListedFormula(text, self.prototype or "") for text in self.formulas]
        for path in self.files:
            if is_formula_list(path):
                listed += [
                    ListedFormula(f.text, f.prototype or self.prototype or "") for f in read_formulas(path)
                ]
        for formula in listed:
            if not formula.prototype:
                raise _no_prototype(f"formula {formula.text!r}")
            yield f"formula {formula.text!r}", _formula_entry(formula, self.options)


def _no_prototype(subject: str) -> SettingsError:
    return SettingsError(
        subject, "no prototype is given", f"set the option prototype to one of: {', '.join(BUILDABLE)}"
    )


def _strings(name: str, value: object) -> tuple[str, ...]:
    if isinstance(value, (str, Path)):
        return (str(value),)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        listed = list(value)
        if all(isinstance(item, (str, Path)) for item in listed):
            return tuple(str(item) for item in listed)
    raise SettingsError(
        f"option {name}", f"{value!r} is no list of names", "give a string or a list of strings"
    )


def _formula_entry(formula: ListedFormula, options: StructureOptions) -> MaterialEntry:
    try:
        name = assign_sites(formula.text, formula.prototype).formula
    except InputDataError:
        name = re.sub(r"[^\w().+-]", "_", formula.text)  # loading it says what is wrong
    prototype = prototype_named(formula.prototype)
    described = f"{formula.text}:{prototype}{options.mark}"
    identity = hashlib.sha256(described.encode()).hexdigest()
    return MaterialEntry(name, identity, partial(load_formula, formula.text, prototype, options))


def load_file(path: Path, options: StructureOptions = DEFAULTS) -> Material:
    """A material from a structure file, in its standard primitive cell.

    Raises
    ------
    InputDataError
        If the structure cannot be used; see `softmode.datasets.structure_files.read_structure`.
    """
    with naming(str(path)):
        cell = read_structure(path)
        return _material(structure_name(path), cell, options, {"structure_source": "file"})


def load_formula(
    formula: str,
    prototype: str,
    options: StructureOptions = DEFAULTS,
) -> Material:
    """A material from a formula and a prototype.

    Its tags say so (``structure_source``) and, in ``structure_notes``, which radii and charges are guesses.

    Raises
    ------
    InputDataError
        If the formula is no compound of the prototype.
    """
    built = build_structure(formula, prototype)
    tags = {"structure_source": f"{built.assignment.prototype} from ionic radii"}
    if built.notes:
        tags["structure_notes"] = "; ".join(built.notes)
    with naming(f"formula {formula!r}"):
        return _material(built.assignment.formula, built.cell, options, tags)


def _material(name: str, cell: Cell, options: StructureOptions, tags: Mapping[str, str]) -> Material:
    primitive = standard_primitive(cell, options.symprec)
    classification = classify(primitive)
    if options.supercell_matrix is not None:
        matrix = np.array(options.supercell_matrix, dtype=np.int64).reshape(3, 3)
    else:
        matrix = choose_supercell(primitive, classification.prototype, options.minimum_length)
    return Material(
        name=name,
        formula=classification.formula,
        unitcell=primitive,
        supercell_matrix=matrix,
        primitive_matrix=np.eye(3),
        tags={**classification.tags(), **tags},
    )
