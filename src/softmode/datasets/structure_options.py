"""What a dataset of structures is, and how structures become materials."""

from __future__ import annotations

from dataclasses import dataclass

from softmode.datasets.base import DatasetInfo
from softmode.datasets.formats import supercell_matrix_from
from softmode.datasets.site_assignment import BUILDABLE
from softmode.datasets.supercell_choice import MINIMUM_LENGTH
from softmode.errors import InputDataError, SettingsError

INFO = DatasetInfo(
    name="structures",
    title="Structures alone, without reference data",
    holds="CIF, POSCAR, extended XYZ or other structure files, or formulas with a prototype; for screening",
    citation="yours; structures from formulas: radii of R. D. Shannon, Acta Crystallogr. A 32, 751 (1976)",
    licence="yours",
    needs_path=False,
    options={
        "files": "further structure files, folders or lists of formulas, besides path",
        "formulas": "formulas (Cs2AgBiBr6) from which structures are built; needs prototype",
        "prototype": f"{', '.join(BUILDABLE)}: the prototype of formulas that do not name their own",
        "supercell_matrix": "three or nine integers with respect to the standard primitive cell, for all",
        "minimum_length": "Å: no atom is closer to an image of its own (default: 2 2 2 for perovskites and "
        f"K2PtCl6, else {MINIMUM_LENGTH:g})",
        "symprec": "Å: how far atoms may be from symmetric positions (default 0.01)",
    },
)
SYMPREC = 0.01


@dataclass(frozen=True)
class StructureOptions:
    """How structures become materials.

    Parameters
    ----------
    supercell_matrix : tuple of int or None
        Three or nine integers with respect to the standard primitive cell; chosen for each when None.
    minimum_length : float or None
        Å between an atom and its nearest image; see `softmode.datasets.supercell_choice`.
    symprec : float
        How far atoms may be from symmetric positions, Å.
    """

    supercell_matrix: tuple[int, ...] | None = None
    minimum_length: float | None = None
    symprec: float = SYMPREC

    @classmethod
    def create(
        cls, supercell_matrix: object = None, minimum_length: object = None, symprec: object = SYMPREC
    ) -> StructureOptions:
        """Options from whatever a study file or a caller gives.

        Raises
        ------
        SettingsError
            If one of them is not understood, or both kinds of supercell are asked for.
        """
        if supercell_matrix is not None and minimum_length is not None:
            raise SettingsError(
                f"dataset {INFO.name}", "supercell_matrix and minimum_length are both set", "set one of them"
            )
        matrix = None
        if supercell_matrix is not None:
            try:
                matrix = tuple(supercell_matrix_from(supercell_matrix, INFO.name).ravel().tolist())  # type: ignore[arg-type]
            except InputDataError as error:
                raise SettingsError(f"option of {error.subject}", error.problem, error.remedy) from error
        return cls(
            supercell_matrix=matrix,
            minimum_length=None if minimum_length is None else _positive("minimum_length", minimum_length),
            symprec=_positive("symprec", symprec),
        )

    @property
    def mark(self) -> str:
        """Short text that differs when any option does."""
        return f":{self.supercell_matrix}:{self.minimum_length}:{self.symprec!r}"


def _positive(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = 0.0
    if not 0.0 < number < float("inf"):
        raise SettingsError(f"option {name}", f"{value!r} is no length above zero", "give a length in Å")
    return number


#: Supercells chosen for each material.
DEFAULTS = StructureOptions()
