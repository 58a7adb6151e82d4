"""How structures without a reference become materials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from softmode.datasets.base import DatasetOptions
from softmode.datasets.formats import supercell_matrix_from
from softmode.datasets.site_assignment import BUILDABLE, prototype_named
from softmode.datasets.supercell_choice import MINIMUM_LENGTH
from softmode.errors import InputDataError, SettingsError

SYMPREC = 0.01


def _matrix(value: Any) -> Any:
    try:
        return None if value is None else tuple(supercell_matrix_from(value, "").ravel().tolist())
    except InputDataError as error:
        raise ValueError(error.problem) from error


def _length(value: Any) -> float | None:
    try:
        number = None if value is None else float(value)
    except (TypeError, ValueError):
        number = 0.0
    if number is not None and not 0.0 < number < float("inf"):
        raise ValueError("this is no length above zero")
    return number


def _listed(value: Any) -> Any:
    if isinstance(value, (str, Path)):
        return (str(value),)
    if isinstance(value, Iterable) and not isinstance(value, Mapping):
        listed = list(value)
        if all(isinstance(item, (str, Path)) for item in listed):
            return tuple(str(item) for item in listed)
    raise ValueError("this is no list of names")


def _existing(paths: tuple[Path, ...]) -> tuple[Path, ...]:
    for path in paths:
        if not path.exists():
            raise ValueError(f"{path}: there is no such file or folder")
    return paths


class StructureOptions(DatasetOptions):
    """How structures become materials."""

    supercell_matrix: Annotated[tuple[int, ...] | None, BeforeValidator(_matrix)] = Field(
        default=None,
        description="three or nine integers with respect to the standard primitive cell, for all",
    )
    minimum_length: Annotated[float | None, BeforeValidator(_length)] = Field(
        default=None,
        description="Å: no atom is closer to an image of its own (default: 2 2 2 for perovskites and "
        f"K2PtCl6, else {MINIMUM_LENGTH:g})",
    )
    symprec: Annotated[float, BeforeValidator(_length)] = Field(
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

    files: Annotated[tuple[Path, ...], BeforeValidator(_listed), AfterValidator(_existing)] = Field(
        default=(), description="further structure files, folders or lists of formulas, besides path"
    )
    formulas: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(
        default=(), description="formulas (Cs2AgBiBr6) from which structures are built; needs prototype"
    )
    prototype: Annotated[str | None, AfterValidator(lambda name: name and prototype_named(name))] = Field(
        default=None, description=f"{', '.join(BUILDABLE)}: the prototype of formulas that name none"
    )


#: Supercells chosen for each material.
DEFAULTS = StructureOptions()
