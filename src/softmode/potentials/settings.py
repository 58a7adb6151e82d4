"""What a user says about a potential: its name, precision, device and options."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    JsonValue,
    StringConstraints,
    field_validator,
)

from softmode.errors import printable

Dtype = Literal["float32", "float64"]


def _device(name: str) -> str:
    if re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d+)?", name) is None:
        raise ValueError(f"{name!r} is no device: cpu, cuda, cuda:1, mps or xpu")
    return name


Device = Annotated[str, AfterValidator(_device)]
#: Without control characters, which a terminal would obey.
Label = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True), AfterValidator(printable)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$", to_lower=True, strip_whitespace=True)]


class PotentialSettings(BaseModel):
    """A potential as it stands in a study file or on the command line.

    Parameters
    ----------
    name : str
        A name ``softmode potentials`` lists, a path to a weight file, or ``module:factory`` of any ASE
        calculator.
    label : str, optional
        The name used in tables and figures; `name` when not given.
    dtype : {"float32", "float64"}, optional
        Precision. When not given, the first of those the family can run in.
    device : str
        ``cpu``, ``cuda``, ``cuda:1``, ``mps`` or ``xpu``.
    kwargs : dict
        Options of the family; keyword arguments of a ``module:factory``.
    weights : path, optional
        A weight file to use in place of the catalogue's.
    sha256 : str, optional
        The SHA-256 the weights must have.
    answer : path, optional
        Energy and forces of one structure (extended XYZ) that it must reproduce before it is used.
    elements : tuple of str, optional
        The chemical symbols a ``module:factory`` potential covers; when not given, anything is accepted.
    level_of_theory : str, optional
        What it was trained on, as ``PBE+U``, where the catalogue does not say: of a potential of one's own.
    python : str, optional
        The Python of the environment it runs in, as ``env/bin/python``, or ``same`` for the one softmode runs
        in. When not given, the environment that ``softmode potentials install`` made for its family, else
        the same.
    trust : bool
        Whether it need not be said that loading it runs code of its own: a pickled weight file that nothing
        vouches for, or a module.
    time_limit : float
        Longest time for one configuration, and for loading, s; then its process is ended, in another
        environment or where a study computes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]
    label: Label | None = None
    dtype: Dtype | None = None
    device: Device = "cpu"
    kwargs: dict[str, JsonValue] = Field(default_factory=dict)
    weights: Path | None = None
    sha256: Sha256 | None = None
    answer: Path | None = None
    elements: tuple[str, ...] | None = None
    level_of_theory: Label | None = None
    python: Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)] | None = None
    trust: bool = False
    time_limit: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1800.0

    @field_validator("elements")
    @classmethod
    def _known_symbols(cls, symbols: tuple[str, ...] | None) -> tuple[str, ...] | None:
        from ase.data import chemical_symbols  # brings much of ASE, which most settings do not need

        unknown = sorted(set(symbols or ()) - set(chemical_symbols[1:]))
        if unknown:
            raise ValueError(f"not chemical symbols: {', '.join(unknown)}")
        return symbols
