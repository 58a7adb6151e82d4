"""How harmonic phonons are made and compared: the named, frozen protocols."""

from __future__ import annotations

import difflib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from softmode.errors import SettingsError

Structure = Literal["reference", "relaxed", "both"]


class HarmonicProtocol(BaseModel):
    """Settings of the harmonic comparison; frozen, so that a record can state exactly what was done.

    Attributes
    ----------
    name : str
        ``default``, ``yang2026`` or, when a setting was changed, ``<base>+``.
    dispersion_displacement : float
        Length of the finite displacements for the dispersion comparison, Å.
    sigma_displacement : float
        Length of the finite displacements for the force constants used in sigma, Å.
    force_constants : {"finite", "analytic"}
        How those of a potential are made: from forces on finite displacements, or as its analytic second
        derivatives, where it has them; displacements then have no meaning.
    symmetrise : bool
        Impose translational and permutation symmetry on the force constants of both sides.
    structure : {"reference", "relaxed", "both"}
        ``relaxed``: positions and cell are relaxed with the potential first, symmetry kept. ``both``: as
        ``reference``, and measurement ``lattice`` repeats the comparison with the relaxed crystal.
        ``relax = true`` is another way to say ``relaxed``.
    relax_fmax : float
        Convergence of the relaxation, eV/Å.
    points_per_segment : int
        q-points on each segment of the band path, ends included.
    mesh_length : float
        Γ-centred mesh: number of q along b_i is about ``mesh_length * |b_i|``, Å.
    imaginary_tolerance : float
        A mode counts as imaginary below minus this frequency, THz.
    nac : {"off", "reference"}
        ``reference``: the Born charges of the reference, where it has any, correct both sides, so that
        what is compared stays the force constants. ``off``: neither side is corrected.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str = "default"
    dispersion_displacement: float = Field(default=0.01, gt=0, le=0.2)
    sigma_displacement: float = Field(default=0.01, gt=0, le=0.2)
    force_constants: Literal["finite", "analytic"] = "finite"
    symmetrise: bool = True
    structure: Structure = "reference"
    relax_fmax: float = Field(default=1e-4, gt=0, le=1e-4)
    points_per_segment: int = Field(default=50, ge=2)
    mesh_length: float = Field(default=60.0, gt=0)
    imaginary_tolerance: float = Field(default=0.1, ge=0)
    nac: Literal["off", "reference"] = "off"

    @property
    def relax(self) -> bool:
        """Whether everything is made with the relaxed crystal."""
        return self.structure == "relaxed"


PROTOCOLS: dict[str, HarmonicProtocol] = {
    "default": HarmonicProtocol(),
    "yang2026": HarmonicProtocol(name="yang2026", sigma_displacement=0.02, symmetrise=False),
}
"""``default``: 0.01 Å everywhere, symmetrised. ``yang2026``: as published (Yang et al., PCCP 2026)."""


def named_protocol(name: str, **changes: object) -> HarmonicProtocol:
    """Return the protocol called `name`, with some settings changed.

    Parameters
    ----------
    name : str
        A key of :data:`PROTOCOLS`.
    **changes
        Fields of :class:`HarmonicProtocol` that differ.

    Raises
    ------
    SettingsError
        If there is no such protocol.
    pydantic.ValidationError
        If a change is not valid.
    """
    if name not in PROTOCOLS:
        near = difflib.get_close_matches(name, PROTOCOLS, n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise SettingsError(
            f"protocol {name!r}", "is not known", f"{hint}Known protocols: {', '.join(PROTOCOLS)}"
        )
    base = PROTOCOLS[name]
    if "relax" in changes:
        relax = changes.pop("relax")
        if not isinstance(relax, bool) or "structure" in changes:
            raise SettingsError(
                f"protocol {name!r}",
                f"relax = {relax!r} is not clear",
                'Say structure = "reference", "relaxed" or "both"',
            )
        changes["structure"] = "relaxed" if relax else "reference"
    differing = {key: value for key, value in changes.items() if getattr(base, key, None) != value}
    if not differing:
        return base
    return HarmonicProtocol.model_validate({**base.model_dump(), "name": f"{name}+", **differing})
