"""What is recorded of a crystal that has left its phase in dynamics: when, by what, and for what."""

from __future__ import annotations

from typing import Any

from softmode import dynamics as dy
from softmode.measurements.shared import ModelCrystal

#: What is recorded, after the name of a measurement.
LEAVING = (
    "left_at_ps",
    "left_for",
    "symmetry_tolerance_A",
    "mean_displacement_A",
    "tilt_deg",
    "off_centring_A",
    "sigma_after_leaving",
)


def left_for(crystal: ModelCrystal, frozen: dy.FrozenDisplacement, time: float) -> dict[str, Any]:
    """When it left, the order parameters, and the space group of the mean positions.

    Parameters
    ----------
    crystal : ModelCrystal
        At rest.
    frozen : FrozenDisplacement
        What does not average out.
    time : float
        Since when it stays away, ps.

    Returns
    -------
    dict
        ``left_at_ps``, ``left_for`` (space group within ``symmetry_tolerance_A``; None where there is none),
        ``mean_displacement_A`` (root mean square, by element), and of corner-sharing octahedra ``tilt_deg``
        and ``off_centring_A``, root mean square as well.
    """
    supercell = crystal.supercell
    square = (frozen.mean**2).sum(axis=1)
    elements = list(dict.fromkeys(supercell.symbols))
    chosen = {name: [symbol == name for symbol in supercell.symbols] for name in elements}
    values: dict[str, Any] = {
        "left_at_ps": time,
        "left_for": dy.average_space_group(supercell, frozen.mean),
        "symmetry_tolerance_A": dy.SYMMETRY_TOLERANCE,
        "mean_displacement_A": {name: float(square[chosen[name]].mean() ** 0.5) for name in elements},
    }
    if (found := dy.octahedra(supercell)) is not None:
        values |= {
            "tilt_deg": found.tilt(frozen.mean),
            "off_centring_A": found.off_centring(frozen.mean),
        }
    return values


def said_of_leaving(left: dict[str, Any]) -> str:
    """The same in words."""
    group = left["left_for"] or "a structure of which spglib finds no symmetry"
    text = f"left its phase at {left['left_at_ps']:.2f} ps for {group}, mean positions within "
    text += f"{left['symmetry_tolerance_A']:g} Å"
    if "tilt_deg" in left:
        return (
            f"{text}: octahedra tilted by {left['tilt_deg']:.0f}°, {left['off_centring_A']:.2f} Å off centre"
        )
    moved = ", ".join(f"{name} {size:.2f} Å" for name, size in left["mean_displacement_A"].items())
    return f"{text}: {moved}"
