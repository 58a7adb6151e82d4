"""From parsed pieces to a `Material`: supercells, atom order, compact force constants, tags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import Primitive, Supercell, get_primitive, get_supercell, guess_primitive_matrix

from softmode.crystal import Cell, DisplacementForces, ForceConstants, Material, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.crystal.atom_order import map_atoms
from softmode.datasets.formats import parse_born
from softmode.datasets.limits import check_supercell
from softmode.datasets.prototypes import classify
from softmode.datasets.reading import naming, reading
from softmode.errors import InputDataError

_BELONG = "check that structure, supercell matrix (DIM) and forces belong together"


@dataclass(frozen=True)
class FileForceConstants:
    """Force constants as a file gives them.

    Parameters
    ----------
    values : (n_rows, n_supercell, 3, 3) array
        eV/Å², full or compact.
    rows : (n_rows,) int array or None
        Supercell atom of each row, from 0, in the order of the file; None when the file does not say.
    first_atoms : bool
        Whether rows that are not named are the first atoms of the supercell on each site of the primitive
        cell, as phonopy writes them to YAML.
    """

    values: FloatArray
    rows: IntArray | None = None
    first_atoms: bool = False


@dataclass(frozen=True)
class CrystalFiles:
    """What files say of a crystal and its reference data, in Å and eV and in their own order of atoms.

    Parameters
    ----------
    unitcell : Cell
        Unit cell.
    supercell_matrix : (3, 3) int array
        phonopy's supercell matrix.
    primitive_matrix : (3, 3) array or None
        phonopy's primitive matrix; None when no file gives one.
    supercell : Cell or None
        The supercell in the order of what follows; None when that is phonopy's.
    displacements : (n, n_atoms, 3) array or None
        Displacements, Å, also where forces are not there yet.
    reference : DisplacementForces or FileForceConstants or None
        Forces, or else force constants.
    nac : NonAnalyticalCorrection or None
        Born charges and dielectric tensor.
    supercell_source, reference_source : str
        Files `supercell` and `reference` are from, for errors.
    """

    unitcell: Cell
    supercell_matrix: IntArray
    primitive_matrix: FloatArray | None = None
    supercell: Cell | None = None
    displacements: FloatArray | None = None
    reference: DisplacementForces | FileForceConstants | None = None
    nac: NonAnalyticalCorrection | None = None
    supercell_source: str = "supercell"
    reference_source: str = "force constants"


def assemble(name: str, source: str, files: CrystalFiles, tags: Mapping[str, str] | None = None) -> Material:
    """The material that files describe: everything in phonopy's order, the prototype as tags.

    Parameters
    ----------
    name : str
        Its name.
    source : str
        File or folder named in errors.
    files : CrystalFiles
        What was read; without a primitive matrix it is that of the crystal's symmetry.
    tags : mapping of str to str, optional
        What else is known.

    Raises
    ------
    InputDataError
        If the parts do not belong together, or there is no reference.
    """
    unitcell, matrix, reference = files.unitcell, files.supercell_matrix, files.reference
    primitive_matrix = files.primitive_matrix
    if primitive_matrix is None:
        primitive_matrix = automatic_primitive_matrix(unitcell, source)
    order = None if files.supercell is None else matched_supercell(files)[1]
    if isinstance(reference, DisplacementForces):
        ordered: DisplacementForces | ForceConstants = reference
        if order is not None:
            ordered = DisplacementForces(reference.displacements[:, order], reference.forces[:, order])
    elif reference is not None:
        supercell = phonopy_supercell(unitcell, matrix, source)
        primitive = _primitive(supercell, np.linalg.inv(matrix) @ primitive_matrix, source)
        ordered = _order_force_constants(reference, order, primitive, files.reference_source)
    else:
        raise InputDataError(
            source,
            "it holds neither forces nor force constants",
            "add FORCE_SETS, FORCE_CONSTANTS or force_constants.hdf5 beside it, or use phonopy_params.yaml",
        )
    with naming(source):
        classification = classify(unitcell)
        return Material(
            name=name,
            formula=classification.formula,
            unitcell=unitcell,
            supercell_matrix=matrix,
            primitive_matrix=primitive_matrix,
            reference=ordered,
            nac=files.nac,
            tags={**classification.tags(), **(tags or {})},
        )


def matched_supercell(files: CrystalFiles) -> tuple[Cell, IntArray | None]:
    """The supercell in phonopy's order, and where its atoms are in that of the files.

    Returns
    -------
    supercell : Cell
        As phonopy makes it.
    order : (n_supercell,) int array or None
        Index in the supercell of the files of each of its atoms; None where the order is the same.

    Raises
    ------
    InputDataError
        If the files' is another crystal; the atom and its distance are named.
    """
    subject = files.supercell_source
    built = Cell.from_phonopy(phonopy_supercell(files.unitcell, files.supercell_matrix, subject))
    if files.supercell is None:
        return built, None
    order = map_atoms(built, files.supercell, subject=subject)
    return built, None if np.array_equal(order, np.arange(len(order))) else order


def _first_atoms(order: IntArray, primitive: Primitive) -> IntArray:
    """Supercell atoms (as the file counts them) that come first on each site of the primitive cell.

    Supercells made through the Smith normal form, or reordered ones, have others than those phonopy makes by
    default.
    """
    _, site = np.unique(primitive.s2p_map, return_inverse=True)
    return np.array(sorted(order[site == i].min() for i in range(len(primitive.p2s_map))), dtype=np.int64)


def phonopy_supercell(unitcell: Cell, supercell_matrix: IntArray, subject: str) -> Supercell:
    """The supercell in phonopy's atom order, made without a symmetry search."""
    with reading(
        subject, "phonopy cannot make the supercell", "check the structure and the supercell matrix (DIM)"
    ):
        check_supercell(subject, unitcell.n_atoms, supercell_matrix)
        return get_supercell(unitcell.to_phonopy(), supercell_matrix)


