"""Structures without reference data: files, and formulas with a prototype. What screening starts from."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from ase import Atoms
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from softmode.crystal import Cell, Material
from softmode.datasets.base import DatasetKind, DatasetOptions, MaterialEntry, as_tuple, distinct
from softmode.datasets.formats import supercell_matrix_from
from softmode.datasets.prototypes import classify
from softmode.datasets.reading import fingerprint, naming
from softmode.datasets.structure_files import (
    cell_of_atoms,
    check_distances,
    find_structures,
    read_structure,
    standard_cell,
    structure_name,
)
from softmode.errors import InputDataError, SettingsError
from softmode.structures.formula_lists import ListedFormula, is_formula_list, read_formulas
from softmode.structures.formulas import BUILDABLE, assign_sites, buildable_prototype
from softmode.structures.prototype_structures import build_structure
from softmode.structures.supercell_choice import MINIMUM_LENGTH, choose_supercell

SYMPREC = 0.01
#: Å.
Length = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]


def _matrix(value: Any) -> Any:
    try:
        return None if value is None else tuple(supercell_matrix_from(value, "").ravel().tolist())
    except InputDataError as error:
        raise ValueError(error.problem) from error


def _existing(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path}: there is no such file or folder")
    return paths


def _buildable(name: str | None) -> str | None:
    return None if name is None else buildable_prototype(name)


class StructureOptions(DatasetOptions):
    """How structures become materials."""

    supercell_matrix: Annotated[tuple[int, ...] | None, BeforeValidator(_matrix)] = Field(
        default=None,
        description="three or nine integers with respect to the standard primitive cell, for all",
    )
    minimum_length: Length | None = Field(
        default=None,
        description="Å: no atom is closer to an image of its own (default: 2 2 2 for perovskites and "
        f"K2PtCl6, else {MINIMUM_LENGTH:g})",
    )
    symprec: Length = Field(
        default=SYMPREC, description=f"Å: how far atoms may be from symmetric positions (default {SYMPREC})"
    )

    @model_validator(mode="after")
    def _one_supercell(self) -> Self:
        if self.supercell_matrix is not None and self.minimum_length is not None:
            raise SettingsError(
                "dataset structures", "supercell_matrix and minimum_length are both set", "set one of them"
            )
        return self

    @property
    def mark(self) -> str:
        """Short text that differs when any of these does."""
        return f":{self.supercell_matrix}:{self.minimum_length}:{self.symprec!r}"


class StructuresOptions(StructureOptions):
    """What is screened besides the files at the path."""

    files: Annotated[tuple[Path, ...], BeforeValidator(as_tuple), AfterValidator(_existing)] = Field(
        default=(), description="further structure files, folders or lists of formulas, besides path"
    )
    formulas: Annotated[tuple[str, ...], BeforeValidator(as_tuple)] = Field(
        default=(), description="formulas (Cs2AgBiBr6) from which structures are built; needs prototype"
    )
    prototype: Annotated[str | None, AfterValidator(_buildable)] = Field(
        default=None, description=f"{', '.join(BUILDABLE)}: the prototype of formulas that name none"
    )


#: Supercells chosen for each material.
DEFAULTS = StructureOptions()


def entries(path: Path | None, options: StructuresOptions) -> list[MaterialEntry]:
    """All materials of structure files and formulas, listed without reading structures.

    Files are structure files, folders of them, or lists of formulas (``.csv`` with a column formula or system
    and maybe prototype; ``.txt`` with a formula, and maybe its prototype, on each line). A formula that is no
    compound of its prototype is listed under the formula as given, and fails when it is loaded.

    Raises
    ------
    InputDataError
        If nothing is found, or two materials bear the same name.
    SettingsError
        If nothing is given, or a formula has no prototype.
    """
    paths = ([] if path is None else [path]) + list(options.files)
    if not paths and not options.formulas:
        raise SettingsError(
            "dataset structures",
            "neither structures nor formulas are given",
            "set path to structure files, or the options formulas and prototype",
        )
    named = [*_from_files(paths, options), *_from_formulas(paths, options)]
    if not named:
        raise InputDataError(
            ", ".join(map(str, paths)),
            "no structures are in it",
            "point to CIF, POSCAR or extended XYZ files or their folder",
        )
    return distinct("dataset structures", named)


def _from_files(paths: Sequence[Path], options: StructureOptions) -> Iterator[tuple[str, MaterialEntry]]:
    for given in paths:
        for path in find_structures(given) if given.is_dir() else [given]:
            if not is_formula_list(path):
                identity = fingerprint([path], path.parent) + options.mark
                loader = partial(load_file, path, options)
                yield str(path), MaterialEntry(structure_name(path), identity, loader, place=str(path))


def _from_formulas(paths: Sequence[Path], options: StructuresOptions) -> Iterator[tuple[str, MaterialEntry]]:
    given = [ListedFormula(text) for text in options.formulas]
    listed = [formula for path in paths if is_formula_list(path) for formula in read_formulas(path)]
    for formula in (*given, *listed):
        prototype = formula.prototype or options.prototype
        if not prototype:
            raise _no_prototype(f"formula {formula.text!r}")
        yield f"formula {formula.text!r}", _formula_entry(formula.text, prototype, options)


def _no_prototype(subject: str) -> SettingsError:
    return SettingsError(
        subject, "no prototype is given", f"set the option prototype to one of: {', '.join(BUILDABLE)}"
    )


def _formula_entry(formula: str, prototype: str, options: StructureOptions) -> MaterialEntry:
    prototype = buildable_prototype(prototype)
    try:
        name = assign_sites(formula, prototype).formula
    except InputDataError:
        name = re.sub(r"[^\w().+-]", "_", formula)  # loading it says what is wrong
    identity = hashlib.sha256(f"{formula}:{prototype}{options.mark}".encode()).hexdigest()
    return MaterialEntry(name, identity, partial(load_formula, formula, prototype, options))


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


def load_atoms(atoms: Atoms, options: StructureOptions = DEFAULTS) -> Material:
    """A material from a crystal that ASE has, in its standard primitive cell, named by its formula.

    Raises
    ------
    InputDataError
        If the structure cannot be used.
    """
    subject = str(atoms.get_chemical_formula())
    cell = cell_of_atoms(atoms, subject)
    with naming(subject):
        check_distances(cell)
        return _material("", cell, options, {})


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
    primitive = standard_cell(cell, options.symprec)
    classification = classify(primitive)
    if options.supercell_matrix is not None:
        matrix = np.array(options.supercell_matrix, dtype=np.int64).reshape(3, 3)
    else:
        matrix = choose_supercell(primitive, classification.prototype, options.minimum_length)
    return Material(
        name=name or classification.formula,
        formula=classification.formula,
        unitcell=primitive,
        supercell_matrix=matrix,
        primitive_matrix=np.eye(3),
        tags={**classification.tags(), **tags},
    )


STRUCTURES = DatasetKind(
    name="structures",
    title="Structures alone, without reference data",
    holds="CIF, POSCAR, extended XYZ or other structure files, or formulas with a prototype; for screening",
    citation="yours; structures from formulas: radii of R. D. Shannon, Acta Crystallogr. A 32, 751 (1976)",
    licence="yours",
    entries=entries,
    options=StructuresOptions,
    path="optional",
)
