"""Parsers of the text and HDF5 files that phonopy works with; every failure names the file."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from fractions import Fraction

import numpy as np
from ase.data import atomic_numbers
from numpy.typing import ArrayLike
from phonopy.file_IO import get_cell_from_disp_yaml, parse_BORN_from_strings
from phonopy.physical_units import get_calculator_physical_units
from phonopy.structure.atoms import PhonopyAtoms
from phonopy.structure.cells import get_primitive_matrix_by_centring

from softmode.crystal import Cell, DisplacementForces, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray, IntArray
from softmode.datasets.limits import load_yaml, open_hdf5
from softmode.datasets.reading import naming, reading
from softmode.errors import InputDataError

#: eV Å: phonopy's conversion factor of the non-analytical term in VASP's units.
NAC_FACTOR = float(get_calculator_physical_units(None).nac_factor)


#: What to do where files do not give the supercell.
SAY_SUPERCELL = (
    'say the supercell matrix, as --supercell "2 2 2" (in a study the option supercell_matrix), or add '
    "the SPOSCAR or a phonopy.conf with DIM"
)


def parse_poscar(text: str, subject: str) -> Cell:
    """Structure in VASP's format, version 5 (or 4 with the symbols in the first line), direct or Cartesian.

    A negative scaling factor is the volume, as in VASP. Masses are phonopy's.

    Raises
    ------
    InputDataError
        If the file is cut short, names no elements, or is not a POSCAR.
    """
    remedy = "check that this is a complete POSCAR that names its elements"
    with reading(subject, "this is not a readable POSCAR", remedy):
        lines = text.splitlines()
        scale = float(lines[1].split()[0])
        lattice = np.array([[float(x) for x in line.split()[:3]] for line in lines[2:5]])
        lattice *= scale if scale > 0 else (-scale / abs(np.linalg.det(lattice))) ** (1 / 3)
        at = 5
        named = not lines[at].split()[0].isdigit()
        words = lines[at].split() if named else lines[0].split()
        at += named
        counts = [int(word) for word in lines[at].split()]
        symbols = [re.split(r"[_/]", word)[0] for word in words]
        if len(symbols) != len(counts) or not all(symbol in atomic_numbers for symbol in symbols):
            raise InputDataError(subject, f"no element symbols for the counts {counts}", remedy)
        at += 1
        if lines[at].lstrip()[:1].lower() == "s":
            at += 1
        cartesian = lines[at].lstrip()[:1].lower() in ("c", "k")
        rows = lines[at + 1 : at + 1 + sum(counts)]
        if len(rows) < sum(counts):
            raise InputDataError(subject, f"{sum(counts)} atoms announced, {len(rows)} given", remedy)
        positions = np.array([[float(x) for x in row.split()[:3]] for row in rows])
        if cartesian:
            positions = positions * (scale if scale > 0 else 1.0) @ np.linalg.inv(lattice)
        expanded = [symbol for symbol, count in zip(symbols, counts, strict=True) for _ in range(count)]
        atoms = PhonopyAtoms(symbols=expanded, cell=lattice, scaled_positions=positions)
    with naming(subject):
        return Cell.from_phonopy(atoms)


def parse_conf(text: str, subject: str) -> dict[str, str]:
    """Settings of a phonopy configuration file, upper-case tag to value (comments removed)."""
    settings = {}
    for line in text.splitlines():
        tag, equals, value = line.partition("#")[0].partition("=")
        if equals:
            settings[tag.strip().upper()] = value.strip()
    if "MASS" in settings:
        raise InputDataError(
            subject,
            "the MASS tag is not read",
            "give a phonopy_params.yaml, which keeps the masses of its atoms",
        )
    return settings


def supercell_matrix_from(value: ArrayLike | str, subject: str) -> IntArray:
    """Supercell matrix (3, 3) of phonopy from a DIM string, three or nine integers, or a matrix."""
    remedy = "give three or nine integers, as in 'DIM = 2 2 2'"
    with reading(subject, f"the supercell matrix {value!r} is not understood", remedy):
        given = np.array(value.split() if isinstance(value, str) else value, dtype=float)
        if given.size not in (3, 9) or not np.allclose(given, np.rint(given)):
            raise ValueError("neither three nor nine integers")
        matrix = np.diag(given.ravel()) if given.size == 3 else given.reshape(3, 3)
        matrix = np.rint(matrix).astype(np.int64)
        if round(float(np.linalg.det(matrix))) < 1:
            raise ValueError("its determinant is not positive")
    return matrix


def primitive_matrix_from(value: ArrayLike | str, subject: str) -> FloatArray | None:
    """Primitive matrix (3, 3) of phonopy from a centring letter, fractions (``0 1/2 1/2 …``) or a matrix.

    None stands for ``auto``: that of the crystal's symmetry.
    """
    remedy = (
        "give P, F, I, A, C, R, auto, or nine numbers, as in 'PRIMITIVE_AXES = 0 1/2 1/2 1/2 0 1/2 1/2 1/2 0'"
    )
    with reading(subject, f"the primitive matrix {value!r} is not understood", remedy):
        if isinstance(value, str):
            letter = value.strip().upper()
            if letter == "AUTO":
                return None
            if letter in ("P", "F", "I", "A", "C", "R"):
                return np.array(get_primitive_matrix_by_centring(letter))
            value = [float(Fraction(word)) for word in value.split()]
        matrix = np.array(value, dtype=float).reshape(3, 3)
        determinant = float(np.linalg.det(matrix))
        if not 1e-5 < determinant < 1 + 1e-5:
            raise ValueError(f"its determinant is {determinant:g}, not between 0 and 1")
    return matrix


def parse_force_sets(text: str, n_atoms: int | None, subject: str) -> DisplacementForces:
    """FORCE_SETS of either type, expanded to every atom of every displaced supercell.

    Parameters
    ----------
    text : str
        Type 1 (one displaced atom each: counts, then atom, displacement and forces) or type 2 (six columns,
        displacement and force of every atom).
    n_atoms : int or None
        Atoms of the supercell; None when only the file says (type 1).
    subject : str
        The file.

    Raises
    ------
    InputDataError
        If the atom count is another, the file is cut short, or a value is not a number.
    """
    lines = text.split("\n")
    words = text.split()
    first = next((line.split() for line in lines if line.strip() and not line.lstrip().startswith("#")), [])
    if len(first) == 6:
        words = "\n".join(line.partition("#")[0] for line in lines).split()
    elif len(first) != 1:
        raise InputDataError(
            subject,
            "this is not a FORCE_SETS file" if first else "the file is empty",
            "make it with  phonopy -f  from the force calculations",
        )
    numbers = _numbers(words, subject)
    with naming(subject):
        return _type_2(numbers, n_atoms, subject) if len(first) == 6 else _type_1(numbers, n_atoms, subject)


def _numbers(words: Sequence[str], subject: str) -> FloatArray:
    try:
        return np.array(words, dtype=np.float64)
    except ValueError:
        bad = next(word for word in words if not _is_number(word))
        raise InputDataError(
            subject, f"{bad[:40]!r} is not a number", "repeat that force calculation or fetch the file again"
        ) from None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _type_1(numbers: FloatArray, n_atoms: int | None, subject: str) -> DisplacementForces:
    n_file = int(numbers[0]) if np.isfinite(numbers[0]) else -1
    n_atoms = n_file if n_atoms is None else n_atoms
    if n_file != n_atoms or n_file < 1:
        raise InputDataError(
            subject,
            f"forces on {n_file} atoms, but the supercell has {n_atoms}",
            "check that structure, supercell matrix (DIM) and forces belong together",
        )
    remedy = "fetch the file again or make it again with  phonopy -f"
    n_sets = int(numbers[1]) if len(numbers) > 1 and np.isfinite(numbers[1]) else 0
    block = 4 + 3 * n_atoms
    expected = 2 + n_sets * block
    if len(numbers) < expected or n_sets < 1:
        complete = max(0, (len(numbers) - 2) // block)
        raise InputDataError(subject, f"it ends in displaced supercell {complete + 1} of {n_sets}", remedy)
    if len(numbers) > expected:
        problem = f"it holds {len(numbers)} numbers where {n_sets} displaced supercells make {expected}"
        raise InputDataError(subject, problem, remedy)
    blocks = numbers[2:].reshape(n_sets, block)
    atoms = blocks[:, 0]
    for wrong in np.flatnonzero(~np.isin(atoms, np.arange(1, n_atoms + 1))):
        problem = f"displaced supercell {wrong + 1} moves atom {atoms[wrong]:g} of {n_atoms}"
        raise InputDataError(subject, problem, remedy)
    forces = blocks[:, 4:].reshape(n_sets, n_atoms, 3)
    return DisplacementForces(expand_displacements(atoms.astype(int) - 1, blocks[:, 1:4], n_atoms), forces)


def _type_2(numbers: FloatArray, n_atoms: int | None, subject: str) -> DisplacementForces:
    if n_atoms is None:
        raise InputDataError(
            subject,
            "its lines of displacement and force do not say how many atoms a supercell has",
            SAY_SUPERCELL,
        )
    n_lines, rest = divmod(len(numbers), 6)
    if rest or n_lines % n_atoms:
        raise InputDataError(
            subject,
            f"{len(numbers) / 6:g} lines of displacement and force are no multiple of "
            f"the {n_atoms} supercell atoms",
            "check that the file is complete and belongs to this structure and supercell matrix (DIM)",
        )
    table = numbers.reshape(-1, n_atoms, 6)
    return DisplacementForces(table[:, :, :3], table[:, :, 3:])


def expand_displacements(atoms: ArrayLike, vectors: ArrayLike, n_atoms: int) -> FloatArray:
    """Displacements of all atoms (n, n_atoms, 3) from one displaced atom each.

    Parameters
    ----------
    atoms : (n,) int array
        Displaced atom, from 0.
    vectors : (n, 3) array
        Its displacement, Å.
    n_atoms : int
        Atoms of the supercell.
    """
    displaced = np.asarray(atoms, dtype=np.int64)
    displacements = np.zeros((len(displaced), n_atoms, 3))
    displacements[np.arange(len(displaced)), displaced] = vectors
    return displacements


def parse_born(text: str, primitive: PhonopyAtoms, subject: str) -> NonAnalyticalCorrection:
    """BORN as phonopy writes it: charges of symmetry-independent atoms, expanded to the primitive cell."""
    remedy = (
        "check BORN against the primitive cell (the dielectric tensor, then one line per independent atom)"
    )
    with reading(subject, "BORN is not readable", remedy):
        parsed = parse_BORN_from_strings(text, primitive)
    with naming(subject):
        return NonAnalyticalCorrection(
            born_charges=parsed["born"],
            dielectric=parsed["dielectric"],
            unit_factor=float(parsed.get("factor") or NAC_FACTOR),
        )


def parse_disp_yaml(text: str, subject: str) -> Cell:
    """The supercell in phonopy 1's disp.yaml, in any of its layouts.

    Raises
    ------
    InputDataError
        If its lattice or atoms cannot be found.
    """
    remedy = "make disp.yaml again with  phonopy -d, or remove it (the atom order is then not verified)"
    with reading(subject, "the supercell in it is not readable", remedy), naming(subject):
        return Cell.from_phonopy(get_cell_from_disp_yaml(load_yaml(text, subject)))


def parse_force_constants(text: str, subject: str) -> tuple[FloatArray, IntArray]:
    """FORCE_CONSTANTS, full or compact.

    Returns
    -------
    values : (n_rows, n_supercell, 3, 3) array
        Force constants, eV/Å².
    rows : (n_rows,) int array
        Supercell atom of each row, from 0.
    """
    remedy = "write it again with  phonopy --writefc"
    words = text.split()
    header = text.lstrip().split("\n", 1)[0].split()
    numbers = _numbers(words, subject)
    with reading(subject, "this is not a FORCE_CONSTANTS file", remedy):
        shape = [int(word) for word in header]
        n_rows, n_atoms = (shape[0], shape[-1])
        body = numbers[len(shape) :]
        if len(body) != n_rows * n_atoms * 11:
            raise ValueError(f"{n_rows} × {n_atoms} blocks announced, {len(body) / 11:g} given: cut short?")
        blocks = body.reshape(n_rows, n_atoms, 11)
        rows = np.array([int(row) for row in blocks[:, 0, 0]], dtype=np.int64) - 1
        return blocks[:, :, 2:].reshape(n_rows, n_atoms, 3, 3), rows


def read_force_constants_hdf5(data: bytes, subject: str) -> tuple[FloatArray, IntArray | None]:
    """force_constants.hdf5, full or compact.

    Returns
    -------
    values : (n_rows, n_supercell, 3, 3) array
        Force constants, eV/Å².
    rows : (n_rows,) int array or None
        Supercell atom of each row, from 0; None when the file does not say (or where rows are all atoms,
        and it names those of the primitive cell all the same).
    """
    remedy = "write it again with  phonopy --writefc --hdf5"
    with (
        reading(subject, "this is not a readable force_constants.hdf5 (truncated?)", remedy),
        open_hdf5(io.BytesIO(data), subject) as file,
    ):
        key = next((name for name in ("force_constants", "fc2") if name in file), None)
        if key is None:
            raise InputDataError(subject, f"it holds {sorted(file)} but no force_constants", remedy)
        values = np.array(file[key], dtype=np.float64)
        rows = np.array(file["p2s_map"], dtype=np.int64) if "p2s_map" in file else None
        unit = file["physical_unit"][0].decode() if "physical_unit" in file else "eV/angstrom^2"
    if unit != "eV/angstrom^2":
        raise InputDataError(subject, f"the force constants are in {unit}", "give them in eV/angstrom^2")
    return values, rows if rows is not None and len(rows) == len(values) else None