def supercell_of(material: Material) -> Cell:
    """The reference supercell of a material in phonopy's atom order: that of its reference and trajectory.

    Raises
    ------
    InputDataError
        If phonopy cannot make it.
    """
    return Cell.from_phonopy(phonopy_supercell(material.unitcell, material.supercell_matrix, material.name))


def primitive_atoms(material: Material) -> IntArray:
    """Atoms of the supercell that the rows of compact force constants are of, (n_primitive,).

    Raises
    ------
    InputDataError
        If phonopy cannot make the primitive cell.
    """
    supercell = phonopy_supercell(material.unitcell, material.supercell_matrix, material.name)
    matrix = np.linalg.inv(material.supercell_matrix) @ material.primitive_matrix
    return np.asarray(_primitive(supercell, matrix, material.name).p2s_map, dtype=np.int64)


def primitive_cell(material: Material) -> Primitive:
    """Primitive cell that Born charges are of, its atoms in their order.

    Raises
    ------
    InputDataError
        If phonopy cannot make it.
    """
    return _primitive(material.unitcell.to_phonopy(), material.primitive_matrix, material.name)


def _primitive(cell: PhonopyAtoms, primitive_matrix: FloatArray, subject: str) -> Primitive:
    """Primitive cell as phonopy makes it, with its maps to the cell, of which the matrix is a part."""
    with reading(
        subject, "phonopy cannot make the primitive cell", "check the primitive matrix (PRIMITIVE_AXES)"
    ):
        return get_primitive(cell, primitive_matrix)


def automatic_primitive_matrix(unitcell: Cell, subject: str) -> FloatArray:
    """What phonopy resolves ``auto`` to: the primitive cell of the crystal's symmetry."""
    with reading(subject, "phonopy finds no primitive cell", "check the structure or set primitive_matrix"):
        return np.asarray(guess_primitive_matrix(unitcell.to_phonopy()), dtype=float)


def supercell_matrix_between(unitcell: Cell, supercell: Cell, subject: str) -> IntArray:
    """Supercell matrix (phonopy's convention) that leads from the unit cell to a given supercell.

    Raises
    ------
    InputDataError
        If the lattice of the supercell is no integer combination of that of the unit cell.
    """
    exact = (supercell.lattice @ np.linalg.inv(unitcell.lattice)).T
    matrix = np.rint(exact).astype(np.int64)
    misfit = float(np.abs(matrix.T @ unitcell.lattice - supercell.lattice).max())
    if misfit > 0.01 or round(float(np.linalg.det(matrix))) < 1:
        raise InputDataError(
            subject,
            f"the supercell is no multiple of the unit cell (its vectors are up to {misfit:.3f} Å off)",
            "give the unit cell the supercell was made from, or set supercell_matrix",
        )
    return matrix


