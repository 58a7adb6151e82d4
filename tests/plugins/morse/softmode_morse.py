"""Morse pair potentials of Cu and Al, after Girifalco and Weizer, as a family of potentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from softmode.potentials import CalculatorPotential, Entry, Family, Options, Package

if TYPE_CHECKING:
    from softmode.potentials import ResolvedPotential

#: Depth, eV, of the minimum; its steepness, 1/Å; its distance, Å.
_PARAMETERS = {"morse-cu": (0.3429, 1.3588, 2.866), "morse-al": (0.2703, 1.1646, 3.253)}


class MorseOptions(Options):
    """How far atoms see each other, in units of the distance of the minimum."""

    reach: Annotated[float, Field(gt=1.0, le=4.0)] = 2.5


def _load(resolved: ResolvedPotential) -> CalculatorPotential:
    from ase.calculators.morse import MorsePotential

    depth, steepness, distance = _PARAMETERS[resolved.known_as]
    reach = MorseOptions.model_validate(resolved.settings.kwargs).reach
    return CalculatorPotential(
        resolved.info,
        MorsePotential(epsilon=depth, r0=distance, rho0=steepness * distance, rcut1=0.9 * reach, rcut2=reach),
    )


def _entry(name: str, element: str) -> Entry:
    return Entry(
        name=name,
        elements=(element,),
        training_data="lattice constant, cohesion and compressibility",
        level_of_theory="empirical",
        licence="MIT",
        citation="Girifalco and Weizer, Phys. Rev. 114, 687 (1959), doi 10.1103/PhysRev.114.687",
    )


FAMILY = Family(
    name="Morse",
    load=_load,
    entries=(_entry("morse-cu", "Cu"), _entry("morse-al", "Al")),
    package=Package("softmode_morse", "softmode-morse", pins=("softmode-morse==0.1.0",)),
    options=MorseOptions,
)