def _order_force_constants(
    given: FileForceConstants, permutation: IntArray | None, primitive: Primitive, subject: str
) -> ForceConstants:
    """Force constants in phonopy's order: full ones stay full, compact ones compact.

    Parameters
    ----------
    given : FileForceConstants
        As read.
    permutation : (n_supercell,) int array or None
        Index in the file of each atom of phonopy's supercell.
    primitive : phonopy Primitive
        Primitive cell of the supercell, whose atoms the rows of compact force constants are.
    subject : str
        The file.

    Raises
    ------
    InputDataError
        If the shape is not that of this supercell, or the rows are not the atoms of this primitive cell.
    """
    values, rows = given.values, given.rows
    n_supercell, n_primitive = primitive.atomic_permutations.shape[1], len(primitive.p2s_map)
    if values.ndim != 4 or values.shape[1:] != (n_supercell, 3, 3):
        raise InputDataError(
            subject,
            f"force constants of shape {values.shape}, but the supercell has {n_supercell} atoms",
            _BELONG,
        )
    with naming(subject):
        checked = ForceConstants(values)
    order = np.arange(n_supercell) if permutation is None else permutation
    if len(values) == n_supercell:
        rank = np.arange(n_supercell) if rows is None else _inverse(rows, n_supercell, subject)
        return ForceConstants(checked.values[rank[order]][:, order])
    if len(values) != n_primitive:
        raise InputDataError(
            subject,
            f"compact force constants of {len(values)} atoms, but the primitive cell has {n_primitive}",
            "set primitive_matrix to the one they were made with",
        )
    if given.first_atoms and permutation is not None:
        rows = _first_atoms(permutation, primitive)
    if rows is None:
        if permutation is not None:
            raise InputDataError(
                subject,
                "compact force constants that do not name their atoms, for a supercell in another order",
                "write full force constants, or write them again with phonopy 2 or newer",
            )
        return checked
    if ((rows < 0) | (rows >= n_supercell)).any():
        raise InputDataError(
            subject,
            f"the rows are said to be atoms {rows.tolist()} (from 0), but the supercell has {n_supercell}",
            "write it again with phonopy",
        )
    return ForceConstants(
        _compact(checked.values, _inverse(order, n_supercell, subject)[rows], order, primitive, subject)
    )


def _compact(
    values: FloatArray, rows: IntArray, order: IntArray, primitive: Primitive, subject: str
) -> FloatArray:
    """Rows moved by a lattice translation to the atoms phonopy takes; `rows` in phonopy's order."""
    p2s = np.asarray(primitive.p2s_map, dtype=np.int64)
    s2p = np.asarray(primitive.s2p_map, dtype=np.int64)
    translations = np.asarray(primitive.atomic_permutations, dtype=np.int64)
    if sorted(s2p[rows]) != sorted(p2s):
        raise InputDataError(
            subject,
            f"the rows are atoms {(rows + 1).tolist()}, which are not those of the primitive cell",
            "set primitive_matrix to the one they were made with",
        )
    compact = np.empty_like(values)
    for row, atom in enumerate(rows):
        target = s2p[atom]
        moved = translations[np.flatnonzero(translations[:, atom] == target)[0]]
        compact[np.flatnonzero(p2s == target)[0], moved] = values[row, order]
    return compact


def _inverse(permutation: IntArray, n_atoms: int, subject: str) -> IntArray:
    if sorted(permutation.tolist()) != list(range(n_atoms)):
        raise InputDataError(subject, "the rows are not the atoms of the supercell, each once", _BELONG)
    return np.argsort(permutation).astype(np.int64)


def read_born(
    text: str, unitcell: Cell, primitive_matrix: FloatArray, subject: str
) -> NonAnalyticalCorrection:
    """BORN for the primitive cell of a unit cell."""
    return parse_born(text, _primitive(unitcell.to_phonopy(), primitive_matrix, subject), subject)
